//! Who calls, and whether they may: the first thing that happens to a request under `/v1`.
//!
//! [`Read`] and [`Write`] are extractors, and the only way to a handler's caller. They stand first in each handler, so a
//! request without a key learns nothing, not even that its body was wrong.

pub mod limit;
pub mod token;

use std::marker::PhantomData;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use kvit_commands::context::Context;
use kvit_commands::ports::keys::{ApiKey, KeyFault, Scope};
use kvit_domain::event::Position;
use kvit_projections::queries::{WaitError, wait_for};

use crate::http::problem::{Answer, Problem};
use crate::http::scope::{self, Admitted};
use crate::parts::Gateway;
use limit::Allowance;
use token::Token;

/// Requests a minute of the key from the configuration.
const BOOTSTRAP_PER_MINUTE: u32 = 6_000;
/// Id of the key from the configuration, as it stands in the log.
const BOOTSTRAP_ID: &str = "bootstrap";
/// A key's last use is written at most this often.
const TOUCH_EVERY_SECONDS: i64 = 60;
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_MAX: usize = 200;

/// What an operation asks of a key: any one of these scopes.
pub trait Need: Send + Sync + 'static {
    /// The scopes that allow it.
    const ACCEPTED: &'static [Scope];
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident = $($scope:ident)|+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl Need for $name {
            const ACCEPTED: &'static [Scope] = &[$(Scope::$scope),+];
        }
    )+};
}

needs! {
    /// Reading: any key.
    Viewing = Viewer | Auditor | Operator | Admin;
    /// Looking at photos and what was read on them.
    Inspecting = Auditor | Operator | Admin;
    /// Reading the log itself and who was given which key.
    Auditing = Auditor | Admin;
    /// Deciding and repairing.
    Operating = Operator | Admin;
    /// Everything that changes what others may do or earn.
    Administering = Admin;
}

/// The caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Id of the key.
    pub key_id: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// The caller as the log names it.
    #[must_use]
    pub fn actor(&self) -> String {
        format!("api:{}", self.key_id)
    }
}

/// A caller who may read what is no read model.
#[derive(Debug)]
pub struct Admit<N: Need> {
    /// Who.
    pub caller: Caller,
    need: PhantomData<N>,
}

/// A caller who may read the read models.
#[derive(Debug)]
pub struct Read<N: Need> {
    /// Who.
    pub caller: Caller,
    /// The position that the answer must not be behind.
    at_least: Option<Position>,
    need: PhantomData<N>,
}

impl<N: Need> Read<N> {
    /// Waits until these projections have reached `at_least`, if the caller named one.
    ///
    /// # Errors
    /// `projection_behind` with how far they are, when they need longer than a read may wait.
    pub async fn reach(&self, gateway: &Gateway, projections: &[&str]) -> Answer<()> {
        let Some(at_least) = self.at_least else {
            return Ok(());
        };
        let wait_max = gateway.settings.at_least_wait_max;
        wait_for(&gateway.pool, projections, at_least, wait_max)
            .await
            .map_err(|error| behind(error, at_least))
    }
}

/// The read models have not come as far as a position.
pub(crate) fn behind(error: WaitError, at_least: Position) -> Problem {
    match error {
        WaitError::Behind(behind) => {
            let detail = format!(
                "the read models stand at position {}, not yet at {at_least}",
                behind.position
            );
            Problem::new("projection_behind", detail)
                .at_position(behind.position)
                .retry_after(Duration::from_secs(1))
        }
        WaitError::Fault(fault) => fault.into(),
    }
}

/// A caller who may change something, and under which key.
#[derive(Debug)]
pub struct Write<N: Need> {
    /// Who.
    pub caller: Caller,
    /// What goes into the events: the actor, the idempotency key (of this caller alone), the request's id, the trace.
    pub context: Context,
    need: PhantomData<N>,
}

impl<N: Need> Write<N> {
    /// A text that this caller's intention has in common with its repeats and with nothing else.
    #[must_use]
    pub fn intention(&self) -> &str {
        &self.context.idempotency_key
    }
}

impl<N: Need> FromRequestParts<Gateway> for Admit<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Answer<Self> {
        Ok(Self {
            caller: admit::<N>(parts, gateway).await?,
            need: PhantomData,
        })
    }
}

impl<N: Need> FromRequestParts<Gateway> for Read<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Answer<Self> {
        let caller = admit::<N>(parts, gateway).await?;
        let at_least = crate::http::extract::at_least(parts)?;
        Ok(Self {
            caller,
            at_least,
            need: PhantomData,
        })
    }
}

