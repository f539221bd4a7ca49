//! A processor written in C: `forbidden.c` holds what it does, `border.rs` what joins it to the SDK, and this file what
//! operators see. See `docs/plugins-in-c.md`.
#![deny(unsafe_code)]

use guerrilla_plugin_api::{Blocking, Host, Phase, Plugin, Transaction, Verdict, export_plugin};

#[allow(unsafe_code)] // calls C, and is called by it: each block states why it is sound
mod border;

/// What the functions in C have made.
struct Forbidden {
    state: border::State,
}

impl Plugin for Forbidden {
    const NAME: &'static str = "Forbidden";
    const DESCRIPTION: &'static str = "Refuses messages with a forbidden word in the subject";
    const PHASES: &'static [Phase] = &[Phase::Save];
    // Looks at memory only; of one that waits for anything say Short or Long.
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "required": ["forbidden_word"],
        "properties": {
            "forbidden_word": { "type": "string", "minLength": 1, "description": "bytes to look for in the subject" }
        }
    }"#;
    type Config = serde_json::Map<String, serde_json::Value>;

    fn create(_host: Host, config: Self::Config) -> Result<Self, String> {
        Ok(Self { state: border::State::create(config)? })
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        self.state.save(txn)
    }
}

export_plugin!(Forbidden);

#[cfg(test)]
mod tests {
    use super::*;
    use guerrilla_plugin_api::testkit::{Harness, Mail};

    fn forbidden() -> Harness<Forbidden> {
        Harness::new(r#"{ "forbidden_word": "lottery" }"#).unwrap()
    }

    #[test]
    fn the_word_is_refused_and_everything_else_is_marked() {
        let forbidden = forbidden();
        let refused = forbidden.deliver(Mail::new().subject("Win the lottery"));
        assert_eq!((refused.code(), refused.text()), (Some(550), Some("We do not speak of that")));
        assert!(forbidden.has_logged("refused 1 so far"));

        let kept = forbidden.deliver(Mail::new().to("a@b.example").to("c@d.example"));
        assert!(kept.is_accepted());
        assert_eq!(kept.mail.header("X-Checked-In-C").as_deref(), Some("for 2 recipients"));
    }

    #[test]
    fn a_missing_word_is_told_by_the_code_in_c() {
        for config in ["{}", r#"{ "forbidden_word": "" }"#] {
            let error = Harness::<Forbidden>::new(config).err().unwrap();
            assert_eq!(error, "forbidden_word: is missing or empty; write the word to refuse");
        }
    }

    #[test]
    fn many_threads_at_once() {
        let forbidden = forbidden();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        assert!(forbidden.deliver(Mail::new().subject("lottery")).is_rejected());
                    }
                });
            }
        });
        assert!(forbidden.has_logged("refused 200 so far"));
    }
}
