//! What an error of NATS means for the mail in hand.

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};

/// Why a message is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// It may work at the next attempt: no server, no leader, no answer.
    #[error("{0}")]
    Passing(String),
    /// The stream has no room.
    #[error("{0}")]
    Full(String),
    /// The servers do not want it, and will not in the next second: no permission, another stream.
    #[error("{0}")]
    Refused(String),
    /// Larger than the servers take, with or without a bucket.
    #[error("{0}")]
    TooLarge(String),
}

impl Trouble {
    /// What the failure of a publication means.
    pub(crate) fn of_publish(error: &PublishError) -> Self {
        match error.kind() {
            PublishErrorKind::StreamNotFound => {
                Self::Passing("no stream takes the subject, or it has no leader now".to_owned())
            }
            PublishErrorKind::TimedOut => Self::Passing("no answer in time".to_owned()),
            _ => Self::of_any(error),
        }
    }

    /// What any other failure means, by what lies at its ground.
    pub(crate) fn of_any(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(one) = cause {
            if let Some(error) = one.downcast_ref::<jetstream::Error>() {
                return Self::of_api(error);
            }
            cause = one.source();
        }
        let why = one_line(&error.to_string());
        match error.source() {
            // Most repeat what is below them.
            Some(source) if !why.contains(&source.to_string()) => {
                Self::Passing(format!("{why}: {}", one_line(&source.to_string())))
            }
            _ => Self::Passing(why),
        }
    }

    /// What JetStream has said.
    pub(crate) fn of_api(error: &jetstream::Error) -> Self {
        let why = one_line(&error.to_string());
        match error.error_code() {
            ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::MEMORY_RESOURCES_EXCEEDED
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
            // "maximum bytes exceeded", "no space left on device", ...
            | ErrorCode::STREAM_STORE_FAILED
            | ErrorCode::INSUFFICIENT_RESOURCES => Self::Full(why),
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM => {
                Self::TooLarge(why)
            }
            // The same message is on its way to the stream's nodes already.
            ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT => Self::Passing(why),
            _ if error.code() >= 500 => Self::Passing(why),
            _ => Self::Refused(why),
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, err_code: u32, description: &str) -> jetstream::Error {
        serde_json::from_value(serde_json::json!({
            "code": code, "err_code": err_code, "description": description
        }))
        .unwrap()
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let of = |code, err_code, text| Trouble::of_api(&said(code, err_code, text));
        assert!(matches!(of(503, 10008, "temporarily unavailable"), Trouble::Passing(_)));
        assert!(matches!(of(409, 10158, "duplicate in process"), Trouble::Passing(_)));
        assert!(matches!(of(503, 10077, "maximum bytes exceeded"), Trouble::Full(_)));
        assert!(matches!(of(400, 10060, "expected stream does not match"), Trouble::Refused(_)));
        assert!(matches!(of(400, 10054, "message size exceeds"), Trouble::TooLarge(_)));
    }

    #[test]
    fn the_word_of_a_server_is_found_below_the_error_of_the_library() {
        let below = said(400, 10060, "expected stream does not match");
        let error = PublishError::with_source(PublishErrorKind::Other, below);
        assert!(
            matches!(Trouble::of_publish(&error), Trouble::Refused(why) if why.contains("10060"))
        );
        let away = PublishError::new(PublishErrorKind::BrokenPipe);
        assert!(matches!(Trouble::of_publish(&away), Trouble::Passing(_)));
    }
}
