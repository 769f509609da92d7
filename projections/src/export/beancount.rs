//! A journal for beancount.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{Days, NaiveDate};
use kvit_domain::ledger::{Account, Side};
use kvit_domain::money::Currency;

use super::balances::{Balances, decimal};
use super::bookings::Booking;
use super::journal::{Journal, time};
use super::names;
use super::text::quoted;
use crate::fold::ledger::kind_code;

/// Before every value date, since the value date of a later booking may lie before that of the first.
const OPENED: &str = "1970-01-01";

/// The journal as beancount reads it.
#[derive(Debug, Default)]
pub(super) struct Beancount {
    opened: BTreeSet<String>,
}

impl Beancount {
    fn open(&mut self, account: Account, out: &mut String) {
        let name = names::name(account);
        if !self.opened.contains(&name) {
            let _never = writeln!(
                out,
                "{OPENED} open {name}\n  kvit: {}",
                quoted(&names::own_name(account))
            );
            self.opened.insert(name);
        }
    }
}

fn posting(account: Account, minor: i128, currency: Currency, out: &mut String) {
    let _never = writeln!(
        out,
        "  {}  {} {currency}",
        names::name(account),
        decimal(minor, currency)
    );
}

impl Journal for Beancount {
    fn begin(&mut self, title: &str, out: &mut String) {
        let _never = writeln!(out, "; {title}\noption \"title\" \"kvit\"");
        for currency in Currency::ALL {
            let _never = writeln!(out, "option \"operating_currency\" \"{currency}\"");
        }
        for currency in Currency::ALL {
            let _never = writeln!(out, "{OPENED} commodity {currency}");
        }
        out.push('\n');
    }

    fn opening(&mut self, date: NaiveDate, balances: &Balances, out: &mut String) {
        for (account, _, _) in balances.iter() {
            self.open(account, out);
        }
        if balances.iter().all(|(_, _, sums)| sums.net() == 0) {
            return;
        }
        let _never = writeln!(out, "{date} * \"opening balances\"");
        for (account, currency, sums) in balances.iter().filter(|(_, _, sums)| sums.net() != 0) {
            posting(account, sums.net(), currency, out);
        }
        out.push('\n');
    }

    fn booking(&mut self, booking: &Booking, out: &mut String) {
        let transaction = &booking.transaction;
        for leg in &transaction.legs {
            self.open(leg.account, out);
        }
        let kind = kind_code(transaction.kind);
        let _never = writeln!(
            out,
            "{} * {} {}",
            transaction.value_date,
            quoted(kind),
            quoted(&transaction.description)
        );
        let mut note = |name: &str, value: &str| {
            if !value.is_empty() {
                let _never = writeln!(out, "  {name}: {}", quoted(value));
            }
        };
        note("transaction", &transaction.id.to_string());
        note("kind", kind);
        note("reference", &transaction.reference);
        note("value-date", &transaction.value_date.to_string());
        note("booked-at", &time(booking.booked_at));
        note("position", &booking.position.to_string());
        if let Some(original) = booking.reverses {
            note("reverses", &original.to_string());
        }
        if let Some(hold) = booking.hold_id {
            note("hold", &hold.to_string());
        }
        for leg in &transaction.legs {
            let minor = i128::from(leg.amount.minor);
            let signed = match leg.side {
                Side::Debit => minor,
                Side::Credit => -minor,
            };
            posting(leg.account, signed, leg.amount.currency, out);
        }
        out.push('\n');
    }

    fn end(&mut self, last: NaiveDate, balances: &Balances, out: &mut String) {
        // An assertion holds at the beginning of its day.
        let day = last.checked_add_days(Days::new(1)).unwrap_or(last);
        for (account, currency, sums) in balances.iter() {
            // Without a tolerance of its own, one kopeck too much or too little would pass.
            let _never = writeln!(
                out,
                "{day} balance {}  {} ~ 0 {currency}",
                names::name(account),
                decimal(sums.net(), currency)
            );
        }
    }
}
