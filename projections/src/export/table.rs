//! A table of all legs, for spreadsheets and scripts.

use chrono::NaiveDate;
use kvit_domain::ledger::Side;

use super::balances::Balances;
use super::bookings::Booking;
use super::journal::{Journal, time};
use super::text::cell;
use crate::fold::ledger::{kind_code, side_code};

/// What each column holds. Amounts are above zero; the side says the rest.
const HEAD: [&str; 15] = [
    "position",
    "booked_at",
    "value_date",
    "transaction_id",
    "kind",
    "reference",
    "description",
    "event",
    "hold_id",
    "reverses",
    "account",
    "account_kind",
    "side",
    "amount",
    "currency",
];

/// The table, a row for each leg.
#[derive(Debug, Default)]
pub(super) struct Table;

fn row<'a>(cells: impl IntoIterator<Item = &'a str>, out: &mut String) {
    let line: Vec<String> = cells.into_iter().map(cell).collect();
    out.push_str(&line.join(","));
    out.push_str("\r\n");
}

impl Journal for Table {
    fn begin(&mut self, _title: &str, out: &mut String) {
        row(HEAD, out);
    }

    fn opening(&mut self, _date: NaiveDate, _balances: &Balances, _out: &mut String) {}

    fn booking(&mut self, booking: &Booking, out: &mut String) {
        let transaction = &booking.transaction;
        let optional = |id: Option<String>| id.unwrap_or_default();
        for leg in &transaction.legs {
            let side = match leg.side {
                Side::Debit => side_code(Side::Debit),
                Side::Credit => side_code(Side::Credit),
            };
            row(
                [
                    booking.position.to_string().as_str(),
                    &time(booking.booked_at),
                    &transaction.value_date.to_string(),
                    &transaction.id.to_string(),
                    kind_code(transaction.kind),
                    &transaction.reference,
                    &transaction.description,
                    &booking.event_type,
                    &optional(booking.hold_id.map(|id| id.to_string())),
                    &optional(booking.reverses.map(|id| id.to_string())),
                    &leg.account.to_string(),
                    leg.account.kind().code(),
                    side,
                    &leg.amount.to_decimal(),
                    leg.amount.currency.code(),
                ],
                out,
            );
        }
    }

    fn end(&mut self, _last: NaiveDate, _balances: &Balances, _out: &mut String) {}
}
