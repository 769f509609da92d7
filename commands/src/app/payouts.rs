//! Payouts: request with hold, what the provider proved, and what people decide.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use kvit_domain::event::StreamId;
use kvit_domain::ids::{HoldId, PayoutId, ReceiptId, TransactionId, UserId, WalletId};
use kvit_domain::ledger::{Account, ProviderName, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::payout::{
    FailedWhen, Payout, PayoutCommand, PayoutMethod, PayoutState, PayoutTerms,
};
use kvit_domain::phone::Operator;
use kvit_domain::quota::{Quota, QuotaCommand};
use kvit_domain::rejection::Rejection;
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletCommand};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::Streams;

/// Attempts at a payout before it fails for good.
pub const PAYOUT_ATTEMPTS_MAX: u32 = 5;

/// A payout's hold never expires while its outcome may be unknown; this is the net below everything else.
const HOLD_DAYS: i64 = 3_650;

/// The payout of a receipt's reward.
#[must_use]
pub fn reward_payout_id(receipt_id: ReceiptId) -> PayoutId {
    PayoutId::derived("reward_payout", &receipt_id.to_string())
}

/// The payout that follows when this one has failed and is asked for again.
#[must_use]
pub fn next_payout_id(payout_id: PayoutId) -> PayoutId {
    PayoutId::derived("next_payout", &payout_id.to_string())
}

fn stream(payout_id: PayoutId) -> StreamId {
    StreamId::new("payout", payout_id.to_string())
}

impl App {
    /// The payout as the log has it now; an empty one when there is none.
    pub async fn payout(&self, payout_id: PayoutId) -> Result<Payout, CommandError> {
        self.parts
            .executor
            .load::<Payout>(&payout_id.to_string())
            .await
    }

    /// The last payout of a receipt's reward: the first one, or the one that followed a failed one.
    pub async fn latest_payout(
        &self,
        receipt_id: ReceiptId,
    ) -> Result<Option<(PayoutId, Payout)>, CommandError> {
        let mut id = reward_payout_id(receipt_id);
        let mut latest = None;
        loop {
            let payout = self.payout(id).await?;
            if payout.state == PayoutState::New {
                return Ok(latest);
            }
            let failed = payout.state == PayoutState::Failed;
            latest = Some((id, payout));
            if !failed {
                return Ok(latest);
            }
            id = next_payout_id(id);
        }
    }

