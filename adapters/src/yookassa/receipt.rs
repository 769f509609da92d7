//! The fiscal receipt that a shop in Russia sends along with a payment (Federal Law 54-FZ), where the shop is set up for it.

use kvit_domain::money::Money;
use serde_json::{Value, json};

/// How the receipt's buyer can be reached. There is one for all receipts: this platform hands out nobody's address.
#[derive(Clone, PartialEq, Eq)]
pub enum ReceiptContact {
    /// An email address; the only kind that "Receipts from YooKassa" take.
    Email(String),
    /// A phone number in digits with its country code; for a till of one's own.
    Phone(String),
}

impl std::fmt::Debug for ReceiptContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Email(_) => "Email(hidden)",
            Self::Phone(_) => "Phone(hidden)",
        })
    }
}

/// What the one position of each receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YookassaReceipt {
    /// The provider's code of the VAT rate, 1 to 12.
    pub vat_code: u8,
    /// What is sold, such as `payment` or `service`.
    pub payment_subject: String,
    /// How it is paid for, such as `advance` or `full_prepayment`.
    pub payment_mode: String,
    /// The position's name, 1 to 128 characters.
    pub description: String,
    /// The provider's code of the tax system, 1 to 6, for shops with several.
    pub tax_system_code: Option<u8>,
    /// Where the receipt goes. `None`: the shop's till knows by itself.
    pub customer: Option<ReceiptContact>,
}

/// A receipt that the provider would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not 1 to 12.
    #[error("the VAT code is from 1 to 12")]
    VatCode,
    /// Not 1 to 6.
    #[error("the tax system's code is from 1 to 6")]
    TaxSystem,
    /// Empty, too long, or with other characters than the provider's words have.
    #[error("the payment's subject and mode are words of the provider")]
    Word,
    /// Empty or too long.
    #[error("the description has 1 to 128 characters")]
    Description,
    /// No address, no number.
    #[error("the customer's email address or phone number is not usable")]
    Customer,
}

impl YookassaReceipt {
    pub(super) fn check(&self) -> Result<(), ReceiptError> {
        let is_word = |text: &str| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        if !(1..=12).contains(&self.vat_code) {
            return Err(ReceiptError::VatCode);
        }
        if self
            .tax_system_code
            .is_some_and(|code| !(1..=6).contains(&code))
        {
            return Err(ReceiptError::TaxSystem);
        }
        if !is_word(&self.payment_subject) || !is_word(&self.payment_mode) {
            return Err(ReceiptError::Word);
        }
        if !(1..=128).contains(&self.description.chars().count()) {
            return Err(ReceiptError::Description);
        }
        let reachable = match &self.customer {
            None => true,
            Some(ReceiptContact::Email(email)) => {
                email.len() <= 254
                    && email.split_once('@').is_some_and(|(name, host)| {
                        !name.is_empty() && host.contains('.') && !host.contains('@')
                    })
            }
            Some(ReceiptContact::Phone(phone)) => {
                (4..=15).contains(&phone.len()) && phone.bytes().all(|byte| byte.is_ascii_digit())
            }
        };
        if reachable {
            Ok(())
        } else {
            Err(ReceiptError::Customer)
        }
    }

    /// The receipt over the whole of an amount: one position, once.
    pub(super) fn over(&self, amount: Money) -> Value {
        let mut receipt = json!({
            "items": [{
                "description": self.description,
                "quantity": 1,
                "amount": wire_amount(amount),
                "vat_code": self.vat_code,
                "payment_subject": self.payment_subject,
                "payment_mode": self.payment_mode,
            }],
        });
        if let Some(members) = receipt.as_object_mut() {
            if let Some(code) = self.tax_system_code {
                members.insert("tax_system_code".to_owned(), json!(code));
            }
            let customer = match &self.customer {
                None => None,
                Some(ReceiptContact::Email(email)) => Some(json!({ "email": email })),
                Some(ReceiptContact::Phone(phone)) => Some(json!({ "phone": phone })),
            };
            members.extend(customer.map(|customer| ("customer".to_owned(), customer)));
        }
        receipt
    }
}

/// An amount as the provider writes it.
pub(super) fn wire_amount(amount: Money) -> Value {
    json!({ "value": amount.to_decimal(), "currency": amount.currency.code() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use kvit_domain::money::Currency;

    fn receipt() -> YookassaReceipt {
        YookassaReceipt {
            vat_code: 1,
            payment_subject: "payment".into(),
            payment_mode: "advance".into(),
            description: "Balance top-up".into(),
            tax_system_code: Some(2),
            customer: Some(ReceiptContact::Email("till@shop.example".into())),
        }
    }

    #[test]
    fn one_position_comes_to_the_whole_amount() {
        assert_eq!(
            receipt().over(Money::new(123_405, Currency::Rub)),
            json!({
                "customer": {"email": "till@shop.example"},
                "tax_system_code": 2,
                "items": [{"description": "Balance top-up", "quantity": 1,
                    "amount": {"value": "1234.05", "currency": "RUB"}, "vat_code": 1,
                    "payment_subject": "payment", "payment_mode": "advance"}],
            })
        );
    }

    #[test]
    fn what_the_provider_would_refuse_is_refused_at_the_start() {
        type Spoil = fn(&mut YookassaReceipt);
        let defects: [(Spoil, ReceiptError); 7] = [
            (|r| r.vat_code = 0, ReceiptError::VatCode),
            (|r| r.vat_code = 13, ReceiptError::VatCode),
            (|r| r.tax_system_code = Some(7), ReceiptError::TaxSystem),
            (|r| r.payment_mode = "Later!".into(), ReceiptError::Word),
            (|r| r.description = String::new(), ReceiptError::Description),
            (
                |r| r.customer = Some(ReceiptContact::Email("nobody".into())),
                ReceiptError::Customer,
            ),
            (
                |r| r.customer = Some(ReceiptContact::Phone("+7900".into())),
                ReceiptError::Customer,
            ),
        ];
        assert_eq!(receipt().check(), Ok(()));
        for (spoil, error) in defects {
            let mut spoilt = receipt();
            spoil(&mut spoilt);
            assert_eq!(spoilt.check(), Err(error));
        }
        let shown = format!("{:?}", receipt());
        assert!(!shown.contains("till@"), "{shown}");
    }
}
