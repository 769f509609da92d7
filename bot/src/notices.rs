//! Keeps the one message of each receipt, payout and top-up in line with what has happened: a policy that follows them.
//!
//! It never tells what the event says. It loads how things stand now and wishes for a message that says so, so that a
//! redelivered or late event cannot bring an old state back to the screen.

use std::sync::Arc;

use async_trait::async_trait;
use kvit_commands::app::App;
use kvit_commands::error::CommandError;
use kvit_commands::ports::bus::{ANY_EVENT, EventHandler, Handled, HandlerFault};
use kvit_commands::ports::messages::{CallbackTokens, MessageBoard, MessagesFault};
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::{PaymentId, PayoutId, ReceiptId, UserId};
use kvit_domain::receipt::Receipt;
use kvit_domain::user::Language;

use crate::actions::Drawn;
use crate::render::{ReceiptView, render};
use crate::render_money::{render_payment, render_payout};

/// Slot of a receipt's message.
#[must_use]
pub fn receipt_slot(receipt: ReceiptId) -> String {
    format!("receipt:{receipt}")
}

/// Slot of the message of a payout that belongs to no receipt.
#[must_use]
pub fn payout_slot(payout: PayoutId) -> String {
    format!("payout:{payout}")
}

/// Slot of the message of a top-up and of its refunds.
#[must_use]
pub fn payment_slot(payment: PaymentId) -> String {
    format!("payment:{payment}")
}

/// The policy.
pub struct Notices {
    app: App,
    board: Arc<dyn MessageBoard>,
    tokens: Arc<dyn CallbackTokens>,
}

impl Notices {
    /// Notices on a board.
    #[must_use]
    pub fn new(app: App, board: Arc<dyn MessageBoard>, tokens: Arc<dyn CallbackTokens>) -> Self {
        Self { app, board, tokens }
    }

    async fn receipt_changed(
        &self,
        id: ReceiptId,
        event: &RecordedEvent,
    ) -> Result<Handled, HandlerFault> {
        let receipt: Receipt = self.app.receipt(id).await.map_err(command)?;
        let Some(owner) = receipt.user_id else {
            return Ok(Handled::Skipped);
        };
        let Some(language) = self.reader(owner).await? else {
            return Ok(Handled::Skipped);
        };
        let payout = self.app.latest_payout(id).await.map_err(command)?;
        let phone = self.app.phone(owner).await.map_err(command)?;
        let view = ReceiptView::of(
            id,
            &receipt,
            payout.as_ref().map(|(_, payout)| payout),
            phone.as_ref(),
        );
        let drawn = render(&view, language);
        self.show(&receipt_slot(id), owner, drawn, event).await
    }

    async fn payout_changed(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let id: PayoutId = id_of(event)?;
        let payout = self.app.payout(id).await.map_err(command)?;
        let Some(terms) = &payout.terms else {
            return Ok(Handled::Skipped);
        };
        if let Some(receipt) = terms.receipt_id {
            return self.receipt_changed(receipt, event).await;
        }
        let owner = terms.user_id;
        let Some(language) = self.reader(owner).await? else {
            return Ok(Handled::Skipped);
        };
        match render_payout(id, &payout, language) {
            Some(drawn) => self.show(&payout_slot(id), owner, drawn, event).await,
            None => Ok(Handled::Skipped),
        }
    }

    async fn payment_changed(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let id: PaymentId = id_of(event)?;
        let payment = self.app.payment(id).await.map_err(command)?;
        let Some(terms) = &payment.terms else {
            return Ok(Handled::Skipped);
        };
        let owner = terms.user_id;
        let Some(language) = self.reader(owner).await? else {
            return Ok(Handled::Skipped);
        };
        match render_payment(id, &payment, language) {
            Some(drawn) => self.show(&payment_slot(id), owner, drawn, event).await,
            None => Ok(Handled::Skipped),
        }
    }

    /// In which language a person is told; `None` for those who are not told: forgotten, banned, or without a Telegram
    /// account. What is wished for people who have blocked the bot waits on the board until they come back.
    async fn reader(&self, user: UserId) -> Result<Option<Language>, HandlerFault> {
        let user = self.app.user(user).await.map_err(command)?;
        let is_told = user.telegram_id.is_some() && !user.forgotten && !user.banned;
        Ok(is_told.then(|| user.language.unwrap_or_default()))
    }

    async fn show(
        &self,
        slot: &str,
        owner: UserId,
        drawn: Drawn,
        event: &RecordedEvent,
    ) -> Result<Handled, HandlerFault> {
        let content = drawn
            .finish(self.tokens.as_ref(), owner)
            .await
            .map_err(messages)?;
        let changed = self
            .board
            .set(slot, owner, content, event.position)
            .await
            .map_err(messages)?;
        Ok(if changed {
            Handled::Done
        } else {
            Handled::Skipped
        })
    }

    async fn user_forgotten(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let user: UserId = id_of(event)?;
        self.board.forget(user).await.map_err(messages)?;
        self.tokens.forget(user).await.map_err(messages)?;
        Ok(Handled::Done)
    }
}

fn id_of<T: std::str::FromStr>(event: &RecordedEvent) -> Result<T, HandlerFault> {
    event
        .stream
        .aggregate_id
        .parse()
        .map_err(|_| HandlerFault::poison("the stream's id is not of its kind"))
}

fn command(error: CommandError) -> HandlerFault {
    match error {
        CommandError::Transient {
            reason,
            retry_after,
        } => HandlerFault::Transient {
            reason,
            retry_after: Some(retry_after),
        },
        CommandError::Rejected(rejection) => {
            HandlerFault::poison(format!("refused: {}", rejection.code))
        }
        CommandError::Fatal(reason) => HandlerFault::poison(reason),
    }
}

fn messages(fault: MessagesFault) -> HandlerFault {
    match fault {
        MessagesFault::Transient(reason) => HandlerFault::transient(reason),
        MessagesFault::Fatal(reason) => HandlerFault::poison(reason),
    }
}

#[async_trait]
impl EventHandler for Notices {
    fn name(&self) -> &'static str {
        "notices"
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        // Not `ReceiptSubmitted`: the bot has answered the photo itself, with the hint that only it can give.
        vec![
            ("receipt", "ReceiptRecognised"),
            ("receipt", "RecognitionFailed"),
            ("receipt", "ReceiptAccepted"),
            ("receipt", "ReceiptRejected"),
            ("receipt", "ReviewRequested"),
            ("receipt", "FieldsCorrected"),
            ("receipt", "RewardPosted"),
            ("payout", ANY_EVENT),
            ("payment", ANY_EVENT),
            ("user", "Forgotten"),
        ]
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        match event.stream.aggregate_type.as_str() {
            "receipt" => self.receipt_changed(id_of(event)?, event).await,
            "payout" => self.payout_changed(event).await,
            "payment" => self.payment_changed(event).await,
            "user" => self.user_forgotten(event).await,
            _ => Ok(Handled::Skipped),
        }
    }
}
