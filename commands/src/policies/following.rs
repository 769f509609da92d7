//! Follows up what providers send by themselves.
//!
//! A notification was answered when its bytes were stored. Here it is read, noted in the history under the identity that
//! its copies share, and then not believed: the provider is asked with our own credentials, and what it answers goes the
//! same way as every other answer. While the provider or the log is away the notification simply waits. A settlement cannot
//! be asked about: it is compared with our books, and counts only as far as they say the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use kvit_domain::ids::PayoutId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::notification::{Notification, NotificationCommand, stream_of};
use kvit_domain::payment::PaymentState;

use super::settling::{Settling, claimed_payment};
use super::{PaymentWorker, PayoutWorker, to_fault};
use crate::app::App;
use crate::context::Context;
use crate::error::CommandError;
use crate::ports::bus::HandlerFault;
use crate::ports::notifications::{InboxFault, NotificationInbox, PendingNotification};
use crate::ports::operations::Operations;
use crate::ports::payment::{Notice, NoticeReader, NoticeTopic, SettlementDocument};

/// Tries of a notification before it has to wait.
const TRIES_AT_ONCE: u32 = 5;
/// First pause of a notification that could not be followed up.
const REST_MIN: TimeDelta = TimeDelta::milliseconds(500);
/// Longest pause.
const REST_MAX: TimeDelta = TimeDelta::minutes(5);
/// How long a provider may take until its own answers show what its notification says.
const SHOWN_WITHIN: TimeDelta = TimeDelta::hours(1);
/// Most notifications whose pauses are remembered.
const RESTING_MAX: usize = 10_000;

type Resting = HashMap<String, (DateTime<Utc>, u32)>;

/// Follows up the notifications of one provider.
pub struct Following {
    app: App,
    inbox: Arc<dyn NotificationInbox>,
    reader: Arc<dyn NoticeReader>,
    operations: Arc<dyn Operations>,
    payments: Option<Arc<PaymentWorker>>,
    payouts: Option<Arc<PayoutWorker>>,
    settling: Settling,
    /// What could not be followed up, until when it rests, and how often it was tried.
    resting: Mutex<Resting>,
}

/// What asking about a notice has proved.
enum Verdict {
    /// It belongs to an operation of ours, whose state the provider has told.
    Verified { status: String, operation: String },
    /// It is nothing of ours.
    Quarantined(&'static str),
}

impl Following {
    /// The follower of a provider that has these workers.
    pub fn new(
        app: App,
        inbox: Arc<dyn NotificationInbox>,
        reader: Arc<dyn NoticeReader>,
        operations: Arc<dyn Operations>,
        payments: Option<Arc<PaymentWorker>>,
        payouts: Option<Arc<PayoutWorker>>,
    ) -> Self {
        let settling = Settling {
            app: app.clone(),
            operations: Arc::clone(&operations),
            payments: payments.clone(),
            payouts: payouts.clone(),
        };
        Self {
            settling,
            app,
            inbox,
            reader,
            operations,
            payments,
            payouts,
            resting: Mutex::default(),
        }
    }

    /// Follows up what is waiting, at most `limit` notifications. How many were settled; the others wait for the next look.
    ///
    /// # Errors
    /// When the inbox is away.
    pub async fn follow_up(&self, limit: u32) -> Result<usize, InboxFault> {
        let provider = self.reader.provider();
        let waiting = self.inbox.pending(provider.code(), limit).await?;
        let mut settled = 0;
        for notification in waiting {
            if self.rests(&notification.digest) {
                continue;
            }
            let followed = match self.settle(provider, &notification).await {
                // It will never be followed: kept, set aside, and out of the way of the others.
                Err(HandlerFault::Poison { reason }) => {
                    tracing::error!(
                        reason,
                        provider = provider.code(),
                        "a notification cannot be followed up"
                    );
                    let notice = Notice {
                        event: "unusable".to_owned(),
                        topic: NoticeTopic::Other,
                    };
                    let verdict = Some(Verdict::Quarantined("it cannot be followed up"));
                    self.record(provider, &notice, &notification.digest, verdict)
                        .await
                }
                followed => followed,
            };
            match followed {
                Ok(()) => {
                    self.resting().remove(&notification.digest);
                    self.inbox
                        .follow_up(
                            provider.code(),
                            &notification.digest,
                            self.app.clock().now(),
                        )
                        .await?;
                    settled += 1;
                }
                // One that cannot be followed up now does not keep the others waiting.
                Err(fault) => {
                    metrics::counter!("kvit_notifications_waiting_total", "provider" => provider.code())
                        .increment(1);
                    tracing::warn!(%fault, provider = provider.code(), "a notification waits for its verification");
                    self.let_rest(&notification.digest);
                }
            }
        }
        Ok(settled)
    }

