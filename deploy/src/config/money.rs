//! Settings of payments in, payouts and proof.

use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_gateway::sources::Network;

use super::secret::{EncryptionSecret, Secret};
use super::settings as s;
use super::values::Values;

/// YooKassa. The shop, which takes payments, and the payout gateway have a login each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YookassaConfig {
    /// The API's address.
    pub url: String,
    /// The shop.
    pub shop_id: Option<String>,
    /// The shop's key.
    pub secret_key: Option<Secret>,
    /// Where a payer's browser comes back to.
    pub return_url: Option<String>,
    /// The payout gateway.
    pub gateway_id: Option<String>,
    /// The payout gateway's key.
    pub gateway_key: Option<Secret>,
    /// Whether only the provider's own addresses may send notifications.
    pub official_sources_only: bool,
}

/// Portmone's payment gateway, which is not its account for payouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortmoneGatewayConfig {
    /// The gateway's address.
    pub url: String,
    /// The payee's number.
    pub payee_id: Option<String>,
    /// The account's login.
    pub login: Option<Secret>,
    /// The account's password.
    pub password: Option<Secret>,
    /// The key that signs links.
    pub key: Option<Secret>,
}

/// Everything about money that is not one of the payout logins.
#[derive(Debug, Clone)]
pub struct MoneyConfig {
    /// YooKassa.
    pub yookassa: YookassaConfig,
    /// Card payments through Portmone.
    pub portmone_gateway: PortmoneGatewayConfig,
    /// What may be paid out in a day.
    pub payout_limits: Vec<(ProviderName, Money)>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The seed of the key that signs checkpoints.
    pub checkpoint_key: Option<EncryptionSecret>,
}

impl MoneyConfig {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            yookassa: YookassaConfig {
                url: values.text_or_empty(&s::YOOKASSA_URL),
                shop_id: values.text(&s::YOOKASSA_SHOP_ID),
                secret_key: values.secret(&s::YOOKASSA_SECRET_KEY),
                return_url: values.text(&s::YOOKASSA_RETURN_URL),
                gateway_id: values.text(&s::YOOKASSA_PAYOUT_GATEWAY_ID),
                gateway_key: values.secret(&s::YOOKASSA_PAYOUT_SECRET_KEY),
                official_sources_only: values.text_or_empty(&s::YOOKASSA_SOURCES) != "any",
            },
            portmone_gateway: PortmoneGatewayConfig {
                url: values.text_or_empty(&s::PORTMONE_GATEWAY_URL),
                payee_id: values.text(&s::PORTMONE_GATEWAY_PAYEE_ID),
                login: values.secret(&s::PORTMONE_GATEWAY_LOGIN),
                password: values.secret(&s::PORTMONE_GATEWAY_PASSWORD),
                key: values.secret(&s::PORTMONE_GATEWAY_KEY),
            },
            payout_limits: limits(&values.text_or_empty(&s::KVIT_PAYOUT_DAILY_LIMITS))
                .unwrap_or_default(),
            trusted_proxies: networks(&values.text_or_empty(&s::KVIT_TRUSTED_PROXIES))
                .unwrap_or_default(),
            checkpoint_key: values.key(&s::KVIT_CHECKPOINT_KEY),
        }
    }
}

/// Reads `portmone:50000.00 UAH, yookassa:100000.00 RUB`.
pub(super) fn limits(text: &str) -> Result<Vec<(ProviderName, Money)>, String> {
    let wrong = |part: &str| {
        format!(
            "`{part}` is not a limit; `provider:amount currency` is expected, as in `portmone:50000.00 UAH`"
        )
    };
    parts(text)
        .map(|part| {
            let (provider, amount) = part.split_once(':').ok_or_else(|| wrong(part))?;
            let (amount, currency) = amount.trim().split_once(' ').ok_or_else(|| wrong(part))?;
            let provider = ProviderName::by_code(provider.trim()).ok_or_else(|| wrong(part))?;
            let currency: Currency = currency.trim().parse().map_err(|_| wrong(part))?;
            let limit = Money::parse_strict(amount, currency).map_err(|_| wrong(part))?;
            Ok((provider, limit))
        })
        .collect()
}

/// Reads networks or addresses with commas between them.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, String> {
    parts(text)
        .map(|part| {
            part.parse().map_err(|_| {
                format!("`{part}` is neither an IP address nor a network such as `10.0.0.0/8`")
            })
        })
        .collect()
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn limits_are_read_with_their_decimals_or_refused() {
        assert_eq!(
            limits("portmone:50000.00 UAH, yookassa:7.50 RUB").unwrap(),
            [
                (ProviderName::Portmone, Money::new(5_000_000, Currency::Uah)),
                (ProviderName::Yookassa, Money::new(750, Currency::Rub)),
            ]
        );
        assert_eq!(limits("").unwrap(), []);
        for wrong in [
            "portmone:50000 UAH",
            "bank:1.00 UAH",
            "portmone:1.00",
            "portmone:1.00 ABC",
        ] {
            assert!(limits(wrong).is_err(), "{wrong}");
        }
    }
}
