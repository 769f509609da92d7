//! How a value stands in a column, so that the folds and the queries work with the domain's own types.

use std::io::Write as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use kvit_domain::ids::{
    AdjustmentId, CampaignId, HoldId, JobId, PaymentId, PayoutId, ReceiptId, RefundId,
    TransactionId, TransferId, UserId, WalletId,
};
use kvit_domain::money::Currency;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType};
use sqlx::{Decode, Encode, Postgres, Type};
use uuid::Uuid;

/// A type that fills a column.
pub trait Column: Sized {
    /// The type in which it travels, one array of it for all rows of a statement.
    type Wire: for<'q> Encode<'q, Postgres>
        + for<'r> Decode<'r, Postgres>
        + Type<Postgres>
        + PgHasArrayType
        + Clone
        + Send
        + Sync
        + Unpin
        + 'static;
    /// The column's type.
    const SQL: &'static str;
    /// The type as which it travels, where the driver cannot carry [`Column::SQL`] itself.
    const WIRE: &'static str = Self::SQL;
    /// Whether the column may be empty.
    const NULLABLE: bool = false;

    /// For the database.
    fn to_wire(&self) -> Option<Self::Wire>;
    /// From the database.
    ///
    /// # Errors
    /// What is wrong with the stored value.
    fn from_wire(wire: Option<Self::Wire>) -> Result<Self, String>;
    /// As a field of a binary `COPY`: its length, then its bytes in the column's own type.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    fn to_copy(&self, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
        match self.to_wire() {
            Some(wire) => field(out, |out| wire.encode_by_ref(out).map(|_| ())),
            None => nothing(out),
        }
    }
}

/// An empty field of a `COPY`.
fn nothing(out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
    Ok(())
}

/// A field of a `COPY`, with its length before it.
fn field(
    out: &mut PgArgumentBuffer,
    write: impl FnOnce(&mut PgArgumentBuffer) -> Result<(), BoxDynError>,
) -> Result<(), BoxDynError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = i32::try_from(out.len() - start - 4)?;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn present<T>(wire: Option<T>) -> Result<T, String> {
    wire.ok_or_else(|| "a value is missing".to_owned())
}

impl<T: Column> Column for Option<T> {
    type Wire = T::Wire;
    const SQL: &'static str = T::SQL;
    const WIRE: &'static str = T::WIRE;
    const NULLABLE: bool = true;

    fn to_wire(&self) -> Option<Self::Wire> {
        self.as_ref().and_then(T::to_wire)
    }

    fn from_wire(wire: Option<Self::Wire>) -> Result<Self, String> {
        wire.map(|wire| T::from_wire(Some(wire))).transpose()
    }

    fn to_copy(&self, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
        match self {
            Some(value) => value.to_copy(out),
            None => nothing(out),
        }
    }
}

macro_rules! plain {
    ($($type:ty => $sql:literal),+ $(,)?) => {
        $(impl Column for $type {
            type Wire = Self;
            const SQL: &'static str = $sql;

            fn to_wire(&self) -> Option<Self> {
                Some(*self)
            }

            fn from_wire(wire: Option<Self>) -> Result<Self, String> {
                present(wire)
            }
        })+
    };
}

plain! {
    i64 => "bigint",
    bool => "boolean",
    Uuid => "uuid",
    NaiveDate => "date",
    NaiveDateTime => "timestamp",
    DateTime<Utc> => "timestamptz",
}

impl Column for String {
    type Wire = Self;
    const SQL: &'static str = "text";

    /// Postgres cannot store U+0000 in a text. What people send may contain it, and must not stop a projection.
    fn to_wire(&self) -> Option<Self> {
        Some(if self.contains('\0') {
            self.replace('\0', "\u{fffd}")
        } else {
            self.clone()
        })
    }

    fn from_wire(wire: Option<Self>) -> Result<Self, String> {
        present(wire)
    }

    fn to_copy(&self, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
        if self.contains('\0') {
            let text = self.to_wire().unwrap_or_default();
            return write_text(&text, out);
        }
        write_text(self, out)
    }
}

/// A text as a field of a `COPY`, without another copy of it on the way.
fn write_text(text: &str, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
    field(out, |out| {
        out.extend_from_slice(text.as_bytes());
        Ok(())
    })
}

