//! What a notification claims, in the words of the port.

use kvit_commands::ports::payment::{
    Notice, NoticeFault, NoticeReader, NoticeTopic, SettlementBill, SettlementDocument,
};
use kvit_domain::ids::PayoutId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};

use super::{BillNotice, PayOrder, PortmoneNotification, parse_notification};
use crate::portmone::amount::{Kopecks, Movement};
use crate::portmone::gateway::OrderNumber;

/// Reads Portmone's notifications, those of payouts and those of card payments, which come to one address.
#[derive(Debug, Clone, Copy, Default)]
pub struct PortmoneNotices;

impl NoticeReader for PortmoneNotices {
    fn provider(&self) -> ProviderName {
        ProviderName::Portmone
    }

    fn read(&self, content_type: &str, body: &[u8]) -> Result<Vec<Notice>, NoticeFault> {
        let notification = parse_notification(content_type, body)
            .map_err(|error| NoticeFault(error.to_string()))?;
        Ok(match notification {
            PortmoneNotification::Payment(payment) => {
                let word = payment.status.unwrap_or_else(|| "CHANGED".to_owned());
                vec![Notice {
                    event: format!("payment.{word}"),
                    topic: payment_topic(payment.shop_order_number, word == PAID),
                }]
            }
            PortmoneNotification::Bills(bills) => bills.into_iter().map(claim).collect(),
            PortmoneNotification::Settlement(orders) => orders
                .into_iter()
                .map(|order| Notice {
                    event: "settlement".to_owned(),
                    topic: NoticeTopic::Settlement(document(order)),
                })
                .collect(),
            PortmoneNotification::Requests(_) => Vec::new(),
        })
    }
}

/// The provider's word for money that came.
const PAID: &str = "PAYED";

fn payment_topic(order_number: String, paid: bool) -> NoticeTopic {
    let operation_id =
        OrderNumber::parse(&order_number).map(|number| number.payment_id.to_string());
    NoticeTopic::Payment {
        provider_id: order_number,
        operation_id,
        paid,
    }
}

/// The facts of a settlement, all in hryvnias.
fn document(order: PayOrder) -> SettlementDocument {
    let money = |kopecks: Kopecks| Money::new(kopecks.minor(), Currency::Uah);
    SettlementDocument {
        id: order.id,
        day: order.date,
        sum: money(order.amount),
        bills: order
            .bills
            .into_iter()
            .map(|bill| SettlementBill {
                amount: money(bill.movement.amount()),
                fee: bill.commission.map(money),
                reversed: matches!(bill.movement, Movement::Back(_)),
                order_number: our_number(&bill),
                bill_id: bill.bill_id,
            })
            .collect(),
    }
}

/// The bill's number, if it is an order number of ours.
fn our_number(bill: &BillNotice) -> Option<String> {
    bill.bill_number
        .clone()
        .filter(|text| OrderNumber::parse(text).is_some())
}

/// A bill with an order number of ours is a card payment; every other is a payout.
fn claim(bill: BillNotice) -> Notice {
    let reversed = matches!(bill.movement, Movement::Back(_));
    let is_operation = |text: &String| text.parse::<PayoutId>().is_ok();
    match our_number(&bill) {
        Some(order_number) if reversed => Notice {
            event: "refund.RETURN".to_owned(),
            topic: NoticeTopic::Refund {
                provider_refund_id: bill.bill_id,
                provider_payment_id: order_number,
            },
        },
        Some(order_number) => Notice {
            event: format!("payment.{PAID}"),
            topic: payment_topic(order_number, true),
        },
        None => Notice {
            event: if reversed {
                "bill.reversed"
            } else {
                "bill.paid"
            }
            .to_owned(),
            topic: NoticeTopic::Payout {
                provider_id: bill.bill_id,
                operation_id: bill.bill_number.filter(is_operation),
                reversed,
            },
        },
    }
}
