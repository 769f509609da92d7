//! Reading request bodies as strictly as the provider's description says.

use kvit_domain::money::{Currency, Money};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::state::Metadata;

/// Currencies of the provider. All have two decimals on its wire.
const CURRENCIES: [&str; 12] = [
    "RUB", "EUR", "USD", "KZT", "BYN", "UAH", "UZS", "TRY", "INR", "MDL", "AZN", "AMD",
];

/// A sum of money as a body gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub minor: i64,
    pub currency: String,
}

/// The members of one JSON object, with the path to it for error messages.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

type Read<T> = Result<T, ApiError>;

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a Value) -> Read<Self> {
        let map = body
            .as_object()
            .ok_or_else(|| ApiError::new(400, "invalid_request", "Failed to parse request body"))?;
        Ok(Self {
            map,
            path: String::new(),
        })
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A member that is there and not `null`.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn object(&self, name: &str) -> Read<Option<Fields<'a>>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let map = value
            .as_object()
            .ok_or_else(|| self.wrong(name, "must be an object"))?;
        Ok(Some(Fields {
            map,
            path: self.path(name),
        }))
    }

    pub(super) fn array(&self, name: &str) -> Read<Option<&'a Vec<Value>>> {
        self.value(name)
            .map(|value| {
                value
                    .as_array()
                    .ok_or_else(|| self.wrong(name, "must be an array"))
            })
            .transpose()
    }

    /// The members of one element of an array.
    pub(super) fn element(&self, name: &str, index: usize, value: &'a Value) -> Read<Fields<'a>> {
        let path = format!("{}.{index}", self.path(name));
        let map = value
            .as_object()
            .ok_or_else(|| ApiError::invalid(&path, format!("{path} must be an object")))?;
        Ok(Fields { map, path })
    }

    /// A text of at most `max` characters.
    pub(super) fn text(&self, name: &str, max: usize) -> Read<Option<&'a str>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let text = value
            .as_str()
            .ok_or_else(|| self.wrong(name, "must be a string"))?;
        if text.chars().count() > max {
            let words = format!("{} is too long. Max. length is {max}", title(name));
            return Err(ApiError::invalid(&self.path(name), words));
        }
        Ok(Some(text))
    }

    pub(super) fn required_text(&self, name: &str, max: usize) -> Read<&'a str> {
        self.text(name, max)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.missing(name))
    }

    pub(super) fn flag(&self, name: &str) -> Read<bool> {
        match self.value(name) {
            None => Ok(false),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.wrong(name, "must be true or false")),
        }
    }

    /// `{"value": "100.00", "currency": "RUB"}`, more than nothing.
    pub(super) fn amount(&self, name: &str) -> Read<Option<Sum>> {
        let Some(amount) = self.object(name)? else {
            return Ok(None);
        };
        let illegal = || ApiError::invalid(&amount.path("value"), "Payment amount is illegal");
        let text = amount
            .value("value")
            .and_then(Value::as_str)
            .ok_or_else(illegal)?;
        let currency = amount
            .value("currency")
            .and_then(Value::as_str)
            .filter(|code| CURRENCIES.contains(code))
            .ok_or_else(|| {
                ApiError::invalid(&amount.path("currency"), "Currency code is illegal")
            })?;
        // The rouble stands for all of them: two decimals each.
        let minor = Money::parse_strict(text, Currency::Rub)
            .map(|money| money.minor)
            .ok()
            .filter(|minor| *minor > 0)
            .ok_or_else(illegal)?;
        Ok(Some(Sum {
            minor,
            currency: currency.to_owned(),
        }))
    }

    pub(super) fn required_amount(&self, name: &str) -> Read<Sum> {
        self.amount(name)?.ok_or_else(|| self.missing(name))
    }

    /// At most 16 names of 32 characters with texts of 512.
    pub(super) fn metadata(&self) -> Read<Metadata> {
        let Some(value) = self.value("metadata") else {
            return Ok(Metadata::new());
        };
        let map = value
            .as_object()
            .ok_or_else(|| self.wrong("metadata", "must be an object"))?;
        if map.len() > 16 {
            return Err(ApiError::invalid(
                "metadata",
                "Metadata object is limited to 16 keys",
            ));
        }
        map.iter()
            .map(|(name, value)| {
                let path = format!("metadata.{name}");
                let text = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    _ => return Err(ApiError::invalid(&path, "Metadata value must be a string")),
                };
                let long = text.as_ref().is_some_and(|text| text.chars().count() > 512);
                if name.is_empty() || name.chars().count() > 32 || long {
                    return Err(ApiError::invalid(
                        &path,
                        "Metadata key or value is too long",
                    ));
                }
                Ok((name.clone(), text))
            })
            .collect()
    }

    pub(super) fn missing(&self, name: &str) -> ApiError {
        ApiError::invalid(&self.path(name), format!("{} is missing", title(name)))
    }

    pub(super) fn wrong(&self, name: &str, what: &str) -> ApiError {
        ApiError::invalid(&self.path(name), format!("{} {what}", title(name)))
    }
}

/// `return_url` reads `Return url` in the provider's messages.
fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| {
            let rest = letters.as_str().replace('_', " ");
            format!("{}{rest}", first.to_ascii_uppercase())
        })
        .unwrap_or_default()
}

pub(super) fn all_digits(text: &str, low: usize, high: usize) -> bool {
    (low..=high).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn minor(value: Value) -> Option<i64> {
        let body = json!({"amount": {"value": value, "currency": "RUB"}});
        let sum = Fields::of(&body).unwrap().required_amount("amount");
        sum.ok().map(|sum| sum.minor)
    }

    #[test]
    fn an_amount_is_a_text_with_two_decimals_or_it_is_refused() {
        assert_eq!(minor(json!("100.00")), Some(10_000));
        assert_eq!(
            minor(json!("9007199254740993.01")),
            Some(900_719_925_474_099_301)
        );
        for bad in [
            "100",
            "100.0",
            "1e2",
            "100.001",
            "-1.00",
            "+1.00",
            "0.00",
            "００.00",
            "1 000.00",
            "1,00",
            "",
        ] {
            assert_eq!(minor(json!(bad)), None, "{bad:?}");
        }
        assert_eq!(minor(json!(100)), None);
        assert_eq!(minor(json!("1000000000000000000.00")), None);
    }

    #[test]
    fn metadata_is_bounded_and_made_of_texts() {
        let read = |metadata: Value| {
            let body = json!({ "metadata": metadata });
            Fields::of(&body).unwrap().metadata().is_ok()
        };
        assert!(read(json!({"operation_id": "op", "nothing": null})));
        assert!(!read(json!({"number": 1})));
        assert!(!read(json!({"long": "x".repeat(513)})));
        assert!(!read(json!({ "k".repeat(33): "x" })));
        let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), json!(""))).collect();
        assert!(!read(Value::Object(many)));
    }
}
