//! Pages for people, whole in the binary: the description of the API, the admin page, the terms, the pages about error codes.
//!
//! Nothing is loaded from elsewhere and the content security policy says so; scripts are files of this server only.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::http::codes;
use crate::http::problem::Problem;
use crate::markdown;
use crate::parts::Gateway;

/// What a page with our own script may do: talk to this server and show pictures that it fetched itself.
pub(crate) const OWN_ONLY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                        base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Long enough to spare a reload, short enough that a new release is seen.
const ASSET_CACHE: &str = "public, max-age=300";

fn page(html: &'static str) -> Response {
    (
        [
            (CONTENT_SECURITY_POLICY, OWN_ONLY),
            (CACHE_CONTROL, "no-cache"),
        ],
        Html(html),
    )
        .into_response()
}

fn asset(content_type: &'static str, content: &'static str) -> Response {
    (
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, ASSET_CACHE)],
        content,
    )
        .into_response()
}

async fn file(Path(name): Path<String>) -> Response {
    match name.as_str() {
        "style.css" => asset(
            "text/css; charset=utf-8",
            include_str!("../static/style.css"),
        ),
        "docs.js" => asset(
            "text/javascript; charset=utf-8",
            include_str!("../static/docs.js"),
        ),
        "admin.js" => asset(
            "text/javascript; charset=utf-8",
            include_str!("../static/admin.js"),
        ),
        "admin-money.js" => asset(
            "text/javascript; charset=utf-8",
            include_str!("../static/admin-money.js"),
        ),
        "icon.svg" => asset("image/svg+xml", include_str!("../static/icon.svg")),
        _ => Problem::new("route_not_found", "there is no such file").into_response(),
    }
}

fn document(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/static/style.css\">\n</head>\n<body>\n<main class=\"card\">\n{body}</main>\n\
         </body>\n</html>\n"
    );
    (
        [
            (CONTENT_SECURITY_POLICY, OWN_ONLY),
            (CACHE_CONTROL, ASSET_CACHE),
        ],
        Html(html),
    )
        .into_response()
}

async fn error_page(Path(code): Path<String>) -> Response {
    match codes::page(&code) {
        Some(markdown) => {
            let back = "<p><a href=\"/errors\">All codes</a> · <a href=\"/docs\">API</a></p>\n";
            document(
                &format!("{code} – kvit"),
                &(markdown::to_html(markdown) + back),
            )
        }
        None => Problem::new("route_not_found", "there is no such code").into_response(),
    }
}

async fn error_index() -> Response {
    let mut sorted: Vec<&str> = codes::PAGES.iter().map(|(code, _)| *code).collect();
    sorted.sort_unstable();
    let rows: String = sorted
        .iter()
        .map(|code| {
            let (status, meaning) = (codes::status(code).as_u16(), codes::meaning(code).unwrap_or_default());
            format!("<tr><td><a href=\"/errors/{code}\"><code>{code}</code></a></td><td>{status}</td><td>{meaning}</td></tr>\n")
        })
        .collect();
    let table = format!(
        "<h1>Error codes</h1>\n<div class=\"scroll\"><table><thead><tr><th>Code</th><th>Status</th><th>Meaning</th></tr></thead>\n\
         <tbody>{rows}</tbody></table></div>\n"
    );
    document("Error codes – kvit", &table)
}

/// The pages.
pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route(
            "/docs",
            get(|| async { page(include_str!("../static/docs.html")) }),
        )
        .route(
            "/admin",
            get(|| async { page(include_str!("../static/admin.html")) }),
        )
        .route(
            "/terms",
            get(|| async { page(include_str!("../static/terms.html")) }),
        )
        .route("/static/{name}", get(file))
        .route("/errors", get(error_index))
        .route("/errors/{code}", get(error_page))
}
