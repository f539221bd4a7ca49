use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn answer(parts: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (kind, content) in parts {
        push(&mut wire, *kind, content);
    }
    wire
}

fn whole(wire: &[u8]) -> (Answering, Result<(), Malformed>) {
    let mut answering = Answering::default();
    let result = answering.receive(wire);
    (answering, result)
}

#[test]
fn streams_are_told_apart() {
    let end = vec![0, 0, 1, 2, 0, 0, 0, 0];
    let parts =
        [(6, b"PA".to_vec()), (7, b"oh".to_vec()), (6, b"SS".to_vec()), (6, vec![]), (3, end)];
    let (answering, result) = whole(&answer(&parts));
    assert_eq!(result, Ok(()));
    assert_eq!((&answering.stdout[..], &answering.stderr[..]), (&b"PASS"[..], &b"oh"[..]));
    assert_eq!(answering.ended(), Some(End { application: 258, protocol: 0 }));
    assert!(!answering.has_excess());
}

#[test]
fn records_of_the_connection_are_passed_over_and_foreign_ones_are_not() {
    let unknown_type = [1, 11, 0, 0, 0, 8, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(whole(&unknown_type).1, Ok(()));
    assert_eq!(whole(b"HTTP/1.1 400").1, Err(Malformed::Version(b'H')));
    assert_eq!(whole(&[1, 6, 0, 2, 0, 0, 0, 0]).1, Err(Malformed::Request(2)));
    assert_eq!(whole(&answer(&[(5, vec![])])).1, Err(Malformed::Record { kind: 5, length: 0 }));
    assert_eq!(whole(&answer(&[(3, vec![0; 7])])).1, Err(Malformed::Record { kind: 3, length: 7 }));
}

#[test]
fn a_script_that_never_stops_talking_is_cut() {
    let part = vec![b'x'; 65_535];
    let (answering, _) =
        whole(&answer(&[(6, part.clone()), (6, part.clone()), (7, part.clone()), (7, part)]));
    assert_eq!((answering.stdout.len(), answering.stderr.len()), (KEPT, KEPT));
    assert_eq!(answering.ended(), None);
}

#[test]
fn what_comes_behind_the_end_is_noticed() {
    let mut wire = answer(&[(3, vec![0; 8])]);
    wire.push(1);
    assert!(whole(&wire).0.has_excess());
}

#[test]
fn names_and_values_have_short_and_long_lengths() {
    let mut pairs = Vec::new();
    push_pair(&mut pairs, "A", &"b".repeat(127));
    assert_eq!(&pairs[..3], [1, 127, b'A']);
    pairs.clear();
    push_pair(&mut pairs, "A", &"b".repeat(128));
    assert_eq!(&pairs[..6], [1, 0x80, 0, 0, 128, b'A']);
}

proptest! {
    #[test]
    fn any_octets_are_read_the_same_however_they_are_cut(
        wire in prop_oneof![vec(any::<u8>(), 0..200), likely()],
        cuts in vec(1..40_usize, 1..50),
    ) {
        let (at_once, expected) = whole(&wire);
        let mut answering = Answering::default();
        let mut result = Ok(());
        let (mut rest, mut cuts) = (&wire[..], cuts.iter().cycle());
        while let (false, Ok(()), Some(cut)) = (rest.is_empty(), result, cuts.next()) {
            result = answering.receive(split(&mut rest, *cut));
        }
        prop_assert_eq!(result, expected);
        prop_assert_eq!(answering.ended(), at_once.ended());
        prop_assert_eq!(answering.has_excess(), at_once.has_excess());
        prop_assert_eq!((&answering.stdout, &answering.stderr), (&at_once.stdout, &at_once.stderr));
    }

    #[test]
    fn what_is_written_is_read(out in vec(any::<u8>(), 0..3000), err in vec(any::<u8>(), 0..300), step in 1..500_usize) {
        let mut parts = Vec::new();
        for content in out.chunks(step) {
            parts.push((6, content.to_vec()));
        }
        parts.push((7, err.clone()));
        parts.push((3, vec![0; 8]));
        let (answering, result) = whole(&answer(&parts));
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!((answering.stdout.as_slice(), answering.stderr.as_slice()), (&out[..], &err[..]));
        prop_assert_eq!(answering.ended(), Some(End { application: 0, protocol: 0 }));
    }
}

/// Octets that are nearly an answer: small numbers, so that records begin and end within.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let record = (0..3_u8, 0..12_u8, 0..3_u8, vec(any::<u8>(), 0..20), 0..9_u8);
    let octets = record.prop_map(|(version, kind, id, content, padding)| {
        let mut wire = vec![version.max(1), kind, 0, id, 0, content.len() as u8, padding, 0];
        wire.extend_from_slice(&content);
        wire.resize(wire.len() + usize::from(padding), 0);
        wire
    });
    vec(octets, 0..12).prop_map(|records| records.concat())
}
