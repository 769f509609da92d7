//! The description of the API, OpenAPI 3.1, made from the handlers themselves.
//!
//! What all operations have in common — refusals, the idempotency key, `at_least` — is added here in one place, so that
//! no operation can forget it.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, Required};

use crate::http::problem::{PROBLEM_JSON, ProblemBody};
use crate::parts::Gateway;

const READ_HEADER: &str = "X-Projection-Position";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "kvit API",
        version = "1",
        description = "Balances, receipts, payouts, jobs and reports of a kvit platform.\n\n\
            Every call under `/v1` carries `Authorization: Bearer kvit_<id>_<secret>`. A key has scopes: `viewer` reads, \
            `auditor` reads everything, `operator` decides and repairs, `admin` may do all.\n\n\
            Calls that change something carry an `Idempotency-Key` and answer the `position` of the change in the log. A \
            read with that as `at_least` shows the change; every read says in `X-Projection-Position` how far it is.\n\n\
            Amounts are whole minor units with their currency; `decimal` repeats them for people. Lists are cut into \
            pages by opaque cursors: follow `links.next`.\n\n\
            Errors are `application/problem+json` with a stable `code`; `/errors` lists them all.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "wallets", description = "Balances, statements, holds."),
        (name = "ledger", description = "Transactions, the trial balance, the log itself."),
        (name = "receipts", description = "Receipts with their reasons, photos, and the review queue."),
        (name = "payments", description = "Money that people pay in, and what is given back of it."),
        (name = "payouts", description = "Money on its way to phones, banks, wallets and cards."),
        (name = "transfers", description = "Money between two wallets."),
        (name = "adjustments", description = "Corrections by people: one proposes, another approves."),
        (name = "providers", description = "The switches of the payment providers."),
        (name = "reconciliation", description = "Providers' lists compared with our books, and what differs."),
        (name = "jobs", description = "Paid jobs and the workers that do them."),
        (name = "campaigns", description = "What is promised, and the catalogue of products."),
        (name = "users", description = "Accounts."),
        (name = "reports", description = "Figures of a day."),
        (name = "operations", description = "Read models and events that were set aside."),
        (name = "access", description = "API keys."),
    )
)]
struct Frame;

/// The description without any operation.
pub(crate) fn frame() -> OpenApi {
    <Frame as utoipa::OpenApi>::openapi()
}

/// Adds what all operations have in common.
pub(crate) fn finished(mut api: OpenApi) -> OpenApi {
    let components = api.components.get_or_insert_default();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key: `kvit_<id>_<secret>`."))
        .build();
    components
        .security_schemes
        .insert("api_key".to_owned(), RefOr::T(SecurityScheme::Http(scheme)));
    for (name, description) in [
        ("Refused", "The request is refused; `code` says why."),
        ("Unauthenticated", "A valid API key is needed."),
        (
            "Forbidden",
            "The key has none of the scopes that allow this.",
        ),
        (
            "RateLimited",
            "The key has made too many requests; wait for `Retry-After`.",
        ),
        (
            "Failed",
            "The platform failed; `error_id` finds the fault in its log.",
        ),
        (
            "Away",
            "Something is away or behind; repeat after `Retry-After`.",
        ),
    ] {
        components
            .responses
            .insert(name.to_owned(), RefOr::T(problem(description)));
    }
    for item in api.paths.paths.values_mut() {
        for (method, operation) in operations_mut(item) {
            complete(method, operation);
        }
    }
    api
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, content)
        .build()
}

fn operations_mut(item: &mut PathItem) -> Vec<(HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, item.get.as_mut()),
        (HttpMethod::Post, item.post.as_mut()),
        (HttpMethod::Put, item.put.as_mut()),
        (HttpMethod::Delete, item.delete.as_mut()),
        (HttpMethod::Patch, item.patch.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.map(|operation| (method, operation)))
    .collect()
}

fn complete(method: HttpMethod, operation: &mut Operation) {
    let mut refusals = vec![
        ("400", "Refused"),
        ("401", "Unauthenticated"),
        ("403", "Forbidden"),
        ("404", "Refused"),
        ("429", "RateLimited"),
        ("500", "Failed"),
        ("503", "Away"),
    ];
    let mut added = Vec::new();
    if method == HttpMethod::Get {
        if reads_projection(operation) {
            added.push(at_least());
        }
    } else {
        refusals.extend([("409", "Refused"), ("422", "Refused")]);
        if operation.request_body.is_some() {
            refusals.extend([("413", "Refused"), ("415", "Refused")]);
        }
        added.push(idempotency_key());
    }
    operation
        .parameters
        .get_or_insert_default()
        .extend(added.into_iter().map(RefOr::T));
    for (status, name) in refusals {
        let reference = RefOr::Ref(Ref::from_response_name(name));
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert(reference);
    }
}

/// Marks the answers that come out of a read model and describes the header that says how far it is.
fn reads_projection(operation: &mut Operation) -> bool {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") else {
        return false;
    };
    let Some(header) = response.headers.get_mut(READ_HEADER) else {
        return false;
    };
    let mut described = Header::new(whole_number());
    described.description =
        Some("Everything up to this position of the log is in the answer.".to_owned());
    *header = described.into();
    true
}

fn whole_number() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .minimum(Some(0))
}

fn at_least() -> Parameter {
    ParameterBuilder::new()
        .name("at_least")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(
            "Waits some seconds until the read model has reached this position, else answers 503 `projection_behind`.",
        ))
        .schema(Some(whole_number()))
        .build()
}

fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length(Some(1))
        .max_length(Some(200));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(
            "Names this one intention. The same key and body act once and get the same answer; another body is refused.",
        ))
        .schema(Some(text))
        .build()
}

/// The description as committed in `docs/openapi.json`.
#[must_use]
pub fn document() -> String {
    let (_, description) = crate::api::routes();
    rendered(&finished(description))
}

fn rendered(api: &OpenApi) -> String {
    // The types of the description always become JSON.
    let mut text = api.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Serves the description.
pub(crate) fn route(api: &OpenApi) -> Router<Gateway> {
    let text = rendered(api);
    let answer = move || {
        let text = text.clone();
        async move {
            (
                [
                    (CONTENT_TYPE, "application/json"),
                    (CACHE_CONTROL, "public, max-age=300"),
                ],
                text,
            )
        }
    };
    Router::new().route("/openapi.json", get(answer))
}
