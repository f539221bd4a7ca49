//! The documented tables, as files that operators can use themselves, and for `sql_create_table`.

use crate::driver::Driver;

/// The statements that make a table of that name and its indexes where they are missing.
pub(crate) fn statements(driver: Driver, table: &str) -> Vec<String> {
    let (mark, text) = match driver {
        Driver::MySql => ('`', include_str!("../schema/mysql.sql")),
        Driver::Postgres => ('"', include_str!("../schema/postgres.sql")),
        Driver::Sqlite => ('"', include_str!("../schema/sqlite.sql")),
    };
    let quoted = driver.quote(table);
    // Indexes lie beside their table and have its name in front.
    let last = driver.quote(table.rsplit('.').next().unwrap_or(table));
    let last = last.trim_end_matches(mark);
    let sql: String =
        text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let sql = sql.replace(&format!("{mark}new_mail_"), &format!("{last}_"));
    let sql = sql.replace(&format!("{mark}new_mail{mark}"), &quoted);
    sql.split(';').map(str::trim).filter(|sql| !sql.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_gets_its_name() {
        let sqlite = statements(Driver::Sqlite, "new_mail");
        assert_eq!(sqlite.len(), 4);
        assert!(sqlite[0].starts_with("CREATE TABLE IF NOT EXISTS \"new_mail\" ("), "{sqlite:?}");
        let postgres = statements(Driver::Postgres, "Store.Inbox");
        assert!(postgres[0].contains("\"store\".\"inbox\" ("), "{postgres:?}");
        assert_eq!(
            postgres[1],
            "CREATE INDEX IF NOT EXISTS \"inbox_recipient\" ON \"store\".\"inbox\" (\"recipient\")"
        );
        let mysql = statements(Driver::MySql, "inbox");
        assert_eq!(mysql.len(), 1);
        assert!(mysql[0].starts_with("CREATE TABLE IF NOT EXISTS `inbox` ("), "{mysql:?}");
        assert!([sqlite, postgres, mysql].concat().iter().all(|sql| !sql.contains("--")));
    }
}
