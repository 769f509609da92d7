//! The figures of each day in Kyiv, counted by the time at which the log took the events.
//!
//! A figure is a sum per (day, name, detail, currency). States are kept as differences, `+1` on the day something enters
//! a state and `-1` on the day it leaves, so that the sum over all days up to a day says how many were there at its end.
//! Money comes from the wallets' transactions, never from what receipts or payouts say, so it equals the ledger's.

mod books;
pub mod figure;
pub mod flows;
mod operations;
mod rows;

use chrono::NaiveDate;
use kvit_domain::ids::{JobId, PaymentId, PayoutId, ReceiptId, UserId, WalletId};
use kvit_domain::job::JobEvent;
use kvit_domain::journal::JournalEvent;
use kvit_domain::money::Money;
use kvit_domain::notification::NotificationEvent;
use kvit_domain::payment::PaymentEvent;
use kvit_domain::payout::PayoutEvent;
use kvit_domain::receipt::ReceiptEvent;
use kvit_domain::rules::kyiv_day;
use kvit_domain::user::UserEvent;
use kvit_domain::wallet::WalletEvent;

use super::{jobs, receipts};
use crate::column::Wide;
use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
pub use rows::{
    ActiveKey, ActiveRow, DailyRows, FigureKey, FigureRow, JobDayKey, JobDayRow, PaymentDayKey,
    PaymentDayRow, PayoutDayKey, PayoutDayRow, ReceiptDayKey, ReceiptDayRow, RefundDayKey,
    RefundDayRow,
};

/// What the fold takes from the log.
#[derive(Debug)]
pub enum Change {
    /// Of a person.
    User(UserId, Box<UserEvent>),
    /// Of a receipt.
    Receipt(ReceiptId, Box<ReceiptEvent>),
    /// Of a wallet.
    Wallet(WalletId, Box<WalletEvent>),
    /// Of a journal.
    Journal(Box<JournalEvent>),
    /// Of a payment.
    Payment(PaymentId, Box<PaymentEvent>),
    /// Of a notification.
    Notification(Box<NotificationEvent>),
    /// Of a payout.
    Payout(PayoutId, Box<PayoutEvent>),
    /// Of a job.
    Job(JobId, Box<JobEvent>),
    /// Nothing but that somebody acted.
    Seen,
}

/// The projection `daily`.
#[derive(Debug)]
pub struct Daily;

impl Fold for Daily {
    const NAME: &'static str = "daily";
    const VERSION: i64 = 3;
    const NEEDS: Needs = Needs {
        aggregates: &[
            "user",
            "receipt",
            "wallet",
            "journal",
            "payment",
            "notification",
            "payout",
            "job",
        ],
        actors: true,
    };
    type Rows = DailyRows;
    type Change = Change;

    fn decode(event: &LogEvent) -> Result<Option<Change>, FoldError> {
        Ok(Some(match event.stream.aggregate_type.as_str() {
            "user" => Change::User(event.id()?, Box::new(event.decode()?)),
            "receipt" => Change::Receipt(event.id()?, Box::new(event.decode()?)),
            "wallet" => Change::Wallet(event.id()?, Box::new(event.decode()?)),
            "journal" => Change::Journal(Box::new(event.decode()?)),
            "payment" => Change::Payment(event.id()?, Box::new(event.decode()?)),
            "notification" => Change::Notification(Box::new(event.decode()?)),
            "payout" => Change::Payout(event.id()?, Box::new(event.decode()?)),
            "job" => Change::Job(event.id()?, Box::new(event.decode()?)),
            _ if event.acting_user().is_some() => Change::Seen,
            _ => return Ok(None),
        }))
    }