    /// Whether a notification that could not be followed up waits a little longer.
    fn rests(&self, digest: &str) -> bool {
        let now = self.app.clock().now();
        self.resting()
            .get(digest)
            .is_some_and(|(until, _)| now < *until)
    }

    /// Lets a notification rest after some tries, each time for twice as long: a provider that is away is not asked about each of them twice a
    /// second. Forgotten with the process, which costs one question more.
    fn let_rest(&self, digest: &str) {
        let now = self.app.clock().now();
        let mut resting = self.resting();
        if resting.len() >= RESTING_MAX {
            resting.clear();
        }
        let tries = resting
            .get(digest)
            .map_or(1, |(_, tries)| tries.saturating_add(1));
        let factor = 2_i32.saturating_pow(tries.saturating_sub(TRIES_AT_ONCE).min(16));
        let pause = if tries <= TRIES_AT_ONCE {
            TimeDelta::zero()
        } else {
            (REST_MIN * factor).min(REST_MAX)
        };
        resting.insert(digest.to_owned(), (now + pause, tries));
    }

    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn settle(
        &self,
        provider: ProviderName,
        notification: &PendingNotification,
    ) -> Result<(), HandlerFault> {
        let raw = &notification.raw;
        let notices = match self.reader.read(&raw.content_type, &raw.body) {
            Ok(notices) => notices,
            Err(fault) => {
                tracing::warn!(%fault, provider = provider.code(), "a notification cannot be read");
                let notice = Notice {
                    event: "unreadable".to_owned(),
                    topic: NoticeTopic::Other,
                };
                let verdict = Verdict::Quarantined("it cannot be read");
                return self
                    .record(provider, &notice, &notification.digest, Some(verdict))
                    .await;
            }
        };
        for notice in notices {
            // Known before it is followed: a copy, or a repeat after a crash, must ask again only if the first did not end.
            self.record(provider, &notice, &notification.digest, None)
                .await?;
            let verdict = self.verify(provider, &notice, raw.received_at).await?;
            self.record(provider, &notice, &notification.digest, Some(verdict))
                .await?;
        }
        Ok(())
    }

    /// Notes a notice in the history, and what became of it.
    async fn record(
        &self,
        provider: ProviderName,
        notice: &Notice,
        digest: &str,
        verdict: Option<Verdict>,
    ) -> Result<(), HandlerFault> {
        let object_id = object_of(&notice.topic).unwrap_or(digest);
        let stream = stream_of(provider, &notice.event, object_id);
        let mut commands = vec![NotificationCommand::Receive {
            provider,
            event: short(&notice.event),
            object_id: short(object_id),
            digest: digest.to_owned(),
        }];
        if let Some(verdict) = verdict {
            commands.push(match verdict {
                Verdict::Verified { status, operation } => {
                    NotificationCommand::Verify { status, operation }
                }
                Verdict::Quarantined(reason) => {
                    metrics::counter!("kvit_notifications_quarantined_total", "provider" => provider.code())
                        .increment(1);
                    NotificationCommand::Quarantine {
                        reason: reason.to_owned(),
                    }
                }
            });
        }
        for command in commands {
            let step = match &command {
                NotificationCommand::Receive { .. } => "received",
                NotificationCommand::Verify { .. } => "verified",
                NotificationCommand::Quarantine { .. } => "quarantined",
            };
            let key = format!(
                "notification:{}:{step}:{}",
                stream.aggregate_id,
                self.app.fresh_id()
            );
            let context = self.context(provider, &stream.aggregate_id, key);
            self.app
                .executor()
                .execute::<Notification>(&stream.aggregate_id, command, &context)
                .await
                .map_err(to_fault)?;
        }
        Ok(())
    }

