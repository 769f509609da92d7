//! A table of a read model, described once: its row type, its columns, and how rows travel many at a time.
//!
//! `table!` makes the row's struct and everything that the statements need; [`Rows`] and [`Appends`] collect what a
//! page of events does to a table and write it with one statement.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::Hash;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{PgConnection, Row as _};

use crate::column::Column;

/// A column as the statements need it.
#[derive(Debug, Clone, Copy)]
pub struct ColumnInfo {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub sql: &'static str,
    /// The type in which its values travel.
    pub wire: &'static str,
    /// Whether it may be empty.
    pub nullable: bool,
}

/// A row of a table of a read model.
pub trait TableRow: Clone + Send + Sync + Unpin + 'static {
    /// What names the row.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// The table's name within the schema of a build.
    const TABLE: &'static str;
    /// All columns, those of the key first.
    const COLUMNS: &'static [ColumnInfo];
    /// How many columns name a row.
    const KEY_COLUMNS: usize;
    /// Further indexes: what stands behind `ON table`.
    const INDEXES: &'static [&'static str];

    /// The row's key.
    fn key(&self) -> Self::Key;
    /// One array for each column.
    ///
    /// # Errors
    /// When a value cannot be encoded.
    fn bind(rows: &[&Self]) -> Result<PgArguments, sqlx::Error>;
    /// One array for each column of the key.
    ///
    /// # Errors
    /// When a value cannot be encoded.
    fn bind_keys(keys: &[Self::Key]) -> Result<PgArguments, sqlx::Error>;
    /// A row out of its columns, selected in their order.
    ///
    /// # Errors
    /// When a stored value is not of the expected type.
    fn read(row: &PgRow) -> Result<Self, sqlx::Error>;
}

/// Reads the column at `index`; for `table!`.
pub(crate) fn read_column<C: Column>(row: &PgRow, index: usize) -> Result<C, sqlx::Error> {
    C::from_wire(row.try_get::<Option<C::Wire>, _>(index)?).map_err(|why| {
        sqlx::Error::ColumnDecode {
            index: index.to_string(),
            source: why.into(),
        }
    })
}

