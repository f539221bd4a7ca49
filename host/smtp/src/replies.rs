//! The table of replies: every reply this server can give is an entry here.
//!
//! **Standards:** RFC 5321 4.2.2 and 4.3.2 (codes), RFC 3463 and RFC 5248 (enhanced codes), RFC 2034
//! section 4: none on the greeting, on answers to HELO, EHLO and LHLO, nor on 3xx.
//!
//! The names say what happened; texts are for people and may change, codes are for programs.

use crate::reply::{Enhanced, Reply};

macro_rules! replies {
    ($($(#[$meta:meta])* $name:ident = $code:literal $(($class:literal . $subject:literal . $detail:literal))? $text:literal;)*) => {
        $(
            $(#[$meta])*
            pub static $name: Reply<'static> =
                Reply::fixed($code, replies!(@enhanced $($class $subject $detail)?), $text);
        )*

        /// Every entry with its name, for tests and documentation.
        pub static ALL: &[(&str, &Reply<'static>)] = &[$((stringify!($name), &$name)),*];
    };
    (@enhanced) => { None };
    (@enhanced $class:literal $subject:literal $detail:literal) => {
        Some(Enhanced::new($class, $subject, $detail))
    };
}

replies! {
    /// HELP, below the commands that are taken.
    HELP = 214 (2 . 0 . 0) "Mail is received here, not relayed; see RFC 5321";
    /// STARTTLS: the handshake comes next.
    READY_FOR_TLS = 220 (2 . 0 . 0) "Ready to start TLS";
    /// QUIT.
    BYE = 221 (2 . 0 . 0) "Bye";
    /// NOOP, RSET, XFORWARD, and a message whose processors gave no text of their own.
    OK = 250 (2 . 0 . 0) "OK";
    /// MAIL.
    SENDER_OK = 250 (2 . 1 . 0) "OK";
    /// RCPT.
    RECIPIENT_OK = 250 (2 . 1 . 5) "OK";
    /// BDAT without LAST.
    CHUNK_OK = 250 (2 . 0 . 0) "OK, chunk received";
    /// VRFY.
    CANNOT_VERIFY = 252 (2 . 5 . 0) "Cannot verify user";
    /// PRDR: what follows is one reply for each recipient, then one for the message.
    EACH_FOLLOWS = 353 "One reply for each recipient follows";
    /// DATA.
    START_DATA = 354 "Enter message, ending with '.' on a line by itself";

    /// The driver calls [`crate::Session::timed_out`].
    TIMED_OUT = 421 (4 . 4 . 2) "Timeout, closing connection";
    /// The driver calls [`crate::Session::shutting_down`].
    SHUTTING_DOWN = 421 (4 . 3 . 2) "Server is shutting down, try again later";
    /// The driver calls [`crate::Session::too_busy`].
    TOO_BUSY = 421 (4 . 3 . 2) "Too many connections, try again later";
    /// More errors or unknown commands than a client of good will makes.
    TOO_MANY_ERRORS = 421 (4 . 7 . 0) "Too many errors, closing connection";
    /// `max_messages`: the next message needs a new connection. Not a fault of the message.
    TOO_MANY_MESSAGES = 421 (4 . 7 . 0) "Too many messages on this connection, connect again";
    /// An answer of the driver makes no sense for the question: our trouble, not the client's.
    LOCAL_TROUBLE = 451 (4 . 3 . 0) "Local error in processing, try again later";
    /// RFC 5321 4.5.3.1.10.
    TOO_MANY_RECIPIENTS = 452 (4 . 5 . 3) "Too many recipients";

    /// RFC 5321 4.1.1.1: the line is no command.
    UNRECOGNISED = 500 (5 . 5 . 1) "Command not recognised";
    /// RFC 5321 4.5.3.1.4 with the growth of the extensions.
    LINE_TOO_LONG = 500 (5 . 5 . 2) "Line too long";
    /// RFC 5321 2.3.8: only CRLF ends a line.
    BARE_NEWLINE_IN_COMMAND = 500 (5 . 5 . 2) "Bare CR or LF in a command line";
    /// RFC 2033 4.1: LMTP knows neither HELO nor EHLO.
    USE_LHLO = 500 (5 . 5 . 1) "This is LMTP, use LHLO";
    /// An argument where none belongs, or one missing, or one malformed.
    BAD_ARGUMENT = 501 (5 . 5 . 4) "Syntax error in arguments";
    /// RFC 5321 4.1.1.1. No enhanced code: RFC 2034 4.
    BAD_HELO = 501 "Syntax error: a domain name or an address literal is expected";
    /// RFC 5321 4.1.2 for MAIL.
    BAD_SENDER = 501 (5 . 1 . 7) "Syntax error in sender address";
    /// RFC 5321 4.1.2 for RCPT.
    BAD_RECIPIENT = 501 (5 . 1 . 3) "Syntax error in recipient address";
    /// RFC 5321 4.5.3.1.1 to 4.5.3.1.3 for MAIL.
    SENDER_TOO_LONG = 501 (5 . 1 . 7) "Sender address too long";
    /// RFC 5321 4.5.3.1.1 to 4.5.3.1.3 for RCPT.
    RECIPIENT_TOO_LONG = 501 (5 . 1 . 3) "Recipient address too long";
    /// RFC 5321 4.1.1.11: known keyword, bad value, or given twice.
    BAD_PARAMETER = 501 (5 . 5 . 4) "Syntax error in parameters";
    /// A command of some RFC that this server does not have.
    NOT_IMPLEMENTED = 502 (5 . 5 . 1) "Command not implemented";
    /// RFC 5321 4.1.4 with `require_helo`.
    HELO_FIRST = 503 (5 . 5 . 1) "Say HELO or EHLO first";
    /// RFC 5321 4.1.1.2: MAIL inside a transaction.
    NESTED_MAIL = 503 (5 . 5 . 1) "Nested MAIL command";
    /// RFC 5321 4.1.1.3: RCPT, DATA or BDAT without MAIL.
    MAIL_FIRST = 503 (5 . 5 . 1) "MAIL first";
    /// RFC 5321 3.3 and RFC 2033 4.2: DATA or BDAT without RCPT.
    RECIPIENT_FIRST = 503 (5 . 5 . 1) "RCPT first";
    /// RFC 3030 2: DATA or RCPT after BDAT, BDAT after a failed BDAT, BDAT without EHLO.
    CHUNKS_OUT_OF_ORDER = 503 (5 . 5 . 1) "Not possible between BDAT chunks, send RSET";
    /// RFC 3030 3: a binary message cannot travel by DATA.
    BINARY_NEEDS_BDAT = 503 (5 . 5 . 1) "BODY=BINARYMIME needs BDAT";
    /// RFC 3207 4: a second STARTTLS.
    ALREADY_TLS = 503 (5 . 5 . 1) "TLS is already active";
    /// XCLIENT and XFORWARD inside a transaction, as Postfix says it.
    NOT_IN_TRANSACTION = 503 (5 . 5 . 1) "Not possible inside a mail transaction";
    /// RFC 5321 3.1: after a refusing greeting only QUIT is useful.
    NO_SERVICE = 503 (5 . 5 . 1) "No service for you here, send QUIT";
    /// RFC 3207 4 with `tls_required`.
    TLS_FIRST = 530 (5 . 7 . 0) "Must issue a STARTTLS command first";
    /// XCLIENT and XFORWARD from a peer that is not trusted.
    NOT_TRUSTED = 550 (5 . 7 . 0) "Not authorised to use this command";
    /// RFC 5321 2.3.8: only CRLF ends a line.
    BARE_NEWLINE = 550 (5 . 5 . 2) "Message holds a bare CR or LF, lines must end with CRLF";
    /// RFC 1870 6: declared or real size above `max_size`.
    TOO_BIG = 552 (5 . 3 . 4) "Message exceeds the size limit";
    /// RFC 6531 3.5: an address beyond ASCII without SMTPUTF8.
    NEEDS_SMTPUTF8 = 553 (5 . 6 . 7) "Non-ASCII address without SMTPUTF8";
    /// The driver calls [`crate::Session::early_talker`]; RFC 5321 4.3.1: clients wait for the greeting.
    EARLY_TALKER = 554 (5 . 5 . 1) "You must wait for the greeting";
    /// RFC 2920 3.1: all recipients of a pipelined group were refused.
    NO_VALID_RECIPIENTS = 554 (5 . 5 . 1) "No valid recipients";
    /// CVE-2011-0411: commands in the clear behind STARTTLS.
    DATA_BEHIND_STARTTLS = 554 (5 . 5 . 1) "Data received behind STARTTLS";
    /// RFC 5321 4.1.1.11.
    UNKNOWN_PARAMETER = 555 (5 . 5 . 4) "Parameter not recognised or not offered";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_enhanced_code() {
        for (name, reply) in ALL {
            // RFC 2034 4: 3xx and the answers to HELO, EHLO and LHLO carry none.
            let exempt = reply.code() / 100 == 3 || *name == "BAD_HELO";
            assert_eq!(reply.enhanced().is_none(), exempt, "{name}");
            if let Some(enhanced) = reply.enhanced() {
                assert_eq!(u16::from(enhanced.class), reply.code() / 100, "{name}");
            }
            assert!(reply.text().bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)));
        }
    }
}