    fn want(event: &LogEvent, change: &Change, rows: &mut DailyRows) {
        let day = kyiv_day(event.recorded_at);
        let registered = match change {
            Change::User(user_id, change) => {
                matches!(**change, UserEvent::Registered { .. }).then_some(*user_id)
            }
            Change::Receipt(receipt_id, _) => {
                rows.receipts.want(ReceiptDayKey {
                    receipt_id: *receipt_id,
                });
                None
            }
            Change::Payout(payout_id, _) => {
                rows.payouts.want(PayoutDayKey {
                    payout_id: *payout_id,
                });
                None
            }
            Change::Payment(payment_id, change) => {
                operations::want(*payment_id, change, rows);
                None
            }
            Change::Job(job_id, _) => {
                rows.jobs.want(JobDayKey { job_id: *job_id });
                None
            }
            Change::Wallet(..) | Change::Journal(_) | Change::Notification(_) | Change::Seen => {
                None
            }
        };
        for user_id in event.acting_user().into_iter().chain(registered) {
            rows.active.want(ActiveKey { day, user_id });
        }
    }

    fn want_linked(_event: &LogEvent, change: &Change, rows: &mut DailyRows) {
        if let Change::Payout(payout_id, change) = change {
            let stored = rows
                .payouts
                .get(&PayoutDayKey {
                    payout_id: *payout_id,
                })
                .and_then(|row| row.receipt_id);
            let requested = match **change {
                PayoutEvent::PayoutRequested { receipt_id, .. } => receipt_id,
                _ => None,
            };
            if let Some(receipt_id) = stored.or(requested) {
                rows.receipts.want(ReceiptDayKey { receipt_id });
            }
        }
    }

    fn fold(event: &LogEvent, change: Change, rows: &mut DailyRows) -> Result<(), FoldError> {
        let mut day = Day {
            day: kyiv_day(event.recorded_at),
            event,
            rows,
        };
        if let Some(user_id) = event.acting_user() {
            day.active(user_id, false);
        }
        match change {
            Change::User(user_id, change) => day.user(user_id, &change),
            Change::Receipt(receipt_id, change) => day.receipt(receipt_id, &change),
            Change::Wallet(wallet_id, change) => day.wallet(wallet_id, &change),
            Change::Journal(change) => day.journal(&change),
            Change::Payment(payment_id, change) => day.payment(payment_id, &change),
            Change::Notification(change) => {
                day.notification(&change);
                Ok(())
            }
            Change::Payout(payout_id, change) => day.payout(payout_id, &change),
            Change::Job(job_id, change) => day.job(job_id, &change),
            Change::Seen => Ok(()),
        }
    }
}

/// A page's rows seen from one event.
struct Day<'a> {
    day: NaiveDate,
    event: &'a LogEvent,
    rows: &'a mut DailyRows,
}

