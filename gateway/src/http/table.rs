//! CSV for spreadsheets: correctly quoted, and with no cell that a spreadsheet would run as a formula.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::problem::{Answer, Problem};

/// A table on its way to a file.
#[derive(Debug)]
pub struct Table {
    /// Name of the file without its ending, ASCII.
    pub name: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// Cells by row.
    pub rows: Vec<Vec<String>>,
}

/// A text that a spreadsheet shows instead of running it. Plain numbers stay as they are: `-1.00` is an amount.
#[must_use]
pub fn guarded(cell: &str) -> String {
    let number = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && digits.bytes().filter(|b| *b == b'.').count() <= 1
            && digits.bytes().any(|b| b.is_ascii_digit())
    };
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
            if !number(cell) =>
        {
            format!("'{cell}")
        }
        _ => cell.to_owned(),
    }
}

impl Table {
    /// The table as CSV.
    ///
    /// # Errors
    /// `internal_error`, when a row has another length than the head, which is a mistake of ours.
    pub fn into_csv(self) -> Answer<Response> {
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let mut write =
            |cells: &[String]| writer.write_record(cells.iter().map(|cell| guarded(cell)));
        write(&self.head).map_err(|error| Problem::fatal(&error))?;
        for row in &self.rows {
            write(row).map_err(|error| Problem::fatal(&error))?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| Problem::fatal(&error))?;
        let disposition = format!("attachment; filename=\"{}.csv\"", self.name);
        let headers: [(HeaderName, HeaderValue); 2] = [
            (
                CONTENT_TYPE,
                HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
            ),
            (
                CONTENT_DISPOSITION,
                HeaderValue::from_str(&disposition).map_err(|error| Problem::fatal(&error))?,
            ),
        ];
        Ok((headers, bytes).into_response())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_made_plain_text() {
        for formula in [
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "-",
            "-1.0.0",
            "－1",
        ] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        for plain in ["-1.00", "0", "a=b", "Аптека", ""] {
            assert_eq!(guarded(plain), plain);
        }
    }

    #[tokio::test]
    async fn cells_with_commas_quotes_and_breaks_stay_one_cell() {
        let table = Table {
            name: "daily".into(),
            head: vec!["a".into(), "b".into()],
            rows: vec![vec!["x,y".into(), "say \"hi\"\nthere".into()]],
        };
        let response = table.into_csv().unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), 1_000)
            .await
            .unwrap();
        assert_eq!(
            String::from_utf8(bytes.to_vec()).unwrap(),
            "a,b\r\n\"x,y\",\"say \"\"hi\"\"\nthere\"\r\n"
        );
    }
}
