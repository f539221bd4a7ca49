//! One connection to one database.
//!
//! The statements of a transaction are sent plainly: what a lost connection means depends on which of them it was.

use std::sync::Arc;

use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlConnection};
use sqlx::postgres::{PgConnection, PgTypeInfo, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{
    Arguments, AssertSqlSafe, ConnectOptions, Connection, Database, Either, Encode, Error,
    Executor, Statement, Type, TypeInfo,
};

use crate::content::Content;
use crate::record::{Record, Row};
use crate::statement::ARGUMENTS;
use crate::target::Target;

/// An open connection.
pub(crate) struct Session {
    connection: AnyConnection,
    /// Most bytes of one statement with its arguments.
    largest: usize,
}

enum AnyConnection {
    MySql(MySqlConnection),
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Session {
    pub(crate) async fn connect(target: &Target) -> Result<Self, Error> {
        match target {
            Target::MySql(options) => {
                let (connection, largest) = guerrilla_sql_client::connect(options).await?;
                Ok(Self { connection: AnyConnection::MySql(connection), largest })
            }
            Target::Postgres(options) => {
                let connection = AnyConnection::Postgres(options.connect().await?);
                Ok(Self { connection, largest: MOST })
            }
            Target::Sqlite(options) => {
                let connection = AnyConnection::Sqlite(options.connect().await?);
                Ok(Self { connection, largest: MOST })
            }
        }
    }

    /// Most bytes of a row, or of several in one statement.
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }

    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        match &mut self.connection {
            // A transaction that begins by reading cannot always be turned into one that writes.
            AnyConnection::Sqlite(connection) => {
                connection.execute("BEGIN IMMEDIATE").await.map(drop)
            }
            _ => self.execute("BEGIN".into()).await,
        }
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        self.execute("COMMIT".into()).await
    }

    pub(crate) async fn rollback(&mut self) -> Result<(), Error> {
        self.execute("ROLLBACK".into()).await
    }

    /// Runs a statement without arguments.
    pub(crate) async fn execute(&mut self, sql: Arc<str>) -> Result<(), Error> {
        let sql = AssertSqlSafe(sql);
        match &mut self.connection {
            AnyConnection::MySql(connection) => {
                connection.execute(sqlx::raw_sql(sql)).await.map(drop)
            }
            AnyConnection::Postgres(connection) => {
                connection.execute(sqlx::raw_sql(sql)).await.map(drop)
            }
            AnyConnection::Sqlite(connection) => {
                connection.execute(sqlx::raw_sql(sql)).await.map(drop)
            }
        }
    }

    /// Inserts these rows with the statement that was made for so many.
    pub(crate) async fn insert(
        &mut self,
        sql: Arc<str>,
        rows: &[(&Record<'_>, &Row)],
    ) -> Result<(), Error> {
        let sql = AssertSqlSafe(sql);
        match &mut self.connection {
            AnyConnection::MySql(connection) => {
                let arguments = arguments::<MySql>(rows).map_err(Error::Encode)?;
                sqlx::query_with(sql, arguments).execute(connection).await.map(drop)
            }
            AnyConnection::Postgres(connection) => {
                let arguments = arguments::<Postgres>(rows).map_err(Error::Encode)?;
                sqlx::query_with(sql, arguments).execute(connection).await.map(drop)
            }
            AnyConnection::Sqlite(connection) => {
                let arguments = arguments::<Sqlite>(rows).map_err(Error::Encode)?;
                sqlx::query_with(sql, arguments).execute(connection).await.map(drop)
            }
        }
    }

    /// Lets the database look at the statement for one row: table, columns, types as far as it knows them, and the
    /// number of arguments. `Ok` has the number when it is wrong.
    pub(crate) async fn check(&mut self, sql: Arc<str>) -> Result<Option<usize>, Error> {
        let sql = sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql));
        let expected = match &mut self.connection {
            AnyConnection::MySql(connection) => count(&connection.prepare(sql).await?),
            AnyConnection::Postgres(connection) => {
                count(&connection.prepare_with(sql, &postgres_types()).await?)
            }
            AnyConnection::Sqlite(connection) => count(&connection.prepare(sql).await?),
        };
        Ok((expected != ARGUMENTS).then_some(expected))
    }

    /// Says goodbye to the server.
    pub(crate) async fn close(self) {
        // The server notices in any case.
        let _ = match self.connection {
            AnyConnection::MySql(connection) => connection.close().await,
            AnyConnection::Postgres(connection) => connection.close().await,
            AnyConnection::Sqlite(connection) => connection.close().await,
        };
    }

    /// Gives back the memory that large messages have taken.
    pub(crate) fn shrink(&mut self) {
        match &mut self.connection {
            AnyConnection::MySql(connection) => connection.shrink_buffers(),
            AnyConnection::Postgres(connection) => connection.shrink_buffers(),
            AnyConnection::Sqlite(connection) => connection.shrink_buffers(),
        }
    }
}

/// The arguments of rows, in go-guerrilla's order.
fn arguments<DB: Database>(rows: &[(&Record<'_>, &Row)]) -> Result<DB::Arguments, BoxDynError>
where
    for<'v> &'v str: Encode<'v, DB> + Type<DB>,
    for<'v> &'v [u8]: Encode<'v, DB> + Type<DB>,
    for<'v> Content<'v>: Encode<'v, DB> + Type<DB>,
    for<'v> bool: Encode<'v, DB> + Type<DB>,
{
    let mut all = DB::Arguments::default();
    let size = rows.iter().map(|(record, _)| record.row_size).sum();
    all.reserve(rows.len() * ARGUMENTS, size);
    for (record, row) in rows {
        all.add(row.to.as_str())?;
        all.add(record.from.as_str())?;
        all.add(record.subject.as_str())?;
        all.add(record.body)?;
        all.add(record.mail)?;
        all.add(record.hash.as_str())?;
        all.add(record.content_type.as_str())?;
        all.add(row.recipient.as_str())?;
        all.add(record.ip_addr.as_slice())?;
        all.add(record.from.as_str())?;
        all.add(record.is_tls)?;
        all.add(row.message_id.as_str())?;
        all.add(record.reply_to.as_str())?;
        all.add(record.sender.as_str())?;
    }
    Ok(all)
}

/// The types that those arguments have for PostgreSQL, which wants to know them beforehand.
fn postgres_types() -> Vec<PgTypeInfo> {
    let text = <str as Type<Postgres>>::type_info;
    let bytes = <[u8] as Type<Postgres>>::type_info;
    let mut types: Vec<PgTypeInfo> = (0..ARGUMENTS).map(|_| text()).collect();
    types[4] = bytes();
    types[8] = bytes();
    types[10] = <bool as Type<Postgres>>::type_info();
    types
}

fn count<S: Statement>(statement: &S) -> usize
where
    <S::Database as Database>::TypeInfo: TypeInfo,
{
    match statement.parameters() {
        Some(Either::Left(types)) => types.len(),
        Some(Either::Right(count)) => count,
        None => 0,
    }
}

/// Most bytes of a value of PostgreSQL and of SQLite (a gigabyte), with room for the rest of a row.
const MOST: usize = 937_500_000;