    /// Requests a payout and holds its amount, in one append: the intent is durable before anything leaves.
    ///
    /// # Errors
    /// `phone_missing`, `operator_not_supported`, `insufficient_funds`, `wallet_not_open`, `invalid_command`.
    pub async fn request_payout(
        &self,
        request: PayoutRequest,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let PayoutRequest {
            payout_id,
            user_id,
            amount,
            receipt_id,
            ref route,
        } = request;
        // A repeat of a payout to the person's own number is the same payout, whatever number they have now.
        let known = match route {
            PayoutRoute::Phone { .. } => self.payout(payout_id).await?.terms,
            _ => None,
        };
        let (provider, method, operator, destination) = match known {
            Some(terms) => (
                terms.provider,
                terms.method,
                terms.operator,
                terms.destination,
            ),
            None => {
                let routed = self.routed(user_id, route).await?;
                let destination = self
                    .parts
                    .vault
                    .seal(
                        user_id.0,
                        &stream(payout_id),
                        "destination",
                        routed.plain.as_bytes(),
                    )
                    .await?;
                (routed.provider, routed.method, routed.operator, destination)
            }
        };
        let wallet_id = WalletId {
            user: user_id,
            currency: amount.currency,
        };
        let hold_id = HoldId::derived("payout", &payout_id.to_string());
        let expires_at = self.clock().now() + TimeDelta::days(HOLD_DAYS);
        let (id, wallet) = (payout_id.to_string(), wallet_id.to_string());
        let streams = Streams::new().with::<Payout>(&id).with::<Wallet>(&wallet);
        // Sealing the same value in the same place gives the same text, so the destination is part of what a key stands for
        // without being readable in the digest.
        let body = (
            payout_id,
            user_id,
            amount,
            receipt_id,
            &method,
            &destination,
        );
        let committed = self
            .transact(streams, context, "request_payout", &body, |unit| {
                let command = PayoutCommand::Request {
                    user_id,
                    wallet_id,
                    amount,
                    destination: destination.clone(),
                    operator,
                    provider,
                    receipt_id,
                    method: method.clone(),
                    hold_id,
                };
                // A known payout gets its first answer, a different one under its id is refused.
                if unit.run::<Payout>(&id, &command)? > 0 {
                    let purpose = format!("payout:{payout_id}");
                    unit.run::<Wallet>(
                        &wallet,
                        &WalletCommand::PlaceHold {
                            hold_id,
                            amount,
                            purpose,
                            expires_at,
                        },
                    )?;
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    /// Where the money goes, in the clear until it is sealed.
    async fn routed(&self, user_id: UserId, route: &PayoutRoute) -> Result<Routed, CommandError> {
        let missing = || Rejection::new("phone_missing", "share a phone number first");
        let invalid = |message: &str| Rejection::new("invalid_command", message.to_owned());
        let digits = |text: &str, least: usize, most: usize| {
            (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        let yookassa = |method: PayoutMethod, plain: String| Routed {
            provider: ProviderName::Yookassa,
            method,
            operator: None,
            plain,
        };
        Ok(match route {
            PayoutRoute::Phone { operator } => {
                let phone = self.phone(user_id).await?.ok_or_else(missing)?;
                let operator = operator
                    .or_else(|| Operator::by_prefix(&phone))
                    .ok_or_else(|| {
                        Rejection::new(
                            "operator_not_supported",
                            "this operator cannot be topped up",
                        )
                    })?;
                Routed {
                    provider: ProviderName::Portmone,
                    method: PayoutMethod::MobileTopUp,
                    operator: Some(operator),
                    plain: phone.digits().to_owned(),
                }
            }
            PayoutRoute::Sbp { phone, bank_id } => {
                if !digits(phone, 4, 15) {
                    return Err(invalid("a phone number has 4 to 15 digits").into());
                }
                if bank_id.len() != 12 || !bank_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    return Err(invalid("a bank's id has 12 letters and digits").into());
                }
                let method = PayoutMethod::Sbp {
                    bank_id: bank_id.clone(),
                };
                yookassa(method, phone.clone())
            }
            PayoutRoute::YoomoneyWallet { account } => {
                if !digits(account, 11, 33) {
                    return Err(invalid("a wallet's number has 11 to 33 digits").into());
                }
                yookassa(PayoutMethod::YoomoneyWallet, account.clone())
            }
            PayoutRoute::CardToken { token } => {
                if token.is_empty() || token.len() > 200 {
                    return Err(invalid("a card's token has 1 to 200 bytes").into());
                }
                yookassa(PayoutMethod::CardToken, token.clone())
            }
        })
    }

    /// Asks for a failed payout again, as a new operation: to the same place, or, for a mobile top-up, to the number that
    /// the person has now, by another operator if one is named (a number may have moved to it).
    ///
    /// # Errors
    /// `invalid_state` unless it has failed.
    pub async fn retry_payout(
        &self,
        payout_id: PayoutId,
        operator: Option<Operator>,
        context: &Context,
    ) -> Result<(PayoutId, Done), CommandError> {
        let payout = self.payout(payout_id).await?;
        let terms = terms_of(&payout)?;
        if payout.state != PayoutState::Failed {
            return Err(Rejection::new(
                "invalid_state",
                "only a failed payout can be asked for again",
            )
            .with("state", payout.state.code())
            .into());
        }
        let forgotten =
            || Rejection::new("user_forgotten", "the destination is not known any more");
        let route = match &terms.method {
            PayoutMethod::MobileTopUp => PayoutRoute::Phone { operator },
            method => {
                let plain = self
                    .payout_destination(payout_id, terms)
                    .await?
                    .ok_or_else(forgotten)?;
                match method {
                    PayoutMethod::Sbp { bank_id } => PayoutRoute::Sbp {
                        phone: plain,
                        bank_id: bank_id.clone(),
                    },
                    PayoutMethod::YoomoneyWallet => PayoutRoute::YoomoneyWallet { account: plain },
                    _ => PayoutRoute::CardToken { token: plain },
                }
            }
        };
        let next = next_payout_id(payout_id);
        let request = PayoutRequest {
            payout_id: next,
            user_id: terms.user_id,
            amount: terms.amount,
            receipt_id: terms.receipt_id,
            route,
        };
        let done = self.request_payout(request, context).await?;
        Ok((next, done))
    }

    /// A person's decision on a payout that cannot be resolved by asking. The first one proposes; it is decided when a second
    /// one says the same.
    ///
    /// # Errors
    /// `invalid_state` unless it is unknown or in review; `four_eyes_required` when the same person says it twice.
    pub async fn resolve_payout(
        &self,
        payout_id: PayoutId,
        paid: bool,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let effect = if paid {
            Effect::Capture
        } else {
            Effect::Release
        };
        let body = (payout_id, paid, &reason);
        let command = PayoutCommand::DecideReview {
            paid,
            by: context.actor.clone(),
            reason: reason.clone(),
            now: self.clock().now(),
        };
        self.end_payout(
            payout_id,
            &command,
            effect,
            "resolve_payout",
            &body,
            context,
        )
        .await
    }

    /// Ends a payout of which nothing has left yet, and releases its hold.
    ///
    /// # Errors
    /// `invalid_state` once a call has left; `review_reason_required`.
    pub async fn cancel_payout(
        &self,
        payout_id: PayoutId,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let body = (payout_id, &reason);
        let command = PayoutCommand::Cancel {
            reason: reason.clone(),
        };
        self.end_payout(
            payout_id,
            &command,
            Effect::Release,
            "cancel_payout",
            &body,
            context,
        )
        .await
    }

    /// The destination in the clear, for the provider's call only.
    pub(crate) async fn payout_destination(
        &self,
        payout_id: PayoutId,
        terms: &PayoutTerms,
    ) -> Result<Option<String>, CommandError> {
        let opened = self
            .parts
            .vault
            .open(
                terms.user_id.0,
                &stream(payout_id),
                "destination",
                &terms.destination,
            )
            .await?;
        let Some(plain) = opened else { return Ok(None) };
        String::from_utf8(plain)
            .map(Some)
            .map_err(|_| CommandError::Fatal("a sealed destination is not text".into()))
    }

    /// A step of the payout alone.
    pub(crate) async fn payout_step(
        &self,
        payout_id: PayoutId,
        command: PayoutCommand,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.execute::<Payout>(&payout_id.to_string(), command, context)
            .await
    }

    /// The money has moved: the hold becomes a booking.
    pub(crate) async fn payout_succeeded(
        &self,
        payout_id: PayoutId,
        bill_id: String,
        paid_at: Option<NaiveDateTime>,
        provider_id: Option<String>,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let body = (payout_id, &bill_id);
        let command = PayoutCommand::Succeed {
            bill_id: bill_id.clone(),
            paid_at,
            provider_id,
        };
        self.end_payout(
            payout_id,
            &command,
            Effect::Capture,
            "payout_succeeded",
            &body,
            context,
        )
        .await
    }

    /// Proven: this attempt moved nothing. Without `retry_at` it was the last one and the hold is released.
    pub(crate) async fn payout_failed(
        &self,
        payout_id: PayoutId,
        attempt: u32,
        when: FailedWhen,
        code: String,
        retry_at: Option<DateTime<Utc>>,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let is_final = retry_at.is_none();
        let body = (payout_id, attempt, when, &code);
        let command = PayoutCommand::Fail {
            attempt,
            when,
            code: code.clone(),
            is_final,
            retry_at,
        };
        let effect = if is_final {
            Effect::Release
        } else {
            Effect::Keep
        };
        self.end_payout(payout_id, &command, effect, "payout_failed", &body, context)
            .await
    }

    /// The provider has proved that it took paid money back: the wallet is credited again, once.
    ///
    /// # Errors
    /// `invalid_state` unless this bill was paid.
    pub async fn payout_reversed(
        &self,
        payout_id: PayoutId,
        bill_id: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let body = (payout_id, &bill_id);
        let command = PayoutCommand::RecordReversed {
            bill_id: bill_id.clone(),
        };
        self.end_payout(
            payout_id,
            &command,
            Effect::Return,
            "payout_reversed",
            &body,
            context,
        )
        .await
    }

    /// A step of the payout and what it does to the hold, in one append.
    async fn end_payout<B: serde::Serialize + Sync>(
        &self,
        payout_id: PayoutId,
        command: &PayoutCommand,
        effect: Effect,
        kind: &str,
        body: &B,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let payout = self.payout(payout_id).await?;
        let terms = terms_of(&payout)?;
        let hold_id = payout
            .hold_id
            .ok_or_else(|| CommandError::Fatal("a payout has no hold".into()))?;
        let on_wallet = match effect {
            Effect::Capture => Some(WalletCommand::Capture {
                hold_id,
                transaction: self.payout_transaction(payout_id, terms),
                release_rest: true,
            }),
            Effect::Release => Some(WalletCommand::Release {
                hold_id,
                reason: ReleaseReason::Failed,
            }),
            Effect::Return => Some(WalletCommand::Reverse {
                original_id: payout_transaction_id(payout_id),
                transaction_id: TransactionId::derived("payout_reversal", &payout_id.to_string()),
                value_date: self.today(),
                legs: None,
            }),
            Effect::Keep => None,
        };
        let (id, wallet) = (payout_id.to_string(), terms.wallet_id.to_string());
        let mut streams = Streams::new().with::<Payout>(&id).with::<Wallet>(&wallet);
        // What moved no money does not count against the day's budget.
        let budget = match (effect, payout.budget_day) {
            (Effect::Release, Some(day)) => Some(super::payout_sending::budget_id(terms, day)),
            _ => None,
        };
        if let Some(budget) = &budget {
            streams = streams.with::<Quota>(budget);
        }
        let committed = self
            .transact(streams, context, kind, body, |unit| {
                let has_changed = unit.run::<Payout>(&id, command)? > 0;
                // A proposal changes the payout and not the money.
                let has_ended = unit.state::<Payout>(&id)?.state == effect.state();
                if has_changed
                    && has_ended
                    && let Some(on_wallet) = &on_wallet
                {
                    unit.run::<Wallet>(&wallet, on_wallet)?;
                    if let Some(budget) = &budget {
                        let taker = id.clone();
                        unit.run::<Quota>(budget, &QuotaCommand::Return { taker })?;
                    }
                }
                Ok(())
            })
            .await?;
        Ok(Done::from(&committed))
    }

    fn payout_transaction(&self, payout_id: PayoutId, terms: &PayoutTerms) -> Transaction {
        Transaction::simple(
            payout_transaction_id(payout_id),
            TransactionKind::Payout,
            Account::Wallet(terms.wallet_id),
            Account::PayoutsClearing(terms.provider),
            terms.amount,
            self.today(),
            payout_id.to_string(),
        )
    }
}

/// What a step of a payout does to its hold.
#[derive(Clone, Copy)]
enum Effect {
    /// It becomes a booking.
    Capture,
    /// It is given up.
    Release,
    /// The booking is undone.
    Return,
    /// It stays.
    Keep,
}

impl Effect {
    /// The state in which the payout must be for the effect to follow.
    const fn state(self) -> PayoutState {
        match self {
            Self::Capture => PayoutState::Succeeded,
            Self::Release => PayoutState::Failed,
            Self::Return => PayoutState::Reversed,
            Self::Keep => PayoutState::Held,
        }
    }
}

/// A payout to be requested.
#[derive(Clone)]
pub struct PayoutRequest {
    /// Chosen by the caller; the same one twice is one payout.
    pub payout_id: PayoutId,
    /// Whose wallet pays.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// The receipt whose bonus it is.
    pub receipt_id: Option<ReceiptId>,
    /// Where to.
    pub route: PayoutRoute,
}

/// Where a payout goes. Holds personal data: never logged, sealed before it is stored.
#[derive(Clone)]
pub enum PayoutRoute {
    /// To the person's own mobile number, through Portmone.
    Phone {
        /// The operator that serves the number, when it is not the one of its prefix.
        operator: Option<Operator>,
    },
    /// To a bank account by phone number, through YooKassa.
    Sbp {
        /// Digits only.
        phone: String,
        /// The provider's id of the bank.
        bank_id: String,
    },
    /// To a YooMoney wallet.
    YoomoneyWallet {
        /// Digits only.
        account: String,
    },
    /// To a card, by the token that the provider's form made.
    CardToken {
        /// The token.
        token: String,
    },
}

/// A route with what it means.
struct Routed {
    provider: ProviderName,
    method: PayoutMethod,
    operator: Option<Operator>,
    plain: String,
}

/// The transaction that books a payout.
fn payout_transaction_id(payout_id: PayoutId) -> TransactionId {
    TransactionId::derived("payout", &payout_id.to_string())
}

pub(super) fn terms_of(payout: &Payout) -> Result<&PayoutTerms, CommandError> {
    payout
        .terms
        .as_ref()
        .ok_or_else(|| Rejection::new("not_found", "there is no such payout").into())
}
