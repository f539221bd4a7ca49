//! The processor as the daemon sees it.

use guerrilla_plugin_api::{Batch, BatchPlugin, Host, Phase, Transaction, Verdict};

use crate::config::Config;
use crate::driver::Driver;
use crate::lanes::Lanes;
use crate::reach::Reach;
use crate::schema;
use crate::statement::Insert;
use crate::store::Store;
use crate::target::Target;

/// Stores messages in a database.
pub struct Sql {
    store: Store,
    writers: usize,
    batch: usize,
}

impl BatchPlugin for Sql {
    const NAME: &'static str = "sql";
    const ALIASES: &'static [&'static str] = &["mysql"];
    const DESCRIPTION: &'static str = "stores messages in MySQL, MariaDB, PostgreSQL or SQLite";
    /// At RCPT it has nothing against anybody; configurations of go-guerrilla name it there.
    const PHASES: &'static [Phase] = &[Phase::Rcpt, Phase::Save];
    const NEVER_BLOCKS_IN: &'static [Phase] = &[Phase::Rcpt];
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let target = Target::new(&config)?;
        let driver = target.driver();
        if config.mail_table.trim().is_empty() {
            return Err("mail_table: is empty; it names the table".to_owned());
        }
        let insert =
            Insert::new(driver, &config.mail_table, &config.sql_insert, &config.sql_values);
        let insert = insert.map_err(|e| e.to_string())?;
        let first = match config.sql_create_table.unwrap_or(driver == Driver::Sqlite) {
            true => schema::statements(driver, &config.mail_table),
            false => Vec::new(),
        };
        let (writers, batch) = (config.writers(driver), config.sql_batch.get().into());
        let most_idle = config.sql_max_idle_conns.map_or(usize::MAX, usize::from);
        let lanes = Lanes::new(most_idle, config.sql_max_conn_lifetime.0);
        let reach = Reach::new(host, target, first, insert.text(1).into());
        let store = Store::new(host, reach, insert, lanes, config.primary_mail_host);
        Ok(Self { store, writers, batch })
    }

    fn start(&self) -> Result<(), String> {
        self.store.open()
    }

    fn max_batch(&self) -> usize {
        self.batch
    }

    fn writers(&self) -> usize {
        self.writers
    }

    fn save_batch(&self, batch: Batch) {
        self.store.save(batch);
    }

    fn rcpt(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    fn stop(&self) {
        self.store.close();
    }
}

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