impl<N: Need> FromRequestParts<Gateway> for Write<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Answer<Self> {
        let caller = admit::<N>(parts, gateway).await?;
        let key = idempotency_key(parts)?;
        // Two callers who choose the same key mean two things.
        let key = format!("{}:{key}", caller.actor());
        let context = Context::new(caller.actor(), key, scope::request_id())
            .with_traceparent(scope::traceparent());
        Ok(Self {
            caller,
            context,
            need: PhantomData,
        })
    }
}

fn idempotency_key(parts: &Parts) -> Answer<String> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else {
        return Err(Problem::new(
            "idempotency_key_missing",
            "send the header Idempotency-Key, the same for each repeat of this call",
        ));
    };
    value
        .to_str()
        .ok()
        .filter(|key| {
            (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len())
                && key.bytes().all(|b| b.is_ascii_graphic())
        })
        .map(str::to_owned)
        .ok_or_else(|| {
            Problem::new(
                "idempotency_key_invalid",
                "1 to 200 visible ASCII characters without spaces are expected",
            )
        })
}

/// Says only that the key is not good, never why.
fn unauthenticated() -> Problem {
    Problem::new(
        "unauthenticated",
        "send the header Authorization: Bearer <API key>",
    )
}

async fn admit<N: Need>(parts: &mut Parts, gateway: &Gateway) -> Answer<Caller> {
    let (caller, per_minute) = identify(parts, gateway).await?;
    match gateway
        .limits
        .take(&caller.key_id, per_minute, gateway.clock.now())
    {
        Allowance::Passed { remaining } => {
            scope::note_admitted(Admitted {
                key_id: caller.key_id.clone(),
                per_minute,
                remaining,
            });
        }
        Allowance::Refused { retry_after } => {
            return Err(Problem::new(
                "rate_limited",
                format!("this key may make {per_minute} requests a minute"),
            )
            .retry_after(retry_after));
        }
    }
    if caller
        .scopes
        .iter()
        .any(|scope| N::ACCEPTED.contains(scope))
    {
        return Ok(caller);
    }
    let accepted: Vec<&str> = N::ACCEPTED.iter().map(|scope| scope.code()).collect();
    Err(Problem::new(
        "forbidden",
        format!("the key needs one of the scopes: {}", accepted.join(", ")),
    ))
}

async fn identify(parts: &Parts, gateway: &Gateway) -> Answer<(Caller, u32)> {
    let text = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, text)| {
            scheme.eq_ignore_ascii_case("bearer") && text.len() <= token::TOKEN_BYTES_MAX
        })
        .map(|(_, text)| text)
        .ok_or_else(unauthenticated)?;
    if let Some(bootstrap) = &gateway.settings.bootstrap_key
        && token::same_secret(bootstrap, text)
    {
        let caller = Caller {
            key_id: BOOTSTRAP_ID.to_owned(),
            scopes: vec![Scope::Admin],
        };
        return Ok((caller, BOOTSTRAP_PER_MINUTE));
    }
    let token = Token::parse(text).ok_or_else(unauthenticated)?;
    let key = gateway
        .keys
        .find(token.id)
        .await?
        .ok_or_else(unauthenticated)?;
    let now = gateway.clock.now();
    let usable = token.is(&key.secret_sha256)
        && key.revoked.is_none()
        && key.expires_at.is_none_or(|expires_at| now < expires_at);
    if !usable {
        return Err(unauthenticated());
    }
    note_use(gateway, &key).await;
    let per_minute = key.per_minute;
    Ok((
        Caller {
            key_id: key.id,
            scopes: key.scopes,
        },
        per_minute,
    ))
}

/// The time of last use is a convenience: a request does not fail for it.
async fn note_use(gateway: &Gateway, key: &ApiKey) {
    let now = gateway.clock.now();
    let fresh = key
        .last_used_at
        .is_some_and(|at| (now - at).num_seconds() < TOUCH_EVERY_SECONDS);
    if !fresh && let Err(fault) = gateway.keys.touch(&key.id, now).await {
        tracing::warn!(key.id = %key.id, %fault, "the last use of a key could not be noted");
    }
}

impl From<KeyFault> for Problem {
    fn from(fault: KeyFault) -> Self {
        match fault {
            KeyFault::Transient(cause) => Self::unavailable("the key store", &cause),
            KeyFault::Fatal(cause) => Self::fatal(&cause),
        }
    }
}
