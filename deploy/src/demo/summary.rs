//! What the demo tells at its end, and the checks that it stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use kvit_adapters::postgres::chain::Verifier;
use kvit_adapters::sandbox::client::SandboxClient;
use kvit_commands::ports::log::EventLog;
use kvit_domain::ids::WalletId;
use kvit_domain::money::{Currency, Money};
use kvit_domain::rules::kyiv_day;
use kvit_projections::queries::{daily, ledger, projection, wait_for};

use super::money::Scene;
use super::outcome::{Outcome, Stages};
use super::{DemoError, wall_clock};
use crate::roles::Running;
use crate::roles::parts::Parts;
use crate::ui;

/// Marks of the run.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// When the program started.
    pub started: Instant,
    /// Until Postgres, NATS and object storage were there.
    pub services: Duration,
    /// Until the whole platform was there.
    pub up: Duration,
}

/// Events read at once for the check of the chain.
const PAGE: usize = 1_000;

/// Prints the summary. Whether everything is as it must be.
pub async fn tell(
    parts: &Parts,
    client: &SandboxClient,
    running: &Running,
    (outcomes, scenes): (&[Outcome], &[Scene]),
    times: Times,
) -> Result<bool, DemoError> {
    let worked = times.started.elapsed();
    let head = parts.app.head().await?;
    let all = [
        projection::LEDGER,
        projection::RECEIPTS,
        projection::PAYOUTS,
        projection::DAILY,
    ];
    wait_for(&parts.pool, &all, head, Duration::from_secs(30)).await?;
    let mut out = String::new();
    let as_expected = receipts(&mut out, outcomes);
    let dealt = money(&mut out, scenes);
    wallets(&mut out, parts, outcomes).await?;
    let messages = one_message_each(&mut out, client, outcomes).await?;
    let balanced = trial_balance(&mut out, parts).await?;
    let agree = books(&mut out, parts, client).await?;
    daily_report(&mut out, parts).await?;
    let intact = chain(&mut out, parts).await?;
    stages(&mut out, outcomes);
    let per_second =
        outcomes.len() as u128 * 100_000 / worked.saturating_sub(times.up).as_millis().max(1);
    out.push_str(&format!(
        "Times        services {} ms, platform {} ms, all {} receipts {:.1} s ({}.{:02} receipts a second)\n",
        times.services.as_millis(),
        times.up.as_millis(),
        outcomes.len(),
        worked.as_secs_f32(),
        per_second / 100,
        per_second % 100,
    ));
    out.push_str(&format!(
        "API          http://{0}/docs while the platform runs (`kvit demo --stay` or `kvit up --sandbox`)\n",
        running.gateway
    ));
    let good = as_expected && dealt && balanced && agree && intact && messages;
    out.push_str(if good {
        "\nEverything came as expected.\n"
    } else {
        "\nNOT everything came as expected: see the lines marked with !\n"
    });
    ui::data(out);
    Ok(good)
}

fn mark(good: bool) -> char {
    if good { '+' } else { '!' }
}

fn receipts(out: &mut String, outcomes: &[Outcome]) -> bool {
    out.push_str("\nReceipts\n");
    let width = outcomes
        .iter()
        .map(|outcome| outcome.title.chars().count())
        .max()
        .unwrap_or_default();
    for (index, outcome) in outcomes.iter().enumerate() {
        let good = outcome.is_expected();
        let padding = " ".repeat(width.saturating_sub(outcome.title.chars().count()));
        out.push_str(&format!(
            " {} {:2} {}{padding}  {}",
            mark(good),
            index + 1,
            outcome.title,
            outcome.seen()
        ));
        if !good {
            out.push_str(&format!("  (expected: {})", outcome.wanted()));
        }
        out.push('\n');
    }
    outcomes.iter().all(Outcome::is_expected)
}

fn money(out: &mut String, scenes: &[Scene]) -> bool {
    out.push_str("\nMoney\n");
    for scene in scenes {
        out.push_str(&format!(" {} {}\n", mark(scene.good), scene.line));
    }
    !scenes.is_empty() && scenes.iter().all(|scene| scene.good)
}

async fn wallets(out: &mut String, parts: &Parts, outcomes: &[Outcome]) -> Result<(), DemoError> {
    out.push_str("\nWallets\n");
    let shoppers: BTreeMap<_, _> = outcomes
        .iter()
        .map(|outcome| (outcome.shopper.telegram_id, &outcome.shopper))
        .collect();
    for shopper in shoppers.values() {
        let wallet = parts
            .app
            .wallet(WalletId {
                user: shopper.user_id,
                currency: Currency::Uah,
            })
            .await?;
        let paid: i64 = outcomes
            .iter()
            .filter(|outcome| outcome.shopper.user_id == shopper.user_id)
            .filter_map(Outcome::paid)
            .map(|money| money.minor)
            .sum();
        let uah = |minor| Money::new(minor, Currency::Uah);
        out.push_str(&format!(
            "   {:<8} balance {}, held {}, paid to the phone {}\n",
            shopper.name,
            uah(wallet.posted_minor),
            uah(wallet.held_minor),
            uah(paid)
        ));
    }
    Ok(())
}

