//! A journal for hledger.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::NaiveDate;
use kvit_domain::ledger::{Account, Side};
use kvit_domain::money::Currency;

use super::balances::{Balances, decimal};
use super::bookings::Booking;
use super::journal::Journal;
use super::names;
use super::text::{one_line, tag_value};
use crate::fold::ledger::kind_code;

/// The journal as hledger reads it.
#[derive(Debug, Default)]
pub(super) struct Hledger {
    declared: BTreeSet<String>,
}

impl Hledger {
    fn declare(&mut self, account: Account, out: &mut String) {
        let name = names::name(account);
        if !self.declared.contains(&name) {
            let _never = writeln!(
                out,
                "account {name}  ; type:{}, kvit:{}",
                names::letter(account),
                names::own_name(account)
            );
            self.declared.insert(name);
        }
    }
}

fn posting(account: Account, minor: i128, currency: Currency, out: &mut String) {
    let _never = writeln!(
        out,
        "    {}  {} {currency}",
        names::name(account),
        decimal(minor, currency)
    );
}

impl Journal for Hledger {
    fn begin(&mut self, title: &str, out: &mut String) {
        let _never = writeln!(out, "; {title}\ndecimal-mark .");
        for currency in Currency::ALL {
            // A mark without digits after it says that there are none.
            let mark = if currency.decimals() == 0 { "." } else { "" };
            let _never = writeln!(
                out,
                "commodity {}{mark} {currency}",
                decimal(i128::from(currency.scale()) * 1_000, currency)
            );
        }
        out.push('\n');
    }

    fn opening(&mut self, date: NaiveDate, balances: &Balances, out: &mut String) {
        for (account, _, _) in balances.iter() {
            self.declare(account, out);
        }
        if balances.iter().all(|(_, _, sums)| sums.net() == 0) {
            return;
        }
        let _never = writeln!(out, "{date} * opening balances");
        for (account, currency, sums) in balances.iter().filter(|(_, _, sums)| sums.net() != 0) {
            posting(account, sums.net(), currency, out);
        }
        out.push('\n');
    }

    fn booking(&mut self, booking: &Booking, out: &mut String) {
        let transaction = &booking.transaction;
        for leg in &transaction.legs {
            self.declare(leg.account, out);
        }
        let kind = kind_code(transaction.kind);
        let words = one_line(&transaction.description, &[';']);
        let note = if words.is_empty() {
            String::new()
        } else {
            format!(" | {words}")
        };
        let _never = writeln!(
            out,
            "{} * ({}) {kind}{note}",
            transaction.value_date, booking.position
        );
        let mut tag = |name: &str, value: &str| {
            let value = tag_value(value);
            if !value.is_empty() {
                let _never = writeln!(out, "    ; {name}:{value}");
            }
        };
        tag("transaction", &transaction.id.to_string());
        tag("kind", kind);
        tag("reference", &transaction.reference);
        tag("value_date", &transaction.value_date.to_string());
        tag("booked_at", &super::journal::time(booking.booked_at));
        if let Some(original) = booking.reverses {
            tag("reverses", &original.to_string());
        }
        if let Some(hold) = booking.hold_id {
            tag("hold", &hold.to_string());
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
        if balances.is_empty() {
            return;
        }
        // The last transaction of its date: an assertion counts everything of earlier dates, and what stands above it.
        let _never = writeln!(out, "{last} * closing balances, asserted");
        for (account, currency, sums) in balances.iter() {
            let _never = writeln!(
                out,
                "    {}  {} {currency} = {} {currency}",
                names::name(account),
                decimal(0, currency),
                decimal(sums.net(), currency)
            );
        }
    }
}
