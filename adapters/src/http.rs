//! The one way this crate builds an HTTP client for a provider.
//!
//! A provider call must never hang, follow a redirect to somewhere else, be repeated behind our back, or read an endless body.
//! Each of these defaults differs from what `reqwest` does by itself, so nobody else in the crate calls its builder.

use std::time::Duration;

use bytes::Bytes;
use reqwest::tls::Version;
use url::Url;

use crate::traffic::Recorder;

/// How long each part of a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and the TLS handshake together.
    pub connect: Duration,
    /// The longest silence between two reads of the answer.
    pub read: Duration,
    /// The whole call, from the first byte to the last.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(30),
        }
    }
}

/// A TLS certificate with its private key in PEM, which a provider gave us to show at the handshake.
#[derive(Clone)]
pub struct ClientCertificate(Vec<u8>);

impl ClientCertificate {
    /// Takes the PEM text that holds both the certificate chain and the private key.
    #[must_use]
    pub fn from_pem(pem: Vec<u8>) -> Self {
        Self(pem)
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCertificate(hidden)")
    }
}

/// What one provider's client needs beyond the defaults.
#[derive(Debug, Clone, Default)]
pub struct HttpConfig {
    /// Limits of time.
    pub timeouts: Timeouts,
    /// Speak TLS 1.2 and nothing else; some providers' servers fail on a newer hello.
    pub tls12_only: bool,
    /// Shown at the handshake where the provider asks for it.
    pub certificate: Option<ClientCertificate>,
    /// More trusted roots in PEM, for a private test endpoint.
    pub extra_root_pem: Option<Vec<u8>>,
    /// Plain `http` to any host, not only to this machine. For a simulated provider on another machine.
    pub allow_plain_http: bool,
    /// Keeps what was said, for disputes.
    pub recorder: Recorder,
}

/// Why a client could not be built, or an address not be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The client certificate or a root certificate is not valid PEM.
    #[error("the certificate cannot be read")]
    Certificate(#[source] reqwest::Error),
    /// The TLS stack refused the settings.
    #[error("the HTTP client cannot be built")]
    Build(#[source] reqwest::Error),
    /// The address has no host, or a scheme other than `https` (or `http` where that is allowed).
    #[error("the address must be https, or http on this machine")]
    Scheme,
}

/// Builds a client that neither follows redirects nor retries, keeps no idle connection, and obeys no proxy from the environment.
///
/// No idle connection is kept because a request on a connection that the server has just closed leaves open whether it was read;
/// a fresh connection for each call makes "connection failed" and "nothing was sent" the same statement.
///
/// # Errors
/// A certificate that cannot be read, or settings that the TLS stack refuses.
pub fn client(config: &HttpConfig) -> Result<reqwest::Client, HttpError> {
    ensure_crypto();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(config.timeouts.connect)
        .read_timeout(config.timeouts.read)
        .timeout(config.timeouts.total)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .http1_only()
        .no_proxy()
        .user_agent("kvit/1");
    if config.tls12_only {
        builder = builder
            .min_tls_version(Version::TLS_1_2)
            .max_tls_version(Version::TLS_1_2);
    }
    if let Some(certificate) = &config.certificate {
        builder = builder
            .identity(reqwest::Identity::from_pem(&certificate.0).map_err(HttpError::Certificate)?);
    }
    if let Some(pem) = &config.extra_root_pem {
        builder = builder.add_root_certificate(
            reqwest::Certificate::from_pem(pem).map_err(HttpError::Certificate)?,
        );
    }
    builder.build().map_err(HttpError::Build)
}

/// Refuses an address that would carry secrets in the clear.
///
/// # Errors
/// [`HttpError::Scheme`] unless the scheme is `https`, or `http` to a loopback host, or `http` with `allow_plain_http`.
pub fn check_address(url: &Url, allow_plain_http: bool) -> Result<(), HttpError> {
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if url.host().is_some() && (allow_plain_http || is_loopback(url)) => Ok(()),
        _ => Err(HttpError::Scheme),
    }
}

/// Whether the address names this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is longer than the limit; nothing of it is used.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection failed or went silent in mid-body.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`BodyError`]; what was read so far is dropped.
pub async fn bounded_body(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Bytes, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| BodyError::Broken(error.without_url()))?
    {
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Bytes::from(body))
}

/// Installs the `ring` provider if the process has none yet.
///
/// Two providers are in the dependency graph, so rustls will not choose by itself and would panic at the first handshake.
pub fn ensure_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race to another thread is fine: then a provider is there.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn allowed(address: &str, plain: bool) -> bool {
        check_address(&Url::parse(address).unwrap(), plain).is_ok()
    }

    #[test]
    fn plain_http_is_for_this_machine_only_unless_configured() {
        assert!(allowed("https://direct.example/api/", false));
        assert!(allowed("http://127.0.0.1:9/api/", false));
        assert!(allowed("http://[::1]:9/api/", false));
        assert!(allowed("http://localhost:9/api/", false));
        assert!(!allowed("http://direct.example/api/", false));
        assert!(!allowed("http://127.0.0.1.example/api/", false));
        assert!(allowed("http://simulator.example/api/", true));
        assert!(!allowed("ftp://127.0.0.1/api/", true));
    }

    #[test]
    fn a_broken_certificate_is_refused_and_never_shown() {
        let config = HttpConfig {
            certificate: Some(ClientCertificate::from_pem(b"not a certificate".to_vec())),
            ..HttpConfig::default()
        };
        assert!(matches!(
            client(&config),
            Err(HttpError::Certificate(_) | HttpError::Build(_))
        ));
        assert!(!format!("{config:?}").contains("not a certificate"));
    }
}
