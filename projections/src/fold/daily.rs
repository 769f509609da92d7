//! The figures of each day in Kyiv, counted by the time at which the log took the events.
//!
//! A figure is a sum per (day, name, detail, currency). States are kept as differences, `+1` on the day something enters
//! a state and `-1` on the day it leaves, so that the sum over all days up to a day says how many were there at its end.
//! Money comes from the wallets' transactions, never from what receipts or payouts say, so it equals the ledger's.

use chrono::NaiveDate;
use kvit_domain::ids::{JobId, PayoutId, ReceiptId, UserId, WalletId};
use kvit_domain::job::JobEvent;
use kvit_domain::ledger::{Account, Side, Transaction};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::PayoutEvent;
use kvit_domain::receipt::ReceiptEvent;
use kvit_domain::rules::kyiv_day;
use kvit_domain::user::UserEvent;
use kvit_domain::wallet::WalletEvent;

use super::{jobs, ledger, payouts, receipts};
use crate::column::Wide;
use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::{table, tables};

table! {
    /// A figure of a day.
    FigureRow in "figures"
    key FigureKey {
        /// The day in Kyiv.
        day: NaiveDate,
        /// Its name, see [`figure`].
        figure: String,
        /// A reason, a state, an account: by the figure.
        detail: String,
        /// Currency code, or empty for figures without money.
        currency: String,
    }
    columns {
        /// How many; can be below zero where differences are kept.
        count: i64,
        /// How much, minor units; signed.
        minor: Wide,
    }
    indexes []
}

