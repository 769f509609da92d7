//! A table of a read model, described once: its row type, its columns, and how rows travel many at a time.
//!
//! `table!` makes the row's struct and everything that the statements need; [`Rows`] and [`Appends`] collect what a
//! page of events does to a table and write it with one statement.

mod changes;
mod statements;

use std::hash::Hash;

use sqlx::Row as _;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow};

use crate::column::Column;
pub use changes::{Appends, Rows, Sums};
pub(crate) use statements::columns;

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
    /// The row as a line of a binary `COPY`.
    ///
    /// # Errors
    /// When a value cannot be encoded.
    fn copy(&self, out: &mut PgArgumentBuffer) -> Result<(), sqlx::Error>;
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

            fn copy(&self, out: &mut sqlx::postgres::PgArgumentBuffer) -> Result<(), sqlx::Error> {
                $( $crate::column::Column::to_copy(&self.$k, out).map_err(sqlx::Error::Encode)?; )+
                $( $crate::column::Column::to_copy(&self.$c, out).map_err(sqlx::Error::Encode)?; )*
                $crate::column::Column::to_copy(&self.position, out).map_err(sqlx::Error::Encode)
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
                vec![$( $crate::table::$kind::<$row>::create(schema) ),+]
            }

            fn indexes(schema: &str) -> Vec<String> {
                [$( $crate::table::$kind::<$row>::indexes(schema) ),+].concat()
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
