//! The keys of a server.

use super::{Form, Vocabulary, key};
use crate::config::tls_names::{CIPHER_SUITES, CLIENT_AUTH, CURVES, VERSIONS};

/// One element of `servers`.
pub(in crate::config) const SERVER: Vocabulary = Vocabulary {
    entries: &[
        key("is_enabled", Form::Flag, "Whether it is started. Default: false."),
        key(
            "listen_interface",
            Form::TextOrPlace,
            "Where it listens: ip:port such as 127.0.0.1:25, [::1]:25 or :25 (IPv6 and IPv4), or unix:/path. Required.",
        ),
        key("v6only", Form::Flag, "Whether an IPv6 socket leaves IPv4 alone. Default: false."),
        key(
            "unix_mode",
            Form::Text,
            "Permission bits of a Unix socket in octal, such as 0660. Default: by the umask.",
        ),
        key(
            "unix_owner",
            Form::Text,
            "Who a Unix socket is given to: user, user:group or :group. Default: who runs the daemon.",
        ),
        key(
            "socket_name",
            Form::Text,
            "The name of the socket that a service manager hands over for it (FileDescriptorName= of systemd). Default: the one with its address.",
        ),
        key(
            "host_name",
            Form::TextOrPlace,
            "Its name in greeting and replies. Default: the name of the machine.",
        ),
        key("protocol", Form::Words(&["smtp", "lmtp"]), "What it speaks. Default: smtp."),
        key(
            "max_size",
            Form::Whole,
            "The largest message in bytes. Default: 10485760, also for 0.",
        ),
        key(
            "timeout",
            Form::Whole,
            "Seconds a client may take for one command, or be silent in a body. Default: 30, also for 0.",
        ),
        key(
            "session_timeout",
            Form::Whole,
            "Seconds a session may last; a message in hand is finished. Default: 3600, also for 0.",
        ),
        key(
            "min_data_rate",
            Form::Whole,
            "Bytes a second that a body must come at. Default: 100, also for 0.",
        ),
        key("max_clients", Form::Whole, "Connections at a time. Default: 100, also for 0."),
        key(
            "max_clients_per_ip",
            Form::Whole,
            "Connections at a time from one IPv4 address or IPv6 /64. Default: 0, which is no limit.",
        ),
        key(
            "max_connects_per_minute",
            Form::Whole,
            "Connections within a minute from one IPv4 address or IPv6 /64. Default: 0, which is no limit.",
        ),
        key("max_rcpt", Form::Whole, "Recipients of a message. Default: 100, also for 0."),
        key(
            "max_errors",
            Form::Whole,
            "Refused commands before the connection is closed. Default: 20, also for 0.",
        ),
        key(
            "max_unrecognised",
            Form::Whole,
            "Unknown commands before the connection is closed. Default: 5, also for 0.",
        ),
        key(
            "max_messages",
            Form::Whole,
            "Messages of one connection. Default: 0, which is no limit.",
        ),
        key(
            "log_file",
            Form::Text,
            "Where its log goes: a path, stderr, stdout or off. Default: where the daemon's goes.",
        ),
        key(
            "require_helo",
            Form::Flag,
            "Whether mail needs a HELO, EHLO or LHLO first. Default: true.",
        ),
        key(
            "bare_newline",
            Form::Words(&["reject", "normalize"]),
            "What a CR or LF alone in a message means: it is refused, or becomes CRLF. Default: reject.",
        ),
        key(
            "greet_delay",
            Form::Duration,
            "How long the greeting is held back to see who talks first; at most 1m. Default: 0s.",
        ),
        key("extensions", Form::Section(&EXTENSIONS), "Switches for what EHLO offers."),
        key(
            "proxy_protocol",
            Form::Words(&["off", "accept", "require"]),
            "Whether connections of trusted proxies begin with a PROXY header. Default: off.",
        ),
        key(
            "xclient_on",
            Form::Flag,
            "Whether XCLIENT is taken from trusted proxies. Default: false.",
        ),
        key(
            "xforward_on",
            Form::Flag,
            "Whether XFORWARD is taken from trusted proxies. Default: as xclient_on.",
        ),
        key(
            "trusted_proxies",
            Form::Texts,
            "Networks that may speak for others, such as 10.0.0.0/8. Default: this machine, if one of the three above is on.",
        ),
        key("tls", Form::Section(&TLS), "TLS. Default: off."),
    ],
    required: &["listen_interface"],
    stale: &[
        ("start_tls_on", MOVED_TO_TLS),
        ("tls_always_on", MOVED_TO_TLS),
        ("private_key_file", MOVED_TO_TLS),
        ("public_key_file", MOVED_TO_TLS),
        ("protocols", MOVED_TO_TLS),
        ("ciphers", MOVED_TO_TLS),
        ("curves", MOVED_TO_TLS),
        ("root_cas_file", MOVED_TO_TLS),
        ("client_auth_type", MOVED_TO_TLS),
        ("prefer_server_cipher_suites", MOVED_TO_TLS),
        ("proxyon", "a key of a fork of go-guerrilla, ignored"),
    ],
};

