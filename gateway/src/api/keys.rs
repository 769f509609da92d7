//! API keys: made, listed, ended.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use kvit_commands::ports::keys::{ApiKey, KeyMade, Revocation, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Page, created};
use super::users_work::Because;
use super::{PageQuery, reason};
use crate::auth::{Administering, Admit, Auditing, Write, token};
use crate::http::cursor::{self, Listing};
use crate::http::extract::{Json, Path, Query};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScopeView {
    /// Reads lists and single things.
    Viewer,
    /// Reads everything, also photos and raw events.
    Auditor,
    /// Reads, decides reviews, retries payouts, runs jobs.
    Operator,
    /// May do everything.
    Admin,
}

impl From<Scope> for ScopeView {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Viewer => Self::Viewer,
            Scope::Auditor => Self::Auditor,
            Scope::Operator => Self::Operator,
            Scope::Admin => Self::Admin,
        }
    }
}

impl From<ScopeView> for Scope {
    fn from(scope: ScopeView) -> Self {
        match scope {
            ScopeView::Viewer => Self::Viewer,
            ScopeView::Auditor => Self::Auditor,
            ScopeView::Operator => Self::Operator,
            ScopeView::Admin => Self::Admin,
        }
    }
}

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    /// The public part; the log names the key `api:<id>`.
    #[schema(example = "3f9c2a7b10d4e856")]
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ScopeView>,
    /// Requests a minute.
    pub per_minute: u32,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// By whom.
    pub revoked_by: Option<String>,
    /// Why.
    pub revoke_reason: Option<String>,
}

impl From<ApiKey> for Key {
    fn from(key: ApiKey) -> Self {
        let (revoked_at, revoked_by, revoke_reason) = key.revoked.map_or((None, None, None), |r| {
            (Some(r.at), Some(r.by), Some(r.reason))
        });
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes.into_iter().map(Into::into).collect(),
            per_minute: key.per_minute,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at,
            revoked_by,
            revoke_reason,
        }
    }
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for, 1 to 100 characters.
    #[schema(example = "accounting export")]
    pub name: String,
    /// What it may do; at least one.
    pub scopes: Vec<ScopeView>,
    /// Requests a minute, 1 to 100000.
    #[serde(default = "usual_limit")]
    #[schema(example = 600)]
    pub per_minute: u32,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

const fn usual_limit() -> u32 {
    600
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeKey {
    /// The key.
    pub key: Key,
    /// What goes into `Authorization: Bearer`. Shown once: only a hash is kept. Absent when this call was done before;
    /// if that answer was lost, revoke the key and make another.
    pub token: Option<String>,
    /// Whether the same call was done before.
    pub replayed: bool,
}

/// Make an API key
#[utoipa::path(post, path = "/v1/api-keys", tag = "access", request_body = NewKey,
    responses((status = 201, description = "The key; its token is shown this once.", body = MadeKey),
              (status = 200, description = "The key was made before by the same call.", body = MadeKey)),
    security(("api_key" = ["admin"])))]
pub async fn create_key(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Json(body): Json<NewKey>,
) -> Answer<Response> {
    let name = body.name.trim().to_owned();
    let wrong = |pointer: &str, detail: &str| {
        Err(
            Problem::new("invalid_body", "a field of the body is not as expected")
                .field(pointer, detail),
        )
    };
    if !(1..=100).contains(&name.chars().count()) {
        return wrong("/name", "1 to 100 characters are expected");
    }
    if body.scopes.is_empty() || body.scopes.len() > Scope::ALL.len() {
        return wrong("/scopes", "at least one scope, each once, is expected");
    }
    if !(1..=100_000).contains(&body.per_minute) {
        return wrong("/per_minute", "1 to 100000 is expected");
    }
    let secret = token::fresh_secret().map_err(|error| Problem::fatal(&error))?;
    let mut scopes: Vec<Scope> = body.scopes.into_iter().map(Into::into).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let key = ApiKey {
        id: token::id_for(&write.caller.actor(), write.intention()),
        secret_sha256: token::hash(&secret),
        name,
        scopes,
        per_minute: body.per_minute,
        created_by: write.caller.actor(),
        created_at: gateway.clock.now(),
        expires_at: body.expires_at,
        last_used_at: None,
        revoked: None,
    };
    match gateway.keys.create(&key).await? {
        KeyMade::Stored => {
            tracing::info!(key.id = %key.id, key.created_by = %key.created_by, "an API key was made");
            let location = format!("/v1/api-keys/{}", key.id);
            let token = Some(token::format(&key.id, &secret));
            Ok(created(
                &location,
                MadeKey {
                    key: key.into(),
                    token,
                    replayed: false,
                },
            ))
        }
        KeyMade::Known(known) => {
            let same = (
                &known.name,
                &known.scopes,
                known.per_minute,
                known.expires_at,
            ) == (&key.name, &key.scopes, key.per_minute, key.expires_at);
            if !same {
                return Err(Problem::new(
                    "idempotency_conflict",
                    "another key was made under this Idempotency-Key",
                ));
            }
            let answer = MadeKey {
                key: (*known).into(),
                token: None,
                replayed: true,
            };
            Ok((StatusCode::OK, JsonAnswer(answer)).into_response())
        }
    }
}

/// List API keys, ended ones as well
#[utoipa::path(get, path = "/v1/api-keys", tag = "access", params(PageQuery),
    responses((status = 200, description = "Keys in the order of their ids.", body = Page<Key>)),
    security(("api_key" = ["auditor", "admin"])))]
pub async fn list_keys(
    _: Admit<Auditing>,
    State(gateway): State<Gateway>,
    Query(query): Query<PageQuery>,
) -> Answer<JsonAnswer<Page<Key>>> {
    let listing = Listing::new("/v1/api-keys");
    let after = listing.open(query.cursor.as_deref())?;
    let limit = cursor::limit(query.limit)?;
    let mut keys = gateway
        .keys
        .list(after.as_deref(), limit.saturating_add(1))
        .await?;
    let more = keys.len() > limit as usize;
    keys.truncate(limit as usize);
    let next = if more {
        keys.last().map(|key| key.id.clone())
    } else {
        None
    };
    Ok(JsonAnswer(Page::new(keys, next, &listing, limit)))
}

/// End an API key for good
///
/// It is refused from the next request on. Its id stays known: it stands as the actor of events.
#[utoipa::path(post, path = "/v1/api-keys/{key_id}/revoke", tag = "access", request_body = Because,
    params(("key_id" = String, Path, description = "The key.")),
    responses((status = 200, description = "The key is ended.", body = Key)),
    security(("api_key" = ["admin"])))]
pub async fn revoke_key(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(key_id): Path<String>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<Key>> {
    let revocation = Revocation {
        at: gateway.clock.now(),
        by: write.caller.actor(),
        reason: reason(body.reason)?,
    };
    let key = gateway
        .keys
        .revoke(&key_id, &revocation)
        .await?
        .ok_or_else(|| Problem::not_found("API key"))?;
    tracing::info!(key.id = %key.id, key.revoked_by = %revocation.by, "an API key was revoked");
    Ok(JsonAnswer(key.into()))
}
