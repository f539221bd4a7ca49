//! What a script is given: parameters, and for a message the fields of a form, named as in go-guerrilla.

use crate::config::BodyFormat;
use crate::form::{Field, Form, urlencoded};
use crate::record;

/// One request.
pub(crate) struct Request<'a> {
    /// Names and values as they stand in the stream of parameters.
    pub(crate) params: Vec<u8>,
    pub(crate) form: Option<Form<'a>>,
}

/// What a script is told of a message.
pub(crate) struct Message<'a> {
    pub(crate) remote_ip: &'a str,
    pub(crate) helo: &'a str,
    pub(crate) mail_from: &'a str,
    pub(crate) rcpt_to: Vec<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) tls_on: bool,
    /// Delivery header and message, in pieces.
    pub(crate) body: Vec<&'a [u8]>,
}

/// A script, and what the operator wants it to be given besides.
pub(crate) struct Script {
    pub(crate) filename: String,
    /// The operator's parameters, as they stand in the stream.
    own: Vec<u8>,
}

impl Script {
    pub(crate) fn new(filename: String, own: &[(String, String)]) -> Self {
        let mut params = Vec::new();
        for (name, value) in own {
            record::push_pair(&mut params, name, value);
        }
        Self { filename, own: params }
    }

    /// Asks whether there is such a recipient.
    pub(crate) fn validate(&self, address: &str) -> Request<'static> {
        let query = format!("rcpt_to={}", urlencoded(address));
        let params = self.params(&[
            ("QUERY_STRING", &query),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REQUEST_METHOD", "GET"),
            ("CONTENT_LENGTH", "0"),
        ]);
        Request { params, form: None }
    }

    /// Asks to store a message.
    pub(crate) fn save<'a>(&self, message: Message<'a>, format: BodyFormat) -> Request<'a> {
        let form = Form::new(format, message.fields());
        let params = self.params(&[
            ("REQUEST_METHOD", "POST"),
            ("CONTENT_LENGTH", &form.len().to_string()),
            ("CONTENT_TYPE", &form.content_type),
        ]);
        Request { params, form: Some(form) }
    }

    fn params(&self, of_request: &[(&str, &str)]) -> Vec<u8> {
        let mut params = self.own.clone();
        let of_all = [
            ("SCRIPT_FILENAME", self.filename.as_str()),
            ("SERVER_SOFTWARE", "Go-guerrilla fastcgi"),
            ("REMOTE_ADDR", "127.0.0.1"),
        ];
        for (name, value) in of_all.iter().chain(of_request) {
            record::push_pair(&mut params, name, value);
        }
        params
    }
}

impl<'a> Message<'a> {
    /// Sorted by name, as Go writes them.
    fn fields(self) -> Vec<Field<'a>> {
        let mut fields = vec![
            Field { name: "body".into(), value: self.body },
            Field::new("helo", self.helo),
            Field::new("mail_from", self.mail_from),
            Field::new("remote_ip", self.remote_ip),
            Field::new("subject", self.subject),
            Field::new("tls_on", if self.tls_on { "true" } else { "false" }),
        ];
        let recipients = self.rcpt_to.into_iter().enumerate();
        fields.extend(recipients.map(|(index, to)| Field::new(format!("rcpt_to_{index}"), to)));
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        fields
    }
}

/// Names that are ours to set.
pub(crate) const TAKEN: [&str; 9] = [
    "SCRIPT_FILENAME",
    "SERVER_SOFTWARE",
    "REMOTE_ADDR",
    "QUERY_STRING",
    "SERVER_PROTOCOL",
    "REQUEST_METHOD",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "",
];
