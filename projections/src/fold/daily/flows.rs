//! What a transaction moves between us and a provider.
//!
//! The money that a provider holds for us stands on its two clearing accounts, what it keeps on its account of fees. The
//! change of the three together is what moved; what it is called follows from the kind of the transaction. So on every
//! day and in every currency, by construction:
//!
//! `clearing accounts' change = in − refunded − out + returned − settled + unmatched + other − fees`

use kvit_domain::ledger::{Account, Leg, ProviderName, Side, Transaction, TransactionKind};
use kvit_domain::money::{Currency, Money};

use crate::log::FoldError;

/// Names of what moved.
pub mod what {
    /// Paid in by people, before the provider's fee.
    pub const IN: &str = "in";
    /// Given back of what was paid in.
    pub const REFUNDED: &str = "refunded";
    /// Paid out to people.
    pub const OUT: &str = "out";
    /// Payouts that the provider took back.
    pub const RETURNED: &str = "returned";
    /// Kept by the provider.
    pub const FEES: &str = "fees";
    /// Settled to the bank.
    pub const SETTLED: &str = "settled";
    /// Came in and could not be matched.
    pub const UNMATCHED: &str = "unmatched";
    /// Anything else, such as a correction; above zero when the provider holds more for us.
    pub const OTHER: &str = "other";
}

/// Something that moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Through whom.
    pub provider: ProviderName,
    /// One of [`what`].
    pub what: &'static str,
    /// How much.
    pub amount: Money,
}

impl Flow {
    /// `<provider>:<what>`.
    #[must_use]
    pub fn detail(&self) -> String {
        format!("{}:{}", self.provider.code(), self.what)
    }
}

/// What a provider's three accounts gained in one currency, minor units.
#[derive(Debug, Clone, Copy, Default)]
struct Gained {
    payments: i64,
    payouts: i64,
    fees: i64,
}

/// All flows of a transaction.
///
/// # Errors
/// [`FoldError::Overflow`], which a transaction that was booked does not give.
pub fn of(transaction: &Transaction) -> Result<Vec<Flow>, FoldError> {
    let mut places: Vec<(ProviderName, Currency, Gained)> = Vec::new();
    for leg in &transaction.legs {
        let (Account::PaymentsClearing(provider)
        | Account::PayoutsClearing(provider)
        | Account::Fees(provider)) = leg.account
        else {
            continue;
        };
        let currency = leg.amount.currency;
        let index = places
            .iter()
            .position(|(p, c, _)| *p == provider && *c == currency);
        let index = index.unwrap_or_else(|| {
            places.push((provider, currency, Gained::default()));
            places.len() - 1
        });
        if let Some((_, _, gained)) = places.get_mut(index) {
            gained.take(leg)?;
        }
    }
    let mut flows = Vec::new();
    for (provider, currency, gained) in places {
        let mut add = |what: &'static str, minor: i64| {
            if minor != 0 {
                flows.push(Flow {
                    provider,
                    what,
                    amount: Money::new(minor, currency),
                });
            }
        };
        let moved = gained.sum()?;
        let back = moved.checked_neg().ok_or(FoldError::Overflow)?;
        match transaction.kind {
            TransactionKind::TopUp => add(what::IN, moved),
            TransactionKind::Refund => add(what::REFUNDED, back),
            TransactionKind::Payout => add(what::OUT, back),
            TransactionKind::Reversal if gained.payouts > 0 && gained.payments == 0 => {
                add(what::RETURNED, moved);
            }
            TransactionKind::Settlement => add(what::SETTLED, back),
            TransactionKind::Suspense => add(what::UNMATCHED, moved),
            _ => add(what::OTHER, moved),
        }
        add(what::FEES, gained.fees);
    }
    Ok(flows)
}

impl Gained {
    fn take(&mut self, leg: &Leg) -> Result<(), FoldError> {
        let minor = match leg.side {
            Side::Debit => leg.amount.minor,
            Side::Credit => leg.amount.minor.saturating_neg(),
        };
        let place = match leg.account {
            Account::PaymentsClearing(_) => &mut self.payments,
            Account::PayoutsClearing(_) => &mut self.payouts,
            _ => &mut self.fees,
        };
        *place = place.checked_add(minor).ok_or(FoldError::Overflow)?;
        Ok(())
    }

    fn sum(self) -> Result<i64, FoldError> {
        self.payments
            .checked_add(self.payouts)
            .and_then(|sum| sum.checked_add(self.fees))
            .ok_or(FoldError::Overflow)
    }
}
