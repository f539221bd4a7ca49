//! The signature by which an endpoint knows that a request is ours, whole and fresh.
//!
//! Standards: Standard Webhooks 1.0: HMAC-SHA256 over `id.time.body`, in base64, behind `v1,`. Libraries for it exist in most
//! languages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs requests.
pub(crate) struct Signer(Hmac<Sha256>);

impl Signer {
    /// Of a secret: base64 behind `whsec_`, or any other text as it is.
    ///
    /// # Errors
    /// One line that names the key and not the secret.
    pub(crate) fn new(secret: &str) -> Result<Self, String> {
        let key = match secret.strip_prefix("whsec_") {
            Some(text) => STANDARD
                .decode(text)
                .map_err(|_| "webhook_secret: what follows whsec_ is not base64".to_owned())?,
            None => secret.as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err("webhook_secret: empty; write 24 to 64 random octets".to_owned());
        }
        let mac = Hmac::new_from_slice(&key).map_err(|error| format!("webhook_secret: {error}"))?;
        Ok(Self(mac))
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_standard() {
        // The example of the specification's reference libraries.
        let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_an_error_that_does_not_repeat_it() {
        for secret in ["", "whsec_", "whsec_4711!"] {
            let error = Signer::new(secret).err().unwrap_or_default();
            assert!(error.starts_with("webhook_secret") && !error.contains("4711"), "{error}");
        }
    }
}
