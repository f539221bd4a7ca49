//! The envelope as it goes to the store, in the words that the store understands.

use guerrilla_plugin_api::Transaction;

use crate::reply::Reply;

/// Sender, recipients and what is to be known of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Empty for the null reverse-path.
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    /// Whether the client has said SMTPUTF8.
    pub(crate) utf8: bool,
    /// Whether the client has said BODY=8BITMIME.
    pub(crate) eight_bit: bool,
    /// Octets, before dots are doubled; `None` where only recipients are asked for.
    pub(crate) size: Option<usize>,
}

/// What the store has offered (RFC 5321 section 4.1.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) pipelining: bool,
    pub(crate) eight_bit: bool,
    pub(crate) utf8: bool,
    pub(crate) size: bool,
    pub(crate) start_tls: bool,
    /// Largest message; `None`: no limit is told.
    pub(crate) most: Option<u64>,
}

impl Offer {
    /// Out of the reply to LHLO.
    pub(crate) fn read(reply: &Reply) -> Self {
        let mut offer = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => offer.pipelining = true,
                "8BITMIME" => offer.eight_bit = true,
                "SMTPUTF8" => offer.utf8 = true,
                "STARTTLS" => offer.start_tls = true,
                "SIZE" => {
                    offer.size = true;
                    // RFC 1870 section 4: 0 means that there is no fixed limit.
                    offer.most =
                        words.next().and_then(|word| word.parse().ok()).filter(|most| *most > 0);
                }
                _ => {}
            }
        }
        offer
    }
}

impl Envelope {
    pub(crate) fn new(txn: &Transaction<'_>, recipients: Vec<String>, size: Option<usize>) -> Self {
        let has = |name: &str, value: Option<&str>| {
            txn.sender_parameters().any(|(n, v)| {
                n.eq_ignore_ascii_case(name)
                    && value.is_none_or(|value| v.is_some_and(|v| v.eq_ignore_ascii_case(value)))
            })
        };
        Self {
            sender: txn.sender().unwrap_or_default().to_owned(),
            recipients,
            utf8: has("SMTPUTF8", None),
            eight_bit: has("BODY", Some("8BITMIME")),
            size,
        }
    }

    /// Why the store cannot be asked at all; what would be its own answer.
    pub(crate) fn obstacle(&self, offer: &Offer) -> Option<Reply> {
        let addresses = || std::iter::once(&self.sender).chain(&self.recipients);
        let refused = |code, enhanced: &str, text: &str| {
            Some(Reply { code, enhanced: enhanced.to_owned(), lines: vec![text.to_owned()] })
        };
        // The protocol lets none in; whoever makes envelopes some other way is not to make commands.
        if addresses().any(|address| address.contains(char::is_control)) {
            return refused(553, "5.1.7", "A control character in an address");
        }
        // RFC 6531 section 3.5.
        if !offer.utf8 && addresses().any(|address| !address.is_ascii()) {
            return refused(553, "5.6.7", "The store takes no addresses in UTF-8");
        }
        // RFC 1870 section 6.1.
        if self.size.zip(offer.most).is_some_and(|(size, most)| size as u64 > most) {
            return refused(552, "5.3.4", "The message is larger than the store takes");
        }
        None
    }

    /// The command MAIL.
    pub(crate) fn mail(&self, offer: &Offer) -> String {
        let mut command = format!("MAIL FROM:<{}>", self.sender);
        if let Some(size) = self.size.filter(|_| offer.size) {
            command.push_str(&format!(" SIZE={size}"));
        }
        if offer.eight_bit && (self.eight_bit || self.utf8) {
            command.push_str(" BODY=8BITMIME");
        }
        if offer.utf8 && self.utf8 {
            command.push_str(" SMTPUTF8");
        }
        command + "\r\n"
    }

    /// The command RCPT for a recipient.
    pub(crate) fn rcpt(&self, index: usize) -> String {
        format!("RCPT TO:<{}>\r\n", self.recipients[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(lines: &[&str]) -> Offer {
        let lines = ["store.test"].iter().chain(lines).map(|line| (*line).to_owned()).collect();
        Offer::read(&Reply { code: 250, enhanced: String::new(), lines })
    }

    fn envelope(sender: &str) -> Envelope {
        let recipients = vec!["you@b.test".to_owned()];
        Envelope { sender: sender.to_owned(), recipients, size: Some(1000), ..Envelope::default() }
    }

    #[test]
    fn only_what_is_offered_is_said() {
        let mut mail = envelope("me@a.test");
        mail.eight_bit = true;
        mail.utf8 = true;
        assert_eq!(mail.mail(&offer(&[])), "MAIL FROM:<me@a.test>\r\n");
        let all = offer(&["8bitmime", "SIZE 5000", "PIPELINING", "SMTPUTF8", "X-OTHER y"]);
        let command = "MAIL FROM:<me@a.test> SIZE=1000 BODY=8BITMIME SMTPUTF8\r\n";
        assert_eq!(mail.mail(&all), command);
        assert_eq!(envelope("").mail(&offer(&["SIZE"])), "MAIL FROM:<> SIZE=1000\r\n");
    }

    #[test]
    fn what_the_store_cannot_take_is_not_sent() {
        let code = |mail: &Envelope, lines: &[&str]| mail.obstacle(&offer(lines)).map(|r| r.code);
        assert_eq!(code(&envelope("a"), &["SIZE 999"]), Some(552));
        assert_eq!(code(&envelope("a"), &["SIZE 1000"]), None);
        assert_eq!(code(&envelope("a"), &["SIZE 0"]), None);
        assert_eq!(code(&envelope("grüße@a.test"), &[]), Some(553));
        assert_eq!(code(&envelope("grüße@a.test"), &["SMTPUTF8"]), None);
        assert_eq!(code(&envelope("a>\r\nDATA"), &["SMTPUTF8"]), Some(553));
    }
}
