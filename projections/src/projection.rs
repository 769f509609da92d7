//! What a projection is: a pure fold from events to changes of rows, and the few statements that write a page of them.

use futures::future::BoxFuture;
use kvit_domain::event::Position;
use sqlx::PgConnection;

use crate::error::Fault;
use crate::log::{FoldError, LogEvent, Needs};
use crate::table::TableInfo;

/// The tables of a projection with the changes that a page makes to them.
pub trait Tables: Default + Send + 'static {
    /// All tables.
    const ALL: &'static [TableInfo];
    /// Statements that make them in a schema, with their primary keys only.
    fn create(schema: &str) -> Vec<String>;
    /// Statements that make the further indexes, where they are missing.
    fn indexes(schema: &str) -> Vec<String>;
    /// Loads the rows that the fold asked for.
    fn load(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
    /// Writes what the fold changed.
    fn store(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// A fold. It reads no clock and no other table: the same events always give the same rows.
pub trait Fold: Send + Sync + 'static {
    /// Its name, such as `ledger`: lowercase letters and `_`.
    const NAME: &'static str;
    /// Raised whenever the same events would give other rows or tables. A newer version is built anew beside the old one.
    const VERSION: i64;
    /// Which events it folds.
    const NEEDS: Needs;
    /// Its tables.
    type Rows: Tables;
    /// What it takes from an event.
    type Change: Send + Sync;

    /// Reads the event; `None` when it is of no interest.
    ///
    /// # Errors
    /// When the event is not what its name promises.
    fn decode(event: &LogEvent) -> Result<Option<Self::Change>, FoldError>;
    /// Names the rows that the fold of this change reads.
    fn want(event: &LogEvent, change: &Self::Change, rows: &mut Self::Rows);
    /// Names rows whose keys stand in the rows that [`Fold::want`] named.
    fn want_linked(_event: &LogEvent, _change: &Self::Change, _rows: &mut Self::Rows) {}
    /// Changes the rows.
    ///
    /// # Errors
    /// When the change contradicts the rows; the page's changes are then thrown away.
    fn fold(event: &LogEvent, change: Self::Change, rows: &mut Self::Rows)
    -> Result<(), FoldError>;
}

/// Why a page could not be applied.
#[derive(Debug)]
pub enum PageError {
    /// This event cannot be folded; the events before it can.
    Event {
        /// Its index in the page.
        index: usize,
        /// Its position.
        position: Position,
        /// Why.
        error: FoldError,
    },
    /// The database.
    Database(Fault),
}

impl From<sqlx::Error> for PageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A fold behind a common face, as the runner keeps them.
pub trait Projection: Send + Sync {
    /// See [`Fold::NAME`].
    fn name(&self) -> &'static str;
    /// See [`Fold::VERSION`].
    fn version(&self) -> i64;
    /// See [`Fold::NEEDS`].
    fn needs(&self) -> Needs;
    /// See [`Tables::ALL`].
    fn tables(&self) -> &'static [TableInfo];
    /// See [`Tables::create`].
    fn create(&self, schema: &str) -> Vec<String>;
    /// See [`Tables::indexes`].
    fn indexes(&self, schema: &str) -> Vec<String>;
    /// Folds a page into the tables of a schema, within the connection's transaction.
    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
        page: &'a [LogEvent],
    ) -> BoxFuture<'a, Result<(), PageError>>;
}

/// Makes a [`Projection`] of a [`Fold`].
#[derive(Debug)]
pub(crate) struct Folded<F>(std::marker::PhantomData<F>);

impl<F> Folded<F> {
    pub(crate) const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<F: Fold> Projection for Folded<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn version(&self) -> i64 {
        F::VERSION
    }

    fn needs(&self) -> Needs {
        F::NEEDS
    }

    fn tables(&self) -> &'static [TableInfo] {
        F::Rows::ALL
    }

    fn create(&self, schema: &str) -> Vec<String> {
        F::Rows::create(schema)
    }

    fn indexes(&self, schema: &str) -> Vec<String> {
        F::Rows::indexes(schema)
    }

    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        schema: &'a str,
        page: &'a [LogEvent],
    ) -> BoxFuture<'a, Result<(), PageError>> {
        Box::pin(async move {
            let failed = |index: usize, event: &LogEvent, error| PageError::Event {
                index,
                position: event.position,
                error,
            };
            let mut changes = Vec::with_capacity(page.len());
            for (index, event) in page.iter().enumerate() {
                let change = F::decode(event).map_err(|error| failed(index, event, error))?;
                if let Some(change) = change {
                    changes.push((index, event, change));
                }
            }
            let mut rows = F::Rows::default();
            for (_, event, change) in &changes {
                F::want(event, change, &mut rows);
            }
            rows.load(connection, schema).await?;
            for (_, event, change) in &changes {
                F::want_linked(event, change, &mut rows);
            }
            rows.load(connection, schema).await?;
            for (index, event, change) in changes {
                F::fold(event, change, &mut rows).map_err(|error| failed(index, event, error))?;
            }
            rows.store(connection, schema).await?;
            Ok(())
        })
    }
}
