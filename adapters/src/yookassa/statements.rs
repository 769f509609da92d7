//! The provider's own lists, for reconciliation: payments and refunds with the shop's key, payouts with the gateway's.
//!
//! A shop may take money in ways that are not ours, such as in another currency. An object that cannot be read is told as such,
//! with what stands in it of names and dates, and the list goes on. A page that cannot be read is no list at all.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kvit_commands::ports::payment::PaymentFault;
use kvit_commands::ports::statement::{
    Flaw, ItemStatus, Listing, StatementItem, StatementSource, Unreadable,
};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::reconciliation::StatementKind;
use sha2::{Digest, Sha256};

use super::client::YookassaClient;
use super::line::Line;
use super::listing::{List, Window};
use super::node::{AnswerError, Node};
use super::objects::{Payment, Payout, Refund, Status, is_id, metadata, time};
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
        of_payment: None,
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
        of_payment: Some(refund.payment_id),
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
        of_payment: None,
        amount: payout.amount,
        fee: None,
        created_at: payout.created_at,
    })
}

/// Which operation of ours an object names, whatever else cannot be read of it.
fn named_in_metadata(node: &Node) -> Option<String> {
    metadata(node, "operation_id")
}

fn named_in_description(node: &Node) -> Option<String> {
    refund_id(node.at("description").text()).map(|id| id.to_string())
}

fn flaw(error: &AnswerError) -> Flaw {
    match error {
        AnswerError::Amount => Flaw::Amount,
        AnswerError::Currency => Flaw::Currency,
        AnswerError::Missing(what) => match *what {
            "id" => Flaw::Name,
            "amount" => Flaw::Amount,
            "created_at" => Flaw::Date,
            "status" => Flaw::Status,
            "test" => Flaw::Test,
            _ => Flaw::Form,
        },
        AnswerError::NotWellFormed | AnswerError::Another(_) | AnswerError::Endless => Flaw::Form,
    }
}

fn unreadable(node: &Node, operation_id: Option<String>, error: &AnswerError) -> Unreadable {
    let id = node.at("id").text().filter(|id| is_id(id));
    Unreadable {
        // Without an id of its own it is known by what it is: the same object has the same name in each reading.
        provider_id: id.map_or_else(|| nameless(node), str::to_owned),
        operation_id,
        flaw: flaw(error),
        status: Status::read(node.at("status"))
            .ok()
            // A word that nobody knows says nothing about money.
            .filter(|status| !matches!(status, Status::Other(_)))
            .map(|status| item_status(&status)),
        created_at: time(node.at("created_at")),
    }
}

fn nameless(node: &Node) -> String {
    let digest = hex::encode(Sha256::digest(format!("{node:?}")));
    format!("nameless-{}", digest.get(..16).unwrap_or_default())
}

/// How the objects of a list are read.
struct Reader {
    item: fn(&Node) -> Result<StatementItem, AnswerError>,
    operation: fn(&Node) -> Option<String>,
}

async fn list(
    line: Option<&Line>,
    name: &'static str,
    path: &[&str],
    window: Window,
    reader: Reader,
) -> Result<Listing, PaymentFault> {
    let line = line.ok_or(PaymentFault::Denied)?;
    let list = List {
        name,
        path,
        of: None,
        window: None,
    };
    let read = |node: &Node| match (reader.item)(node) {
        Ok(item) => (item.provider_id.clone(), Some(item.created_at), Ok(item)),
        Err(error) => {
            let one = unreadable(node, (reader.operation)(node), &error);
            (one.provider_id.clone(), one.created_at, Err(one))
        }
    };
    let all = line
        .all(list, window, read)
        .await
        .map_err(Lost::of_question)?;
    let mut listing = Listing::default();
    for one in all {
        match one {
            Ok(item) => listing.items.push(item),
            Err(one) => listing.unreadable.push(one),
        }
    }
    Ok(listing)
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
        self.listing(kind, from, to).await?.whole()
    }

    async fn listing(
        &self,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Listing, PaymentFault> {
        let window = Window { from, to };
        let (shop, gateway) = (self.client.shop(), self.client.gateway());
        let reader = |item, operation| Reader { item, operation };
        match kind {
            StatementKind::Payments => {
                let reader = reader(payment, named_in_metadata);
                list(shop, "payments.list", &["payments"], window, reader).await
            }
            StatementKind::Refunds => {
                let reader = reader(refund, named_in_description);
                list(shop, "refunds.list", &["refunds"], window, reader).await
            }
            StatementKind::Payouts => {
                let reader = reader(payout, named_in_metadata);
                list(gateway, "payouts.list", &["payouts"], window, reader).await
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