macro_rules! uuids {
    ($($id:ident),+ $(,)?) => {
        $(impl Column for $id {
            type Wire = Uuid;
            const SQL: &'static str = "uuid";

            fn to_wire(&self) -> Option<Uuid> {
                Some(self.0)
            }

            fn from_wire(wire: Option<Uuid>) -> Result<Self, String> {
                present(wire).map(Self)
            }
        })+
    };
}

uuids!(
    UserId,
    ReceiptId,
    TransactionId,
    HoldId,
    PayoutId,
    PaymentId,
    RefundId,
    TransferId,
    AdjustmentId,
    JobId,
    CampaignId
);

macro_rules! texts {
    ($($type:ty),+ $(,)?) => {
        $(impl Column for $type {
            type Wire = String;
            const SQL: &'static str = "text";

            fn to_wire(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn from_wire(wire: Option<String>) -> Result<Self, String> {
                present(wire)?.parse().map_err(|_| concat!("not a ", stringify!($type)).to_owned())
            }

            fn to_copy(&self, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
                field(out, |out| Ok(write!(&mut **out, "{self}")?))
            }
        })+
    };
}

texts!(WalletId, Currency, kvit_domain::ledger::Account);

/// A sum over many amounts: it can be larger than any amount, so it is 128 bits wide and a `numeric` in the database.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wide(pub i128);

impl Wide {
    /// The sum; the largest value when it does not fit, which 2^63 amounts of the largest size would need.
    #[must_use]
    pub const fn plus(self, amount: i64) -> Self {
        Self(self.0.saturating_add(amount as i128))
    }
}

impl Column for Wide {
    type Wire = String;
    const SQL: &'static str = "numeric(39)";
    const WIRE: &'static str = "text";

    fn to_wire(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn from_wire(wire: Option<String>) -> Result<Self, String> {
        present(wire)?
            .parse()
            .map(Self)
            .map_err(|_| "not a whole number of 128 bits".to_owned())
    }

    /// A `numeric` travels as digits of base ten thousand: how many, the power of the first, the sign, decimals, digits.
    fn to_copy(&self, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
        // The last digit first. Almost every sum fits into 64 bits, whose division is many times quicker.
        let mut digits = Vec::with_capacity(10);
        let mut wide = self.0.unsigned_abs();
        while wide > u128::from(u64::MAX) {
            digits.push(i16::try_from(wide % 10_000)?);
            wide /= 10_000;
        }
        let mut rest = u64::try_from(wide)?;
        while rest > 0 {
            digits.push(i16::try_from(rest % 10_000)?);
            rest /= 10_000;
        }
        let count = i16::try_from(digits.len())?;
        let sign = if self.0 < 0 { 0x4000_i16 } else { 0 };
        field(out, |out| {
            for part in [count, count.saturating_sub(1).max(0), sign, 0] {
                out.extend_from_slice(&part.to_be_bytes());
            }
            for digit in digits.iter().rev() {
                out.extend_from_slice(&digit.to_be_bytes());
            }
            Ok(())
        })
    }
}

/// A value kept as `jsonb`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T: Serialize + DeserializeOwned> Column for Json<T> {
    type Wire = String;
    const SQL: &'static str = "jsonb";
    const WIRE: &'static str = "text";

    fn to_wire(&self) -> Option<String> {
        // The types kept here have string keys only, so that they always become JSON; an empty object would be refused
        // on the way back.
        let text = serde_json::to_string(&self.0).unwrap_or_else(|_| "{}".to_owned());
        Some(if text.contains("\\u0000") {
            without_nul(&text)
        } else {
            text
        })
    }

    fn from_wire(wire: Option<String>) -> Result<Self, String> {
        serde_json::from_str(&present(wire)?)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// A `jsonb` travels as the number of its version and its text.
    fn to_copy(&self, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
        let text = self.to_wire().unwrap_or_default();
        field(out, |out| {
            out.push(1);
            out.extend_from_slice(text.as_bytes());
            Ok(())
        })
    }
}

/// A value kept as JSON in a `text`: for tables with very many rows into which no statement looks, since the server need
/// not take it apart to store it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonText<T>(pub T);

impl<T: Serialize + DeserializeOwned> Column for JsonText<T> {
    type Wire = String;
    const SQL: &'static str = "text";

    fn to_wire(&self) -> Option<String> {
        // As for [`Json`]. A U+0000 is escaped in JSON, so the text has none.
        Some(serde_json::to_string(&self.0).unwrap_or_else(|_| "{}".to_owned()))
    }

    fn from_wire(wire: Option<String>) -> Result<Self, String> {
        serde_json::from_str(&present(wire)?)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    fn to_copy(&self, out: &mut PgArgumentBuffer) -> Result<(), BoxDynError> {
        field(out, |out| Ok(serde_json::to_writer(&mut **out, &self.0)?))
    }
}

/// `jsonb` cannot hold U+0000 either.
fn without_nul(text: &str) -> String {
    fn clean(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = text.replace('\0', "\u{fffd}"),
            serde_json::Value::Array(items) => items.iter_mut().for_each(clean),
            serde_json::Value::Object(fields) => {
                for (name, mut field) in std::mem::take(fields) {
                    clean(&mut field);
                    fields.insert(name.replace('\0', "\u{fffd}"), field);
                }
            }
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_str(text) else {
        return text.to_owned();
    };
    clean(&mut value);
    value.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_zero_character_is_replaced_everywhere_in_texts_and_json() {
        assert_eq!("a\0b".to_owned().to_wire().unwrap(), "a\u{fffd}b");
        let json = Json(vec![("k\0".to_owned(), "\\u0000 v\0".to_owned())]);
        let wire = json.to_wire().unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<(String, String)>>(&wire).unwrap(),
            vec![("k\u{fffd}".to_owned(), "\\u0000 v\u{fffd}".to_owned())]
        );
    }

    /// A field of a `COPY` without its length.
    fn copied(value: &impl Column) -> Vec<u8> {
        let mut out = PgArgumentBuffer::default();
        value.to_copy(&mut out).unwrap();
        let (length, bytes) = out.split_at(4);
        assert_eq!(length, i32::try_from(bytes.len()).unwrap().to_be_bytes());
        bytes.to_vec()
    }

    #[test]
    fn texts_are_copied_as_they_travel_otherwise() {
        for text in ["", "bonus", "a\0b", "Аптека"] {
            let text = text.to_owned();
            assert_eq!(copied(&text), text.to_wire().unwrap().into_bytes());
        }
        let account = kvit_domain::ledger::Account::Bank;
        assert_eq!(copied(&account), account.to_wire().unwrap().into_bytes());
        let json = JsonText(vec!["\"".to_owned(), "k\0".to_owned()]);
        let wire = json.to_wire().unwrap();
        assert_eq!(copied(&json), wire.clone().into_bytes());
        assert!(!wire.contains('\0'));
        assert_eq!(JsonText::from_wire(Some(wire)).unwrap(), json);
    }

    #[test]
    fn a_wide_sum_is_copied_as_its_digits_of_ten_thousand() {
        for sum in [
            0,
            1,
            -9_999,
            10_000,
            i128::from(u64::MAX),
            i128::from(u64::MAX) + 1,
            i128::from(i64::MIN) * 3,
            10_i128.pow(38) + 7,
        ] {
            let bytes = copied(&Wide(sum));
            let parts: Vec<i16> = bytes
                .chunks(2)
                .map(|pair| i16::from_be_bytes(pair.try_into().unwrap()))
                .collect();
            let (head, digits) = parts.split_at(4);
            assert_eq!(head[0], i16::try_from(digits.len()).unwrap());
            assert_eq!(head[2] != 0, sum < 0);
            let value = digits
                .iter()
                .fold(0_i128, |value, digit| value * 10_000 + i128::from(*digit));
            assert_eq!(value, sum.abs(), "{sum}");
            assert!(digits.first() != Some(&0), "{sum}");
        }
    }

    #[test]
    fn a_wide_sum_reads_back() {
        let most = Wide(i128::from(i64::MAX)).plus(i64::MAX);
        assert_eq!(Wide::from_wire(most.to_wire()).unwrap(), most);
    }
}