table! {
    /// Somebody did something on a day.
    ActiveRow in "active_users"
    key ActiveKey {
        /// The day in Kyiv.
        day: NaiveDate,
        /// Who.
        user_id: UserId,
    }
    columns {
        /// Whether they registered on this day.
        is_new: bool,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a receipt.
    ReceiptDayRow in "receipts"
    key ReceiptDayKey {
        /// The receipt.
        receipt_id: ReceiptId,
    }
    columns {
        /// Day on which the log took it.
        day: NaiveDate,
        /// Its state.
        state: String,
        /// Whether it was accepted.
        accepted: bool,
        /// Whether its reward was paid out.
        paid: bool,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a payout.
    PayoutDayRow in "payouts"
    key PayoutDayKey {
        /// The payout.
        payout_id: PayoutId,
    }
    columns {
        /// Through whom.
        provider: String,
        /// Currency.
        currency: Currency,
        /// Amount, minor units.
        amount_minor: i64,
        /// Whose reward it pays.
        receipt_id: Option<ReceiptId>,
        /// Its state.
        state: String,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a job.
    JobDayRow in "jobs"
    key JobDayKey {
        /// The job.
        job_id: JobId,
    }
    columns {
        /// Its state.
        state: String,
    }
    indexes []
}

tables! {
    /// The tables of the daily figures.
    DailyRows {
        /// Figures.
        figures: Sums<FigureRow>,
        /// Active users.
        active: Rows<ActiveRow>,
        /// Receipts.
        receipts: Rows<ReceiptDayRow>,
        /// Payouts.
        payouts: Rows<PayoutDayRow>,
        /// Jobs.
        jobs: Rows<JobDayRow>,
    }
}

/// Names of the figures.
pub mod figure {
    /// Users by what happened to them: `new`, `forgotten`.
    pub const USERS: &str = "users";
    /// Receipts by what happened: an event in snake_case such as `submitted`, `accepted`, `review_requested`.
    pub const RECEIPTS: &str = "receipts";
    /// Rejections by reason.
    pub const REJECTED: &str = "rejected";
    /// Requests for review by reason.
    pub const REVIEW: &str = "review";
    /// Receipts by state, as differences.
    pub const RECEIPT_STATE: &str = "receipt_state";
    /// By the day of submission: `uploaded`, `accepted`, `paid`.
    pub const FUNNEL: &str = "funnel";
    /// Change of an account on its normal side; all wallets together are `wallets`.
    pub const ACCOUNT: &str = "account";
    /// Transactions by kind, with their effect on the wallets.
    pub const TRANSACTION: &str = "transaction";
    /// Holds: `placed`, `captured`, `released`, `expired`.
    pub const HOLDS: &str = "holds";
    /// What is held, as differences.
    pub const HELD: &str = "held";
    /// Payouts by `<provider>:<what happened>`.
    pub const PAYOUTS: &str = "payouts";
    /// Payouts by `<provider>:<state>`, as differences.
    pub const PAYOUT_STATE: &str = "payout_state";
    /// Jobs by the state that they entered.
    pub const JOBS: &str = "jobs";
    /// Jobs by state, as differences.
    pub const JOB_STATE: &str = "job_state";
    /// Refused ledger commands by code.
    pub const REFUSALS: &str = "refusals";
}

/// What the fold takes from the log.
#[derive(Debug)]
pub enum Change {
    /// Of a person.
    User(UserId, Box<UserEvent>),
    /// Of a receipt.
    Receipt(ReceiptId, Box<ReceiptEvent>),
    /// Of a wallet.
    Wallet(WalletId, Box<WalletEvent>),
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
    const VERSION: i64 = 1;
    const NEEDS: Needs = Needs {
        aggregates: &["user", "receipt", "wallet", "payout", "job"],
        actors: true,
    };
    type Rows = DailyRows;
    type Change = Change;

    fn decode(event: &LogEvent) -> Result<Option<Change>, FoldError> {
        Ok(Some(match event.stream.aggregate_type.as_str() {
            "user" => Change::User(event.id()?, Box::new(event.decode()?)),
            "receipt" => Change::Receipt(event.id()?, Box::new(event.decode()?)),
            "wallet" => Change::Wallet(event.id()?, Box::new(event.decode()?)),
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
            Change::Job(job_id, _) => {
                rows.jobs.want(JobDayKey { job_id: *job_id });
                None
            }
            Change::Wallet(..) | Change::Seen => None,
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

    fn wallet(&mut self, wallet_id: WalletId, change: &WalletEvent) -> Result<(), FoldError> {
        let money = |minor| Money::new(minor, wallet_id.currency);
        match change {
            WalletEvent::WalletOpened { .. } => {}
            WalletEvent::TransactionPosted { transaction }
            | WalletEvent::TransactionReversed { transaction, .. } => {
                self.transaction(wallet_id, transaction)?;
            }
            WalletEvent::HoldPlaced { amount, .. } => {
                self.add(figure::HOLDS, "placed", 1, Some(*amount));
                self.add(figure::HELD, "", 0, Some(*amount));
            }
            WalletEvent::HoldCaptured { transaction, .. } => {
                let effect = self.transaction(wallet_id, transaction)?;
                let spent = effect.checked_neg().ok_or(FoldError::Overflow)?;
                self.add(figure::HOLDS, "captured", 1, Some(money(spent)));
                self.add(figure::HELD, "", 0, Some(money(effect)));
            }
            WalletEvent::HoldReleased { amount, .. } => self.let_go("released", *amount),
            WalletEvent::HoldExpired { amount, .. } => self.let_go("expired", *amount),
            WalletEvent::CommandRefused { rejection, .. } => {
                self.add(figure::REFUSALS, &rejection.code, 1, None);
            }
        }
        Ok(())
    }

    fn let_go(&mut self, how: &str, amount: Money) {
        self.add(figure::HOLDS, how, 1, Some(amount));
        let back = Money::new(amount.minor.saturating_neg(), amount.currency);
        self.add(figure::HELD, "", 0, Some(back));
    }

    /// Counts a transaction and what it does to each account; answers its effect on the wallet.
    fn transaction(
        &mut self,
        wallet_id: WalletId,
        transaction: &Transaction,
    ) -> Result<i64, FoldError> {
        let effect = transaction
            .effect_on(Account::Wallet(wallet_id))
            .map_err(|_| FoldError::Overflow)?;
        let kind = ledger::kind_code(transaction.kind);
        let money = Money::new(effect, wallet_id.currency);
        self.add(figure::TRANSACTION, kind, 1, Some(money));
        for leg in &transaction.legs {
            let account = match leg.account {
                Account::Wallet(_) => "wallets".to_owned(),
                other => other.to_string(),
            };
            let grows: Side = leg.account.normal_side();
            let minor = if leg.side == grows {
                leg.amount.minor
            } else {
                leg.amount.minor.saturating_neg()
            };
            let money = Money::new(minor, leg.amount.currency);
            self.add(figure::ACCOUNT, &account, 1, Some(money));
        }
        Ok(effect)
    }

    fn payout(&mut self, payout_id: PayoutId, change: &PayoutEvent) -> Result<(), FoldError> {
        let key = PayoutDayKey { payout_id };
        if let PayoutEvent::PayoutRequested {
            amount,
            provider,
            receipt_id,
            ..
        } = change
        {
            self.rows.payouts.put(PayoutDayRow {
                payout_id,
                provider: provider.code().to_owned(),
                currency: amount.currency,
                amount_minor: amount.minor,
                receipt_id: *receipt_id,
                state: String::new(),
                position: self.event.position,
            });
        }
        let row = self
            .rows
            .payouts
            .change(&key)
            .ok_or(FoldError::Missing("payout"))?;
        row.position = self.event.position;
        let money = Some(Money::new(row.amount_minor, row.currency));
        let provider = row.provider.clone();
        let receipt_id = row.receipt_id;
        let state = payouts::state_after(change);
        let before = row.state.clone();
        if let Some(state) = state {
            state.code().clone_into(&mut row.state);
        }
        let detail = match change {
            PayoutEvent::PayoutRequested { .. } => Some("requested"),
            PayoutEvent::PayoutUnknown { .. } => Some("unknown"),
            PayoutEvent::PayoutSucceeded { .. } => Some("succeeded"),
            PayoutEvent::PayoutFailed { is_final: true, .. } => Some("failed"),
            PayoutEvent::PayoutFailed { .. } => Some("attempt_failed"),
            PayoutEvent::PayoutReversed { .. } => Some("reversed"),
            PayoutEvent::SentToReview { .. } => Some("sent_to_review"),
            PayoutEvent::PayoutPostponed { .. } => Some("postponed"),
            PayoutEvent::FundsHeld { .. }
            | PayoutEvent::BudgetTaken { .. }
            | PayoutEvent::PayoutPending { .. }
            | PayoutEvent::PayoutCreated { .. }
            | PayoutEvent::PayoutSent { .. }
            | PayoutEvent::ReviewDecided { .. } => None,
        };
        if let Some(detail) = detail {
            self.add(figure::PAYOUTS, &format!("{provider}:{detail}"), 1, money);
        }
        if let Some(state) = state {
            let place = |state: &str| {
                if state.is_empty() {
                    String::new()
                } else {
                    format!("{provider}:{state}")
                }
            };
            self.moved(
                figure::PAYOUT_STATE,
                &place(&before),
                &place(state.code()),
                money,
            );
        }
        if let (PayoutEvent::PayoutSucceeded { .. }, Some(receipt_id)) = (change, receipt_id)
            && let Some(row) = self.rows.receipts.change(&ReceiptDayKey { receipt_id })
            && !row.paid
        {
            row.paid = true;
            row.position = self.event.position;
            let uploaded_on = row.day;
            self.add_on(uploaded_on, figure::FUNNEL, "paid", 1, None);
        }
        Ok(())
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
