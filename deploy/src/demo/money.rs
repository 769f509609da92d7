//! The money part of the demo: a top-up, a refund, an exchange, a payout whose answer is lost, a payout that the provider
//! takes back, and the comparison of both providers' lists with our books.

use std::sync::Arc;

use chrono::TimeDelta;
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::portmone::client::PortmoneControl;
use kvit_adapters::sandbox::yookassa::client::YookassaControl;
use kvit_adapters::sandbox::yookassa::faults::YookassaAction;
use kvit_commands::app::{PaymentRequest, PayoutRequest, PayoutRoute, TransferRequest};
use kvit_commands::context::Context;
use kvit_domain::exchange::Quote;
use kvit_domain::ids::{PaymentId, PayoutId, RefundId, TransferId, WalletId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentState, RefundState};
use kvit_domain::payout::PayoutState;
use kvit_domain::transfer::TransferState;

use super::shopper::Shopper;
use super::watch::until;
use super::{DemoError, wall_clock};
use crate::config::Config;
use crate::roles::SandboxInfo;
use crate::roles::money::Money as Wiring;
use crate::roles::parts::Parts;

const TOP_UP: Money = Money::new(50_000, Currency::Rub);
const REFUND: Money = Money::new(12_000, Currency::Rub);
const EXCHANGED: Money = Money::new(10_000, Currency::Rub);
const SENT: Money = Money::new(10_000, Currency::Rub);

/// What happened, a line each, and whether it was what should happen.
pub struct Scene {
    /// As expected.
    pub good: bool,
    /// In words.
    pub line: String,
}

/// One person's dealings with money.
struct Dealings<'a> {
    parts: &'a Arc<Parts>,
    shopper: &'a Shopper,
    run: u64,
    yookassa: YookassaControl,
    portmone: PortmoneControl,
    scenes: Vec<Scene>,
}

/// Plays the scenes with one shopper, one after another.
pub async fn play(
    parts: &Arc<Parts>,
    config: &Config,
    sandbox: &SandboxInfo,
    shopper: &Shopper,
    run: u64,
) -> Result<Vec<Scene>, DemoError> {
    let mut dealings = Dealings {
        parts,
        shopper,
        run,
        yookassa: YookassaControl::new(sandbox.base_url.clone())?,
        portmone: PortmoneControl::new(sandbox.base_url.clone())?,
        scenes: Vec::new(),
    };
    let payment_id = dealings.top_up().await?;
    dealings.refund(payment_id).await?;
    dealings.exchange().await?;
    dealings.lost_answer().await?;
    dealings.disputed().await?;
    let wiring = Wiring::build(parts, &sandbox.apply_to(config)).map_err(DemoError::Platform)?;
    dealings.reconcile(&wiring).await?;
    Ok(dealings.scenes)
}

