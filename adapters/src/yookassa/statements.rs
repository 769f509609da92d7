//! The provider's own lists, for reconciliation: payments and refunds with the shop's key, payouts with the gateway's.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_commands::ports::payment::PaymentFault;
use kvit_commands::ports::statement::{ItemStatus, StatementItem, StatementSource};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::reconciliation::StatementKind;

use super::client::YookassaClient;
use super::line::Line;
use super::listing::{List, Window};
use super::node::{AnswerError, Node};
use super::objects::{Payment, Payout, Refund, Status};
use super::outcome::Lost;
use super::payments::refund_id;

/// Reads the lists of a shop, of a payout gateway, or of both.
#[derive(Debug, Clone)]
pub struct YookassaStatements {
    client: YookassaClient,
}

impl YookassaStatements {
    /// The lists that this client's accounts can see.
    #[must_use]
    pub const fn new(client: YookassaClient) -> Self {
        Self { client }
    }
}

const fn item_status(status: &Status) -> ItemStatus {
    match status {
        Status::Succeeded => ItemStatus::Done,
        Status::Canceled => ItemStatus::Failed,
        Status::Pending | Status::WaitingForCapture | Status::Other(_) => ItemStatus::Open,
    }
}

fn payment(node: &Node) -> Result<StatementItem, AnswerError> {
    let payment = Payment::read(node)?;
    Ok(StatementItem {
        fee: payment.fee(),
        status: item_status(&payment.status),
        provider_id: payment.id,
        operation_id: payment.operation_id,
        amount: payment.amount,
        created_at: payment.created_at,
    })
}

fn refund(node: &Node) -> Result<StatementItem, AnswerError> {
    let refund = Refund::read(node)?;
    Ok(StatementItem {
        operation_id: refund_id(refund.description.as_deref()).map(|id| id.to_string()),
        status: item_status(&refund.status),
        provider_id: refund.id,
        amount: refund.amount,
        // The fee of the payment is not given back, and a refund has none of its own.
        fee: None,
        created_at: refund.created_at,
    })
}

fn payout(node: &Node) -> Result<StatementItem, AnswerError> {
    let payout = Payout::read(node)?;
    Ok(StatementItem {
        status: item_status(&payout.status),
        provider_id: payout.id,
        operation_id: payout.operation_id,
        amount: payout.amount,
        fee: None,
        created_at: payout.created_at,
    })
}

async fn list(
    line: Option<&Line>,
    name: &'static str,
    path: &[&str],
    window: Window,
    read: fn(&Node) -> Result<StatementItem, AnswerError>,
) -> Result<Vec<StatementItem>, PaymentFault> {
    let line = line.ok_or(PaymentFault::Denied)?;
    let list = List {
        name,
        path,
        of: None,
        window: None,
    };
    line.all(list, window, |node| {
        let item = read(node)?;
        Ok((item.provider_id.clone(), item.created_at, item))
    })
    .await
    .map_err(Lost::of_question)
}

#[async_trait]
impl StatementSource for YookassaStatements {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }

    fn kinds(&self) -> Vec<StatementKind> {
        let mut kinds = Vec::new();
        if self.client.shop().is_some() {
            kinds.extend([StatementKind::Payments, StatementKind::Refunds]);
        }
        if self.client.gateway().is_some() {
            kinds.push(StatementKind::Payouts);
        }
        kinds
    }

    async fn items(
        &self,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StatementItem>, PaymentFault> {
        let window = Window { from, to };
        let (shop, gateway) = (self.client.shop(), self.client.gateway());
        match kind {
            StatementKind::Payments => {
                list(shop, "payments.list", &["payments"], window, payment).await
            }
            StatementKind::Refunds => {
                list(shop, "refunds.list", &["refunds"], window, refund).await
            }
            StatementKind::Payouts => {
                list(gateway, "payouts.list", &["payouts"], window, payout).await
            }
            StatementKind::Settlement => Err(PaymentFault::Refused {
                code: "local.kind".to_owned(),
            }),
        }
    }

    async fn payout_balance(&self) -> Result<Option<Money>, PaymentFault> {
        match self.client.gateway_account().await {
            None => Ok(None),
            Some(Ok(account)) => Ok(account.payout_balance),
            Some(Err(lost)) => Err(lost.of_question()),
        }
    }
}
