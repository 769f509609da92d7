//! For administrators.

use chrono::NaiveDate;
use kvit_domain::ids::ReceiptId;
use kvit_domain::money::{Currency, Money};
use kvit_domain::receipt::ReceiptState;
use kvit_domain::rules::ReasonCode;
use kvit_projections::column::Wide;
use kvit_projections::queries::daily::{DailyReport, daily_report};
use kvit_projections::queries::health::health;
use kvit_projections::queries::projection;

use crate::actions::Drawn;
use crate::handlers::overview::{catch_up, details_of};
use crate::texts::format::{MAX_MESSAGE, cut, money};
use crate::texts::{Key, Value, key, reason_key};
use crate::trouble::Trouble;
use crate::turn::Turn;

/// `/report [DD.MM.YYYY]`: the day that has just begun when none is named.
pub(crate) async fn report(turn: &Turn, day: &str) -> Result<(), Trouble> {
    let today = turn
        .env
        .clock
        .now()
        .with_timezone(&turn.env.config.zone)
        .date_naive();
    let Some(day) = (if day.is_empty() {
        Some(today)
    } else {
        read_day(day)
    }) else {
        return turn.tell(&key!("report-bad-date"), &[]).await;
    };
    catch_up(turn, &[projection::DAILY]).await?;
    let report = daily_report(&turn.env.pool, day).await?.data;
    turn.answer(Drawn::text(cut(
        &report_lines(turn, &report).join("\n"),
        MAX_MESSAGE,
    )))
    .await
}

fn read_day(text: &str) -> Option<NaiveDate> {
    ["%d.%m.%Y", "%Y-%m-%d"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(text, form).ok())
}

fn report_lines(turn: &Turn, report: &DailyReport) -> Vec<String> {
    let line = |name: Key, value: Value| {
        turn.say(
            &key!("report-line"),
            &[("name", turn.say(&name, &[]).into()), ("value", value)],
        )
    };
    let date = report.day.format("%d.%m.%Y").to_string();
    let mut lines = vec![
        turn.say(&key!("report-title"), &[("date", date.into())]),
        String::new(),
    ];
    let counts = [
        (key!("report-users-total"), report.users.total),
        (key!("report-users-new"), report.users.new),
        (key!("report-users-active"), report.users.active),
        (key!("report-receipts"), report.receipts.submitted),
        (key!("report-accepted"), report.receipts.accepted),
        (key!("report-rejected"), report.receipts.rejected),
        (key!("report-review"), report.receipts.in_review),
    ];
    lines.extend(counts.map(|(name, count)| line(name, count.into())));
    for sums in &report.money {
        lines.push(line(
            key!("report-credited-sum"),
            shown(sums.rewards_minor, &sums.currency),
        ));
        lines.push(line(
            key!("report-paid-sum"),
            shown(sums.paid_out_minor, &sums.currency),
        ));
    }
    for payouts in &report.payouts {
        lines.push(line(
            key!("report-paid-count"),
            payouts.succeeded.count.into(),
        ));
        lines.push(line(
            key!("report-failed-count"),
            payouts.failed.count.into(),
        ));
        lines.push(line(key!("stats-unknown"), payouts.unknown.count.into()));
    }
    if !report.receipts.rejected_by_reason.is_empty() {
        lines.push(String::new());
        lines.push(turn.say(&key!("report-reasons"), &[]));
        for (code, count) in &report.receipts.rejected_by_reason {
            lines.push(turn.say(
                &key!("report-line"),
                &[
                    ("name", reason_name(turn, code).into()),
                    ("value", (*count).into()),
                ],
            ));
        }
    }
    lines
}

/// A reason without its facts; the bare code when it is a newer one than this program knows.
fn reason_name(turn: &Turn, code: &str) -> String {
    ReasonCode::ALL
        .iter()
        .find(|known| known.code() == code)
        .map_or_else(
            || code.to_owned(),
            |&known| {
                let text = turn.say(
                    &reason_key(known),
                    &[("days", 0_i64.into()), ("limit", 0_i64.into())],
                );
                text.trim_end_matches('.').to_owned()
            },
        )
}

fn shown(minor: Wide, currency: &str) -> Value {
    let minor = i64::try_from(minor.0).unwrap_or(i64::MAX);
    currency
        .parse::<Currency>()
        .map_or_else(
            |_| minor.to_string(),
            |currency| money(Money::new(minor, currency)),
        )
        .into()
}

/// `/stats`: how things stand now.
pub(crate) async fn stats(turn: &Turn) -> Result<(), Trouble> {
    catch_up(
        turn,
        &[projection::USERS, projection::RECEIPTS, projection::PAYOUTS],
    )
    .await?;
    let figures = health(&turn.env.pool).await?.data;
    let counts = [
        (key!("report-users-active"), figures.active_users_24h),
        (key!("report-review"), figures.receipts_in_review),
        (key!("stats-unknown"), figures.payouts_unknown),
    ];
    let mut lines = vec![turn.say(&key!("stats-title"), &[])];
    lines.extend(counts.map(|(name, count)| {
        turn.say(
            &key!("report-line"),
            &[
                ("name", turn.say(&name, &[]).into()),
                ("value", count.into()),
            ],
        )
    }));
    turn.answer(Drawn::text(lines.join("\n"))).await
}

/// `/find <receipt>`.
pub(crate) async fn find(turn: &Turn, number: &str) -> Result<(), Trouble> {
    let Ok(id) = number.parse::<ReceiptId>() else {
        return turn.tell(&key!("find-usage"), &[]).await;
    };
    let receipt = turn.env.app.receipt(id).await?;
    if receipt.state == ReceiptState::New {
        return turn.tell(&key!("find-none"), &[]).await;
    }
    turn.answer(Drawn::text(details_of(turn, id, &receipt).await?))
        .await
}

#[cfg(test)]
mod tests {
    use super::read_day;

    #[test]
    fn a_day_is_read_as_people_write_it_or_as_programs_do() {
        assert_eq!(read_day("20.11.2026"), read_day("2026-11-20"));
        assert!(read_day("20.11.2026").is_some());
        for bad in ["yesterday", "31.02.2026", "20/11/2026", "20.11"] {
            assert!(read_day(bad).is_none(), "{bad}");
        }
    }
}
