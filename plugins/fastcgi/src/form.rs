//! The fields of a message as a form, made piece by piece while it is sent.
//!
//! Standards: `application/x-www-form-urlencoded` as Go's `url.Values.Encode` writes it; `multipart/form-data` (RFC 7578).

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::config::BodyFormat;

/// A form whose length is known before it is made.
pub(crate) struct Form<'a> {
    /// Value of CONTENT_TYPE.
    pub(crate) content_type: Cow<'static, str>,
    pieces: Vec<Piece<'a>>,
}

/// A field: its name and the parts of its value.
pub(crate) struct Field<'a> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: Vec<&'a [u8]>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, value: &'a str) -> Self {
        Self { name: name.into(), value: vec![value.as_bytes()] }
    }
}

impl<'a> Form<'a> {
    /// A form of these fields, in this order.
    pub(crate) fn new(format: BodyFormat, fields: Vec<Field<'a>>) -> Self {
        match format {
            BodyFormat::Urlencoded => Self::urlencoded(fields),
            BodyFormat::Multipart => Self::multipart(fields, &boundary()),
        }
    }

    /// Its length in octets.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Makes it, piece by piece: none is longer than three times [`CHUNK`].
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.pieces.iter().flat_map(Piece::chunks)
    }

    fn urlencoded(fields: Vec<Field<'a>>) -> Self {
        let mut pieces = Vec::new();
        for (index, field) in fields.into_iter().enumerate() {
            let and = if index == 0 { "" } else { "&" };
            pieces.push(Piece::plain(format!("{and}{}=", field.name)));
            pieces.extend(field.value.into_iter().map(Piece::Encoded));
        }
        Self { content_type: "application/x-www-form-urlencoded".into(), pieces }
    }

    fn multipart(fields: Vec<Field<'a>>, boundary: &str) -> Self {
        let mut pieces = Vec::new();
        for field in fields {
            let name = field.name;
            pieces.push(Piece::plain(format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n"
            )));
            pieces.extend(field.value.into_iter().map(|part| Piece::Plain(part.into())));
            pieces.push(Piece::plain("\r\n".to_owned()));
        }
        pieces.push(Piece::plain(format!("--{boundary}--\r\n")));
        let content_type = format!("multipart/form-data; boundary={boundary}").into();
        Self { content_type, pieces }
    }
}

enum Piece<'a> {
    /// Sent as it is.
    Plain(Cow<'a, [u8]>),
    /// To be percent-encoded.
    Encoded(&'a [u8]),
}

impl Piece<'_> {
    fn plain(text: String) -> Self {
        Self::Plain(text.into_bytes().into())
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(octets) => octets.len(),
            Self::Encoded(octets) => octets.iter().map(|octet| encoded_len(*octet)).sum(),
        }
    }

    fn chunks(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let (octets, encode) = match self {
            Self::Plain(octets) => (&**octets, false),
            Self::Encoded(octets) => (*octets, true),
        };
        octets
            .chunks(CHUNK)
            .map(move |chunk| if encode { encoded(chunk).into() } else { chunk.into() })
    }
}

/// `text` percent-encoded, as a value of a query.
pub(crate) fn urlencoded(text: &str) -> String {
    encoded(text.as_bytes()).into_iter().map(char::from).collect()
}

fn encoded(octets: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(octets.len() * 3);
    for &octet in octets {
        match octet {
            b' ' => encoded.push(b'+'),
            _ if encoded_len(octet) == 1 => encoded.push(octet),
            _ => {
                let digit = |value: u8| HEX[usize::from(value)];
                encoded.extend_from_slice(&[b'%', digit(octet >> 4), digit(octet & 15)]);
            }
        }
    }
    encoded
}

fn encoded_len(octet: u8) -> usize {
    match octet {
        b' ' | b'-' | b'_' | b'.' | b'~' => 1,
        _ if octet.is_ascii_alphanumeric() => 1,
        _ => 3,
    }
}

/// What the parts are parted by. Nobody who writes a message can know it: 128 bits from the hasher that the standard library
/// seeds at random.
fn boundary() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("guerrillad-{:016x}{:016x}", half(), half())
}

/// Octets of a value that are taken at a time.
pub(crate) const CHUNK: usize = 8 * 1024;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(form: &Form<'_>) -> String {
        let octets: Vec<u8> = form.chunks().flat_map(Cow::into_owned).collect();
        assert_eq!(octets.len(), form.len());
        String::from_utf8(octets).unwrap()
    }

    fn fields() -> Vec<Field<'static>> {
        let body =
            Field { name: "body".into(), value: vec![b"To: a\r\n", b"\r\nA & b=c~ \xc3\xa4\r\n"] };
        vec![body, Field::new("helo", ""), Field::new("mail_from", "a+b@example.com")]
    }

    #[test]
    fn urlencoded_as_go_writes_it() {
        assert_eq!(
            text(&Form::urlencoded(fields())),
            "body=To%3A+a%0D%0A%0D%0AA+%26+b%3Dc~+%C3%A4%0D%0A&helo=&mail_from=a%2Bb%40example.com"
        );
    }

    #[test]
    fn multipart_leaves_octets_as_they_are() {
        let form = Form::multipart(fields(), "b");
        assert_eq!(form.content_type, "multipart/form-data; boundary=b");
        let part = "Content-Disposition: form-data; name=";
        assert_eq!(
            text(&form),
            format!(
                "--b\r\n{part}\"body\"\r\n\r\nTo: a\r\n\r\nA & b=c~ ä\r\n\r\n\
                 --b\r\n{part}\"helo\"\r\n\r\n\r\n\
                 --b\r\n{part}\"mail_from\"\r\n\r\na+b@example.com\r\n--b--\r\n"
            )
        );
    }

    #[test]
    fn no_two_boundaries_are_the_same() {
        assert_ne!(boundary(), boundary());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut decoded = Vec::new();
            let encoded = encoded(&octets);
            let mut rest = encoded.iter();
            while let Some(octet) = rest.next() {
                decoded.push(match octet {
                    b'+' => b' ',
                    b'%' => {
                        let digits = [*rest.next().unwrap(), *rest.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    octet => *octet,
                });
            }
            prop_assert_eq!(&decoded, &octets);
            prop_assert_eq!(encoded.len(), Piece::Encoded(&octets).len());
        }
    }
}