/// Each photo must have led to one message, edited through the stages. Telegram takes one message a second for a chat, so
/// a quick rejection may be the first thing that is shown.
async fn one_message_each(
    out: &mut String,
    client: &SandboxClient,
    outcomes: &[Outcome],
) -> Result<bool, DemoError> {
    let mut photos: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in outcomes {
        *photos.entry(outcome.shopper.telegram_id).or_default() += 1;
    }
    let (mut answers, mut edits, mut longest) = (0_usize, 0_usize, Vec::new());
    let mut seen = BTreeSet::new();
    for outcome in outcomes
        .iter()
        .filter(|outcome| seen.insert(outcome.shopper.telegram_id))
    {
        let sent = photos
            .get(&outcome.shopper.telegram_id)
            .copied()
            .unwrap_or_default();
        for message in outcome.shopper.answers(client, sent).await? {
            answers += 1;
            edits += message.versions.len().saturating_sub(1);
            if message.versions.len() > longest.len() {
                longest = message
                    .versions
                    .iter()
                    .map(|version| first_line(&version.text))
                    .collect();
            }
        }
    }
    let good = answers == outcomes.len();
    out.push_str(&format!(
        "\nChats      {} {answers} messages for {} photos, edited {edits} times; the longest:\n",
        mark(good),
        outcomes.len()
    ));
    for line in longest {
        out.push_str(&format!("             {line}\n"));
    }
    Ok(good)
}

fn first_line(text: &str) -> String {
    let mut line = String::new();
    let mut in_tag = false;
    for c in text.lines().next().unwrap_or_default().chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            c if !in_tag => line.push(c),
            _ => {}
        }
    }
    line
}

async fn trial_balance(out: &mut String, parts: &Parts) -> Result<bool, DemoError> {
    let balance = ledger::trial_balance(&parts.pool).await?.data;
    let good = balance.is_balanced();
    out.push_str(&format!("\nTrial balance {}\n", mark(good)));
    for account in &balance.accounts {
        out.push_str(&format!(
            "   {:<28} {} debit {:>10}  credit {:>10}\n",
            account.account, account.currency, account.debit_minor.0, account.credit_minor.0
        ));
    }
    for total in &balance.totals {
        out.push_str(&format!(
            "   difference in {}: {}\n",
            total.currency, total.difference_minor.0
        ));
    }
    Ok(good)
}

/// The provider's books and ours, to the kopiyka.
async fn books(out: &mut String, parts: &Parts, client: &SandboxClient) -> Result<bool, DemoError> {
    let theirs = client.bills().await?.moved_minor;
    let balance = ledger::trial_balance(&parts.pool).await?.data;
    let ours = balance
        .accounts
        .iter()
        .find(|account| account.account == "payouts:portmone:clearing")
        .map_or(0, |account| {
            account.credit_minor.0.saturating_sub(account.debit_minor.0)
        });
    let good = i128::from(theirs) == ours;
    out.push_str(&format!(
        "Payouts    {} the provider moved {theirs} kopiykas, the ledger says {ours}\n",
        mark(good)
    ));
    Ok(good)
}

async fn daily_report(out: &mut String, parts: &Parts) -> Result<(), DemoError> {
    let report = daily::daily_report(&parts.pool, kyiv_day(wall_clock()))
        .await?
        .data;
    out.push_str(&format!(
        "Today        {} users ({} new); receipts: {} uploaded, {} accepted, {} rejected, {} to review; {} paid\n",
        report.users.total,
        report.users.new,
        report.receipts.submitted,
        report.receipts.accepted,
        report.receipts.rejected,
        report.receipts.review_requested,
        report.funnel.paid,
    ));
    for money in &report.money {
        out.push_str(&format!(
            "             {}: rewards {} minor, paid out {}, held {}, owed to users {}\n",
            money.currency,
            money.rewards_minor.0,
            money.paid_out_minor.0,
            money.held_minor.0,
            money.wallets_minor.0
        ));
    }
    Ok(())
}

async fn chain(out: &mut String, parts: &Parts) -> Result<bool, DemoError> {
    let mut verifier = Verifier::new();
    let mut position = 0;
    loop {
        let page = parts
            .log
            .read(position, PAGE)
            .await
            .map_err(kvit_commands::error::CommandError::from)?;
        let Some(last) = page.last() else { break };
        position = last.position;
        for event in &page {
            if let Err(broken) = verifier.check(event) {
                out.push_str(&format!("Chain      ! {broken}\n"));
                return Ok(false);
            }
        }
    }
    out.push_str(&format!(
        "Chain      + {position} events, every hash follows from the one before\n"
    ));
    Ok(true)
}

fn stages(out: &mut String, outcomes: &[Outcome]) {
    type Pick = fn(&Stages) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let picks: [(&str, Pick); 5] = [
        ("read", |s| (s.submitted, s.read)),
        ("decide", |s| (s.read, s.decided)),
        ("credit", |s| (s.decided, s.credited)),
        ("pay", |s| (s.credited, s.paid)),
        ("photo to phone", |s| (s.submitted, s.paid)),
    ];
    out.push_str("Stages       median (slowest):");
    for (name, pick) in picks {
        let mut spans: Vec<i64> = outcomes
            .iter()
            .filter_map(|outcome| match pick(&outcome.stages) {
                (Some(from), Some(to)) => Some((to - from).num_milliseconds()),
                _ => None,
            })
            .collect();
        spans.sort_unstable();
        if let (Some(median), Some(slowest)) = (spans.get(spans.len() / 2), spans.last()) {
            out.push_str(&format!(" {name} {median} ms ({slowest});"));
        }
    }
    out.push('\n');
}
