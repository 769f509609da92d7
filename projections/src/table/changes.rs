//! What a page of events does to a table: [`Rows`] change, [`Appends`] are only ever added, [`Sums`] are added to.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use super::TableRow;
use super::statements::{append, columns, create, indexes, insert, names, unnest};

/// Rows of a table that a page of events changes: first the keys are named, then the rows loaded in one statement, then
/// changed in memory, and in the end written in one statement.
#[derive(Debug)]
pub struct Rows<R: TableRow> {
    wanted: HashSet<R::Key>,
    known: HashMap<R::Key, Known<R>>,
    /// In the order of their first change, so that rows are written in the order of the events.
    changed: Vec<R::Key>,
}

#[derive(Debug)]
struct Known<R> {
    row: R,
    changed: bool,
}

impl<R: TableRow> Default for Rows<R> {
    fn default() -> Self {
        Self {
            wanted: HashSet::new(),
            known: HashMap::new(),
            changed: Vec::new(),
        }
    }
}

impl<R: TableRow> Rows<R> {
    pub(crate) fn create(schema: &str) -> String {
        create::<R>(schema, true)
    }

    pub(crate) fn indexes(schema: &str) -> Vec<String> {
        indexes::<R>(schema)
    }

    /// The fold will read the row with this key, if there is one.
    pub fn want(&mut self, key: R::Key) {
        if !self.known.contains_key(&key) {
            self.wanted.insert(key);
        }
    }

    /// A row, if it exists.
    #[must_use]
    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.known.get(key).map(|known| &known.row)
    }

    /// A row that will be written, if it exists.
    pub fn change(&mut self, key: &R::Key) -> Option<&mut R> {
        let known = self.known.get_mut(key)?;
        if !known.changed {
            known.changed = true;
            self.changed.push(key.clone());
        }
        Some(&mut known.row)
    }

    /// A row that will be written, made if it does not exist.
    pub fn change_or(&mut self, key: &R::Key, new: impl FnOnce() -> R) -> &mut R {
        let known = self.known.entry(key.clone()).or_insert_with(|| Known {
            row: new(),
            changed: false,
        });
        if !known.changed {
            known.changed = true;
            self.changed.push(key.clone());
        }
        &mut known.row
    }

    /// A whole row that will be written.
    pub fn put(&mut self, row: R) {
        let key = row.key();
        let known = Known { row, changed: true };
        let before = self.known.insert(key.clone(), known);
        if !before.is_some_and(|before| before.changed) {
            self.changed.push(key);
        }
    }

    /// Loads the wanted rows.
    pub(crate) async fn load(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<(), sqlx::Error> {
        let keys: Vec<R::Key> = std::mem::take(&mut self.wanted).into_iter().collect();
        if keys.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT {} FROM {schema}.\"{}\" AS t JOIN {} USING ({})",
            columns::<R>("t."),
            R::TABLE,
            unnest::<R>(R::KEY_COLUMNS),
            names::<R>(R::KEY_COLUMNS)
        );
        for row in sqlx::query_with(&sql, R::bind_keys(&keys)?)
            .fetch_all(connection)
            .await?
        {
            let row = R::read(&row)?;
            self.known.insert(
                row.key(),
                Known {
                    row,
                    changed: false,
                },
            );
        }
        Ok(())
    }

    /// Writes the changed rows.
    pub(crate) async fn store(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<(), sqlx::Error> {
        let changed = std::mem::take(&mut self.changed);
        let rows: Vec<&R> = changed
            .iter()
            .filter_map(|key| self.known.get(key).map(|known| &known.row))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let updates = R::COLUMNS
            .iter()
            .skip(R::KEY_COLUMNS)
            .map(|column| format!("\"{0}\" = excluded.\"{0}\"", column.name))
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!(
            "{} ON CONFLICT ({}) DO UPDATE SET {updates}",
            insert::<R>(schema),
            names::<R>(R::KEY_COLUMNS)
        );
        sqlx::query_with(&sql, R::bind(&rows)?)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Rows that a page of events adds to a table whose rows never change. A row that exists already is a fault.
#[derive(Debug)]
pub struct Appends<R: TableRow>(Vec<R>);

impl<R: TableRow> Default for Appends<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: TableRow> Appends<R> {
    pub(crate) fn create(schema: &str) -> String {
        create::<R>(schema, false)
    }

    pub(crate) fn indexes(schema: &str) -> Vec<String> {
        let (table, key) = (R::TABLE, names::<R>(R::KEY_COLUMNS));
        let key = format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS \"{table}_key\" ON {schema}.\"{table}\" ({key})"
        );
        let mut all = vec![key];
        all.extend(indexes::<R>(schema));
        all
    }

    /// Adds a row.
    pub fn push(&mut self, row: R) {
        self.0.push(row);
    }

    /// Nothing is read before rows are added.
    pub(crate) async fn load(
        &mut self,
        _connection: &mut PgConnection,
        _schema: &str,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Writes the rows.
    pub(crate) async fn store(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        append(&self.0, connection, schema).await?;
        self.0.clear();
        Ok(())
    }
}

/// Rows that are sums: a page collects what it adds, and nothing needs to be loaded. Every column that is not part of the
/// key is a number that is added to the stored one, but for the position, which is replaced.
#[derive(Debug)]
pub struct Sums<R: TableRow> {
    added: HashMap<R::Key, R>,
    order: Vec<R::Key>,
}

impl<R: TableRow> Default for Sums<R> {
    fn default() -> Self {
        Self {
            added: HashMap::new(),
            order: Vec::new(),
        }
    }
}

impl<R: TableRow> Sums<R> {
    pub(crate) fn create(schema: &str) -> String {
        create::<R>(schema, true)
    }

    pub(crate) fn indexes(schema: &str) -> Vec<String> {
        indexes::<R>(schema)
    }

    /// What is added to the row with this key; `zero` makes it.
    pub fn add(&mut self, key: R::Key, zero: impl FnOnce(R::Key) -> R) -> &mut R {
        match self.added.entry(key) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(place) => {
                self.order.push(place.key().clone());
                let row = zero(place.key().clone());
                place.insert(row)
            }
        }
    }

    /// Nothing is read before it is added to.
    pub(crate) async fn load(
        &mut self,
        _connection: &mut PgConnection,
        _schema: &str,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Adds what was collected.
    pub(crate) async fn store(
        &mut self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<(), sqlx::Error> {
        let rows: Vec<&R> = self
            .order
            .iter()
            .filter_map(|key| self.added.get(key))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let updates = R::COLUMNS
            .iter()
            .skip(R::KEY_COLUMNS)
            .map(|column| match column.name {
                "position" => "\"position\" = excluded.\"position\"".to_owned(),
                name => format!("\"{name}\" = t.\"{name}\" + excluded.\"{name}\""),
            })
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!(
            "{} ON CONFLICT ({}) DO UPDATE SET {updates}",
            insert::<R>(schema),
            names::<R>(R::KEY_COLUMNS)
        );
        sqlx::query_with(&sql, R::bind(&rows)?)
            .execute(connection)
            .await?;
        *self = Self::default();
        Ok(())
    }
}