/// Describes a table: the struct of its row, the struct of its key, and [`TableRow`].
macro_rules! table {
    (
        $(#[$meta:meta])*
        $row:ident in $table:literal
        key $key:ident { $( $(#[$kmeta:meta])* $k:ident: $kt:ty, )+ }
        columns { $( $(#[$cmeta:meta])* $c:ident: $ct:ty, )* }
        indexes [ $($index:literal),* $(,)? ]
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        pub struct $row {
            $( $(#[$kmeta])* pub $k: $kt, )+
            $( $(#[$cmeta])* pub $c: $ct, )*
            /// Position of the event that changed the row last.
            pub position: kvit_domain::event::Position,
        }

        #[doc = concat!("Names a [`", stringify!($row), "`].")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $key { $( $(#[$kmeta])* pub $k: $kt, )+ }

        impl $crate::table::TableRow for $row {
            type Key = $key;
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [$crate::table::ColumnInfo] = &[
                $( $crate::table::table!(@info $k, $kt), )+
                $( $crate::table::table!(@info $c, $ct), )*
                $crate::table::table!(@info position, i64),
            ];
            const KEY_COLUMNS: usize = [$(stringify!($k)),+].len();
            const INDEXES: &'static [&'static str] = &[$($index),*];

            fn key(&self) -> $key {
                $key { $( $k: self.$k.clone(), )+ }
            }

            fn bind(rows: &[&Self]) -> Result<sqlx::postgres::PgArguments, sqlx::Error> {
                let mut arguments = sqlx::postgres::PgArguments::default();
                $( $crate::table::table!(@bind arguments, rows, $k, $kt); )+
                $( $crate::table::table!(@bind arguments, rows, $c, $ct); )*
                $crate::table::table!(@bind arguments, rows, position, i64);
                Ok(arguments)
            }

            fn bind_keys(keys: &[$key]) -> Result<sqlx::postgres::PgArguments, sqlx::Error> {
                let mut arguments = sqlx::postgres::PgArguments::default();
                $( $crate::table::table!(@bind arguments, keys, $k, $kt); )+
                Ok(arguments)
            }

            fn read(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
                let mut next = 0..Self::COLUMNS.len();
                Ok(Self {
                    $( $k: $crate::table::read_column(row, next.next().unwrap_or_default())?, )+
                    $( $c: $crate::table::read_column(row, next.next().unwrap_or_default())?, )*
                    position: $crate::table::read_column(row, next.next().unwrap_or_default())?,
                })
            }
        }
    };
    (@info $name:ident, $type:ty) => {
        $crate::table::ColumnInfo {
            name: stringify!($name),
            sql: <$type as $crate::column::Column>::SQL,
            wire: <$type as $crate::column::Column>::WIRE,
            nullable: <$type as $crate::column::Column>::NULLABLE,
        }
    };
    (@bind $arguments:ident, $rows:ident, $name:ident, $type:ty) => {
        let column: Vec<Option<<$type as $crate::column::Column>::Wire>> =
            $rows.iter().map(|row| $crate::column::Column::to_wire(&row.$name)).collect();
        sqlx::Arguments::add(&mut $arguments, column).map_err(sqlx::Error::Encode)?;
    };
}
pub(crate) use table;

/// The columns of a table for a `SELECT` that [`TableRow::read`] understands, with a prefix such as `t.`.
pub(crate) fn columns<R: TableRow>(prefix: &str) -> String {
    let mut list = String::new();
    for column in R::COLUMNS {
        if !list.is_empty() {
            list.push_str(", ");
        }
        let _ = write!(list, "{prefix}\"{}\"", column.name);
        if column.wire != column.sql {
            let _ = write!(list, "::{}", column.wire);
        }
    }
    list
}

/// `"a", "b"` of the first columns.
fn names<R: TableRow>(count: usize) -> String {
    R::COLUMNS
        .iter()
        .take(count)
        .map(|column| format!("\"{}\"", column.name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `UNNEST($1::uuid[], …) AS n ("a", …)` of the first columns.
fn unnest<R: TableRow>(count: usize) -> String {
    let arrays = R::COLUMNS
        .iter()
        .take(count)
        .enumerate()
        .map(|(index, column)| format!("${}::{}[]", index + 1, column.wire))
        .collect::<Vec<_>>()
        .join(", ");
    format!("UNNEST({arrays}) AS n ({})", names::<R>(count))
}

fn insert<R: TableRow>(schema: &str) -> String {
    let values = R::COLUMNS
        .iter()
        .map(|column| {
            if column.wire == column.sql {
                format!("n.\"{}\"", column.name)
            } else {
                format!("n.\"{}\"::{}", column.name, column.sql)
            }
        })
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "INSERT INTO {schema}.\"{}\" AS t ({}) SELECT {values} FROM {}",
        R::TABLE,
        names::<R>(R::COLUMNS.len()),
        unnest::<R>(R::COLUMNS.len())
    )
}

/// The statement that makes the table in a schema.
pub(crate) fn create<R: TableRow>(schema: &str) -> String {
    let columns = R::COLUMNS
        .iter()
        .map(|column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            // Texts here are ids and codes: their order is that of their bytes, which is also much cheaper to compare.
            let order = if column.sql == "text" {
                " COLLATE \"C\""
            } else {
                ""
            };
            format!("\"{}\" {}{order}{null}", column.name, column.sql)
        })
        .collect::<Vec<_>>()
        .join(", ");
    let key = names::<R>(R::KEY_COLUMNS);
    let table = R::TABLE;
    // Rows are updated in place where a page has room.
    format!(
        "CREATE TABLE {schema}.\"{table}\" ({columns}, PRIMARY KEY ({key})) WITH (fillfactor = 85)"
    )
}

/// Statements that make the further indexes, where they are missing.
pub(crate) fn indexes<R: TableRow>(schema: &str) -> Vec<String> {
    let table = R::TABLE;
    R::INDEXES
        .iter()
        .enumerate()
        .map(|(number, index)| {
            format!(
                "CREATE INDEX IF NOT EXISTS \"{table}_{number}\" ON {schema}.\"{table}\" {index}"
            )
        })
        .collect()
}

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
        let rows: Vec<&R> = self.0.iter().collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query_with(&insert::<R>(schema), R::bind(&rows)?)
            .execute(connection)
            .await?;
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

/// What a comparison of two builds needs to know of a table.
#[derive(Debug, Clone, Copy)]
pub struct TableInfo {
    /// Its name.
    pub name: &'static str,
    /// Its columns, those of the key first.
    pub columns: &'static [ColumnInfo],
    /// How many columns name a row.
    pub key_columns: usize,
}

impl TableInfo {
    /// Of a row type.
    #[must_use]
    pub const fn of<R: TableRow>() -> Self {
        Self {
            name: R::TABLE,
            columns: R::COLUMNS,
            key_columns: R::KEY_COLUMNS,
        }
    }
}

/// The tables of one projection.
macro_rules! tables {
    ($(#[$meta:meta])* $name:ident { $( $(#[$fmeta:meta])* $field:ident: $kind:ident<$row:ty>, )+ }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub struct $name { $( $(#[$fmeta])* pub $field: $crate::table::$kind<$row>, )+ }

        impl $crate::projection::Tables for $name {
            const ALL: &'static [$crate::table::TableInfo] = &[$($crate::table::TableInfo::of::<$row>()),+];

            fn create(schema: &str) -> Vec<String> {
                vec![$( $crate::table::create::<$row>(schema) ),+]
            }

            fn indexes(schema: &str) -> Vec<String> {
                [$( $crate::table::indexes::<$row>(schema) ),+].concat()
            }

            async fn load(&mut self, connection: &mut sqlx::PgConnection, schema: &str) -> Result<(), sqlx::Error> {
                $( self.$field.load(connection, schema).await?; )+
                Ok(())
            }

            async fn store(&mut self, connection: &mut sqlx::PgConnection, schema: &str) -> Result<(), sqlx::Error> {
                $( self.$field.store(connection, schema).await?; )+
                Ok(())
            }
        }
    };
}
pub(crate) use tables;
