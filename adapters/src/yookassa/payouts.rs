//! The payout port: to a phone number by fast payment, to a wallet, to a card, with the payout gateway's own key.
//!
//! The provider knows no bills: one call moves the money. What stands for a bill is that call's idempotence key, made of the
//! operation and the attempt. For a day the same key is the same payout; then only a search by what the payout carries can tell.

use std::ops::ControlFlow;
use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::payout::{
    BillStatus, BillView, PayoutOrder, PayoutProvider, ProviderFault, RefusalKind, Repay,
};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Currency;
use kvit_domain::payout::PayoutMethod;
use serde_json::{Map, Value, json};

use super::client::YookassaClient;
use super::config::ConfigError;
use super::line::{Ask, Call, Line, is_key};
use super::listing::List;
use super::node::AnswerError;
use super::objects::{Payout, Status, is_id};
use super::outcome::Lost;
use super::receipt::wire_amount;

/// While a call may be repeated under its key: the provider's day, less an hour for clocks that disagree.
const KEY_LIVES: Duration = Duration::from_secs(23 * 3_600);
/// More payouts of one operation than there can ever be attempts.
const ATTEMPTS_SEEN_MAX: usize = 100;

/// Pays out through a YooKassa payout gateway.
#[derive(Debug, Clone)]
pub struct YookassaPayouts {
    client: YookassaClient,
}

/// One order in the provider's terms.
struct Terms {
    key: String,
    /// The member that names the destination, and what stands in it.
    destination: (&'static str, Value),
}

impl YookassaPayouts {
    /// Pays with this client's payout gateway.
    ///
    /// # Errors
    /// [`ConfigError::NoGateway`].
    pub fn try_new(client: YookassaClient) -> Result<Self, ConfigError> {
        if client.gateway().is_none() {
            return Err(ConfigError::NoGateway);
        }
        Ok(Self { client })
    }

    fn line(&self) -> Result<&Line, ProviderFault> {
        let none = || ProviderFault::NotSent("no payout gateway is configured".to_owned());
        self.client.gateway().ok_or_else(none)
    }

    /// What the answer says against being about this order. What it leaves out is no contradiction; what differs is.
    fn contradiction(&self, order: &PayoutOrder, payout: &Payout) -> Option<&'static str> {
        let differs = |told: &Option<String>, wanted: &str| {
            // A masked number can be compared with nothing.
            told.as_deref()
                .is_some_and(|told| told != wanted && !told.contains('*'))
        };
        let to = &payout.destination;
        let wrong_place = match &order.method {
            PayoutMethod::Sbp { bank_id } => {
                differs(&to.kind, "sbp")
                    || differs(&to.phone, &order.phone)
                    || differs(&to.bank_id, bank_id)
            }
            PayoutMethod::YoomoneyWallet => {
                differs(&to.kind, "yoo_money") || differs(&to.account_number, &order.phone)
            }
            PayoutMethod::CardToken => differs(&to.kind, "bank_card"),
            PayoutMethod::MobileTopUp => true,
        };
        let test = self.client.gateway().map(|line| line.account.test);
        if payout.amount != order.amount {
            Some("amount")
        } else if test.is_some_and(|test| test != payout.test) {
            Some("kind of money: test or real")
        } else if differs(&payout.operation_id, &order.operation_id) {
            Some("operation")
        } else if differs(&payout.attempt, &order.attempt.to_string()) {
            Some("attempt")
        } else if wrong_place {
            Some("destination")
        } else if order
            .provider_id
            .as_ref()
            .is_some_and(|id| *id != payout.id)
        {
            Some("payout")
        } else {
            None
        }
    }

    fn checked(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
        payout: Payout,
    ) -> Result<BillView, ProviderFault> {
        if let Some(what) = self.contradiction(order, &payout) {
            return Err(ProviderFault::Mismatch(format!(
                "the answer names another {what}"
            )));
        }
        let status = match payout.status {
            Status::Succeeded => BillStatus::Paid,
            // Final for this payout; whether another attempt makes sense is in the reason.
            Status::Canceled => {
                return Err(ProviderFault::Refused {
                    kind: kind_of(&payout.cancellation.reason),
                    code: payout.cancellation.reason,
                });
            }
            Status::Pending | Status::WaitingForCapture | Status::Other(_) => BillStatus::Pending,
        };
        let is_paid = status == BillStatus::Paid;
        Ok(BillView {
            bill_id: bill_id.to_owned(),
            status,
            paid_amount: is_paid.then_some(payout.amount),
            paid_at: payout.succeeded_at.map(|at| at.naive_utc()),
            provider_id: Some(payout.id),
        })
    }

