//! Whether certificates are within their time.
//!
//! One that is not is used all the same: most clients do not look at the date, and mail that does not come for the sake of it
//! is worse. But it is said, in time: in the log, and by `config check`.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::der::Decode;

use super::Acceptor;
use super::certificates::certificates;

impl Acceptor {
    /// What is wrong with the dates of all certificates that are in its files now, each with the file.
    pub(crate) fn complaints_of_dates(&self, now: SystemTime) -> Vec<(&Path, String)> {
        let pairs = [&self.pair].into_iter().chain(&self.tls.certificates);
        let files = pairs.map(|pair| pair.certificate_chain.as_path());
        // One that cannot be read any more has been told of by whoever has opened this.
        let read =
            files.map(|path| (path, certificates("public_key_file", path).unwrap_or_default()));
        read.flat_map(|(path, chain)| {
            let told = chain.iter().filter_map(|certificate| complaint(certificate, now));
            told.map(|complaint| (path, complaint)).collect::<Vec<_>>()
        })
        .collect()
    }
}

/// Says in the log what is wrong with the dates of a file's certificates.
pub(super) fn warn_of_dates(key: &str, path: &Path, chain: &[CertificateDer<'_>], now: SystemTime) {
    for complaint in chain.iter().filter_map(|certificate| complaint(certificate, now)) {
        tracing::warn!("{key} {}: the certificate of {complaint}", path.display());
    }
}

/// Subject and date of a certificate that is out of its time or soon will be.
fn complaint(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<String> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let certificate = certificate.tbs_certificate();
    let (subject, validity) = (certificate.subject(), certificate.validity());
    let (begin, end) = (validity.not_before, validity.not_after);
    if begin.to_system_time() > now {
        Some(format!("{subject} is not valid before {begin}"))
    } else if end.to_system_time() < now {
        Some(format!("{subject} has expired on {end}"))
    } else if end.to_system_time() < now + NOTICE {
        Some(format!("{subject} expires on {end}"))
    } else {
        None
    }
}

/// How long before the end it is told: those that renew by themselves have done so by then.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate that is valid from the begin of 2030 to the begin of 2031.
    fn certificate() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["mail.example.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "mail.example.test");
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2031, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn told_before_the_begin_near_the_end_and_behind_it() {
        let certificate = certificate();
        let subject = "CN=mail.example.test";
        for (year, month, day, expected) in [
            (2029, 12, 31, Some(format!("{subject} is not valid before 2030-01-01T00:00:00Z"))),
            (2030, 1, 2, None),
            (2030, 12, 18, None),
            (2030, 12, 19, Some(format!("{subject} expires on 2031-01-01T00:00:00Z"))),
            (2030, 12, 31, Some(format!("{subject} expires on 2031-01-01T00:00:00Z"))),
            (2031, 1, 2, Some(format!("{subject} has expired on 2031-01-01T00:00:00Z"))),
        ] {
            let now = date_time_ymd(year, month, day).into();
            assert_eq!(complaint(&certificate, now), expected, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        assert_eq!(complaint(&CertificateDer::from(b"nonsense".to_vec()), SystemTime::now()), None);
    }
}
