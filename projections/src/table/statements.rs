//! The statements over a table: made of its description, many rows at a time.

use std::fmt::Write as _;

use sqlx::PgConnection;
use sqlx::postgres::{PgArgumentBuffer, PgCopyIn};

use super::TableRow;

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
pub(super) fn names<R: TableRow>(count: usize) -> String {
    R::COLUMNS
        .iter()
        .take(count)
        .map(|column| format!("\"{}\"", column.name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `UNNEST($1::uuid[], …) AS n ("a", …)` of the first columns.
pub(super) fn unnest<R: TableRow>(count: usize) -> String {
    let arrays = R::COLUMNS
        .iter()
        .take(count)
        .enumerate()
        .map(|(index, column)| format!("${}::{}[]", index + 1, column.wire))
        .collect::<Vec<_>>()
        .join(", ");
    format!("UNNEST({arrays}) AS n ({})", names::<R>(count))
}

pub(super) fn insert<R: TableRow>(schema: &str) -> String {
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

/// From this number of rows on, a `COPY` is quicker than one `INSERT`, although it needs one more answer of the server.
const COPY_FROM: usize = 32;

/// Adds rows to a table.
pub(super) async fn append<R: TableRow>(
    rows: &[R],
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), sqlx::Error> {
    if rows.len() < COPY_FROM {
        let rows: Vec<&R> = rows.iter().collect();
        sqlx::query_with(&insert::<R>(schema), R::bind(&rows)?)
            .execute(connection)
            .await?;
        return Ok(());
    }
    let statement = format!(
        "COPY {schema}.\"{}\" ({}) FROM STDIN (FORMAT binary)",
        R::TABLE,
        names::<R>(R::COLUMNS.len())
    );
    let mut copy = connection.copy_in_raw(&statement).await?;
    match send(rows, &mut copy).await {
        Ok(()) => {
            copy.finish().await?;
            Ok(())
        }
        Err(error) => {
            // The server's answer to this is the fault that is known already.
            let _ = copy.abort("a row could not be encoded").await;
            Err(error)
        }
    }
}

/// So many bytes of a `COPY` go out together: the server takes them in while the next are made.
const SHARE: usize = 128 * 1_024;

async fn send<R: TableRow>(
    rows: &[R],
    copy: &mut PgCopyIn<&mut PgConnection>,
) -> Result<(), sqlx::Error> {
    let fields =
        i16::try_from(R::COLUMNS.len()).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let mut lines = PgArgumentBuffer::default();
    // The signature of the format, no flags, no extension of the header.
    lines.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
    lines.extend_from_slice(&[0; 8]);
    for row in rows {
        lines.extend_from_slice(&fields.to_be_bytes());
        row.copy(&mut lines)?;
        if lines.len() >= SHARE {
            copy.send(lines.as_slice()).await?;
            lines.clear();
        }
    }
    lines.extend_from_slice(&(-1_i16).to_be_bytes());
    copy.send(lines.as_slice()).await?;
    Ok(())
}

/// The statement that makes the table in a schema. Rows that are only ever added get their key with the other indexes, so
/// that a build from the beginning of a long log does not have to keep it up row by row.
pub(super) fn create<R: TableRow>(schema: &str, with_key: bool) -> String {
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
    let table = R::TABLE;
    if !with_key {
        return format!("CREATE TABLE {schema}.\"{table}\" ({columns})");
    }
    let key = names::<R>(R::KEY_COLUMNS);
    // Rows are updated in place where a page has room.
    format!(
        "CREATE TABLE {schema}.\"{table}\" ({columns}, PRIMARY KEY ({key})) WITH (fillfactor = 85)"
    )
}

/// Statements that make the further indexes, where they are missing.
pub(super) fn indexes<R: TableRow>(schema: &str) -> Vec<String> {
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
