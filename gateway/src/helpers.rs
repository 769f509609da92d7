//! What the wiring may lend to the gateway: things that only other rooms know how to do. Each may be missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use kvit_commands::error::CommandError;
use kvit_commands::policies::Reconciling;
use kvit_domain::ids::PaymentId;
use kvit_domain::ledger::ProviderName;

/// Asks the provider how a payment stands and follows the answer, now instead of at the next round.
#[async_trait]
pub trait PaymentAsker: Send + Sync {
    /// Reads the payment again with our own credentials. Asking about a payment that has ended changes nothing.
    ///
    /// # Errors
    /// Those of a command; the payment is then asked about in the ordinary round.
    async fn ask(&self, payment_id: PaymentId) -> Result<(), CommandError>;
}

/// The body of an answer to a notification, always with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

/// The answer that a provider expects to a notification: of its media type, its body, and the name of our record of it.
/// `None` when the notification cannot be read; then the answer is empty.
pub type AnswerWriter = Arc<dyn Fn(&str, &[u8], &str) -> Option<WebhookAnswer> + Send + Sync>;

/// All of them.
#[derive(Clone, Default)]
pub struct Helpers {
    /// For the page that payers come back to.
    pub payment_asker: Option<Arc<dyn PaymentAsker>>,
    /// Comparing a provider's lists with our books on demand; a provider that is not named here cannot be compared.
    pub reconciling: BTreeMap<ProviderName, Arc<Reconciling>>,
    /// What Portmone wants to read after a notification.
    pub portmone_answer: Option<AnswerWriter>,
}
