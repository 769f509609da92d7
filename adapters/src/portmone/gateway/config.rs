//! What the client must be told before it can speak to the payment gateway.

use url::Url;

use crate::http::{HttpConfig, check_address};
use crate::portmone::config::{ConfigError, Secret};

/// The form in which everything but a link is asked for. The answers follow it, but both forms are understood in each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GatewayWire {
    /// JSON, as the provider's own plugins do.
    #[default]
    Json,
    /// A form in, XML out: the older way.
    Form,
}

/// Settings of one payee's account at the payment gateway. It is not the account for payouts.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The endpoint, with its trailing slash: `https://www.portmone.com.ua/gateway/`.
    pub endpoint: Url,
    /// The payee's number.
    pub payee_id: String,
    /// The account's login.
    pub login: Secret,
    /// The account's password.
    pub password: Secret,
    /// The key that signs links.
    pub key: Secret,
    /// How to ask.
    pub wire: GatewayWire,
    /// Language of pages and words: `uk`, `ru` or `en`.
    pub lang: String,
    /// Calls under way at once, for the whole client.
    pub max_in_flight: usize,
    /// Timeouts and the like.
    pub http: HttpConfig,
}

impl GatewayConfig {
    /// Settings with defaults: JSON, Ukrainian, four calls at once.
    #[must_use]
    pub fn new(
        endpoint: Url,
        payee_id: impl Into<String>,
        login: impl Into<String>,
        password: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        Self {
            endpoint,
            payee_id: payee_id.into(),
            login: Secret::new(login),
            password: Secret::new(password),
            key: Secret::new(key),
            wire: GatewayWire::default(),
            lang: "uk".to_owned(),
            max_in_flight: 4,
            http: HttpConfig::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_address(&self.endpoint, self.http.allow_plain_http)?;
        if !matches!(self.lang.as_str(), "uk" | "ru" | "en") {
            return Err(ConfigError::Lang);
        }
        if self.max_in_flight == 0 {
            return Err(ConfigError::MaxInFlight);
        }
        Ok(())
    }
}
