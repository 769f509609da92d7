//! Everything that only looks: objects, lists, the search, the account and the banks.

use serde_json::{Value, json};

use super::api::{Call, Op};
use super::error::ApiError;
use super::listing::{Entry, Query};
use super::state::{Books, ObjectRef, Side};
use super::{Receipts, Yookassa, payments, payouts, render};

impl Yookassa {
    pub(super) fn read(&self, books: &Books, side: Side, call: &Call) -> Result<Value, ApiError> {
        let id = call.id.clone();
        match call.op {
            Op::PaymentsGet => self.show(books, &ObjectRef::Payment(id)),
            Op::RefundsGet => self.show(books, &ObjectRef::Refund(id)),
            Op::PayoutsGet => self.show(books, &ObjectRef::Payout(id)),
            Op::Me => Ok(self.me(books, side)),
            Op::SbpBanks => {
                let banks = payouts::BANKS
                    .map(|(id, name, bic)| json!({"bank_id": id, "name": name, "bic": bic}));
                Ok(json!({"type": "list", "items": banks}))
            }
            Op::Webhooks => Err(ApiError::forbidden(
                "Notifications of this account are set up in the Merchant Profile; this call needs an OAuth token",
            )),
            _ => self.list(books, call),
        }
    }

    fn list(&self, books: &Books, call: &Call) -> Result<Value, ApiError> {
        let (query, now) = (Query(&call.query), self.now(books));
        let view = self.view(now);
        let statuses = ["pending", "waiting_for_capture", "succeeded", "canceled"];
        let status = query.word("status", &statuses)?;
        let fits = |word: &str| status.is_none_or(|status| status == word);
        match call.op {
            Op::PaymentsList => {
                let method = query.word("payment_method", &payments::METHODS)?;
                let captured = query.range("captured_at")?;
                let entries = books
                    .payments
                    .values()
                    .filter(|one| fits(one.status.word()))
                    .filter(|one| method.is_none() || one.method.as_deref() == method)
                    .filter(|one| {
                        captured.is_open() || one.captured_at.is_some_and(|at| captured.holds(at))
                    })
                    .map(|item| Entry {
                        created_at: item.created_at,
                        seq: item.seq,
                        item,
                    });
                query.page(now, false, entries, |one| render::payment(one, &view))
            }
            Op::RefundsList => {
                let payment = query.get("payment_id");
                let entries = books
                    .refunds
                    .values()
                    .filter(|one| fits(one.status.word()))
                    .filter(|one| payment.is_none_or(|id| one.payment_id == id))
                    .map(|item| Entry {
                        created_at: item.created_at,
                        seq: item.seq,
                        item,
                    });
                query.page(now, false, entries, render::refund)
            }
            _ => {
                let search = call.op == Op::PayoutsSearch;
                let pair = search.then(|| query.metadata()).transpose()?;
                let entries = books
                    .payouts
                    .values()
                    .filter(|one| fits(one.status.word()))
                    .filter(|one| {
                        pair.is_none_or(|(name, value)| {
                            one.metadata.get(name).and_then(Option::as_deref) == Some(value)
                        })
                    })
                    .map(|item| Entry {
                        created_at: item.created_at,
                        seq: item.seq,
                        item,
                    });
                query.page(now, search, entries, render::payout)
            }
        }
    }

    fn me(&self, books: &Books, side: Side) -> Value {
        match side {
            Side::Shop => {
                let shop = &self.settings.shop;
                let fiscal = self.settings.receipts != Receipts::NotNeeded;
                json!({"account_id": shop.id, "status": "enabled", "test": shop.test, "fiscalization_enabled": fiscal,
                    "fiscalization": {"enabled": fiscal}, "payment_methods": ["bank_card", "yoo_money", "sbp"]})
            }
            Side::Gateway => {
                let gateway = &self.settings.gateway;
                let mut me = json!({"account_id": gateway.id, "status": "enabled", "test": gateway.test,
                    "name": "Sandbox gateway", "payout_methods": ["bank_card", "yoo_money", "sbp"]});
                if let (Some(minor), Some(me)) = (self.payout_balance(books), me.as_object_mut()) {
                    me.insert("payout_balance".to_owned(), render::amount(minor, "RUB"));
                }
                me
            }
        }
    }
}
