//! Payments, payouts, notifications and reconciliation put together: the same parts for the worker, who drives them, and
//! for the gateway, who asks on demand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_adapters::notifications::PgNotificationInbox;
use kvit_adapters::portmone::notification::PortmoneNotices;
use kvit_adapters::yookassa::{YookassaNotices, YookassaPayouts, YookassaStatements};
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::policies::{
    Following, PaymentWorker, PaymentWorkerOptions, PayoutWorker, PayoutWorkerOptions, Reconciling,
};
use kvit_commands::ports::bus::HandlerFault;
use kvit_commands::ports::operations::{Operations, OperationsFault, OurItem};
use kvit_commands::ports::payment::NoticeReader;
use kvit_commands::ports::payout::PayoutProvider;
use kvit_commands::ports::statement::{ItemStatus, StatementSource};
use kvit_domain::ids::{PaymentId, PayoutId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::reconciliation::StatementKind;
use kvit_gateway::helpers::PaymentAsker;
use kvit_projections::queries::{payouts, reconcile};

use super::parts::Parts;
use super::{RoleError, provider, yookassa};
use crate::config::Config;

/// How often notifications are looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// How long read models may take to catch up before a comparison gives up.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Everything that has to do with the providers of money that are configured.
pub struct Money {
    /// Payments in, by provider.
    pub payments: BTreeMap<ProviderName, Arc<PaymentWorker>>,
    /// Payouts, by provider.
    pub payouts: BTreeMap<ProviderName, Arc<PayoutWorker>>,
    /// Notifications.
    pub following: Vec<Following>,
    /// Comparisons with the providers' lists.
    pub reconciling: BTreeMap<ProviderName, Arc<Reconciling>>,
    /// Who may say what they hold for payouts.
    pub balances: Vec<Arc<dyn StatementSource>>,
}

impl Money {
    /// The parts for the providers of the configuration.
    ///
    /// # Errors
    /// [`RoleError::Unusable`] and [`RoleError::Missing`] for a setting that cannot be used.
    pub fn build(parts: &Arc<Parts>, config: &Config) -> Result<Self, RoleError> {
        let app = &parts.app;
        let operations: Arc<dyn Operations> = Arc::new(ReadModels(Arc::clone(parts)));
        let mut money = Self {
            payments: BTreeMap::new(),
            payouts: BTreeMap::new(),
            following: Vec::new(),
            reconciling: BTreeMap::new(),
            balances: Vec::new(),
        };
        if let Some(portmone) = provider::portmone(config, &parts.recorder)? {
            let options = payout_options(
                config.portmone.url.starts_with("http://"),
                config.portmone.repay_created_bill,
            );
            money.add_payouts(parts, portmone, options);
        }
        if let Some(cards) = yookassa::portmone_payments(config, &parts.recorder)? {
            let local = config.money.portmone_gateway.url.starts_with("http://");
            let worker = PaymentWorker::new(app.clone(), cards.clone(), payment_options(local));
            money
                .payments
                .insert(ProviderName::Portmone, Arc::new(worker));
            money.add_statements(parts, cards, &operations);
        }
        if let Some(client) = yookassa::client(config, &parts.recorder)? {
            let settings = &config.money.yookassa;
            let local = settings.url.starts_with("http://");
            if settings.shop_id.is_some() {
                let shop = yookassa::payments(&client)?;
                let worker = PaymentWorker::new(app.clone(), shop, payment_options(local));
                money
                    .payments
                    .insert(ProviderName::Yookassa, Arc::new(worker));
            }
            if settings.gateway_id.is_some() {
                let gateway = YookassaPayouts::try_new(client.clone()).map_err(|error| {
                    RoleError::Unusable {
                        setting: "YOOKASSA_PAYOUT_*",
                        why: error.to_string(),
                    }
                })?;
                // The provider's memory of a key lets the money move once.
                money.add_payouts(parts, Arc::new(gateway), payout_options(local, true));
            }
            let lists = Arc::new(YookassaStatements::new(client));
            money.add_statements(parts, lists, &operations);
        }
        let readers: [Arc<dyn NoticeReader>; 2] =
            [Arc::new(PortmoneNotices), Arc::new(YookassaNotices)];
        for reader in readers {
            let provider = reader.provider();
            let inbox = PgNotificationInbox::new(parts.pool.clone(), Arc::clone(&parts.vault));
            money.following.push(Following::new(
                app.clone(),
                Arc::new(inbox),
                reader,
                Arc::clone(&operations),
                money.payments.get(&provider).cloned(),
                money.payouts.get(&provider).cloned(),
            ));
        }
        Ok(money)
    }

    fn add_payouts(
        &mut self,
        parts: &Parts,
        provider: Arc<dyn PayoutProvider>,
        options: PayoutWorkerOptions,
    ) {
        let name = provider.provider();
        let worker = PayoutWorker::new(parts.app.clone(), provider, options);
        self.payouts.insert(name, Arc::new(worker));
    }

    fn add_statements(
        &mut self,
        parts: &Parts,
        source: Arc<dyn StatementSource>,
        operations: &Arc<dyn Operations>,
    ) {
        let name = source.provider();
        if source.kinds().contains(&StatementKind::Payouts) {
            self.balances.push(Arc::clone(&source));
        }
        let reconciling = Reconciling::new(parts.app.clone(), source, Arc::clone(operations))
            .with_payments(self.payments.get(&name).cloned());
        self.reconciling.insert(name, Arc::new(reconciling));
    }
}

/// Follows one provider's notifications up until told to stop.
pub async fn follow(following: Following, shutdown: crate::shutdown::ShutdownToken) {
    const AT_ONCE: u32 = 100;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            followed = following.follow_up(AT_ONCE) => {
                if let Err(fault) = followed {
                    tracing::warn!(%fault, "notifications could not be followed up; the next look tries again");
                }
            }
        }
    }
}

