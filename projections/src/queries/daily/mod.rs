//! The daily report.

mod providers;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;
use sqlx::{PgPool, Row};

use super::{AsOf, View, arguments, projection};
use crate::column::{Column, Wide};
use crate::error::Fault;
use crate::fold::daily::figure;
pub use providers::ProviderOfDay;

/// What happened on a day in Kyiv, and how things stood at its end. Sums are minor units of their currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DailyReport {
    /// The day.
    pub day: NaiveDate,
    /// People.
    pub users: UsersOfDay,
    /// Receipts.
    pub receipts: ReceiptsOfDay,
    /// What has become by now of the receipts that were uploaded on this day.
    pub funnel: Funnel,
    /// Money by currency, from the ledger.
    pub money: Vec<MoneyOfDay>,
    /// Payouts by provider and currency.
    pub payouts: Vec<PayoutsOfDay>,
    /// Money between us and the providers, by provider and currency.
    pub providers: Vec<ProviderOfDay>,
    /// Notifications of the day by what happened: `received`, `verified`, `quarantined`.
    pub notifications: BTreeMap<String, i64>,
    /// Jobs.
    pub jobs: JobsOfDay,
    /// Refused ledger commands by code.
    pub refusals: BTreeMap<String, i64>,
}

/// People on a day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct UsersOfDay {
    /// Accounts at the end of the day, forgotten ones left out.
    pub total: i64,
    /// Registered on the day.
    pub new: i64,
    /// Did something on the day.
    pub active: i64,
    /// Forgotten on the day.
    pub forgotten: i64,
    /// Of those who registered seven days before: how many.
    pub cohort_7d: i64,
    /// And how many of these did something on the day.
    pub retained_7d: i64,
}

/// Receipts on a day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReceiptsOfDay {
    /// Submitted on the day.
    pub submitted: i64,
    /// Accepted on the day.
    pub accepted: i64,
    /// Rejected on the day.
    pub rejected: i64,
    /// Sent to a person on the day.
    pub review_requested: i64,
    /// Could not be read, on the day.
    pub recognition_failed: i64,
    /// Rejections of the day by reason; a receipt can have several.
    pub rejected_by_reason: BTreeMap<String, i64>,
    /// Requests for review of the day by reason.
    pub review_by_reason: BTreeMap<String, i64>,
    /// In review at the end of the day.
    pub in_review: i64,
    /// By state at the end of the day.
    pub by_state: BTreeMap<String, i64>,
}

/// How far receipts of one day got.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Funnel {
    /// Uploaded on the day.
    pub uploaded: i64,
    /// Of these accepted by now.
    pub accepted: i64,
    /// Of these paid out by now.
    pub paid: i64,
}

/// Money of one currency on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoneyOfDay {
    /// Currency code.
    pub currency: String,
    /// Rewards credited to wallets.
    pub rewards_minor: Wide,
    /// Money that came in.
    pub topped_up_minor: Wide,
    /// Money that left wallets towards people.
    pub paid_out_minor: Wide,
    /// Spent on jobs.
    pub jobs_minor: Wide,
    /// Effect on wallets by kind of transaction, above zero when wallets grew.
    pub by_kind: BTreeMap<String, CountedMoney>,
    /// Change of each account of the chart on its normal side; all wallets together are `wallets`.
    pub by_account: BTreeMap<String, Wide>,
    /// Holds of the day: `placed`, `captured`, `released`, `expired`.
    pub holds: BTreeMap<String, CountedMoney>,
    /// Held at the end of the day.
    pub held_minor: Wide,
    /// Owed to users at the end of the day.
    pub wallets_minor: Wide,
}

/// How many and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CountedMoney {
    /// How many.
    pub count: i64,
    /// How much, minor units.
    pub minor: Wide,
}

/// Payouts through one provider in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PayoutsOfDay {
    /// The provider.
    pub provider: String,
    /// Currency code.
    pub currency: String,
    /// Requested on the day.
    pub requested: CountedMoney,
    /// Paid on the day.
    pub succeeded: CountedMoney,
    /// Failed for good on the day.
    pub failed: CountedMoney,
    /// Taken back by the provider on the day.
    pub reversed: CountedMoney,
    /// Unknown at the end of the day.
    pub unknown: CountedMoney,
    /// On their way at the end of the day, unknown ones included.
    pub underway: CountedMoney,
    /// What the ledger booked on the provider's clearing account for payouts on the day.
    pub booked_minor: Wide,
}

/// Jobs on a day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JobsOfDay {
    /// Jobs that entered a state on the day.
    pub entered: BTreeMap<String, i64>,
    /// Jobs by state at the end of the day.
    pub by_state: BTreeMap<String, i64>,
    /// Cost of the jobs completed on the day, by currency code.
    pub cost_minor: BTreeMap<String, Wide>,
}

