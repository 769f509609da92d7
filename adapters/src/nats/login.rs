//! The login that an address of the bus may carry.

use async_nats::ConnectOptions;
use percent_encoding::percent_decode_str;
use url::Url;

use super::BusFault;

/// How we say who we are. No `Debug`: it holds nothing that may be printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Token(String),
    Password { user: String, password: String },
}

impl Login {
    /// Options of the client with this login.
    pub(super) fn options(self) -> ConnectOptions {
        match self {
            Self::Token(token) => ConnectOptions::with_token(token),
            Self::Password { user, password } => {
                ConnectOptions::with_user_and_password(user, password)
            }
        }
    }
}

/// The addresses without their login, and the login. Servers of a cluster know the same clients, so only one login is
/// allowed; it may stand at one address or at several.
///
/// # Errors
/// In words that hold no part of the address: a badly written one may hold the secret anywhere.
pub(super) fn split(urls: &str) -> Result<(Vec<Url>, Option<Login>), BusFault> {
    let mut servers = Vec::new();
    let mut login: Option<Login> = None;
    for text in urls.split(',').map(str::trim) {
        let mut url = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("nats://{text}"))
        }
        .map_err(|error| BusFault(format!("an address cannot be read: {error}")))?;
        if let Some(found) = login_of(&url) {
            if login.as_ref().is_some_and(|known| *known != found) {
                return Err(BusFault("the addresses carry different logins".to_owned()));
            }
            login = Some(found);
        }
        // Fails only for addresses without a host, which the client refuses.
        let _no_host = url.set_password(None).and_then(|()| url.set_username(""));
        servers.push(url);
    }
    Ok((servers, login))
}

fn login_of(url: &Url) -> Option<Login> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (url.username(), url.password()) {
        ("", None) => None,
        // A lone name is a token, as in every client of NATS.
        (token, None) => Some(Login::Token(plain(token))),
        (user, Some(password)) => Some(Login::Password {
            user: plain(user),
            password: plain(password),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    fn addresses(servers: &[Url]) -> Vec<&str> {
        servers.iter().map(Url::as_str).collect()
    }

    #[test]
    fn a_lone_name_is_a_token_and_leaves_the_address() {
        let (servers, login) = split("nats://a%2Fb@127.0.0.1:4222").unwrap();
        assert_eq!(addresses(&servers), ["nats://127.0.0.1:4222"]);
        assert!(login == Some(Login::Token("a/b".to_owned())));
    }

    #[test]
    fn several_servers_share_one_login() {
        let (servers, login) = split("nats://me:p%40ss@a:1, tls://b:2,c:3").unwrap();
        assert_eq!(
            addresses(&servers),
            ["nats://a:1", "tls://b:2", "nats://c:3"]
        );
        let expected = Login::Password {
            user: "me".to_owned(),
            password: "p@ss".to_owned(),
        };
        assert!(login == Some(expected));
        assert!(split("nats://one@a:1,nats://two@b:2").is_err());
    }

    #[test]
    fn an_address_without_a_login_stays_as_it_is() {
        let (servers, login) = split("nats://127.0.0.1:4222").unwrap();
        assert_eq!(addresses(&servers), ["nats://127.0.0.1:4222"]);
        assert!(login.is_none());
    }

    #[test]
    fn a_badly_written_address_is_not_repeated() {
        let Err(fault) = split("nats://hunter2@bus:99999999") else {
            panic!("a port of eight digits was taken");
        };
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}