const MOVED_TO_TLS: &str =
    "ignored here; since go-guerrilla 1.6 it belongs into the server's \"tls\" object";

/// `servers[].tls`.
pub(in crate::config) const TLS: Vocabulary = Vocabulary {
    entries: &[
        key("start_tls_on", Form::Flag, "Whether STARTTLS is offered. Default: false."),
        key(
            "tls_always_on",
            Form::Flag,
            "Whether TLS begins with the first byte; goes before start_tls_on. Default: false.",
        ),
        key("tls_required", Form::Flag, "Whether mail is taken over TLS only. Default: false."),
        key(
            "public_key_file",
            Form::Text,
            "PEM file with the chain of certificates, the server's own first.",
        ),
        key("private_key_file", Form::Text, "PEM file with its private key, not encrypted."),
        key(
            "certificates",
            Form::Sections(&CERTIFICATE),
            "Further pairs; a client gets the first one that is for the name it asks for.",
        ),
        key(
            "certificate_check_interval",
            Form::Duration,
            "How often the files are looked at for a change; 0s is never. Default: 60s.",
        ),
        key(
            "protocols",
            Form::Names(|| names(VERSIONS)),
            "The lowest and the highest version. Default: tls1.2 and tls1.3.",
        ),
        key(
            "ciphers",
            Form::Names(|| names(CIPHER_SUITES)),
            "The suites offered. Default: all that are safe.",
        ),
        key(
            "curves",
            Form::Names(|| names(CURVES)),
            "The groups offered for the exchange of keys. Default: all that are safe.",
        ),
        key(
            "prefer_server_cipher_suites",
            Form::Flag,
            "Whether our order of suites goes before the client's. Default: true.",
        ),
        key(
            "client_auth_type",
            Form::Name(|| names(CLIENT_AUTH)),
            "What is asked of clients about certificates of their own. Default: VerifyClientCertIfGiven with root_cas_file, else NoClientCert.",
        ),
        key(
            "root_cas_file",
            Form::Text,
            "PEM file with the authorities that clients are verified against. Default: those of the system.",
        ),
    ],
    required: &[],
    stale: &[],
};

/// One element of `servers[].tls.certificates`.
pub(in crate::config) const CERTIFICATE: Vocabulary = Vocabulary {
    entries: &[
        key("public_key_file", Form::Text, "PEM file with the chain of certificates. Required."),
        key(
            "private_key_file",
            Form::Text,
            "PEM file with its private key, not encrypted. Required.",
        ),
    ],
    required: &["public_key_file", "private_key_file"],
    stale: &[],
};

/// `servers[].extensions`: which EHLO keywords may be offered.
pub(in crate::config) const EXTENSIONS: Vocabulary = Vocabulary {
    entries: &[
        key("pipelining", Form::Flag, "PIPELINING. Default: true."),
        key("eight_bit_mime", Form::Flag, "8BITMIME. Default: true."),
        key("smtputf8", Form::Flag, "SMTPUTF8; needs eight_bit_mime. Default: true."),
        key("chunking", Form::Flag, "CHUNKING. Default: true."),
        key(
            "binarymime",
            Form::Flag,
            "BINARYMIME; needs chunking and eight_bit_mime. Default: true.",
        ),
        key("dsn", Form::Flag, "DSN, where a processor honours it. Default: true."),
        key("limits", Form::Flag, "LIMITS. Default: true."),
        key(
            "requiretls",
            Form::Flag,
            "REQUIRETLS, under TLS and where a processor honours it. Default: true.",
        ),
        key("size", Form::Flag, "SIZE; max_size holds either way. Default: true."),
        key(
            "enhanced_status_codes",
            Form::Flag,
            "ENHANCEDSTATUSCODES; without it no reply has such a code. Default: true.",
        ),
        key(
            "prdr",
            Form::Flag,
            "PRDR: a reply for each recipient for who asks for it. Default: true.",
        ),
        key("help", Form::Flag, "HELP. Default: true."),
    ],
    required: &[],
    stale: &[],
};

fn names<T>(names: &[(&'static str, T)]) -> Vec<&'static str> {
    names.iter().map(|(name, _)| *name).collect()
}
