//! Everything the simulated provider knows, as a fold over its changes.
//!
//! Money is counted once more beside the objects, so that a test can compare the two.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::Duration;

use super::state::{
    Change, Key, Movement, Notice, Payment, PaymentStatus, Payout, ProviderClock, Refund, Side,
    Totals, TransferStatus,
};
use crate::sandbox::journal::State;

/// How long an idempotence key is remembered, from its first use.
pub(super) const KEY_LIFE: Duration = Duration::hours(24);
/// Old keys are swept out when there are more than this.
const KEYS_BEFORE_SWEEP: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Books {
    pub payments: HashMap<String, Payment>,
    pub refunds: HashMap<String, Refund>,
    pub payouts: HashMap<String, Payout>,
    /// Objects of all kinds so far; the number of the next one.
    pub made: u64,
    /// What time can still change, as (kind, id); the order does not matter.
    pub open: BTreeSet<(u8, String)>,
    pub keys: HashMap<(Side, String), Key>,
    pub notices: BTreeMap<u64, Notice>,
    pub waiting: BTreeSet<u64>,
    pub clock: ProviderClock,
    pub held: bool,
    /// Addresses set by the control side, over those of the settings.
    pub webhooks: BTreeMap<Side, Option<String>>,
    pub deposited_minor: i64,
    pub moved: BTreeMap<String, Totals>,
}

pub(super) const PAYMENT: u8 = 0;
pub(super) const REFUND: u8 = 1;
pub(super) const PAYOUT: u8 = 2;

impl Books {
    fn keep_open(&mut self, kind: u8, id: &str, open: bool) {
        if open {
            self.open.insert((kind, id.to_owned()));
        } else {
            self.open.remove(&(kind, id.to_owned()));
        }
    }

    /// Refunds of a payment that have or may yet take money from it.
    pub(super) fn bound_for_refunds(&self, payment_id: &str) -> i64 {
        self.refunds
            .values()
            .filter(|refund| refund.payment_id == payment_id)
            .filter(|refund| refund.status != TransferStatus::Canceled)
            .fold(0, |sum: i64, refund| {
                sum.saturating_add(refund.amount_minor)
            })
    }

    /// What the payout balance has given or promised, in kopecks.
    pub(super) fn out_minor(&self) -> i64 {
        self.payouts
            .values()
            .filter(|payout| payout.status != TransferStatus::Canceled)
            .fold(0, |sum: i64, payout| {
                sum.saturating_add(payout.amount_minor)
            })
    }

    fn remember_key(&mut self, side: Side, name: String, key: Key) {
        if self.keys.len() > KEYS_BEFORE_SWEEP {
            let now = key.at;
            self.keys
                .retain(|_, old| now.signed_duration_since(old.at) < KEY_LIFE);
        }
        self.keys.insert((side, name), key);
    }
}

impl State for Books {
    type Change = Change;

    fn apply(&mut self, change: Change) {
        match change {
            Change::Clock { clock } => self.clock = clock,
            Change::Payment { payment } => {
                let open = matches!(
                    payment.status,
                    PaymentStatus::Pending | PaymentStatus::WaitingForCapture
                );
                self.keep_open(PAYMENT, &payment.id, open);
                self.made = self.made.max(payment.seq);
                self.payments.insert(payment.id.clone(), *payment);
            }
            Change::Refund { refund } => {
                self.keep_open(REFUND, &refund.id, refund.status == TransferStatus::Pending);
                self.made = self.made.max(refund.seq);
                self.refunds.insert(refund.id.clone(), *refund);
            }
            Change::Payout { payout } => {
                self.keep_open(PAYOUT, &payout.id, payout.status == TransferStatus::Pending);
                self.made = self.made.max(payout.seq);
                self.payouts.insert(payout.id.clone(), *payout);
            }
            Change::Key { side, name, key } => self.remember_key(side, name, key),
            Change::Moved {
                movement,
                currency,
                minor,
            } => {
                let totals = self.moved.entry(currency).or_default();
                let sum = match movement {
                    Movement::Captured => &mut totals.captured_minor,
                    Movement::Refunded => &mut totals.refunded_minor,
                    Movement::PaidOut => &mut totals.paid_out_minor,
                };
                *sum = sum.saturating_add(minor);
            }
            Change::Notice { mut notice } => {
                notice.id = self
                    .notices
                    .last_key_value()
                    .map_or(1, |(last, _)| last.saturating_add(1));
                self.waiting.insert(notice.id);
                self.notices.insert(notice.id, *notice);
            }
            Change::Attempt { notice, attempt } => {
                if let Some(notice) = self.notices.get_mut(&notice) {
                    if attempt.status == Some(200) {
                        notice.taken = true;
                        self.waiting.remove(&notice.id);
                    }
                    notice.attempts.push(attempt);
                }
            }
            Change::Held { held } => self.held = held,
            Change::Webhook { side, url } => {
                self.webhooks.insert(side, url);
            }
            Change::Deposited { minor } => {
                self.deposited_minor = self.deposited_minor.saturating_add(minor);
            }
        }
    }
}
