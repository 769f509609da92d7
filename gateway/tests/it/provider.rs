//! A payment provider in one process: what it says about a payment, an inbox that can be away, the forms of its answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_adapters::notifications::PgNotificationInbox;
use kvit_adapters::portmone::notification::{acknowledgement, parse_notification};
use kvit_commands::app::App;
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::ports::notifications::{
    InboxFault, NotificationInbox, PendingNotification, RawNotification, Received,
};
use kvit_commands::ports::operations::{Operations, OperationsFault, OurItem};
use kvit_commands::ports::payment::PaymentFault;
use kvit_commands::ports::statement::{ItemStatus, StatementItem, StatementSource};
use kvit_domain::ids::{PaymentId, PayoutId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentSnapshot, SnapshotStatus};
use kvit_domain::reconciliation::StatementKind;
use kvit_gateway::helpers::{PaymentAsker, WebhookAnswer};

/// What the provider would say, if asked with our credentials.
pub fn snapshot(payment_id: PaymentId, status: SnapshotStatus, amount: Money) -> PaymentSnapshot {
    PaymentSnapshot {
        provider_id: format!("provider-{payment_id}"),
        operation_id: Some(payment_id.to_string()),
        status,
        amount,
        fee: None,
        test: true,
        confirmation_url: Some("https://pay.example/here".into()),
        expires_at: None,
    }
}

/// Asks a provider whose answers a test has written down.
pub struct Asker {
    app: App,
    says: Mutex<HashMap<PaymentId, PaymentSnapshot>>,
    /// Whether the provider answers.
    pub away: AtomicBool,
    /// Who was asked about, in order.
    pub asked: Mutex<Vec<PaymentId>>,
}

impl Asker {
    pub fn new(app: App) -> Self {
        Self {
            app,
            says: Mutex::default(),
            away: AtomicBool::new(false),
            asked: Mutex::default(),
        }
    }

    /// From now on the provider says this.
    pub fn will_say(&self, payment_id: PaymentId, status: SnapshotStatus, amount: Money) {
        let snapshot = snapshot(payment_id, status, amount);
        self.says.lock().unwrap().insert(payment_id, snapshot);
    }
}

#[async_trait]
impl PaymentAsker for Asker {
    async fn ask(&self, payment_id: PaymentId) -> Result<(), CommandError> {
        self.asked.lock().unwrap().push(payment_id);
        if self.away.load(Ordering::SeqCst) {
            return Err(CommandError::transient("the provider is away"));
        }
        let says = self.says.lock().unwrap().get(&payment_id).cloned();
        if let Some(snapshot) = says {
            let context = Context::new("test", "asked", "asked");
            self.app
                .observe_payment(payment_id, &snapshot, &context)
                .await?;
        }
        Ok(())
    }
}

/// The real inbox, over a database that can be away.
pub struct Unsteady {
    pub inner: PgNotificationInbox,
    pub down: Arc<AtomicBool>,
}

#[async_trait]
impl NotificationInbox for Unsteady {
    async fn receive(&self, notification: RawNotification) -> Result<Received, InboxFault> {
        if self.down.load(Ordering::SeqCst) {
            return Err(InboxFault::Transient("connection refused".into()));
        }
        self.inner.receive(notification).await
    }
    async fn pending(
        &self,
        provider: &str,
        limit: u32,
    ) -> Result<Vec<PendingNotification>, InboxFault> {
        self.inner.pending(provider, limit).await
    }
    async fn follow_up(
        &self,
        provider: &str,
        digest: &str,
        at: DateTime<Utc>,
    ) -> Result<(), InboxFault> {
        self.inner.follow_up(provider, digest, at).await
    }
}

/// What the wiring gives for Portmone.
pub fn portmone_answer(content_type: &str, body: &[u8], record: &str) -> Option<WebhookAnswer> {
    let notification = parse_notification(content_type, body).ok()?;
    let answer = acknowledgement(&notification, record);
    Some(WebhookAnswer {
        content_type: answer.content_type,
        body: answer.body,
    })
}

/// A provider whose list of payments has one payment, made a moment after the tests begin; and books of ours without any.
pub struct OnePayment;

#[async_trait]
impl StatementSource for OnePayment {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }
    fn kinds(&self) -> Vec<StatementKind> {
        vec![StatementKind::Payments]
    }
    async fn items(
        &self,
        _: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StatementItem>, PaymentFault> {
        let created_at = crate::world::start();
        let item = StatementItem {
            of_payment: None,
            provider_id: "theirs".into(),
            operation_id: None,
            amount: Money::new(10_000, Currency::Rub),
            fee: None,
            status: ItemStatus::Done,
            created_at,
        };
        Ok(if from <= created_at && created_at < to {
            vec![item]
        } else {
            vec![]
        })
    }
}

#[async_trait]
impl Operations for OnePayment {
    async fn payout_by_bill(
        &self,
        _: ProviderName,
        _: &str,
    ) -> Result<Option<PayoutId>, OperationsFault> {
        Ok(None)
    }
    async fn list(
        &self,
        _: ProviderName,
        _: StatementKind,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
    ) -> Result<Vec<OurItem>, OperationsFault> {
        Ok(vec![])
    }
}
