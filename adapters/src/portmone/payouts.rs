//! The payout port on top of the client.
//!
//! # What a "no" to a payment proves
//! Making a bill moves nothing, so any refusal of it is final for that bill. Paying one is another matter: a provider can say
//! "error" for a payment that goes through, at once or a moment later, and nothing that is public tells which of its codes come
//! before the money and which after. Therefore a refused payment is followed by a look at its bill:
//!
//! - `rejected` is the bill's last word: refused;
//! - `paid` and `reversed` are last words as well, whatever the refusal said;
//! - `created` proves little, since the payment may still be on its way. It is believed together with a refusal that says that the
//!   call was never a payment: the documented code for a method that does not exist, and the codes of which the account's contract
//!   says that the number or its operator is wrong. After any other refusal, also one that invites a later attempt, the outcome is
//!   unknown: the hold stays, no other bill is made, and this one is asked about until it says a last word.
//!
//! What ends an unknown payout whose bill stays `created` is not decided here: the worker pays the same bill again where the
//! contract says that a bill moves money once, and people may call it unpaid when the call is long enough ago.

use async_trait::async_trait;
use kvit_commands::ports::payout::{
    BillStatus as PortStatus, BillView, PayoutOrder, PayoutProvider, ProviderFault, RefusalKind,
};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::phone::Operator;

use super::amount::Kopecks;
use super::client::PortmoneClient;
use super::outcome::{
    Bill, BillStatus, CreateOutcome, Mismatch, PayOutcome, Refusal, StatusOutcome,
};

/// The only documented code: the provider knows no method of that name, so it has called none.
const NO_SUCH_METHOD: &str = "p001";

/// The provider's id of each operator, which the account's contract names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payees {
    /// Kyivstar.
    pub kyivstar: String,
    /// Vodafone Ukraine.
    pub vodafone: String,
    /// lifecell.
    pub lifecell: String,
}

impl Payees {
    fn of(&self, operator: Operator) -> &str {
        match operator {
            Operator::Kyivstar => &self.kyivstar,
            Operator::Vodafone => &self.vodafone,
            Operator::Lifecell => &self.lifecell,
        }
    }
}

/// What the provider's refusal codes mean. The list is not public, so it is configuration; a code that
/// is not named is final.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalCodes {
    /// Codes that say the number or operator is wrong, which the provider finds out before any money moves.
    pub destination: Vec<String>,
    /// Codes that say a later attempt may succeed. Of a payment they prove nothing while its bill can still be paid.
    pub temporary: Vec<String>,
}

/// Pays rewards through Portmone.
#[derive(Debug, Clone)]
pub struct PortmonePayouts {
    client: PortmoneClient,
    payees: Payees,
    codes: RefusalCodes,
}

/// One order in the provider's terms.
struct Terms<'a> {
    payee: &'a str,
    phone: &'a str,
    amount: Kopecks,
}

impl PortmonePayouts {
    /// Joins a client with what the account's contract says about payees and codes.
    #[must_use]
    pub fn new(client: PortmoneClient, payees: Payees, codes: RefusalCodes) -> Self {
        Self {
            client,
            payees,
            codes,
        }
    }

    fn terms<'a>(&'a self, order: &'a PayoutOrder) -> Result<Terms<'a>, ProviderFault> {
        let refused = |code: &str| ProviderFault::Refused {
            code: code.to_owned(),
            kind: RefusalKind::Permanent,
        };
        if order.amount.currency != Currency::Uah {
            return Err(refused("local.currency"));
        }
        let amount = Kopecks::new(order.amount.minor).map_err(|_| refused("local.amount"))?;
        // Portmone tops phones up and nothing else.
        let Some(operator) = order.operator else {
            return Err(refused("local.method"));
        };
        Ok(Terms {
            payee: self.payees.of(operator),
            phone: &order.phone,
            amount,
        })
    }

    fn refused(&self, refusal: &Refusal) -> ProviderFault {
        let kind = if self.codes.destination.contains(&refusal.code) {
            RefusalKind::Destination
        } else if self.codes.temporary.contains(&refusal.code) {
            RefusalKind::Temporary
        } else {
            RefusalKind::Permanent
        };
        ProviderFault::Refused {
            code: refusal.code.clone(),
            kind,
        }
    }

    /// Whether a refusal says that the call was no payment at all.
    fn is_before_money(&self, refusal: &Refusal) -> bool {
        refusal.code == NO_SUCH_METHOD || self.codes.destination.contains(&refusal.code)
    }

