//! What the client must be told before it can speak to YooKassa.

use std::time::Duration;

use url::Url;

use super::receipt::ReceiptError;
use crate::http::{HttpConfig, HttpError, Timeouts, check_address};
use crate::portmone::Secret;

/// An account with its own key: the shop takes money in, the payout gateway sends money out. Neither key opens the other's door.
#[derive(Debug, Clone)]
pub struct YookassaAccount {
    /// The shop's or the gateway's id.
    pub id: String,
    /// Its secret key.
    pub secret: Secret,
    /// Whether it is a test account, in which no real money moves.
    pub test: bool,
}

impl YookassaAccount {
    /// An account of real money.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: Secret::new(secret),
            test: false,
        }
    }

    /// A test account.
    #[must_use]
    pub fn test(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            test: true,
            ..Self::new(id, secret)
        }
    }

    fn is_usable(&self) -> bool {
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        // In HTTP Basic a colon ends the id.
        plain(&self.id) && !self.id.contains(':') && plain(self.secret.expose())
    }
}

/// Settings of the client. Either account may be missing; then its calls are not offered.
#[derive(Debug, Clone)]
pub struct YookassaConfig {
    /// The base of the API: `https://api.yookassa.ru/v3`.
    pub endpoint: Url,
    /// Takes payments and refunds.
    pub shop: Option<YookassaAccount>,
    /// Makes payouts.
    pub gateway: Option<YookassaAccount>,
    /// Calls under way at once, for each account.
    pub max_in_flight: usize,
    /// How long a call waits for its place among them.
    pub wait: Duration,
    /// Timeouts, more trusted roots, plain http for a simulator.
    pub http: HttpConfig,
}

impl YookassaConfig {
    /// Settings without accounts: eight calls at once for each, five seconds to connect, ten of silence, thirty-five for the
    /// whole call, since the provider itself gives up after thirty.
    #[must_use]
    pub fn new(endpoint: Url) -> Self {
        Self {
            endpoint,
            shop: None,
            gateway: None,
            max_in_flight: 8,
            wait: Duration::from_secs(10),
            http: HttpConfig {
                timeouts: Timeouts {
                    connect: Duration::from_secs(5),
                    read: Duration::from_secs(10),
                    total: Duration::from_secs(35),
                },
                ..HttpConfig::default()
            },
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_address(&self.endpoint, self.http.allow_plain_http)?;
        let has_more = self.endpoint.query().is_some()
            || self.endpoint.fragment().is_some()
            || !self.endpoint.username().is_empty();
        if has_more {
            return Err(ConfigError::Endpoint);
        }
        let accounts = [&self.shop, &self.gateway];
        if !accounts
            .into_iter()
            .flatten()
            .all(YookassaAccount::is_usable)
        {
            return Err(ConfigError::Account);
        }
        if let (Some(shop), Some(gateway)) = (&self.shop, &self.gateway)
            && shop.id == gateway.id
        {
            return Err(ConfigError::SameAccount);
        }
        if self.max_in_flight == 0 {
            return Err(ConfigError::MaxInFlight);
        }
        Ok(())
    }
}

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address, certificate or TLS settings.
    #[error("the connection settings are not usable")]
    Http(#[from] HttpError),
    /// The base of the API has a query, a fragment or a user name.
    #[error("the endpoint must be a plain address")]
    Endpoint,
    /// An id or key that is empty or holds characters that cannot be sent.
    #[error("an account needs an id and a secret key in plain characters")]
    Account,
    /// The payout gateway has credentials of its own.
    #[error("the shop and the payout gateway are two accounts with different ids")]
    SameAccount,
    /// Zero calls at once would never do anything.
    #[error("at least one call at once must be allowed")]
    MaxInFlight,
    /// Payments without a shop.
    #[error("no shop is configured")]
    NoShop,
    /// Payouts without a payout gateway.
    #[error("no payout gateway is configured")]
    NoGateway,
    /// A receipt that the provider would refuse.
    #[error("the receipt is not usable")]
    Receipt(#[from] ReceiptError),
}
