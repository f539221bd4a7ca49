//! What a client says, rendered once for all connections.

use crate::letters::{self, Letter, Share};

/// Lines and messages, shared by all connections.
#[derive(Debug)]
pub struct Script {
    /// EHLO or LHLO.
    pub hello: Vec<u8>,
    /// The MAIL command.
    pub mail: Vec<u8>,
    /// A RCPT command for each recipient.
    pub recipients: Vec<Vec<u8>>,
    /// MAIL, every RCPT and, without CHUNKING, DATA: what one write holds with PIPELINING.
    pub group: Vec<u8>,
    /// The messages for DATA; the same ones for BDAT, when CHUNKING is wanted.
    pub by_data: Vec<Letter>,
    /// The messages as BDAT commands; empty when CHUNKING is not wanted.
    pub by_bdat: Vec<Letter>,
    /// Which message comes when: indexes, repeated for ever.
    pub order: Vec<usize>,
    /// Groups of commands are sent where the server offers PIPELINING.
    pub pipelining: bool,
    /// LMTP: a reply for each recipient (RFC 2033).
    pub lmtp: bool,
    /// STARTTLS is said before anything else.
    pub starttls: bool,
}

/// What the script is made from.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// The name of the client.
    pub hello_name: &'a str,
    /// The reverse-path.
    pub from: &'a str,
    /// The forward-path; with more than one recipient a number is put in front of the `@`.
    pub to: &'a str,
    /// How many recipients.
    pub recipients: usize,
    /// LMTP and not SMTP.
    pub lmtp: bool,
    /// PIPELINING is wanted.
    pub pipelining: bool,
    /// STARTTLS is wanted.
    pub starttls: bool,
    /// CHUNKING is wanted, in chunks of so many octets.
    pub chunk: Option<usize>,
}

impl Script {
    /// `messages` are sent in the given order, over and over.
    pub fn new(parts: &Parts<'_>, messages: &[Vec<u8>], order: Vec<usize>) -> Self {
        let mail = format!("MAIL FROM:<{}>\r\n", parts.from).into_bytes();
        let recipients: Vec<Vec<u8>> = (1..=parts.recipients)
            .map(|number| format!("RCPT TO:<{}>\r\n", recipient(parts, number)).into_bytes())
            .collect();
        let mut group = [mail.as_slice(), &recipients.concat()].concat();
        if parts.chunk.is_none() {
            group.extend_from_slice(b"DATA\r\n");
        }
        let verb = if parts.lmtp { "LHLO" } else { "EHLO" };
        let bdat =
            |chunk| messages.iter().map(|message| Letter::for_bdat(message, chunk)).collect();
        Self {
            hello: format!("{verb} {}\r\n", parts.hello_name).into_bytes(),
            mail,
            recipients,
            group,
            by_data: messages.iter().map(|message| Letter::for_data(message)).collect(),
            by_bdat: parts.chunk.map(bdat).unwrap_or_default(),
            order,
            pipelining: parts.pipelining,
            lmtp: parts.lmtp,
            starttls: parts.starttls,
        }
    }

    /// A script for messages made up in these sizes.
    pub fn with_sizes(parts: &Parts<'_>, shares: &[Share]) -> Self {
        let messages: Vec<Vec<u8>> =
            shares.iter().map(|share| letters::made_up(share.size)).collect();
        Self::new(parts, &messages, spread(shares))
    }

    /// The messages, as the connection sends them.
    pub fn letters(&self, chunked: bool) -> &[Letter] {
        if chunked { &self.by_bdat } else { &self.by_data }
    }
}

fn recipient(parts: &Parts<'_>, number: usize) -> String {
    match parts.to.split_once('@') {
        Some((local, domain)) if parts.recipients > 1 => format!("{local}{number}@{domain}"),
        _ => parts.to.to_owned(),
    }
}

/// Every size as often as its share says, none in a row if it can be helped: the one furthest behind its share is next.
fn spread(shares: &[Share]) -> Vec<usize> {
    let total: u32 = shares.iter().map(|share| share.weight).sum();
    let mut taken = vec![0u32; shares.len()];
    (1..=total)
        .map(|turn| {
            let behind = |index: &usize| {
                i64::from(shares[*index].weight) * i64::from(turn)
                    - i64::from(taken[*index]) * i64::from(total)
            };
            let next = (0..shares.len()).max_by_key(behind).unwrap_or(0);
            taken[next] += 1;
            next
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts<'static> {
        Parts {
            hello_name: "client.example",
            from: "a@client.example",
            to: "b@example.com",
            recipients: 1,
            lmtp: false,
            pipelining: true,
            starttls: false,
            chunk: None,
        }
    }

    #[test]
    fn a_group_is_a_whole_transaction_up_to_the_data() {
        let script = Script::new(&parts(), &[b"x\r\n".to_vec()], vec![0]);
        let said = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n";
        assert_eq!(String::from_utf8(script.group).unwrap(), said);
    }

    #[test]
    fn many_recipients_are_different_ones() {
        let script = Script::new(&Parts { recipients: 3, ..parts() }, &[Vec::new()], vec![0]);
        assert_eq!(script.recipients.len(), 3);
        assert_eq!(script.recipients[2], b"RCPT TO:<b3@example.com>\r\n");
    }

    #[test]
    fn shares_are_kept_and_spread() {
        let shares = [Share { size: 1, weight: 3 }, Share { size: 2, weight: 1 }];
        let order = spread(&shares);
        assert_eq!(order.iter().filter(|index| **index == 0).count(), 3);
        assert_eq!(order.len(), 4);
        assert_ne!(order, [0, 0, 0, 1]);
    }
}
