//! Where the bytes of a message are while it is on its way.

/// A message body: what came between DATA and the final dot, dots unstuffed, CRLF kept.
#[derive(Clone, Debug, Default)]
pub struct Body {
    memory: Vec<u8>,
}

impl Body {
    /// The body in one piece.
    pub fn as_slice(&self) -> &[u8] {
        &self.memory
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Appends what the protocol has decoded.
    pub fn append(&mut self, bytes: &[u8]) {
        self.memory.extend_from_slice(bytes);
    }

    /// Makes room for a declared size (RFC 1870), within reason: the client may lie.
    pub fn expect(&mut self, declared: u64) {
        let room = usize::try_from(declared).unwrap_or(usize::MAX).min(MAX_RESERVE);
        self.memory.reserve(room);
    }

    /// Forgets the bytes. A small buffer is kept for the next message, a large one is given back: kept buffers
    /// would grow to the largest message times the number of connections.
    pub fn clear(&mut self) {
        if self.memory.capacity() > MAX_KEPT {
            self.memory = Vec::new();
        } else {
            self.memory.clear();
        }
    }
}

/// Most bytes to reserve on a client's word.
const MAX_RESERVE: usize = 256 * 1024;

/// Largest buffer to keep between messages.
const MAX_KEPT: usize = 256 * 1024;
