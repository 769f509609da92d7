//! The part of the daily report that is about providers: what moved, what stands, what waits.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CountedMoney, Figure};
use crate::column::Wide;
use crate::fold::daily::figure;
use crate::fold::daily::flows::what;

/// Money between us and one provider in one currency on a day, and how it stood at the day's end. What moved comes from
/// the ledger's transactions, and always `change of both clearing accounts = in − refunded − out + returned − settled +
/// unmatched + other − fees`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProviderOfDay {
    /// The provider.
    pub provider: String,
    /// Currency code.
    pub currency: String,
    /// Paid in by people, before fees.
    pub in_minor: Wide,
    /// Given back of what was paid in.
    pub refunded_minor: Wide,
    /// Paid out to people.
    pub out_minor: Wide,
    /// Payouts that were taken back.
    pub returned_minor: Wide,
    /// Kept by the provider.
    pub fees_minor: Wide,
    /// Settled to the bank.
    pub settled_minor: Wide,
    /// Came in and could not be matched.
    pub unmatched_minor: Wide,
    /// Anything else, such as corrections.
    pub other_minor: Wide,
    /// What the provider holds of payments in at the end of the day, by the ledger.
    pub payments_clearing_minor: Wide,
    /// What the provider holds for payouts at the end of the day, by the ledger; below zero when payouts were advanced.
    pub payouts_clearing_minor: Wide,
    /// In suspense at the end of the day: money that is nobody's yet.
    pub suspense_minor: Wide,
    /// Payments on the day by what happened: `intended`, `succeeded`, `late`, `canceled`, `quarantined`, `resolved`,
    /// `contradicted`.
    pub payments: BTreeMap<String, CountedMoney>,
    /// Payments by state at the end of the day, with what was asked for.
    pub payments_by_state: BTreeMap<String, CountedMoney>,
    /// Refunds on the day by what happened: `intended`, `succeeded`, `foreign`, `failed`.
    pub refunds: BTreeMap<String, CountedMoney>,
    /// Refunds by state at the end of the day.
    pub refunds_by_state: BTreeMap<String, CountedMoney>,
    /// Payouts that wait at the end of the day, by reason: `daily_budget`, `breaker`, `kill_switch`.
    pub postponed: BTreeMap<String, CountedMoney>,
    /// Held in wallets at the end of the day for payouts and refunds that are not finished.
    pub held: CountedMoney,
}

impl ProviderOfDay {
    /// Whether anything happened or stands; days and currencies without anything are left out of the report.
    pub(super) fn is_quiet(&self) -> bool {
        let Self {
            provider, currency, ..
        } = self;
        *self
            == Self {
                provider: provider.clone(),
                currency: currency.clone(),
                ..Self::default()
            }
    }

    fn flow(&mut self, name: &str, minor: Wide) {
        let place = match name {
            what::IN => &mut self.in_minor,
            what::REFUNDED => &mut self.refunded_minor,
            what::OUT => &mut self.out_minor,
            what::RETURNED => &mut self.returned_minor,
            what::FEES => &mut self.fees_minor,
            what::SETTLED => &mut self.settled_minor,
            what::UNMATCHED => &mut self.unmatched_minor,
            _ => &mut self.other_minor,
        };
        *place = minor;
    }

    fn hold(&mut self, more: CountedMoney) {
        self.held.count = self.held.count.saturating_add(more.count);
        self.held.minor.0 = self.held.minor.0.saturating_add(more.minor.0);
    }
}

/// Takes a figure into the providers' part; figures of other parts are let by.
pub(super) fn take(providers: &mut Vec<ProviderOfDay>, figure: &Figure) {
    let (account, provider, name) = match figure.figure.as_str() {
        figure::ACCOUNT => match of_provider(&figure.detail) {
            Some((provider, account)) => (true, provider, account),
            None => return,
        },
        figure::FLOW
        | figure::PAYMENTS
        | figure::PAYMENT_STATE
        | figure::REFUNDS
        | figure::REFUND_STATE
        | figure::POSTPONED
        | figure::PAYOUT_STATE => match figure.detail.split_once(':') {
            Some((provider, name)) => (false, provider, name),
            None => return,
        },
        _ => return,
    };
    let place = place(providers, provider, &figure.currency);
    if account {
        match name {
            "payments" => place.payments_clearing_minor = figure.until.minor,
            "payouts" => place.payouts_clearing_minor = figure.until.minor,
            _ => place.suspense_minor = figure.until.minor,
        }
        return;
    }
    let (day, until) = (figure.day, figure.until);
    match figure.figure.as_str() {
        figure::FLOW => place.flow(name, day.minor),
        figure::PAYMENTS => note(&mut place.payments, name, day),
        figure::PAYMENT_STATE => note(&mut place.payments_by_state, name, until),
        figure::REFUNDS => note(&mut place.refunds, name, day),
        figure::REFUND_STATE => {
            note(&mut place.refunds_by_state, name, until);
            if matches!(name, "intended" | "sending" | "pending") {
                place.hold(until);
            }
        }
        figure::POSTPONED => note(&mut place.postponed, name, until),
        // Payouts by state stand in a part of their own.
        _ if super::is_underway(name) => place.hold(until),
        _ => {}
    }
}

/// `payments:<provider>:clearing`, `payouts:<provider>:clearing` and `suspense:<provider>` in their parts.
fn of_provider(account: &str) -> Option<(&str, &str)> {
    let (name, rest) = account.split_once(':')?;
    match name {
        "payments" | "payouts" => Some((rest.strip_suffix(":clearing")?, name)),
        "suspense" => Some((rest, name)),
        _ => None,
    }
}

fn place<'a>(
    providers: &'a mut Vec<ProviderOfDay>,
    provider: &str,
    currency: &str,
) -> &'a mut ProviderOfDay {
    let index = providers
        .iter()
        .position(|known| known.provider == provider && known.currency == currency);
    let index = index.unwrap_or_else(|| {
        providers.push(ProviderOfDay {
            provider: provider.to_owned(),
            currency: currency.to_owned(),
            ..ProviderOfDay::default()
        });
        providers.len() - 1
    });
    &mut providers[index]
}

fn note(figures: &mut BTreeMap<String, CountedMoney>, name: &str, counted: CountedMoney) {
    if counted != CountedMoney::default() {
        figures.insert(name.to_owned(), counted);
    }
}
