//! Whether everything came to its end once, and all books say the same.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use kvit::roles::parts::Parts;
use kvit_adapters::nats::{DeadLetters, EVENTS};
use kvit_adapters::postgres::chain::Verifier;
use kvit_adapters::sandbox::client::SandboxClient;
use kvit_commands::ports::log::EventLog;
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::{PayoutId, ReceiptId, UserId};
use kvit_domain::payout::PayoutEvent;
use kvit_domain::receipt::{Receipt, ReceiptEvent, ReceiptState};
use kvit_projections::queries::{ledger, projection, wait_for};

use super::crowd::{Photo, Shopper, Wanted};
use super::{PATIENCE, until};

/// All events, oldest first.
pub async fn history(parts: &Parts) -> Vec<RecordedEvent> {
    let mut all: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.position);
        let page = parts.log.read(after, 1_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// What the log says about one receipt.
#[derive(Debug, Default, Clone)]
pub struct Story {
    pub rewards: usize,
    pub decisions: usize,
    pub payouts: Vec<PayoutId>,
    pub succeeded: usize,
    pub paid_minor: i64,
}

struct Submission {
    receipt_id: ReceiptId,
    user_id: UserId,
    sha256: String,
}

fn submissions(history: &[RecordedEvent]) -> Vec<Submission> {
    of::<ReceiptEvent>(history, "receipt")
        .filter_map(|(id, event)| match event {
            ReceiptEvent::ReceiptSubmitted { user_id, image, .. } => Some(Submission {
                receipt_id: id.parse().unwrap(),
                user_id,
                sha256: image.sha256,
            }),
            _ => None,
        })
        .collect()
}

fn of<'a, E: cqrs_es::DomainEvent>(
    history: &'a [RecordedEvent],
    kind: &'a str,
) -> impl Iterator<Item = (&'a str, E)> {
    history
        .iter()
        .filter(move |event| event.stream.aggregate_type == kind)
        .map(|event| {
            (
                event.stream.aggregate_id.as_str(),
                event.decode::<E>().unwrap(),
            )
        })
}

/// The story of each receipt, from the log alone.
pub fn stories(history: &[RecordedEvent]) -> HashMap<ReceiptId, Story> {
    let mut stories: HashMap<ReceiptId, Story> = HashMap::new();
    for (id, event) in of::<ReceiptEvent>(history, "receipt") {
        let story = stories.entry(id.parse().unwrap()).or_default();
        match event {
            ReceiptEvent::RewardPosted { .. } => story.rewards += 1,
            ReceiptEvent::ReceiptAccepted { .. }
            | ReceiptEvent::ReceiptRejected { .. }
            | ReceiptEvent::ReviewRequested { .. } => story.decisions += 1,
            _ => {}
        }
    }
    let mut owners = HashMap::new();
    for (id, event) in of::<PayoutEvent>(history, "payout") {
        let payout: PayoutId = id.parse().unwrap();
        match event {
            PayoutEvent::PayoutRequested {
                receipt_id: Some(receipt),
                amount,
                ..
            } => {
                owners.insert(payout, (receipt, amount.minor));
                stories.entry(receipt).or_default().payouts.push(payout);
            }
            PayoutEvent::PayoutSucceeded { .. } => {
                // Others than for receipts are looked at elsewhere.
                let Some((receipt, minor)) = owners.get(&payout).copied() else {
                    continue;
                };
                let story = stories.entry(receipt).or_default();
                story.succeeded += 1;
                story.paid_minor += minor;
            }
            _ => {}
        }
    }
    stories
}

fn has_ended(receipt: &Receipt, story: Option<&Story>) -> bool {
    match receipt.state {
        ReceiptState::Rejected | ReceiptState::InReview => true,
        ReceiptState::Rewarded => story.is_some_and(|story| story.succeeded > 0),
        _ => false,
    }
}