/// Pauses of a payout worker. A simulated provider on this machine is asked again sooner.
fn payout_options(local: bool, repay_created: bool) -> PayoutWorkerOptions {
    let usual = PayoutWorkerOptions {
        repay_created,
        ..PayoutWorkerOptions::default()
    };
    if local {
        PayoutWorkerOptions {
            retry_pause: chrono::TimeDelta::seconds(1),
            call_max: chrono::TimeDelta::seconds(45),
            ask_pause_min: Duration::from_millis(500),
            ..usual
        }
    } else {
        usual
    }
}

fn payment_options(local: bool) -> PaymentWorkerOptions {
    let usual = PaymentWorkerOptions::default();
    if local {
        PaymentWorkerOptions {
            ask_pause_min: Duration::from_millis(500),
            away_pause: Duration::from_secs(2),
            // As with payouts: more than a call to it can take.
            call_max: Duration::from_secs(45),
            ..usual
        }
    } else {
        usual
    }
}

/// For the page that payers come back to.
pub struct Asker(
    pub BTreeMap<ProviderName, Arc<PaymentWorker>>,
    pub Arc<Parts>,
);

#[async_trait]
impl PaymentAsker for Asker {
    async fn ask(&self, payment_id: PaymentId) -> Result<(), CommandError> {
        let payment = self.1.app.payment(payment_id).await?;
        let worker = payment
            .terms
            .as_ref()
            .and_then(|terms| self.0.get(&terms.provider));
        let Some(worker) = worker else { return Ok(()) };
        let key = format!("return:{payment_id}");
        let context = Context::new("policy:return-page", key, payment_id.to_string());
        match worker.ask_now(payment_id, &context).await {
            Ok(_) => Ok(()),
            Err(HandlerFault::Transient { reason, .. }) => Err(CommandError::transient(&reason)),
            Err(HandlerFault::Poison { reason }) => Err(CommandError::Fatal(reason)),
        }
    }
}

/// Our operations out of the read models, which are waited for.
pub struct ReadModels(pub Arc<Parts>);

impl ReadModels {
    /// Waits until the read models have everything that the log had when this was called.
    async fn catch_up(&self, models: &[&str]) -> Result<(), OperationsFault> {
        let fault = |why: String| OperationsFault(why);
        let head = self
            .0
            .app
            .head()
            .await
            .map_err(|error| fault(error.to_string()))?;
        kvit_projections::queries::wait_for(&self.0.pool, models, head, CATCH_UP)
            .await
            .map_err(|error| fault(error.to_string()))?;
        Ok(())
    }
}

#[async_trait]
impl Operations for ReadModels {
    async fn payout_by_bill(
        &self,
        provider: ProviderName,
        bill_id: &str,
    ) -> Result<Option<PayoutId>, OperationsFault> {
        self.catch_up(&["payouts"]).await?;
        let found = payouts::by_provider_id(&self.0.pool, provider, bill_id)
            .await
            .map_err(|error| OperationsFault(error.to_string()))?;
        Ok(found.data.map(|row| row.payout_id))
    }

    async fn list(
        &self,
        provider: ProviderName,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<OurItem>, OperationsFault> {
        self.catch_up(&["payments", "payouts"]).await?;
        let ours = reconcile::ours(&self.0.pool, provider, kind, from, to)
            .await
            .map_err(|error| OperationsFault(error.to_string()))?;
        Ok(ours
            .into_iter()
            .map(|item| OurItem {
                operation: item.id.to_string(),
                provider_id: item.provider_id,
                amount: item.amount,
                fee: item.fee,
                status: match item.status {
                    reconcile::OurStatus::Done => ItemStatus::Done,
                    reconcile::OurStatus::Failed => ItemStatus::Failed,
                    reconcile::OurStatus::Open | reconcile::OurStatus::Exception => {
                        ItemStatus::Open
                    }
                },
                created_at: item.at,
            })
            .collect())
    }
}
