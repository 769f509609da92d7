//! What the client must be told before it can speak to Portmone.

use std::fmt;

use url::Url;
use zeroize::Zeroizing;

use crate::http::{HttpConfig, HttpError, check_address};

/// A text that must not be seen: `Debug` hides it and the memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Settings of one PortmoneDirect account.
#[derive(Debug, Clone)]
pub struct PortmoneConfig {
    /// The endpoint, with its trailing slash: `https://direct.portmone.com.ua/api/directcash/`.
    pub endpoint: Url,
    /// The account's login.
    pub login: Secret,
    /// The account's password.
    pub password: Secret,
    /// Protocol version, 1 or 2. Version 2 adds words to errors.
    pub version: u8,
    /// Language of the words in version 2: `uk`, `ru` or `en`.
    pub lang: String,
    /// The method that reads a bill. The provider's public pages do not name it, so without a configured name nothing can be asked
    /// and every doubt goes to a person.
    pub status_method: Option<String>,
    /// Calls under way at once, for the whole client.
    pub max_in_flight: usize,
    /// Timeouts, certificate, plain http for a simulator. TLS is set to exactly 1.2 whatever stands here.
    pub http: HttpConfig,
}

impl PortmoneConfig {
    /// Settings with the documented endpoint's defaults: version 2, Ukrainian, four calls at once, no status method.
    #[must_use]
    pub fn new(endpoint: Url, login: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            endpoint,
            login: Secret::new(login),
            password: Secret::new(password),
            version: 2,
            lang: "uk".to_owned(),
            status_method: None,
            max_in_flight: 4,
            http: HttpConfig::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_address(&self.endpoint, self.http.allow_plain_http)?;
        if !matches!(self.version, 1 | 2) {
            return Err(ConfigError::Version);
        }
        if !matches!(self.lang.as_str(), "uk" | "ru" | "en") {
            return Err(ConfigError::Lang);
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
    /// Neither 1 nor 2.
    #[error("the protocol version must be 1 or 2")]
    Version,
    /// Not a language of the provider.
    #[error("the language must be uk, ru or en")]
    Lang,
    /// Zero calls at once would never pay anything.
    #[error("at least one call at once must be allowed")]
    MaxInFlight,
}
