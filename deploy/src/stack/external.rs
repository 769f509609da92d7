//! Services that were given instead of started: we wait for them, say so, and end the wait with what they answered last.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use url::Url;

use super::error::{Service, StackError};
use super::nats::{self, Version};

const BETWEEN: Duration = Duration::from_millis(500);
const ATTEMPT: Duration = Duration::from_secs(5);
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// What one attempt found.
enum Answer<T> {
    Ready(T),
    /// Not there yet; the words hold no secret.
    NotYet(String),
    /// There, but waiting will not help.
    Refused(String),
}

/// Waits until the database takes our login.
///
/// # Errors
/// [`StackError::Timeout`] with the last refusal, or [`StackError::Failed`] when the database refuses the login for good.
pub(crate) async fn wait_postgres(url: &str, patience: Duration) -> Result<(), StackError> {
    wait(
        Service::Postgres,
        &place_of(url),
        patience,
        async || match tokio::time::timeout(ATTEMPT, PgConnection::connect(url)).await {
            Ok(Ok(connection)) => {
                let _closed = connection.close().await;
                Answer::Ready(())
            }
            Ok(Err(error)) => classify(&error),
            Err(_late) => Answer::NotYet("no answer".to_owned()),
        },
    )
    .await
}

fn classify<T>(error: &sqlx::Error) -> Answer<T> {
    match error {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().unwrap_or_default().into_owned();
            // 57P03 is "starting up", class 53 is "too many connections"; a wrong login or a missing database will stay wrong.
            if code.starts_with("28") || code.starts_with("3D") {
                Answer::Refused(format!("it refuses the login (SQLSTATE {code})"))
            } else {
                Answer::NotYet(format!("SQLSTATE {code}"))
            }
        }
        sqlx::Error::Configuration(_) => Answer::Refused("the address cannot be used".to_owned()),
        sqlx::Error::Io(error) => Answer::NotYet(error.kind().to_string()),
        sqlx::Error::Tls(_) => Answer::NotYet("no secure connection".to_owned()),
        _ => Answer::NotYet("no connection".to_owned()),
    }
}

/// Waits until one of the (comma-separated) servers greets; says which release it is.
///
/// # Errors
/// [`StackError::Timeout`] with the last refusal.
pub(crate) async fn wait_nats(urls: &str, patience: Duration) -> Result<Version, StackError> {
    let servers: Vec<(String, u16)> = urls
        .split(',')
        .filter_map(|url| Url::parse(url.trim()).ok())
        .filter_map(|url| Some((url.host_str()?.to_owned(), url.port().unwrap_or(4222))))
        .collect();
    wait(Service::Nats, &place_of(urls), patience, async || {
        let servers = servers.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut last = "no address".to_owned();
            for (host, port) in servers {
                match nats::greeting_of(&host, port) {
                    Ok(version) => return Ok(version),
                    Err(error) => last = error.kind().to_string(),
                }
            }
            Err(last)
        });
        match asked.await {
            Ok(Ok(version)) => Answer::Ready(version),
            Ok(Err(reason)) => Answer::NotYet(reason),
            Err(_panicked) => Answer::NotYet("no answer".to_owned()),
        }
    })
    .await
}

/// Waits until the object store answers anything over HTTP; a refusal without credentials is an answer.
///
/// # Errors
/// [`StackError::Timeout`] with the last refusal.
pub(crate) async fn wait_storage(endpoint: &str, patience: Duration) -> Result<(), StackError> {
    let client = reqwest::Client::builder()
        .timeout(ATTEMPT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_tls| StackError::Failed {
            service: Service::Storage,
            reason: "no HTTP client can be made".to_owned(),
            log: String::new(),
        })?;
    wait(
        Service::Storage,
        &place_of(endpoint),
        patience,
        async || match client.get(endpoint).send().await {
            Ok(_any_status) => Answer::Ready(()),
            Err(error) if error.is_builder() => {
                Answer::Refused("the address cannot be used".to_owned())
            }
            Err(error) if error.is_timeout() => Answer::NotYet("no answer".to_owned()),
            Err(_connect) => Answer::NotYet("no connection".to_owned()),
        },
    )
    .await
}

async fn wait<T>(
    service: Service,
    place: &str,
    patience: Duration,
    attempt: impl AsyncFn() -> Answer<T>,
) -> Result<T, StackError> {
    let begun = Instant::now();
    let mut said: Option<Instant> = None;
    loop {
        let reason = match attempt().await {
            Answer::Ready(found) => return Ok(found),
            Answer::Refused(reason) => {
                return Err(StackError::Failed {
                    service,
                    reason: format!("{place}: {reason}"),
                    log: String::new(),
                });
            }
            Answer::NotYet(reason) => reason,
        };
        if begun.elapsed() >= patience {
            return Err(StackError::Timeout {
                service,
                waited: patience,
                log: format!("{place}: {reason}"),
            });
        }
        if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            tracing::warn!(%service, place, reason, left_s = patience.saturating_sub(begun.elapsed()).as_secs(), "waiting for a service");
            said = Some(Instant::now());
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Host and port only: an address may carry a password.
fn place_of(urls: &str) -> String {
    let places: Vec<String> = urls
        .split(',')
        .map(|url| match Url::parse(url.trim()) {
            Ok(url) => match (url.host_str(), url.port()) {
                (Some(host), Some(port)) => format!("{host}:{port}"),
                (Some(host), None) => host.to_owned(),
                _ => "a local socket".to_owned(),
            },
            Err(_text) => "an unreadable address".to_owned(),
        })
        .collect();
    places.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test may fail loudly"
    )]
    use super::*;

    #[test]
    fn messages_name_the_place_but_never_the_password() {
        assert_eq!(
            place_of("postgres://kvit:hunter2@db.example:5433/kvit?password=hunter3"),
            "db.example:5433"
        );
        assert_eq!(
            place_of("nats://a:4222, nats://u:p@b:4223"),
            "a:4222, b:4223"
        );
    }

    #[tokio::test]
    async fn a_service_that_never_answers_ends_the_wait_at_the_deadline() {
        // Port 9 of the loopback interface: nobody serves "discard" here.
        let refusal = wait_nats("nats://127.0.0.1:9", Duration::from_millis(10))
            .await
            .unwrap_err();
        assert!(
            matches!(&refusal, StackError::Timeout { service: Service::Nats, log, .. } if log.contains("127.0.0.1:9")),
            "{refusal}"
        );
    }
}
