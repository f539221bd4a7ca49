//! A FastCGI server that does what it is told to, with a protocol of its own making: nothing here is shared with the processor.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// A request as it came, its parameters in their order.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) keep: bool,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) stdin: Vec<u8>,
    /// Number of its connection, from 0.
    pub(crate) connection: usize,
}

impl Request {
    pub(crate) fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }
}

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers with these records (type and content) and leaves the connection open.
    Answer(Vec<(u8, Vec<u8>)>),
    /// Sends these octets and closes the connection.
    Close(Vec<u8>),
    /// Answers when it has seen the parameters, without reading the body.
    AnswerEarly(Vec<(u8, Vec<u8>)>),
    /// Nothing, for ever.
    Silence,
}

/// Serves one request after the other as the acts say; every request it has read.
pub(crate) fn server(acts: Vec<Act>) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (seen, requests) = channel();
    thread::spawn(move || {
        let mut acts = acts.into_iter().peekable();
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            while acts.peek().is_some() {
                if !serve(&mut stream, &mut acts, number, &seen) {
                    break;
                }
            }
        }
    });
    (address, requests)
}

/// Whether the connection can go on.
pub(crate) fn serve(
    stream: &mut TcpStream,
    acts: &mut impl Iterator<Item = Act>,
    connection: usize,
    seen: &Sender<Request>,
) -> bool {
    let mut request = Request { keep: false, params: Vec::new(), stdin: Vec::new(), connection };
    let mut params = Vec::new();
    let Some((1, begin)) = read_record(stream) else { return false };
    request.keep = begin[2] == 1;
    while let Some((4, content)) = read_record(stream).filter(|(_, content)| !content.is_empty()) {
        params.extend(content);
    }
    request.params = pairs(&params);
    let act = acts.next().expect("peeked");
    if let Act::AnswerEarly(records) = act {
        // A test need not look.
        let _ = seen.send(request);
        write(stream, &records);
        // Until the other side has gone: unread octets would turn our end into a reset.
        let _ = std::io::copy(stream, &mut std::io::sink());
        return false;
    }
    while let Some((5, content)) = read_record(stream).filter(|(_, content)| !content.is_empty()) {
        request.stdin.extend(content);
    }
    // A test need not look.
    let _ = seen.send(request);
    match act {
        Act::Answer(records) => write(stream, &records),
        Act::Close(octets) => {
            // One that has given up does not listen.
            let _ = stream.write_all(&octets);
            return false;
        }
        Act::AnswerEarly(_) | Act::Silence => {
            let _ = stream.read(&mut [0]);
            return false;
        }
    }
    true
}

fn read_record(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).ok()?;
    assert_eq!((head[0], head[2], head[3]), (1, 0, 1), "version and request");
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    assert_eq!((length + usize::from(head[6])) % 8, 0, "records are padded");
    let mut content = vec![0; length + usize::from(head[6])];
    stream.read_exact(&mut content).ok()?;
    content.truncate(length);
    Some((head[1], content))
}

fn pairs(mut stream: &[u8]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while !stream.is_empty() {
        let lengths = [length(&mut stream), length(&mut stream)];
        let [name, value] = lengths.map(|length| {
            let (text, rest) = stream.split_at(length);
            stream = rest;
            String::from_utf8(text.to_vec()).expect("texts")
        });
        pairs.push((name, value));
    }
    pairs
}

fn length(stream: &mut &[u8]) -> usize {
    let octets = if stream[0] < 128 { 1 } else { 4 };
    let (length, rest) = stream.split_at(octets);
    *stream = rest;
    let fold = |sum: u32, octet: &u8| (sum << 8) | u32::from(*octet);
    (length.iter().fold(0, fold) & 0x7fff_ffff) as usize
}

pub(crate) fn records(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (kind, content) in records {
        let [high, low] = u16::try_from(content.len()).expect("a short answer").to_be_bytes();
        wire.extend([1, *kind, 0, 1, high, low, 3, 0]);
        wire.extend(content);
        wire.extend([0; 3]);
    }
    wire
}

fn write(stream: &mut TcpStream, answer: &[(u8, Vec<u8>)]) {
    // One that has given up does not listen.
    let _ = stream.write_all(&records(answer));
}

/// The records of a script that prints this.
pub(crate) fn prints(stdout: &str) -> Vec<(u8, Vec<u8>)> {
    let out = format!("Content-type: text/html\r\n\r\n{stdout}");
    vec![(6, out.into_bytes()), (6, vec![]), (3, vec![0; 8])]
}

pub(crate) fn saved() -> Act {
    Act::Answer(prints("SAVED"))
}