    async fn verify(
        &self,
        provider: ProviderName,
        notice: &Notice,
        received_at: DateTime<Utc>,
    ) -> Result<Verdict, HandlerFault> {
        match &notice.topic {
            NoticeTopic::Payment {
                provider_id, paid, ..
            } => {
                self.verify_payment(provider, provider_id, *paid, received_at)
                    .await
            }
            NoticeTopic::Refund {
                provider_refund_id,
                provider_payment_id,
            } => {
                self.verify_refund(
                    provider,
                    provider_payment_id,
                    provider_refund_id,
                    received_at,
                )
                .await
            }
            NoticeTopic::Payout {
                provider_id,
                operation_id,
                reversed,
            } => {
                let reversed = reversed.then_some(received_at);
                self.verify_payout(provider, provider_id, operation_id.as_deref(), reversed)
                    .await
            }
            NoticeTopic::Settlement(document) => {
                self.verify_settlement(provider, document, received_at)
                    .await
            }
            NoticeTopic::Other => Ok(Verdict::Quarantined("nothing here follows from it")),
        }
    }

    /// Asks the provider for the payment; only its answer counts, also about whose payment it is.
    async fn verify_payment(
        &self,
        provider: ProviderName,
        provider_id: &str,
        claims_paid: bool,
        received_at: DateTime<Utc>,
    ) -> Result<Verdict, HandlerFault> {
        let Some(worker) = &self.payments else {
            return Ok(Verdict::Quarantined("payments are not set up"));
        };
        let snapshot = worker
            .provider()
            .get(provider_id)
            .await
            .map_err(|fault| HandlerFault::transient(fault.to_string()))?;
        let Some(snapshot) = snapshot else {
            return Ok(Verdict::Quarantined("the provider does not know it"));
        };
        if snapshot.provider_id != provider_id {
            self.not_shown_yet(received_at)?;
            return Ok(Verdict::Quarantined("the provider answers about another"));
        }
        let claimed = claimed_payment(&self.app, provider, &snapshot.provider_id).await?;
        let id = claimed.or_else(|| snapshot.operation_id.as_deref()?.parse().ok());
        let Some(id) = id else {
            return Ok(Verdict::Quarantined("it belongs to no operation of ours"));
        };
        let known = self.app.payment(id).await.map_err(to_fault)?;
        if known.state == PaymentState::New
            || known.terms.as_ref().map(|terms| terms.provider) != Some(provider)
        {
            return Ok(Verdict::Quarantined("it belongs to no operation of ours"));
        }
        let context = self.context(provider, &id.to_string(), format!("notified:{id}"));
        match self.app.observe_payment(id, &snapshot, &context).await {
            Ok(_) => {}
            Err(CommandError::Rejected(refusal)) => {
                tracing::error!(payment.id = %id, code = refusal.code, "a payment at the provider claims an operation that has another");
                return Ok(Verdict::Quarantined("its operation has another payment"));
            }
            Err(fault) => return Err(to_fault(fault)),
        }
        let now = self.app.payment(id).await.map_err(to_fault)?;
        // Nobody asks any more about a payment that has ended: that it was paid after all is told by this notice alone.
        if now.state == PaymentState::Canceled && claims_paid {
            self.not_shown_yet(received_at)?;
        }
        Ok(Verdict::Verified {
            status: now.state.code().to_owned(),
            operation: format!("payment:{id}"),
        })
    }

