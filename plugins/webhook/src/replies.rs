//! What a status of the endpoint means for the client.
//!
//! Only a status that speaks of the message itself may end it. 400, 401, 403, 404 and their like are what an endpoint says whose
//! secret, path or proxy was set wrong a minute ago, and mail must not bounce for that: they defer, unless the operator
//! knows better and says so.

use std::collections::BTreeMap;

use guerrilla_plugin_api::{Reply, Verdict};

/// The replies by status.
pub(crate) struct Replies(BTreeMap<String, Answer>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    code: u16,
    enhanced: String,
    text: String,
}

impl Replies {
    /// The usual ones and the operator's own.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    pub(crate) fn new(own: &BTreeMap<String, String>) -> Result<Self, String> {
        let usual = USUAL.map(|(status, reply)| (status.to_owned(), reply.to_owned()));
        let mut replies = BTreeMap::new();
        for (status, reply) in usual.iter().map(|(a, b)| (a, b)).chain(own) {
            let is_code =
                |text: &str| text.parse::<u16>().is_ok_and(|code| (300..600).contains(&code));
            if !matches!(status.as_str(), "3xx" | "4xx" | "5xx") && !is_code(status) {
                return Err(format!(
                    "webhook_replies.{status}: no status; write one like 422 or 4xx (a 2xx is always a success)"
                ));
            }
            let answer = Answer::read(reply).ok_or_else(|| {
                format!(
                    "webhook_replies.{status}: {reply:?} is no reply; write one like \"550 5.1.1 No such user\""
                )
            })?;
            replies.insert(status.clone(), answer);
        }
        Ok(Self(replies))
    }

    /// The verdict for a status that is no success.
    pub(crate) fn verdict(&self, status: u16) -> Verdict {
        let class = format!("{}xx", status / 100);
        let found = self.0.get(&status.to_string()).or_else(|| self.0.get(&class));
        found.map_or(Verdict::UNSTORED, Answer::verdict)
    }
}

impl Answer {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let (code, enhanced, text) = (words.next()?, words.next()?, words.next()?);
        let number: u16 = code.parse().ok().filter(|_| code.len() == 3)?;
        // RFC 5321 section 4.2: of the second digit only 0 to 5 are known.
        let is_refusal = matches!(number / 100, 4 | 5) && (number / 10) % 10 <= 5;
        let mut parts = enhanced.split('.');
        let class = parts.next().is_some_and(|class| code.starts_with(class) && class.len() == 1);
        let rest = [parts.next(), parts.next()];
        let is_number = |part: &Option<&str>| {
            part.is_some_and(|part| part.len() < 4 && part.parse::<u16>().is_ok())
        };
        let is_enhanced = class && rest.iter().all(is_number) && parts.next().is_none();
        let is_text = !text.trim().is_empty() && !text.contains(char::is_control);
        (is_refusal && is_enhanced && is_text).then(|| Self {
            code: number,
            enhanced: enhanced.to_owned(),
            text: text.to_owned(),
        })
    }

    fn verdict(&self) -> Verdict {
        let reply = Reply::new(self.code, self.enhanced.clone(), self.text.clone());
        if self.code < 500 { Verdict::defer(reply) } else { Verdict::reject(reply) }
    }
}

/// Those that speak of the message: Content Too Large and Unprocessable Content (RFC 9110 sections 15.5.14 and 15.5.21).
const USUAL: [(&str, &str); 2] = [
    ("413", "552 5.3.4 The message is larger than is taken here"),
    ("422", "554 5.7.1 The message is not accepted"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(own: &[(&str, &str)]) -> Result<Replies, String> {
        Replies::new(&own.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
    }

    #[test]
    fn only_what_speaks_of_the_message_refuses_it() {
        let usual = replies(&[]).unwrap();
        for status in [301, 400, 401, 403, 404, 408, 410, 429, 500, 502, 503, 599] {
            assert_eq!(usual.verdict(status), Verdict::UNSTORED, "{status}");
        }
        let refused = Reply::new(554, "5.7.1", "The message is not accepted");
        assert_eq!(usual.verdict(422), Verdict::reject(refused));
    }

    #[test]
    fn the_operator_has_the_last_word_and_the_status_goes_before_its_class() {
        let own = replies(&[
            ("4xx", "550 5.7.1 No"),
            ("404", "550 5.1.1 No such user"),
            ("422", "451 4.7.1 Later"),
        ])
        .unwrap();
        assert_eq!(own.verdict(400), Verdict::reject(Reply::new(550, "5.7.1", "No")));
        assert_eq!(own.verdict(404), Verdict::reject(Reply::new(550, "5.1.1", "No such user")));
        assert_eq!(own.verdict(422), Verdict::defer(Reply::new(451, "4.7.1", "Later")));
        assert_eq!(own.verdict(500), Verdict::UNSTORED);
    }

    #[test]
    fn what_is_no_reply_is_named() {
        for reply in [
            "",
            "550",
            "550 5.1.1",
            "250 2.0.0 Fine",
            "550 4.1.1 No",
            "550 5.1 No",
            "5500 5.1.1 No",
            "560 5.1.1 No",
            "550 5.1.1 a\rb",
            "550 5.1.1.1 No",
            "+50 5.1.1 No",
        ] {
            let error = replies(&[("404", reply)]).err().unwrap_or_default();
            assert!(error.starts_with("webhook_replies.404: "), "{reply:?}: {error:?}");
        }
        for status in ["200", "2xx", "600", "x", "4xx "] {
            assert!(replies(&[(status, "550 5.1.1 No")]).is_err(), "{status}");
        }
    }
}
