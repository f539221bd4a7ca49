//! Reading one JSON object of the config file by its vocabulary, as Go's decoder would: keys in any
//! case, the last of several counts, `null` is as good as absent. What Go would have passed over in
//! silence becomes a warning, what it would have refused an error with the key's path.

use super::json::Json;
use super::problem::{Findings, Problem, key_path, shortened};
use super::reference::Source;
use super::vocabulary::Vocabulary;

/// An object whose values have not been read yet.
pub(super) struct Section<'a> {
    path: String,
    values: Vec<(&'static str, Json)>,
    findings: &'a mut Findings,
}

impl<'a> Section<'a> {
    /// Opens an object and reports every key that is not in the vocabulary. `None`, reported too, when
    /// the value is no object.
    pub(super) fn open(
        json: Json,
        path: String,
        vocabulary: &'static Vocabulary,
        findings: &'a mut Findings,
    ) -> Option<Self> {
        let (section, others) = Self::split(json, path, vocabulary, findings)?;
        for (key, _) in others {
            let problem = match vocabulary.advice(&key) {
                Some(advice) => Problem::new(key_path(&section.path, &key), advice),
                None => Problem::unknown_key(&section.path, &key, vocabulary.keys()),
            };
            section.findings.warnings.push(problem);
        }
        Some(section)
    }

    /// Opens an object and hands back the members that are not in the vocabulary.
    pub(super) fn split(
        json: Json,
        path: String,
        vocabulary: &'static Vocabulary,
        findings: &'a mut Findings,
    ) -> Option<(Self, Vec<(String, Json)>)> {
        let Json::Object(members) = json else {
            findings.error(path, format!("expected an object, found {}", json.describe()));
            return None;
        };
        let mut section = Self { path, values: Vec::new(), findings };
        let mut others = Vec::new();
        for (key, value) in members {
            match vocabulary.find(&key) {
                Some(key) => section.put(key, value),
                None => others.push((key, value)),
            }
        }
        Some((section, others))
    }

