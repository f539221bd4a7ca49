//! The README tells the truth about the keys.

use guerrilla_plugin_api::testkit::{Harness, check_keys_of_readme, example_of_readme};
use guerrilla_plugin_api::{Async, AsyncPlugin};
use nats::Nats;

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_describes_every_key_and_no_other() {
    check_keys_of_readme(README, Nats::CONFIG_SCHEMA);
}

/// It is created and never ended, so no server is needed: without a server a start only waits.
#[test]
fn its_configuration_can_be_pasted() {
    let example = example_of_readme(README, Nats::CONFIG_SCHEMA);
    assert_eq!(Harness::<Async<Nats>>::new(example).err(), None);
}