impl Dealings<'_> {
    fn context(&self, step: &str) -> Context {
        let key = format!("demo:{}:{step}", self.run);
        Context::new("user:demo", key.clone(), key)
    }

    fn wallet(&self, currency: Currency) -> WalletId {
        WalletId {
            user: self.shopper.user_id,
            currency,
        }
    }

    async fn balance(&self, currency: Currency) -> Result<Money, DemoError> {
        let wallet = self.parts.app.wallet(self.wallet(currency)).await?;
        Ok(Money::new(wallet.available_minor(), currency))
    }

    fn tell(&mut self, good: bool, line: String) {
        self.scenes.push(Scene { good, line });
    }

    async fn top_up(&mut self) -> Result<PaymentId, DemoError> {
        let app = self.parts.app.clone();
        let before = self.balance(Currency::Rub).await?;
        let payment_id = PaymentId::derived("demo_payment", &self.run.to_string());
        let request = PaymentRequest {
            payment_id,
            user_id: self.shopper.user_id,
            provider: ProviderName::Yookassa,
            amount: TOP_UP,
            capture: true,
        };
        app.intend_payment(request, &self.context("top-up")).await?;
        let provider_id = until("the payment page", || async {
            let payment = app.payment(payment_id).await?;
            Ok(payment
                .provider_id
                .filter(|_| payment.confirmation_url.is_some()))
        })
        .await?;
        self.yookassa.pay(&provider_id).await?;
        until("the payment to be credited", || async {
            let state = app.payment(payment_id).await?.state;
            Ok((state == PaymentState::Succeeded).then_some(()))
        })
        .await?;
        let after = self.balance(Currency::Rub).await?;
        let good = after.minor - before.minor == TOP_UP.minor;
        self.tell(
            good,
            format!(
                "top-up of {TOP_UP} through YooKassa, paid on its page: {} has {after}",
                self.shopper.name
            ),
        );
        Ok(payment_id)
    }

    async fn refund(&mut self, payment_id: PaymentId) -> Result<(), DemoError> {
        let app = self.parts.app.clone();
        let before = self.balance(Currency::Rub).await?;
        let refund_id = RefundId::derived("demo_refund", &self.run.to_string());
        // Made at the provider, but its answer never comes back.
        self.yookassa
            .add_fault(Rule::on("refunds.create", YookassaAction::DropAfter))
            .await?;
        app.request_refund(
            payment_id,
            refund_id,
            REFUND,
            "a part was not needed".to_owned(),
            &self.context("refund"),
        )
        .await?;
        until("the refund", || async {
            let payment = app.payment(payment_id).await?;
            let state = payment.refunds.get(&refund_id).map(|refund| refund.state);
            Ok((state == Some(RefundState::Succeeded)).then_some(()))
        })
        .await?;
        let after = self.balance(Currency::Rub).await?;
        let theirs = self.yookassa.books().await?;
        let made = theirs
            .refunds
            .iter()
            .filter(|refund| refund.amount_minor == REFUND.minor)
            .count();
        let good = before.minor - after.minor == REFUND.minor;
        self.tell(
            good,
            format!("refund of {REFUND}, its answer lost on the way: found by asking, given back once ({made} such refunds at the provider in all runs)"),
        );
        Ok(())
    }

    async fn exchange(&mut self) -> Result<(), DemoError> {
        let app = self.parts.app.clone();
        let before = self.balance(Currency::Uah).await?;
        let now = wall_clock();
        let transfer_id = TransferId::derived("demo_transfer", &self.run.to_string());
        let request = TransferRequest {
            transfer_id,
            from: self.wallet(Currency::Rub),
            to: self.wallet(Currency::Uah),
            amount: EXCHANGED,
            quote: Some(Quote {
                from: Currency::Rub,
                to: Currency::Uah,
                numerator: 45,
                denominator: 100,
                source: "demo desk".to_owned(),
                quoted_at: now - TimeDelta::seconds(1),
                expires_at: now + TimeDelta::minutes(5),
            }),
            description: "exchange".to_owned(),
        };
        app.request_transfer(request, &self.context("exchange"))
            .await?;
        until("the exchange", || async {
            let state = app.transfer(transfer_id).await?.state;
            Ok((state == TransferState::Completed).then_some(()))
        })
        .await?;
        let after = self.balance(Currency::Uah).await?;
        let got = Money::new(after.minor - before.minor, Currency::Uah);
        self.tell(
            got.minor == 4_500,
            format!("exchange of {EXCHANGED} at 0.45: {got} in the other wallet, both sides booked whole"),
        );
        Ok(())
    }

    /// A payout to a bank account whose answer is lost: the provider's memory of our key makes it one.
    async fn lost_answer(&mut self) -> Result<(), DemoError> {
        let app = self.parts.app.clone();
        self.yookassa
            .add_fault(Rule::on("payouts.create", YookassaAction::DropAfter))
            .await?;
        let before = self.yookassa.books().await?.payouts.len();
        let payout_id = PayoutId::derived("demo-sbp", &self.run.to_string());
        let request = PayoutRequest {
            payout_id,
            user_id: self.shopper.user_id,
            amount: SENT,
            receipt_id: None,
            route: PayoutRoute::Sbp {
                phone: "79000000000".to_owned(),
                bank_id: "100000000111".to_owned(),
            },
        };
        app.request_payout(request, &self.context("sbp")).await?;
        until("the payout to the bank", || async {
            let state = app.payout(payout_id).await?.state;
            Ok((state == PayoutState::Succeeded).then_some(()))
        })
        .await?;
        let made = self.yookassa.books().await?.payouts.len() - before;
        self.tell(
            made == 1,
            format!(
                "payout of {SENT} to a bank account, its answer lost: {made} payout at the provider"
            ),
        );
        Ok(())
    }

    /// A payout that was paid and that the provider takes back later.
    async fn disputed(&mut self) -> Result<(), DemoError> {
        let app = self.parts.app.clone();
        let amount = self.balance(Currency::Uah).await?;
        let payout_id = PayoutId::derived("demo-disputed", &self.run.to_string());
        let request = PayoutRequest {
            payout_id,
            user_id: self.shopper.user_id,
            amount,
            receipt_id: None,
            route: PayoutRoute::Phone { operator: None },
        };
        app.request_payout(request, &self.context("disputed"))
            .await?;
        let bill = until("the payout to the phone", || async {
            let payout = app.payout(payout_id).await?;
            Ok(payout
                .bill_id
                .filter(|_| payout.state == PayoutState::Succeeded))
        })
        .await?;
        self.portmone.reverse_bill(&bill).await?;
        until("the payout to come back", || async {
            let state = app.payout(payout_id).await?.state;
            Ok((state == PayoutState::Reversed).then_some(()))
        })
        .await?;
        let after = self.balance(Currency::Uah).await?;
        self.tell(
            after == amount,
            format!("disputed payout of {amount} to a phone: paid, taken back by the provider, credited again once"),
        );
        Ok(())
    }

    async fn reconcile(&mut self, wiring: &Wiring) -> Result<(), DemoError> {
        let today = wall_clock().date_naive();
        for (provider, reconciling) in &wiring.reconciling {
            for kind in reconciling.kinds() {
                let name = format!("reconcile-{}-{}", provider.code(), kind.code());
                let done = reconciling.run(kind, today, &self.context(&name)).await?;
                self.tell(
                    done.breaks == 0,
                    format!(
                        "{} {}: {} items of the provider's list, {} agree, {} differ",
                        provider.code(),
                        kind.code(),
                        done.items,
                        done.matched,
                        done.breaks
                    ),
                );
            }
        }
        Ok(())
    }
}