    /// A refused payment is believed only when the bill itself agrees: see the module's description.
    async fn confirm_refusal(
        &self,
        terms: &Terms<'_>,
        bill_id: &str,
        refusal: &Refusal,
    ) -> Result<BillView, ProviderFault> {
        match self
            .client
            .bill_status(bill_id, terms.payee, terms.phone, terms.amount)
            .await
        {
            StatusOutcome::Known(bill) => match bill.status {
                BillStatus::Rejected => Err(self.refused(refusal)),
                BillStatus::Created if self.is_before_money(refusal) => Err(self.refused(refusal)),
                BillStatus::Created => Err(ProviderFault::Unknown(format!(
                    "refused with code {}, but the bill may still be paid",
                    refusal.code
                ))),
                BillStatus::Paid => Ok(view(bill, PortStatus::Paid)),
                BillStatus::Reversed => Ok(view(bill, PortStatus::Reversed)),
                BillStatus::Other(_) => Ok(view(bill, PortStatus::Pending)),
            },
            StatusOutcome::Mismatch(_, mismatch) => Err(differs(mismatch)),
            // Where nothing can be asked, a "no" to a payment is no proof either: a person must look.
            StatusOutcome::NotConfigured
            | StatusOutcome::Refused(_)
            | StatusOutcome::NotSent(_)
            | StatusOutcome::Unknown(_) => Err(ProviderFault::Unknown(format!(
                "refused with code {}, but the bill could not be read",
                refusal.code
            ))),
        }
    }
}

fn view(bill: Bill, status: PortStatus) -> BillView {
    BillView {
        bill_id: bill.id,
        status,
        paid_amount: bill
            .paid_amount
            .map(|amount| Money::new(amount.minor(), Currency::Uah)),
        paid_at: bill.pay_date,
        provider_id: None,
    }
}

fn differs(mismatch: Mismatch) -> ProviderFault {
    ProviderFault::Mismatch(mismatch.to_string())
}

#[async_trait]
impl PayoutProvider for PortmonePayouts {
    fn provider(&self) -> ProviderName {
        ProviderName::Portmone
    }

    async fn create(&self, order: &PayoutOrder) -> Result<BillView, ProviderFault> {
        let terms = self.terms(order)?;
        match self
            .client
            .create_bill(terms.payee, terms.phone, terms.amount, &order.operation_id)
            .await
        {
            CreateOutcome::Created(bill) => Ok(view(bill, PortStatus::Created)),
            CreateOutcome::Mismatch(_, mismatch) => Err(differs(mismatch)),
            CreateOutcome::Refused(refusal) => Err(self.refused(&refusal)),
            CreateOutcome::NotSent(reason) => Err(ProviderFault::NotSent(reason.to_string())),
            CreateOutcome::Unknown(doubt) => Err(ProviderFault::Unknown(doubt.to_string())),
        }
    }

    async fn pay(&self, order: &PayoutOrder, bill_id: &str) -> Result<BillView, ProviderFault> {
        let terms = self.terms(order)?;
        match self
            .client
            .pay_bill(bill_id, terms.payee, terms.phone, terms.amount)
            .await
        {
            PayOutcome::Paid(bill) => Ok(view(bill, PortStatus::Paid)),
            PayOutcome::Pending(bill) => Ok(view(bill, PortStatus::Pending)),
            PayOutcome::Mismatch(_, mismatch) => Err(differs(mismatch)),
            PayOutcome::Refused(refusal) => self.confirm_refusal(&terms, bill_id, &refusal).await,
            PayOutcome::NotSent(reason) => Err(ProviderFault::NotSent(reason.to_string())),
            PayOutcome::Unknown(doubt) => Err(ProviderFault::Unknown(doubt.to_string())),
        }
    }

    async fn status(
        &self,
        order: &PayoutOrder,
        bill_id: &str,
    ) -> Result<Option<BillView>, ProviderFault> {
        let terms = self.terms(order)?;
        match self
            .client
            .bill_status(bill_id, terms.payee, terms.phone, terms.amount)
            .await
        {
            StatusOutcome::Known(bill) => {
                let status = match bill.status {
                    BillStatus::Created => PortStatus::Created,
                    BillStatus::Paid => PortStatus::Paid,
                    BillStatus::Rejected => PortStatus::Rejected,
                    BillStatus::Reversed => PortStatus::Reversed,
                    BillStatus::Other(_) => PortStatus::Pending,
                };
                Ok(Some(view(bill, status)))
            }
            StatusOutcome::NotConfigured => Ok(None),
            StatusOutcome::Mismatch(_, mismatch) => Err(differs(mismatch)),
            // A refusal to tell says nothing about the money, so it must not look like a refused payout.
            StatusOutcome::Refused(refusal) => Err(ProviderFault::Unknown(format!(
                "the bill cannot be read, code {}",
                refusal.code
            ))),
            StatusOutcome::NotSent(reason) => Err(ProviderFault::NotSent(reason.to_string())),
            StatusOutcome::Unknown(doubt) => Err(ProviderFault::Unknown(doubt.to_string())),
        }
    }
}
