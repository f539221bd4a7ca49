//! Where the admin interface listens: `admin_listen`.

use super::Listen;
use super::problem::Findings;

/// Reads `unix:/path`, or an address of loopback: whoever reaches it sees who sends mail to whom.
pub(super) fn check(text: Option<&str>, findings: &mut Findings) -> Option<Listen> {
    match text?.parse() {
        Ok(Listen::Unix { path, .. }) => {
            Some(Listen::Unix { path, mode: Some(0o600), owner: None })
        }
        Ok(Listen::Tcp { address, v6only }) if address.ip().is_loopback() => {
            Some(Listen::Tcp { address, v6only })
        }
        Ok(Listen::Tcp { address, .. }) => {
            let message =
                format!("{address} is no address of loopback; use 127.0.0.1, [::1] or unix:/path");
            findings.error("admin_listen", message);
            None
        }
        Err(error) => {
            findings.error("admin_listen", error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_others_do_not_get() {
        let mut findings = Findings::default();
        for good in ["127.0.0.1:9925", "[::1]:9925", "localhost:1", "unix:/run/g.sock"] {
            assert!(check(Some(good), &mut findings).is_some(), "{good}");
        }
        assert_eq!(findings.errors, []);
        for bad in [":9925", "0.0.0.0:1", "192.0.2.1:9925", "somewhere"] {
            assert!(check(Some(bad), &mut findings).is_none(), "{bad}");
        }
        assert_eq!(findings.errors.len(), 4);
        assert!(
            findings.errors[0].to_string().starts_with("admin_listen: [::]:9925 is no address")
        );
    }
}