/// Waits until every photo has come to an end, then looks at everything.
pub async fn all_is_well(
    parts: &Parts,
    sandbox: &SandboxClient,
    crowd: &[Shopper],
    photos: &[Photo],
) {
    receipts_are_well(parts, sandbox, crowd, photos).await;
    let history = history(parts).await;
    let stories = stories(&history);
    books(parts, sandbox, crowd, &history, &stories).await;
}

/// As [`all_is_well`], where money also goes other ways than receipts do.
pub async fn receipts_are_well(
    parts: &Parts,
    sandbox: &SandboxClient,
    crowd: &[Shopper],
    photos: &[Photo],
) {
    settled(parts, photos.len()).await;
    let history = history(parts).await;
    let stories = stories(&history);
    each_photo_came_to_its_end_once(parts, crowd, photos, &history, &stories).await;
    chain(&history);
    bus(parts, &history).await;
    everybody_was_told(sandbox, crowd, photos).await;
}

/// The last word on each photo stands in its sender's chat. A message that was sent when its sender died may stand there
/// twice, since Telegram knows no idempotency; missing it must never be.
async fn everybody_was_told(sandbox: &SandboxClient, crowd: &[Shopper], photos: &[Photo]) {
    for (number, shopper) in crowd.iter().enumerate() {
        let own = || photos.iter().filter(|photo| photo.shopper == number);
        let paid = own().filter(|photo| photo.wanted == Wanted::Paid).count();
        let refused = own().count() - paid;
        until("the last words on all photos", || async {
            let chat = shopper.chat(sandbox).await;
            let said = |words: &str| {
                chat.iter()
                    .filter(|message| message.text().contains(words))
                    .count()
            };
            (said("has been topped up") >= paid && said("No bonus for this receipt") >= refused)
                .then_some(())
        })
        .await;
    }
}

