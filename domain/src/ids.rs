//! Typed identifiers. What must be unique in the world is derived from what makes it unique, so that doing it twice
//! names the same thing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::StreamId;
use crate::money::Currency;

/// Namespace of all ids derived here (a random constant; changing it would rename everything).
const NAMESPACE: Uuid = Uuid::from_u128(0x6b76_6974_0c5d_4e1f_9a3b_52c1_77e0_9d24);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id derived from a text that makes the thing unique; the same text gives the same id.
            #[must_use]
            pub fn derived(kind: &str, text: &str) -> Self {
                Self(Uuid::new_v5(&NAMESPACE, format!("{kind}\u{1f}{text}").as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// A person, derived from a keyed hash of the Telegram id so that the id alone does not lead back to the account.
    UserId
);
id!(
    /// A submitted receipt.
    ReceiptId
);
id!(
    /// A ledger transaction.
    TransactionId
);
id!(
    /// An amount reserved on a wallet.
    HoldId
);
id!(
    /// A payout operation.
    PayoutId
);
id!(
    /// A payment: money that somebody pays in.
    PaymentId
);
id!(
    /// A refund of a payment.
    RefundId
);
id!(
    /// A transfer between two wallets.
    TransferId
);
id!(
    /// A proposed correction of a wallet.
    AdjustmentId
);
id!(
    /// A paid job.
    JobId
);
id!(
    /// A campaign.
    CampaignId
);

/// A wallet: one person, one currency. Prints as the id of its stream, `<user>:<currency>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WalletId {
    /// The owner.
    pub user: UserId,
    /// The currency of all its amounts.
    pub currency: Currency,
}

impl fmt::Display for WalletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.currency)
    }
}

impl From<WalletId> for String {
    fn from(id: WalletId) -> Self {
        id.to_string()
    }
}

/// The text is not `<user>:<currency>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a wallet id: <user uuid>:<currency code> is expected")]
pub struct WalletIdError;

impl FromStr for WalletId {
    type Err = WalletIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, currency) = text.split_once(':').ok_or(WalletIdError)?;
        Ok(Self {
            user: user.parse().map_err(|_| WalletIdError)?,
            currency: currency.parse().map_err(|_| WalletIdError)?,
        })
    }
}

impl TryFrom<String> for WalletId {
    type Error = WalletIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The stream of a fiscal receipt: register, number without leading zeros, and local date name it in the world.
///
/// Parts outside the allowed characters or too long are replaced by a hash, so any QR content names a valid stream.
#[must_use]
pub fn fiscal_receipt_stream(register: &str, number: &str, date: chrono::NaiveDate) -> StreamId {
    let number = number.trim_start_matches('0');
    let plain = format!("{register}:{number}:{}", date.format("%Y%m%d"));
    let stream = StreamId::new("fiscal_receipt", plain.clone());
    if stream.is_valid() && plain.len() <= 100 && !register.contains(':') && !number.contains(':') {
        return stream;
    }
    let hashed = Uuid::new_v5(
        &NAMESPACE,
        format!("fiscal\u{1f}{register}\u{1f}{number}\u{1f}{date}").as_bytes(),
    );
    StreamId::new("fiscal_receipt", hashed.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_wallet_id_reads_back_from_its_text() {
        let id = WalletId {
            user: UserId::derived("user", "x"),
            currency: Currency::Uah,
        };
        assert_eq!(id.to_string().parse::<WalletId>().unwrap(), id);
        assert!("x:UAH".parse::<WalletId>().is_err());
    }

    #[test]
    fn leading_zeros_of_a_receipt_number_do_not_make_it_another_receipt() {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        assert_eq!(
            fiscal_receipt_stream("4000123456", "000123", date),
            fiscal_receipt_stream("4000123456", "123", date)
        );
        assert_eq!(
            fiscal_receipt_stream("4000123456", "123", date).aggregate_id,
            "4000123456:123:20261120"
        );
        assert!(fiscal_receipt_stream("4000/../1", "№ 5", date).is_valid());
    }
}
