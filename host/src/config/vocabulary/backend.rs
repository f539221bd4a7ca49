//! The keys of `backend_config`, of the gateway and of sections for single processors.

use super::{Form, Key, Vocabulary, key};

/// The gateway's keys in `backend_config`; the others there are the processors'.
pub(in crate::config) const BACKEND: Vocabulary = Vocabulary {
    entries: &[
        key(
            "connect_process",
            Form::Text,
            "The chain asked about a new connection. Default: none.",
        ),
        key("helo_process", Form::Text, "The chain asked about HELO. Default: none."),
        key("mail_process", Form::Text, "The chain asked about a sender. Default: none."),
        key(
            "validate_process",
            Form::Text,
            "The chain asked about each recipient, such as \"MailDir\". Default: none.",
        ),
        key(
            "save_process",
            Form::Text,
            "The chain that keeps a message, such as \"HeadersParser|Header|MailDir\". Default: HeadersParser|Header|Debugger, which keeps nothing.",
        ),
        key(
            "save_workers_size",
            Form::Whole,
            "Threads of each processor that blocks. Default: 0, which is as many as it gains by.",
        ),
        key("gw_save_timeout", Form::Duration, "How long saving may take. Default: 30s."),
        key(
            "gw_val_rcpt_timeout",
            Form::Duration,
            "How long each of the other chains may take. Default: 5s.",
        ),
        key(
            "primary_mail_host",
            Form::TextOrPlace,
            "The host that processors file mail under. Default: the name of the machine.",
        ),
        key(
            "log_received_mails",
            Form::Flag,
            "Whether Debugger logs each message. Default: true without a backend_config, else false.",
        ),
    ],
    required: &[],
    stale: &[
        ("process_stack", "no longer in use, ignored; its name is save_process now"),
        ("save_processors", "no longer in use, ignored; its name is save_process now"),
        ("validate_processors", "no longer in use, ignored; its name is validate_process now"),
        ("mysql_db", MOVED_TO_DSN),
        ("mysql_host", MOVED_TO_DSN),
        ("mysql_user", MOVED_TO_DSN),
        ("mysql_pass", MOVED_TO_DSN),
    ],
};

const MOVED_TO_DSN: &str = "no longer in use, ignored; write sql_driver and sql_dsn";

/// `backend_config.processors`.
pub(in crate::config) const PROCESSORS: Key = key(
    "processors",
    Form::Processors,
    "Sections for single processors: settings of their own, what their faults mean; with use, another name for one.",
);

/// The daemon's keys in a section of `backend_config.processors`; the others there are the processor's.
pub(in crate::config) const PROCESSOR: Vocabulary = Vocabulary {
    entries: &[
        key("use", Form::Text, "The processor behind the name. Default: the one of that name."),
        key(
            "on_fault",
            Form::Words(&["defer", "continue", "reject"]),
            "What a panic, or an answer that is none, means for the message. Default: defer.",
        ),
        key(
            "on_timeout",
            Form::Words(&["defer", "continue", "reject"]),
            "What it means for the message that it has not answered in time. Default: defer.",
        ),
        key("workers", Form::Positive, "Threads, if it blocks. Default: save_workers_size."),
    ],
    required: &[],
    stale: &[],
};
