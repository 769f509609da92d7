//! All routes under one roof.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use tower_http::catch_panic::CatchPanicLayer;

use crate::http::extract::JSON_BYTES_MAX;
use crate::http::layers;
use crate::http::problem::Problem;
use crate::parts::{Gateway, GatewayParts};
use crate::{api, health, openapi, pages, return_page, webhooks};

/// The whole interface, ready to serve.
pub fn router(parts: GatewayParts) -> Router {
    let (gateway, extra) = Gateway::new(parts);
    let (api, description) = api::routes();
    let mut bounded = Router::new()
        .merge(api.layer(DefaultBodyLimit::max(JSON_BYTES_MAX)))
        .merge(openapi::route(&openapi::finished(description)))
        .merge(pages::routes())
        .merge(return_page::routes())
        .merge(webhooks::routes())
        .with_state(gateway.clone());
    for routes in extra {
        bounded = bounded.merge(routes);
    }
    let bounded = bounded
        .fallback(|| async { Problem::new("route_not_found", "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                "method_not_allowed",
                "the address does not take this method",
            )
        })
        .layer(from_fn_with_state(gateway.clone(), layers::bound));
    health::routes(gateway.settings.metrics_need_key)
        .with_state(gateway.clone())
        .merge(bounded)
        .layer(CatchPanicLayer::custom(layers::caught))
        .layer(from_fn_with_state(gateway, layers::observe))
}