/// A figure, on the day and over all days up to it.
struct Figure {
    figure: String,
    detail: String,
    currency: String,
    day: CountedMoney,
    until: CountedMoney,
}

/// The report of a day. A day without events gives zeros.
///
/// # Errors
/// [`Fault`].
pub async fn daily_report(pool: &PgPool, day: NaiveDate) -> Result<AsOf<DailyReport>, Fault> {
    let mut view = View::open(pool, &[projection::DAILY]).await?;
    let schema = view.schema(0).to_owned();
    let figures = figures(&mut view, &schema, day).await?;
    let mut report = DailyReport {
        day,
        users: users(&mut view, &schema, day).await?,
        receipts: ReceiptsOfDay::default(),
        funnel: Funnel::default(),
        money: Vec::new(),
        payouts: Vec::new(),
        providers: Vec::new(),
        notifications: BTreeMap::new(),
        jobs: JobsOfDay::default(),
        refusals: BTreeMap::new(),
    };
    for figure in figures {
        providers::take(&mut report.providers, &figure);
        report.take(figure);
    }
    report.providers.retain(|provider| !provider.is_quiet());
    report.providers.sort_by(|one, other| {
        (&one.provider, &one.currency).cmp(&(&other.provider, &other.currency))
    });
    Ok(view.as_of(report))
}

async fn figures(view: &mut View, schema: &str, day: NaiveDate) -> Result<Vec<Figure>, Fault> {
    let sql = format!(
        "SELECT figure, detail, currency,
                coalesce(sum(count) FILTER (WHERE day = $1), 0)::bigint,
                coalesce(sum(minor) FILTER (WHERE day = $1), 0)::text,
                sum(count)::bigint, sum(minor)::text
           FROM {schema}.figures WHERE day <= $1 GROUP BY figure, detail, currency ORDER BY figure, detail, currency"
    );
    let mut figures = Vec::new();
    for row in view.fetch(&sql, arguments![day]).await? {
        let counted = |index: usize| -> Result<CountedMoney, Fault> {
            Ok(CountedMoney {
                count: row.try_get(index)?,
                minor: Wide::from_wire(row.try_get(index + 1)?).map_err(Fault::Fatal)?,
            })
        };
        figures.push(Figure {
            figure: row.try_get(0)?,
            detail: row.try_get(1)?,
            currency: row.try_get(2)?,
            day: counted(3)?,
            until: counted(5)?,
        });
    }
    Ok(figures)
}

async fn users(view: &mut View, schema: &str, day: NaiveDate) -> Result<UsersOfDay, Fault> {
    let before = day
        .checked_sub_days(chrono::Days::new(7))
        .unwrap_or(NaiveDate::MIN);
    let sql = format!(
        "SELECT (SELECT count(*) FROM {schema}.active_users WHERE day = $1), count(*), count(a.user_id)
           FROM {schema}.active_users n
           LEFT JOIN {schema}.active_users a ON a.day = $1 AND a.user_id = n.user_id
          WHERE n.day = $2 AND n.is_new"
    );
    let rows = view.fetch(&sql, arguments![day, before]).await?;
    let mut users = UsersOfDay::default();
    if let Some(row) = rows.first() {
        users.active = row.try_get(0)?;
        users.cohort_7d = row.try_get(1)?;
        users.retained_7d = row.try_get(2)?;
    }
    Ok(users)
}

/// What a state of a payout means in the report.
fn is_underway(state: &str) -> bool {
    matches!(
        state,
        "held" | "created" | "sent" | "pending" | "unknown" | "in_review"
    )
}

