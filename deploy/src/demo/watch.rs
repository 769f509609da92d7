//! Waiting for what must happen, and showing how far it is.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kvit_domain::ids::ReceiptId;
use kvit_domain::payout::PayoutState;
use kvit_domain::receipt::ReceiptState;
use kvit_ocr::samples::DemoSample;
use kvit_projections::queries::payouts::{self, PayoutFilter};

use super::DemoError;
use super::outcome::Outcome;
use crate::roles::parts::Parts;
use crate::ui;

/// How long one thing may take.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Looks until there is something to see.
pub async fn until<T, F, A>(what: &str, mut look: F) -> Result<T, DemoError>
where
    F: FnMut() -> A,
    A: Future<Output = Result<Option<T>, DemoError>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            return Err(DemoError::InVain(what.to_owned()));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Until the rules have spoken.
pub async fn decided(parts: &Parts, receipt_id: ReceiptId) -> Result<(), DemoError> {
    until("a decision", || async {
        let state = parts.app.receipt(receipt_id).await?.state;
        let open = matches!(
            state,
            ReceiptState::New
                | ReceiptState::Submitted
                | ReceiptState::Recognised
                | ReceiptState::RecognitionFailed
        );
        Ok((!open).then_some(()))
    })
    .await
}

/// Until nothing more will happen to it by itself.
pub async fn settled(parts: &Parts, receipt_id: ReceiptId) -> Result<(), DemoError> {
    decided(parts, receipt_id).await?;
    until("a payout to end", || async {
        let state = parts.app.receipt(receipt_id).await?.state;
        if matches!(state, ReceiptState::Rejected | ReceiptState::InReview) {
            return Ok(Some(()));
        }
        let payout = parts.app.latest_payout(receipt_id).await?;
        Ok(payout
            .filter(|(_, payout)| has_ended(payout.state))
            .map(|_| ()))
    })
    .await
}

fn has_ended(state: PayoutState) -> bool {
    use PayoutState as S;
    matches!(state, S::Succeeded | S::Failed | S::InReview | S::Reversed)
}

/// Until no payout of any run is on its way: what a killed run left behind is finished too.
pub async fn nothing_under_way(parts: &Parts) -> Result<(), DemoError> {
    use PayoutState as S;
    for state in [S::Held, S::Created, S::Sent, S::Unknown] {
        let filter = PayoutFilter {
            state: Some(state),
            ..PayoutFilter::default()
        };
        until("older payouts to end", || async {
            let page = payouts::search(&parts.pool, &filter, None, 1).await?;
            Ok(page.data.items.is_empty().then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Progress on a terminal; plain lines elsewhere.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// For so many receipts.
    pub fn new(receipts: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(receipts).unwrap_or_default());
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} [{elapsed}] {bar:24} {pos}/{len} {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }

    /// A word on what goes on.
    pub fn say(&self, words: fmt::Arguments<'_>) {
        self.bar.set_message(words.to_string());
        if self.bar.is_hidden() {
            ui::note(words);
        }
    }

    /// A photo goes out.
    pub fn sent(&self, index: usize, sample: &DemoSample) {
        self.say(format_args!("{:2} sending: {}", index + 1, sample.title));
    }

    /// A receipt has come to its end.
    pub fn settled(&self, outcome: &Outcome) {
        self.bar.inc(1);
        self.say(format_args!("{}: {}", outcome.title, outcome.seen()));
    }

    /// The end.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