    /// All payouts that carry this operation, of the last three months.
    async fn search(&self, order: &PayoutOrder) -> Result<Vec<Payout>, ProviderFault> {
        let list = List {
            name: "payouts.search",
            path: &["payouts", "search"],
            of: Some(("metadata[operation_id]", &order.operation_id)),
            window: None,
        };
        let mut found: Vec<Payout> = Vec::new();
        self.line()?
            .pages(list, |item| {
                let payout = Payout::read(item)?;
                if payout.operation_id.as_deref() != Some(&order.operation_id) {
                    return Err(AnswerError::Another("operation"));
                }
                if !found.iter().any(|known| known.id == payout.id) {
                    found.push(payout);
                }
                if found.len() > ATTEMPTS_SEEN_MAX {
                    return Err(AnswerError::Endless);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await
            .map_err(unasked)?;
        Ok(found)
    }

    /// The one payout of this attempt. `None`: there is none, and no other attempt could still move money.
    async fn of_attempt(&self, order: &PayoutOrder) -> Result<Option<Payout>, ProviderFault> {
        let attempt = order.attempt.to_string();
        let (mut ours, others): (Vec<Payout>, Vec<Payout>) = self
            .search(order)
            .await?
            .into_iter()
            .partition(|payout| payout.attempt.as_deref() == Some(&attempt));
        // A new attempt begins only after proof that the one before has failed: if that proof was wrong, a person must look.
        if others
            .iter()
            .any(|payout| payout.status != Status::Canceled)
        {
            return Err(ProviderFault::Mismatch(
                "another attempt of this operation is not canceled".to_owned(),
            ));
        }
        let one = ours.pop();
        if ours.is_empty() {
            Ok(one)
        } else {
            Err(ProviderFault::Mismatch(
                "the provider has two payouts of one attempt".to_owned(),
            ))
        }
    }

    /// A refusal is believed only when the search agrees: a provider can say "error" for a payout that goes through.
    async fn confirm_refusal(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
        code: String,
    ) -> Result<BillView, ProviderFault> {
        match self.of_attempt(order).await {
            Ok(None) => Err(ProviderFault::Refused {
                code,
                kind: RefusalKind::Permanent,
            }),
            Ok(Some(payout)) => self.checked(order, bill_id, payout),
            Err(ProviderFault::Mismatch(what)) => Err(ProviderFault::Mismatch(what)),
            Err(_) => Err(ProviderFault::Unknown(format!(
                "refused with code {code}, but the payouts could not be searched"
            ))),
        }
    }
}

/// What can be known of an order before anybody is asked.
fn terms(order: &PayoutOrder) -> Result<Terms, ProviderFault> {
    let refused = |code: &str| {
        Err(ProviderFault::Refused {
            code: code.to_owned(),
            kind: RefusalKind::Permanent,
        })
    };
    if order.amount.currency != Currency::Rub {
        return refused("local.currency");
    }
    if !order.amount.is_positive() {
        return refused("local.amount");
    }
    let key = format!("{}-{}", order.operation_id, order.attempt);
    if !is_key(&key) {
        return refused("local.key");
    }
    let data = "payout_destination_data";
    let destination = match &order.method {
        PayoutMethod::Sbp { bank_id } => {
            let sbp = json!({"type": "sbp", "phone": order.phone, "bank_id": bank_id});
            (data, sbp)
        }
        PayoutMethod::YoomoneyWallet => {
            let wallet = json!({"type": "yoo_money", "account_number": order.phone});
            (data, wallet)
        }
        PayoutMethod::CardToken => ("payout_token", json!(order.phone)),
        // The provider pays to no mobile accounts.
        PayoutMethod::MobileTopUp => return refused("local.method"),
    };
    Ok(Terms { key, destination })
}

impl Terms {
    fn body(&self, order: &PayoutOrder) -> Value {
        let mut body = Map::new();
        body.insert("amount".to_owned(), wire_amount(order.amount));
        body.insert(self.destination.0.to_owned(), self.destination.1.clone());
        body.insert(
            "description".to_owned(),
            json!(format!("kvit {}", order.operation_id)),
        );
        body.insert(
            "metadata".to_owned(),
            json!({"operation_id": order.operation_id, "attempt": order.attempt.to_string()}),
        );
        Value::Object(body)
    }
}

/// A question that was not answered says nothing about the money.
fn unasked(lost: Lost) -> ProviderFault {
    match lost {
        Lost::NotSent(reason) => ProviderFault::NotSent(reason.to_string()),
        Lost::Refused { code } | Lost::Denied { code } => {
            ProviderFault::Unknown(format!("the provider does not tell, code {code}"))
        }
        Lost::TooMany(_) => ProviderFault::Unknown("too many requests".to_owned()),
        Lost::KeyReused => ProviderFault::Unknown("the key was used for another call".to_owned()),
        Lost::Unknown(doubt) => ProviderFault::Unknown(doubt.to_string()),
    }
}

/// What a canceled payout's reason means for the next step (API v3, "Payout cancellation reasons"). A word that is not known is
/// final: whoever is owed the money asks again as a new operation.
fn kind_of(reason: &str) -> RefusalKind {
    match reason {
        // Our balance, the payee's bank or a period's limit: another day is another matter.
        "insufficient_funds" | "issuer_unavailable" | "periodic_limit_exceeded" => {
            RefusalKind::Temporary
        }
        "recipient_not_found"
        | "recipient_check_failed"
        | "rejected_by_payee"
        | "identification_required"
        | "self_employed_annual_limit_exceeded" => RefusalKind::Destination,
        _ => RefusalKind::Permanent,
    }
}

#[async_trait]
impl PayoutProvider for YookassaPayouts {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }

    fn repay(&self) -> Repay {
        Repay::Within(KEY_LIVES)
    }

    /// Moves nothing: names the key of the paying call, after a look at whether the gateway could pay at all.
    async fn create(&self, order: &PayoutOrder) -> Result<BillView, ProviderFault> {
        let terms = terms(order)?;
        let line = self.line()?;
        let temporary = |code: &str| ProviderFault::Refused {
            code: code.to_owned(),
            kind: RefusalKind::Temporary,
        };
        let account = match self.client.gateway_account().await {
            Some(Ok(account)) => account,
            Some(Err(Lost::Denied { code })) => return Err(temporary(&code)),
            // The look is not the call: whatever became of it, no payout was asked for.
            Some(Err(lost)) => return Err(ProviderFault::NotSent(lost.label().to_owned())),
            None => return Err(ProviderFault::NotSent("no payout gateway".to_owned())),
        };
        if account.test.is_some_and(|test| test != line.account.test) {
            return Err(temporary("local.test_account"));
        }
        if !account.enabled {
            return Err(temporary("account_disabled"));
        }
        let is_short = account.payout_balance.is_some_and(|left| {
            left.currency == order.amount.currency && left.minor < order.amount.minor
        });
        if is_short {
            return Err(temporary("insufficient_balance"));
        }
        Ok(BillView {
            bill_id: terms.key,
            status: BillStatus::Created,
            paid_amount: None,
            paid_at: None,
            provider_id: None,
        })
    }

    async fn pay(&self, order: &PayoutOrder, bill_id: &str) -> Result<BillView, ProviderFault> {
        let terms = terms(order)?;
        if terms.key != bill_id {
            return Err(ProviderFault::Mismatch(
                "the bill is another attempt's".to_owned(),
            ));
        }
        let body = terms.body(order);
        let call = Call {
            name: "payouts.create",
            path: &["payouts"],
            key: bill_id,
            body: Some(&body),
        };
        let refused = |code: String, kind| Err(ProviderFault::Refused { code, kind });
        let payout = match self.line()?.call(call).await {
            Ok(node) => Payout::read(&node),
            Err(Lost::NotSent(reason)) => return Err(ProviderFault::NotSent(reason.to_string())),
            Err(Lost::Refused { code }) => return self.confirm_refusal(order, bill_id, code).await,
            Err(Lost::Denied { code }) => return refused(code, RefusalKind::Temporary),
            Err(lost @ Lost::TooMany(_)) => {
                return refused(lost.label().to_owned(), RefusalKind::Temporary);
            }
            Err(Lost::KeyReused) => {
                return Err(ProviderFault::Mismatch(
                    "the key was used for another call".to_owned(),
                ));
            }
            Err(Lost::Unknown(doubt)) => return Err(ProviderFault::Unknown(doubt.to_string())),
        };
        let payout = payout.map_err(|error| unasked(error.into()))?;
        self.checked(order, bill_id, payout)
    }

    async fn status(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
    ) -> Result<Option<BillView>, ProviderFault> {
        if let Some(id) = order.provider_id.as_deref().filter(|id| is_id(id)) {
            let ask = Ask {
                name: "payouts.get",
                path: &["payouts", id],
                query: Vec::new(),
            };
            let node = self.line()?.ask(&ask).await.map_err(unasked)?;
            let node = node.ok_or_else(|| {
                ProviderFault::Unknown("the provider does not know its own payout".to_owned())
            })?;
            let payout = Payout::read(&node).map_err(|error| unasked(error.into()))?;
            return self.checked(order, bill_id, payout).map(Some);
        }
        let view = match self.of_attempt(order).await? {
            Some(payout) => self.checked(order, bill_id, payout)?,
            // Nothing has been made under this key, or the search does not show it yet: the key itself keeps it from being made
            // twice, for as long as the provider remembers it.
            None => BillView {
                bill_id: bill_id.to_owned(),
                status: BillStatus::Created,
                paid_amount: None,
                paid_at: None,
                provider_id: None,
            },
        };
        Ok(Some(view))
    }
}

#[cfg(test)]
#[path = "payouts_tests.rs"]
mod tests;