    async fn verify_refund(
        &self,
        provider: ProviderName,
        provider_payment_id: &str,
        provider_refund_id: &str,
        received_at: DateTime<Utc>,
    ) -> Result<Verdict, HandlerFault> {
        let (Some(worker), Some(id)) = (
            &self.payments,
            claimed_payment(&self.app, provider, provider_payment_id).await?,
        ) else {
            return Ok(Verdict::Quarantined("its payment is not ours"));
        };
        let context = self.context(provider, &id.to_string(), format!("notified:{id}:refunds"));
        let theirs = worker.ask_refunds_now(id, &context).await?;
        let shown = theirs
            .iter()
            .find(|refund| refund.provider_refund_id == provider_refund_id);
        let Some(shown) = shown else {
            self.not_shown_yet(received_at)?;
            return Ok(Verdict::Quarantined("the provider does not show it"));
        };
        Ok(Verdict::Verified {
            status: shown.status.code().to_owned(),
            operation: format!("payment:{id}"),
        })
    }

    async fn verify_payout(
        &self,
        provider: ProviderName,
        provider_id: &str,
        operation_id: Option<&str>,
        reversed: Option<DateTime<Utc>>,
    ) -> Result<Verdict, HandlerFault> {
        let Some(worker) = &self.payouts else {
            return Ok(Verdict::Quarantined("payouts are not set up"));
        };
        let by_bill = self
            .operations
            .payout_by_bill(provider, provider_id)
            .await
            .map_err(|fault| HandlerFault::transient(fault.to_string()))?;
        // What the notification claims only chooses whom to ask about.
        let id: Option<PayoutId> = by_bill.or_else(|| operation_id?.parse().ok());
        let Some(id) = id else {
            return Ok(Verdict::Quarantined("it belongs to no operation of ours"));
        };
        let known = self.app.payout(id).await.map_err(to_fault)?;
        if known.terms.as_ref().map(|terms| terms.provider) != Some(provider) {
            return Ok(Verdict::Quarantined("it belongs to no operation of ours"));
        }
        if let Some(received_at) = reversed {
            let context = self.context(provider, &id.to_string(), format!("reversed:{id}"));
            if !worker.ask_reversal(id, &context).await? {
                self.not_shown_yet(received_at)?;
                return Ok(Verdict::Quarantined(
                    "the provider does not confirm that the payout came back",
                ));
            }
        } else {
            worker.ask_now(id).await?;
        }
        let now = self.app.payout(id).await.map_err(to_fault)?;
        Ok(Verdict::Verified {
            status: now.state.code().to_owned(),
            operation: format!("payout:{id}"),
        })
    }

    /// Waits for a while when a provider's answers do not show yet what its notification says: they may lag behind, and nobody
    /// else will ask about it.
    ///
    /// # Errors
    /// Transient while it may still appear.
    fn not_shown_yet(&self, received_at: DateTime<Utc>) -> Result<(), HandlerFault> {
        if self.app.clock().now() - received_at < SHOWN_WITHIN {
            return Err(HandlerFault::transient(
                "the provider does not show yet what it notified of",
            ));
        }
        Ok(())
    }

    /// Nobody can be asked about a settlement: it is compared with our books.
    async fn verify_settlement(
        &self,
        provider: ProviderName,
        document: &SettlementDocument,
        received_at: DateTime<Utc>,
    ) -> Result<Verdict, HandlerFault> {
        let agrees = self
            .settling
            .settle(provider, document, received_at)
            .await?;
        Ok(if agrees {
            Verdict::Verified {
                status: "settlement".to_owned(),
                operation: format!("settlement:{}", short(&document.id)),
            }
        } else {
            Verdict::Quarantined("differs from our books: see the reconciliation")
        })
    }

    fn context(&self, provider: ProviderName, correlation: &str, key: String) -> Context {
        Context::new(format!("provider:{}", provider.code()), key, correlation)
    }
}

/// The provider's name of what a notice is about.
fn object_of(topic: &NoticeTopic) -> Option<&str> {
    match topic {
        NoticeTopic::Payment { provider_id, .. } | NoticeTopic::Payout { provider_id, .. } => {
            Some(provider_id)
        }
        NoticeTopic::Refund {
            provider_refund_id, ..
        } => Some(provider_refund_id),
        NoticeTopic::Settlement(document) => Some(&document.id),
        NoticeTopic::Other => None,
    }
}

/// The sender's words, cut to what the history keeps: 100 bytes, at a character.
fn short(text: &str) -> String {
    let mut end = text.len().min(100);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}