impl Day<'_> {
    /// Adds to a figure of a day.
    fn add_on(
        &mut self,
        day: NaiveDate,
        figure: &str,
        detail: &str,
        count: i64,
        money: Option<Money>,
    ) {
        let currency = money.map_or("", |money| money.currency.code());
        let key = FigureKey {
            day,
            figure: figure.to_owned(),
            detail: detail.to_owned(),
            currency: currency.to_owned(),
        };
        let row = self.rows.figures.add(key, |key| FigureRow {
            day: key.day,
            figure: key.figure,
            detail: key.detail,
            currency: key.currency,
            count: 0,
            minor: Wide(0),
            position: 0,
        });
        row.count = row.count.saturating_add(count);
        row.minor = row.minor.plus(money.map_or(0, |money| money.minor));
        row.position = self.event.position;
    }

    fn add(&mut self, figure: &str, detail: &str, count: i64, money: Option<Money>) {
        self.add_on(self.day, figure, detail, count, money);
    }

    fn active(&mut self, user_id: UserId, is_new: bool) {
        let key = ActiveKey {
            day: self.day,
            user_id,
        };
        let known = self.rows.active.get(&key).map(|row| row.is_new);
        if known.is_none() || (is_new && known == Some(false)) {
            self.rows.active.put(ActiveRow {
                day: self.day,
                user_id,
                is_new,
                position: self.event.position,
            });
        }
    }

    fn user(&mut self, user_id: UserId, change: &UserEvent) -> Result<(), FoldError> {
        match change {
            UserEvent::Registered { .. } => {
                self.add(figure::USERS, "new", 1, None);
                self.active(user_id, true);
            }
            UserEvent::Forgotten {} => self.add(figure::USERS, "forgotten", 1, None),
            _ => {}
        }
        Ok(())
    }

    fn receipt(&mut self, receipt_id: ReceiptId, change: &ReceiptEvent) -> Result<(), FoldError> {
        let key = ReceiptDayKey { receipt_id };
        let detail = match change {
            ReceiptEvent::ReceiptSubmitted { .. } => {
                self.rows.receipts.put(ReceiptDayRow {
                    receipt_id,
                    day: self.day,
                    state: String::new(),
                    accepted: false,
                    paid: false,
                    position: self.event.position,
                });
                self.add(figure::FUNNEL, "uploaded", 1, None);
                "submitted"
            }
            ReceiptEvent::ReceiptRecognised { .. } => "recognised",
            ReceiptEvent::RecognitionFailed { .. } => "recognition_failed",
            ReceiptEvent::RegistryChecked { .. } => "registry_checked",
            ReceiptEvent::ReceiptAccepted { .. } => {
                let row = self
                    .rows
                    .receipts
                    .change(&key)
                    .ok_or(FoldError::Missing("receipt"))?;
                if !row.accepted {
                    row.accepted = true;
                    let uploaded_on = row.day;
                    self.add_on(uploaded_on, figure::FUNNEL, "accepted", 1, None);
                }
                "accepted"
            }
            ReceiptEvent::ReceiptRejected { reasons, .. } => {
                for reason in reasons {
                    self.add(figure::REJECTED, reason.code.code(), 1, None);
                }
                "rejected"
            }
            ReceiptEvent::ReviewRequested { reasons, .. } => {
                for reason in reasons {
                    self.add(figure::REVIEW, reason.code.code(), 1, None);
                }
                "review_requested"
            }
            ReceiptEvent::FieldsCorrected { .. } => "corrected",
            ReceiptEvent::ReviewDecided { .. } => "review_decided",
            ReceiptEvent::Appealed {} => "appealed",
            ReceiptEvent::RewardPosted { .. } => "rewarded",
        };
        self.add(figure::RECEIPTS, detail, 1, None);
        if let Some(state) = receipts::state_after(change) {
            let row = self
                .rows
                .receipts
                .change(&key)
                .ok_or(FoldError::Missing("receipt"))?;
            row.position = self.event.position;
            let before = std::mem::replace(&mut row.state, state.code().to_owned());
            self.moved(figure::RECEIPT_STATE, &before, state.code(), None);
        }
        Ok(())
    }

    /// Something went from one state to another; the empty state is none.
    fn moved(&mut self, figure: &str, before: &str, after: &str, money: Option<Money>) {
        if before == after {
            return;
        }
        if !before.is_empty() {
            let back = money.map(|money| Money::new(money.minor.saturating_neg(), money.currency));
            self.add(figure, before, -1, back);
        }
        self.add(figure, after, 1, money);
    }

    fn job(&mut self, job_id: JobId, change: &JobEvent) -> Result<(), FoldError> {
        let key = JobDayKey { job_id };
        if let JobEvent::JobRequested { .. } = change {
            self.rows.jobs.put(JobDayRow {
                job_id,
                state: String::new(),
                position: self.event.position,
            });
        }
        let Some(state) = jobs::state_after(change) else {
            return Ok(());
        };
        let row = self
            .rows
            .jobs
            .change(&key)
            .ok_or(FoldError::Missing("job"))?;
        row.position = self.event.position;
        let before = std::mem::replace(&mut row.state, state.code().to_owned());
        let cost = match change {
            JobEvent::JobCompleted { cost, .. } => Some(*cost),
            _ => None,
        };
        self.add(figure::JOBS, state.code(), 1, cost);
        self.moved(figure::JOB_STATE, &before, state.code(), None);
        Ok(())
    }
}