async fn settled(parts: &Parts, photos: usize) {
    let begun = Instant::now();
    loop {
        let history = history(parts).await;
        let stories = stories(&history);
        let mut open = Vec::new();
        let submitted = submissions(&history);
        for one in &submitted {
            let receipt = parts.app.receipt(one.receipt_id).await.unwrap();
            if !has_ended(&receipt, stories.get(&one.receipt_id)) {
                open.push((
                    one.receipt_id,
                    receipt.state,
                    stories.get(&one.receipt_id).cloned(),
                ));
            }
        }
        if open.is_empty() && submitted.len() >= photos {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{} of {photos} photos were taken in; these came to no end: {open:#?}\nthe last events:\n{}",
            submitted.len(),
            tail(&history)
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn tail(history: &[RecordedEvent]) -> String {
    let lines = history.iter().rev().take(30).map(|event| {
        format!(
            "{} {} {} {}\n",
            event.position, event.recorded_at, event.stream, event.event_type
        )
    });
    lines.collect()
}

async fn each_photo_came_to_its_end_once(
    parts: &Parts,
    crowd: &[Shopper],
    photos: &[Photo],
    history: &[RecordedEvent],
    stories: &HashMap<ReceiptId, Story>,
) {
    let mut taken: BTreeMap<(String, String), Vec<ReceiptId>> = BTreeMap::new();
    for one in submissions(history) {
        taken
            .entry((one.user_id.to_string(), one.sha256))
            .or_default()
            .push(one.receipt_id);
    }
    let mut sent: BTreeMap<(String, String), Vec<Wanted>> = BTreeMap::new();
    for photo in photos {
        let user = parts
            .app
            .user_id(crowd[photo.shopper].telegram_id)
            .to_string();
        sent.entry((user, photo.sha256.clone()))
            .or_default()
            .push(photo.wanted);
    }
    for (photo, wanted) in &sent {
        let receipts = taken.remove(photo).unwrap_or_default();
        assert_eq!(
            receipts.len(),
            wanted.len(),
            "a photo was lost or taken in twice: {receipts:?}"
        );
        for (receipt_id, wanted) in receipts.into_iter().zip(wanted) {
            let receipt = parts.app.receipt(receipt_id).await.unwrap();
            let story = stories.get(&receipt_id).cloned().unwrap_or_default();
            let what = format!(
                "{receipt_id} {:?} {:?} {story:?}",
                receipt.state, receipt.reasons
            );
            assert_eq!(story.decisions, 1, "decided once: {what}");
            match wanted {
                Wanted::Paid => {
                    assert_eq!(receipt.state, ReceiptState::Rewarded, "{what}");
                    assert_eq!((story.rewards, story.succeeded), (1, 1), "{what}");
                    assert_eq!(
                        Some(story.paid_minor),
                        receipt.reward.map(|money| money.minor),
                        "{what}"
                    );
                }
                Wanted::Refused(code) => {
                    assert_eq!(receipt.state, ReceiptState::Rejected, "{what}");
                    assert!(
                        receipt
                            .reasons
                            .iter()
                            .any(|reason| reason.code.code() == *code),
                        "{what}"
                    );
                    assert_eq!((story.rewards, story.payouts.len()), (0, 0), "{what}");
                }
            }
        }
    }
    assert!(taken.is_empty(), "receipts that nobody sent: {taken:?}");
}

fn chain(history: &[RecordedEvent]) {
    let mut verifier = Verifier::new();
    for event in history {
        verifier.check(event).unwrap();
    }
}

/// The provider's books, the ledger and the log, to the kopiyka.
async fn books(
    parts: &Parts,
    sandbox: &SandboxClient,
    crowd: &[Shopper],
    history: &[RecordedEvent],
    stories: &HashMap<ReceiptId, Story>,
) {
    let theirs = sandbox.bills().await.unwrap();
    let paid: i64 = stories.values().map(|story| story.paid_minor).sum();
    assert_eq!(
        theirs.moved_minor, paid,
        "the provider moved what the log says: {theirs:#?}"
    );
    let numbers: i64 = theirs.moved_by_contract.values().sum();
    assert_eq!(numbers, paid, "all of it to numbers");
    for contract in theirs.moved_by_contract.keys() {
        assert!(
            crowd
                .iter()
                .any(|shopper| shopper.phone.ends_with(contract.as_str())
                    || contract.ends_with(&shopper.phone)),
            "money went to {contract}, who is nobody"
        );
    }
    let head = history.last().map_or(0, |event| event.position);
    let all = [
        projection::LEDGER,
        projection::RECEIPTS,
        projection::PAYOUTS,
        projection::DAILY,
    ];
    wait_for(&parts.pool, &all, head, Duration::from_secs(30))
        .await
        .unwrap();
    let balance = ledger::trial_balance(&parts.pool).await.unwrap().data;
    assert!(balance.is_balanced(), "{balance:?}");
    let clearing = balance
        .accounts
        .iter()
        .find(|account| account.account == "payouts:portmone:clearing")
        .map_or(0, |account| account.credit_minor.0 - account.debit_minor.0);
    assert_eq!(clearing, i128::from(paid), "{balance:?}");
}

/// The bus has the log, no more and no less, and nothing was given up.
async fn bus(parts: &Parts, history: &[RecordedEvent]) {
    let head = u64::try_from(history.len()).unwrap();
    until("the bus to have the whole log", || async {
        let mut stream = parts.bus.get_stream(EVENTS).await.ok()?;
        let state = stream.info().await.ok()?.state.clone();
        assert!(
            state.last_sequence <= head && state.messages <= head,
            "the bus is ahead: {state:?}, {head}"
        );
        ((state.last_sequence, state.messages) == (head, head)).then_some(())
    })
    .await;
    let letters = DeadLetters::new(parts.bus.clone())
        .list(0, 100)
        .await
        .unwrap();
    let told: Vec<_> = letters
        .iter()
        .map(|letter| (&letter.handler, &letter.reason))
        .collect();
    assert!(told.is_empty(), "dead letters: {told:?}");
}
