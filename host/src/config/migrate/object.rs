//! An object of the file on its way to today's keys: members in the order of the file, and what was done to them.

use std::mem;

use crate::config::json::Json;
use crate::config::problem::{Problem, key_path};
use crate::config::vocabulary::Vocabulary;

pub(super) struct Object {
    at: String,
    members: Vec<(String, Json)>,
    notes: Vec<Problem>,
}

impl Object {
    /// The file itself.
    pub(super) fn of(members: Vec<(String, Json)>) -> Self {
        Self { at: String::new(), members, notes: Vec::new() }
    }

    pub(super) fn finish(self) -> (Json, Vec<Problem>) {
        (Json::Object(self.members), self.notes)
    }

    /// Writes keys in today's spelling, and keeps the one that counts of those that are given more than once: the last
    /// one that is not null.
    pub(super) fn spell(&mut self, vocabulary: &Vocabulary) {
        for (key, _) in &mut self.members {
            if let Some(known) = vocabulary.find(key).filter(|known| known != key) {
                self.notes.push(Problem::new(key_path(&self.at, key), format!("spelt {known}")));
                *key = known.to_owned();
            }
        }
        for key in vocabulary.keys() {
            self.keep_one(key);
        }
    }

    /// Of several members with this very key, the one that counts.
    pub(super) fn keep_one(&mut self, key: &str) {
        let same = |index: &usize| self.members[*index].0 == key;
        let same: Vec<usize> = (0..self.members.len()).filter(same).collect();
        let given = same.iter().rfind(|index| self.members[**index].1 != Json::Null);
        let counts = given.or_else(|| same.last()).copied();
        for index in same.into_iter().rev().filter(|index| Some(*index) != counts) {
            self.members.remove(index);
            self.note(key, "given more than once, only the one that counted is left");
        }
    }

    /// The value of a key; null is as good as none.
    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        let found = self.members.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value).filter(|value| **value != Json::Null)
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.members.iter().map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn set(&mut self, key: &str, value: Json) {
        if let Some(index) = self.position(key) {
            self.members[index].1 = value;
        }
    }

    pub(super) fn push(&mut self, key: &str, value: Json) {
        self.members.push((key.to_owned(), value));
    }

    /// Takes a key out, if it is there.
    pub(super) fn remove(&mut self, key: &str, why: &str) {
        self.replace(key, Vec::new(), why);
    }

    /// Takes out the first member that is spelt just like this.
    pub(super) fn remove_exact(&mut self, key: &str, why: &str) {
        if let Some(index) = self.members.iter().position(|(known, _)| known == key) {
            self.members.remove(index);
            self.note(key, why);
        }
    }

    /// Puts members in the place of one, if it is there. A key that is there already is taken out where it stood.
    pub(super) fn replace(&mut self, key: &str, with: Vec<(String, Json)>, why: &str) {
        let Some(index) = self.position(key) else { return };
        let (written, _) = self.members.remove(index);
        let before = &self.members[..index];
        let earlier = |(known, _): &&(String, Json)| with.iter().any(|(new, _)| new == known);
        let index = index - before.iter().filter(earlier).count();
        self.members.retain(|(known, _)| with.iter().all(|(new, _)| new != known));
        self.members.splice(index..index, with);
        self.note(&written, why);
    }

    /// Works on the object under a key, if there is one.
    pub(super) fn within(&mut self, key: &str, work: impl FnOnce(&mut Self)) {
        let at = key_path(&self.at, key);
        let Some(index) = self.position(key) else { return };
        let mut value = mem::replace(&mut self.members[index].1, Json::Null);
        self.lend(&mut value, at, work);
        self.members[index].1 = value;
    }

    /// Works on every object of the list under a key.
    pub(super) fn each(&mut self, key: &str, work: impl Fn(&mut Self)) {
        let at = key_path(&self.at, key);
        let Some(index) = self.position(key) else { return };
        let mut value = mem::replace(&mut self.members[index].1, Json::Null);
        if let Json::List(items) = &mut value {
            for (number, item) in items.iter_mut().enumerate() {
                self.lend(item, format!("{at}[{number}]"), &work);
            }
        }
        self.members[index].1 = value;
    }

    pub(super) fn note(&mut self, key: &str, what: &str) {
        self.notes.push(Problem::new(key_path(&self.at, key), what));
    }

    /// Which member it is; behind all if it is not there.
    pub(super) fn place(&self, key: &str) -> usize {
        self.position(key).unwrap_or(self.members.len())
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.members.iter().position(|(known, _)| known.eq_ignore_ascii_case(key))
    }

    fn lend(&mut self, value: &mut Json, at: String, work: impl FnOnce(&mut Self)) {
        if let Json::Object(members) = value {
            let notes = mem::take(&mut self.notes);
            let mut object = Self { at, members: mem::take(members), notes };
            work(&mut object);
            *members = object.members;
            self.notes = object.notes;
        }
    }
}
