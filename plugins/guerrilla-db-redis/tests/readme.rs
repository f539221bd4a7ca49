//! The README tells the truth about the keys.

use guerrilla_db_redis::GuerrillaRedisDb;
use guerrilla_plugin_api::BatchPlugin;
use guerrilla_plugin_api::testkit::check_keys_of_readme;

#[test]
fn the_readme_describes_every_key_and_no_other() {
    check_keys_of_readme(include_str!("../README.md"), GuerrillaRedisDb::CONFIG_SCHEMA);
}