impl DailyReport {
    fn take(&mut self, figure: Figure) {
        let Figure {
            figure,
            detail,
            currency,
            day,
            until,
        } = figure;
        match figure.as_str() {
            figure::USERS => match detail.as_str() {
                "new" => {
                    self.users.new = day.count;
                    self.users.total = self.users.total.saturating_add(until.count);
                }
                "forgotten" => {
                    self.users.forgotten = day.count;
                    self.users.total = self.users.total.saturating_sub(until.count);
                }
                _ => {}
            },
            figure::RECEIPTS => match detail.as_str() {
                "submitted" => self.receipts.submitted = day.count,
                "accepted" => self.receipts.accepted = day.count,
                "rejected" => self.receipts.rejected = day.count,
                "review_requested" => self.receipts.review_requested = day.count,
                "recognition_failed" => self.receipts.recognition_failed = day.count,
                _ => {}
            },
            figure::REJECTED => note(&mut self.receipts.rejected_by_reason, detail, day.count),
            figure::REVIEW => note(&mut self.receipts.review_by_reason, detail, day.count),
            figure::RECEIPT_STATE => {
                if detail == "in_review" {
                    self.receipts.in_review = until.count;
                }
                note(&mut self.receipts.by_state, detail, until.count);
            }
            figure::FUNNEL => match detail.as_str() {
                "uploaded" => self.funnel.uploaded = day.count,
                "accepted" => self.funnel.accepted = day.count,
                "paid" => self.funnel.paid = day.count,
                _ => {}
            },
            figure::ACCOUNT => self.account(detail, currency, day, until),
            figure::TRANSACTION => {
                let money = self.money(currency);
                let spent = Wide(day.minor.0.saturating_neg());
                match detail.as_str() {
                    "reward" => money.rewards_minor = day.minor,
                    "top_up" => money.topped_up_minor = day.minor,
                    "payout" => money.paid_out_minor = spent,
                    "job" => money.jobs_minor = spent,
                    _ => {}
                }
                if day.count != 0 {
                    money.by_kind.insert(detail, day);
                }
            }
            figure::HOLDS if day.count != 0 => {
                self.money(currency).holds.insert(detail, day);
            }
            figure::HELD => self.money(currency).held_minor = until.minor,
            figure::PAYOUTS => {
                let (provider, what) = detail.split_once(':').unwrap_or((&detail, ""));
                let payouts = self.payouts(provider, &currency);
                match what {
                    "requested" => payouts.requested = day,
                    "succeeded" => payouts.succeeded = day,
                    "failed" => payouts.failed = day,
                    "reversed" => payouts.reversed = day,
                    _ => {}
                }
            }
            figure::PAYOUT_STATE => {
                let (provider, state) = detail.split_once(':').unwrap_or((&detail, ""));
                let payouts = self.payouts(provider, &currency);
                if state == "unknown" {
                    payouts.unknown = until;
                }
                if is_underway(state) {
                    payouts.underway.count = payouts.underway.count.saturating_add(until.count);
                    payouts.underway.minor.0 =
                        payouts.underway.minor.0.saturating_add(until.minor.0);
                }
            }
            figure::NOTIFICATIONS => note(&mut self.notifications, detail, day.count),
            figure::JOBS => {
                if day.minor.0 != 0 {
                    self.jobs.cost_minor.insert(currency, day.minor);
                }
                let before = self.jobs.entered.get(&detail).copied().unwrap_or(0);
                note(
                    &mut self.jobs.entered,
                    detail,
                    before.saturating_add(day.count),
                );
            }
            figure::JOB_STATE => note(&mut self.jobs.by_state, detail, until.count),
            figure::REFUSALS => note(&mut self.refusals, detail, day.count),
            _ => {}
        }
    }

    fn account(
        &mut self,
        account: String,
        currency: String,
        day: CountedMoney,
        until: CountedMoney,
    ) {
        let provider = account
            .strip_prefix("payouts:")
            .and_then(|rest| rest.strip_suffix(":clearing"));
        if let Some(provider) = provider {
            // The account is an asset: a payout takes from it.
            self.payouts(provider, &currency).booked_minor = Wide(day.minor.0.saturating_neg());
        }
        let money = self.money(currency);
        if account == "wallets" {
            money.wallets_minor = until.minor;
        }
        if day.count != 0 {
            money.by_account.insert(account, day.minor);
        }
    }

    fn money(&mut self, currency: String) -> &mut MoneyOfDay {
        let index = self
            .money
            .iter()
            .position(|money| money.currency == currency);
        let index = index.unwrap_or_else(|| {
            self.money.push(MoneyOfDay {
                currency,
                rewards_minor: Wide(0),
                topped_up_minor: Wide(0),
                paid_out_minor: Wide(0),
                jobs_minor: Wide(0),
                by_kind: BTreeMap::new(),
                by_account: BTreeMap::new(),
                holds: BTreeMap::new(),
                held_minor: Wide(0),
                wallets_minor: Wide(0),
            });
            self.money.len() - 1
        });
        &mut self.money[index]
    }

    fn payouts(&mut self, provider: &str, currency: &str) -> &mut PayoutsOfDay {
        let index = self
            .payouts
            .iter()
            .position(|payouts| payouts.provider == provider && payouts.currency == currency);
        let index = index.unwrap_or_else(|| {
            self.payouts.push(PayoutsOfDay {
                provider: provider.to_owned(),
                currency: currency.to_owned(),
                requested: CountedMoney::default(),
                succeeded: CountedMoney::default(),
                failed: CountedMoney::default(),
                reversed: CountedMoney::default(),
                unknown: CountedMoney::default(),
                underway: CountedMoney::default(),
                booked_minor: Wide(0),
            });
            self.payouts.len() - 1
        });
        &mut self.payouts[index]
    }
}

/// Keeps what is not zero.
fn note(figures: &mut BTreeMap<String, i64>, name: String, count: i64) {
    if count != 0 {
        figures.insert(name, count);
    }
}