    /// Where in the file this object stands, empty for the whole.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether no key of the vocabulary has been given, or all have been read.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Says once that a key was given more than once.
    pub(super) fn warn_duplicate(&mut self, at: String) {
        if !self.findings.warnings.iter().any(|warning| warning.at == at) {
            self.findings.warn(at, "given more than once, the last one counts");
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.scalar(key, "true or false", |json| match json {
            Json::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    pub(super) fn whole(&mut self, key: &str) -> Option<i64> {
        self.scalar(key, "a whole number", |json| match json {
            Json::Number(number) => number.as_i64(),
            _ => None,
        })
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.scalar(key, "a string", |json| match json {
            Json::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A string, or what stands where an object of the file says.
    pub(super) fn text_or_place(&mut self, key: &str) -> Option<String> {
        let place = self.values.iter().find(|(known, _)| *known == key);
        let Some(place) = place.and_then(|(_, json)| Source::of_json(json)) else {
            return self.text(key);
        };
        self.take(key);
        let at = key_path(&self.path, key);
        match place.read() {
            Ok(value) => {
                self.findings.places.insert(at, place);
                Some(value)
            }
            Err(why) => {
                self.findings.error(at, why);
                None
            }
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let items = self.list(key, STRINGS)?;
        let mut texts = Vec::with_capacity(items.len());
        for (path, item) in items {
            match item {
                Json::Text(text) => texts.push(text),
                other => {
                    self.findings
                        .error(path, format!("expected a string, found {}", other.describe()));
                }
            }
        }
        Some(texts)
    }

    /// The object under a key, to be read with its own vocabulary.
    pub(super) fn section(
        &mut self,
        key: &str,
        vocabulary: &'static Vocabulary,
    ) -> Option<Section<'_>> {
        let json = self.take(key)?;
        Section::open(json, key_path(&self.path, key), vocabulary, self.findings)
    }

    /// As [`Section::section`], with the members that are not in the vocabulary, and one more
    /// difference: go-guerrilla minds the case of such keys, so the exact spelling goes before others.
    pub(super) fn section_and_others(
        &mut self,
        key: &str,
        vocabulary: &'static Vocabulary,
    ) -> Option<(Section<'_>, Vec<(String, Json)>)> {
        let mut json = self.take(key)?;
        if let Json::Object(members) = &mut json {
            members.sort_by_key(|(key, _)| vocabulary.find(key).is_some_and(|exact| exact == key));
        }
        Section::split(json, key_path(&self.path, key), vocabulary, self.findings)
    }

    /// The objects in the list under a key, each read by `read`.
    pub(super) fn sections<T>(
        &mut self,
        key: &str,
        vocabulary: &'static Vocabulary,
        mut read: impl FnMut(Section<'_>) -> T,
    ) -> Option<Vec<T>> {
        let items = self.list(key, "a list of objects")?;
        let open =
            |(path, item)| Section::open(item, path, vocabulary, self.findings).map(&mut read);
        Some(items.into_iter().filter_map(open).collect())
    }

    /// Remembers a value of the vocabulary, in place of an earlier one.
    fn put(&mut self, key: &'static str, value: Json) {
        if value == Json::Null {
            return;
        }
        match self.values.iter_mut().find(|(known, _)| *known == key) {
            None => self.values.push((key, value)),
            Some((_, earlier)) => {
                *earlier = value;
                self.warn_duplicate(key_path(&self.path, key));
            }
        }
    }

    fn take(&mut self, key: &str) -> Option<Json> {
        let index = self.values.iter().position(|(known, _)| *known == key)?;
        Some(self.values.swap_remove(index).1)
    }

    fn scalar<T>(&mut self, key: &str, expected: &str, read: fn(&Json) -> Option<T>) -> Option<T> {
        let json = self.take(key)?;
        let value = read(&json);
        if value.is_none() {
            self.refuse(key, expected, &json);
        }
        value
    }

    /// An object of strings.
    pub(super) fn texts_by_name(&mut self, key: &str) -> Option<Vec<(String, String)>> {
        let expected = "an object of strings";
        let members = match self.take(key)? {
            Json::Object(members) => members,
            other => {
                self.refuse(key, expected, &other);
                return None;
            }
        };
        let path = key_path(&self.path, key);
        let mut texts = Vec::with_capacity(members.len());
        for (name, member) in members {
            match member {
                Json::Text(text) => texts.push((name, text)),
                other => {
                    let found = format!("expected a string, found {}", other.describe());
                    self.findings.error(key_path(&path, &name), found);
                }
            }
        }
        Some(texts)
    }

    /// The elements under a key with the path of each.
    fn list(&mut self, key: &str, expected: &str) -> Option<Vec<(String, Json)>> {
        match self.take(key)? {
            Json::List(items) => {
                let path = key_path(&self.path, key);
                let numbered = items.into_iter().enumerate();
                Some(numbered.map(|(index, item)| (format!("{path}[{index}]"), item)).collect())
            }
            other => {
                self.refuse(key, expected, &other);
                None
            }
        }
    }

    fn refuse(&mut self, key: &str, expected: &str, found: &Json) {
        let mut message = format!("expected {expected}, found {}", found.describe());
        // Up to go-guerrilla 1.5 lists were strings with commas.
        if let (Json::Text(text), true) = (found, expected == STRINGS) {
            let items: Vec<_> = text.split(',').map(str::trim).collect();
            message += &format!("; write {}", shortened(&format!("{items:?}")));
        }
        self.findings.error(key_path(&self.path, key), message);
    }
}

/// What an error calls a list of strings.
const STRINGS: &str = "a list of strings";

#[cfg(test)]
mod tests {
    use super::super::vocabulary::{SERVER, TOP};
    use super::*;

    fn read<T>(text: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> (T, Findings) {
        let mut findings = Findings::default();
        let json = Json::parse(text).unwrap();
        let mut section = Section::open(json, String::new(), &TOP, &mut findings).unwrap();
        let value = read(&mut section);
        (value, findings)
    }

    fn shown(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_come_in_any_case_and_the_last_counts() {
        let (value, findings) =
            read(r#"{"LOG_FILE":"a","log_file":"b","Log_File":"c","pid_FILE":"p"}"#, |section| {
                (section.text("log_file"), section.text("pid_file"))
            });
        assert_eq!(value, (Some("c".to_owned()), Some("p".to_owned())));
        assert_eq!(
            shown(&findings.warnings),
            ["log_file: given more than once, the last one counts"]
        );
        assert_eq!(findings.errors, []);
    }

    #[test]
    fn null_is_absent() {
        let (value, findings) =
            read(r#"{"log_file":"a","LOG_FILE":null,"pid_file":null}"#, |section| {
                (section.text("log_file"), section.text("pid_file"))
            });
        assert_eq!(value, (Some("a".to_owned()), None));
        assert_eq!((findings.errors, findings.warnings), (vec![], vec![]));
    }

    #[test]
    fn values_of_the_wrong_type_are_named() {
        let text = r#"{"log_file":1,"allowed_hosts":["a",2,null],"plugins_dir":"a, b","backend_config":[],"servers":[3,{"v6only":0}]}"#;
        let ((), findings) = read(text, |section| {
            section.text("log_file");
            assert_eq!(section.texts("allowed_hosts"), Some(vec!["a".to_owned()]));
            section.texts("plugins_dir");
            assert!(section.section("backend_config", &TOP).is_none());
            let servers = section.sections("servers", &SERVER, |mut server| {
                server.flag("v6only");
                server.path().to_owned()
            });
            assert_eq!(servers, Some(vec!["servers[1]".to_owned()]));
        });
        assert_eq!(
            shown(&findings.errors),
            [
                "log_file: expected a string, found 1",
                "allowed_hosts[1]: expected a string, found 2",
                "allowed_hosts[2]: expected a string, found null",
                r#"plugins_dir: expected a list of strings, found "a, b"; write ["a", "b"]"#,
                "backend_config: expected an object, found a list",
                "servers[0]: expected an object, found 3",
                "servers[1].v6only: expected true or false, found 0",
            ]
        );
    }

    #[test]
    fn unknown_and_stale_keys_are_warned_of() {
        let ((), findings) = read(r#"{"log_flie":"a","Verbose":true,"a b":1}"#, |_| ());
        assert_eq!(
            shown(&findings.warnings),
            [
                r#"log_flie: unknown key, ignored; did you mean "log_file"?"#,
                r#"Verbose: no longer in use, ignored; write "log_level": "debug""#,
                r#""a b": unknown key, ignored"#,
            ]
        );
    }
}
