use std::fs;

use super::*;
use guerrilla_plugin_api::Phase;
use guerrilla_plugin_api::testkit::{Harness, Mail};

fn store(path: &Path) -> Result<Harness<Batched<JournalStore>>, String> {
    Harness::new(serde_json::json!({ "journal_file": path }))
}

#[test]
fn every_message_is_in_the_file_when_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let store = store(&path).unwrap();
    let numbered = |number| Mail::new().queued_id(&format!("m{number}")).raw("A: 1\r\n\r\nHi.\r\n");
    let mut mails: Vec<_> = (0..100).map(|number| store.begin(numbered(number))).collect();
    for mail in &mut mails {
        assert_eq!(mail.submit(Phase::Save), None);
    }
    for (number, mail) in mails.iter_mut().enumerate() {
        assert_eq!(mail.wait(), Verdict::CONTINUE);
        let journal = fs::read_to_string(&path).unwrap();
        let record = format!("MAIL m{number} 13\nA: 1\r\n\r\nHi.\r\n");
        assert!(journal.contains(&record), "m{number} was acknowledged and is not there");
    }
    assert_eq!(store.histogram("batch_messages").iter().sum::<f64>(), 100.0);
}

#[test]
fn an_unfinished_record_is_cut_off_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    for torn in ["MAI", "MAIL b", "MAIL b 5\n", "MAIL b 5\n1234"] {
        fs::write(&path, format!("MAIL a 3\nabc{torn}")).unwrap();
        let store = store(&path).unwrap();
        assert!(store.has_logged(&format!("cut off {} bytes", torn.len())), "{:?}", store.log());
        assert!(store.deliver(Mail::new().queued_id("c").raw("new")).is_accepted());
        assert_eq!(fs::read_to_string(&path).unwrap(), "MAIL a 3\nabcMAIL c 3\nnew");
    }
}

#[test]
fn what_is_no_journal_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("passwd");
    fs::write(&path, "root:x:0:0\n").unwrap();
    let error = store(&path).err().unwrap();
    assert!(error.ends_with("no record at byte 0; is this a journal?"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "root:x:0:0\n");
}

#[test]
fn a_relative_path_is_a_mistake() {
    let error = store(Path::new("journal")).err().unwrap();
    assert_eq!(error, "journal_file: \"journal\" must begin with a slash");
}

#[test]
fn a_full_disk_defers() {
    // Writing to this device always fails for want of room.
    let store = store(Path::new("/dev/full")).unwrap();
    let answer = store.deliver(Mail::new());
    assert_eq!((answer.is_deferred(), answer.code()), (true, Some(452)));
    assert!(store.has_logged("journal_file /dev/full: No space left on device"));
}
