//! What became of one upload, beside what was expected.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kvit_domain::event::StreamId;
use kvit_domain::ids::{PayoutId, ReceiptId};
use kvit_domain::money::Money;
use kvit_domain::payout::{PayoutEvent, PayoutState};
use kvit_domain::receipt::{Receipt, ReceiptState};
use kvit_ocr::samples::{DemoSample, Expected, PayoutScript};

use super::shopper::Shopper;
use super::{DemoError, watch};
use crate::roles::parts::Parts;

/// Most events of one stream that the demo looks at.
const EVENTS_MAX: usize = 200;

/// One upload and its end.
pub struct Outcome {
    /// What it shows.
    pub title: &'static str,
    /// Who sent it.
    pub shopper: Arc<Shopper>,
    /// The receipt.
    pub receipt_id: ReceiptId,
    /// Its payout, if there was one.
    pub payout_id: Option<PayoutId>,
    /// When each stage was reached.
    pub stages: Stages,
    expected: Expected,
    script: PayoutScript,
    receipt: Receipt,
    payout: PayoutState,
    /// Failed attempts and unknown outcomes on the way.
    stumbles: (usize, usize),
}

/// Times of the stages, from the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stages {
    /// The photo was taken in.
    pub submitted: Option<DateTime<Utc>>,
    /// It was read.
    pub read: Option<DateTime<Utc>>,
    /// The rules have spoken.
    pub decided: Option<DateTime<Utc>>,
    /// The wallet was credited.
    pub credited: Option<DateTime<Utc>>,
    /// The provider has paid.
    pub paid: Option<DateTime<Utc>>,
}

impl Outcome {
    /// An upload that was just sent.
    pub fn of(sample: &DemoSample, shopper: Arc<Shopper>, receipt_id: ReceiptId) -> Self {
        Self {
            title: sample.title,
            shopper,
            receipt_id,
            payout_id: None,
            stages: Stages::default(),
            expected: sample.expected,
            script: sample.payout,
            receipt: Receipt::default(),
            payout: PayoutState::New,
            stumbles: (0, 0),
        }
    }

    /// Waits for the end and looks.
    pub async fn settle(&mut self, parts: &Parts) -> Result<(), DemoError> {
        watch::settled(parts, self.receipt_id).await?;
        self.receipt = parts.app.receipt(self.receipt_id).await?;
        let receipt = StreamId::new("receipt", self.receipt_id.to_string());
        for event in parts.app.stream_events(&receipt, 0, EVENTS_MAX).await? {
            let at = Some(event.recorded_at);
            match event.event_type.as_str() {
                "ReceiptSubmitted" => self.stages.submitted = at,
                "ReceiptRecognised" | "RecognitionFailed" => self.stages.read = at,
                "ReceiptAccepted" | "ReceiptRejected" | "ReviewRequested" => {
                    self.stages.decided = at
                }
                "RewardPosted" => self.stages.credited = at,
                _ => {}
            }
        }
        if let Some((id, payout)) = parts.app.latest_payout(self.receipt_id).await? {
            self.payout_id = Some(id);
            self.payout = payout.state;
            let stream = StreamId::new("payout", id.to_string());
            for event in parts.app.stream_events(&stream, 0, EVENTS_MAX).await? {
                match event.decode::<PayoutEvent>() {
                    Ok(PayoutEvent::PayoutFailed { .. }) => self.stumbles.0 += 1,
                    Ok(PayoutEvent::PayoutUnknown { .. }) => self.stumbles.1 += 1,
                    Ok(PayoutEvent::PayoutSucceeded { .. }) => {
                        self.stages.paid = Some(event.recorded_at)
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Whether it is what was expected.
    pub fn is_expected(&self) -> bool {
        let has = |code: &str| {
            self.receipt
                .reasons
                .iter()
                .any(|reason| reason.code.code() == code)
        };
        let decided = match self.expected {
            Expected::Accepted => {
                self.receipt.state == ReceiptState::Rewarded
                    && self.payout == PayoutState::Succeeded
            }
            Expected::Rejected(code) => self.receipt.state == ReceiptState::Rejected && has(code),
            Expected::Review(code) => self.receipt.state == ReceiptState::InReview && has(code),
        };
        let stumbled = match self.script {
            PayoutScript::Ordinary => true,
            PayoutScript::FailsThenRecovers => self.stumbles.0 > 0,
            PayoutScript::UnknownThenResolved => self.stumbles.1 > 0,
        };
        decided && stumbled
    }

    /// What was wanted, in words.
    pub fn wanted(&self) -> String {
        match self.expected {
            Expected::Accepted => "paid".to_owned(),
            Expected::Rejected(code) => format!("rejected: {code}"),
            Expected::Review(code) => format!("in review: {code}"),
        }
    }

    /// What was seen, in words.
    pub fn seen(&self) -> String {
        let reasons: Vec<_> = self
            .receipt
            .reasons
            .iter()
            .map(|reason| reason.code.code())
            .collect();
        let reasons = reasons.join(", ");
        match self.receipt.state {
            ReceiptState::Rewarded => {
                let reward = self
                    .receipt
                    .reward
                    .map_or_else(String::new, |reward| reward.to_string());
                let mut words = match self.payout {
                    PayoutState::Succeeded => format!("paid {reward}"),
                    other => format!("credited {reward}, payout {}", other.code()),
                };
                if self.stumbles.0 > 0 {
                    words.push_str(&format!(" after {} failed attempt(s)", self.stumbles.0));
                }
                if self.stumbles.1 > 0 {
                    words.push_str(" after an unknown outcome");
                }
                words
            }
            ReceiptState::InReview => format!("in review: {reasons}"),
            ReceiptState::Rejected => format!("rejected: {reasons}"),
            other => other.code().to_owned(),
        }
    }

    /// What was paid out.
    pub fn paid(&self) -> Option<Money> {
        self.receipt
            .reward
            .filter(|_| self.payout == PayoutState::Succeeded)
    }
}
