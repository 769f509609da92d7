//! The page at the root: what is simulated here, and where.
//!
//! For somebody who opens the address in a browser. It shows no state and takes no input; the links lead to answers in JSON.

use axum::http::StatusCode;
use axum::response::Response;

use super::yookassa::page::{escaped, framed};
use super::{portmone, yookassa};

/// A simulated service.
struct Service {
    name: &'static str,
    what: &'static str,
    /// Where the platform calls.
    bases: &'static [&'static str],
    /// What a person may look at.
    links: &'static [(&'static str, &'static str)],
}

const SERVICES: [Service; 4] = [
    Service {
        name: "Telegram Bot API",
        what: "Messages, files, buttons and webhooks; people are made over the control side.",
        bases: &["/bot<token>/<method>", "/file/bot<token>/<path>"],
        links: &[
            ("people", "/_sandbox/telegram/users"),
            ("state", "/_sandbox/telegram/state"),
        ],
    },
    Service {
        name: "PortmoneDirect",
        what: "Bills and top-ups of phones in hryvnia, with refusals and faults on demand.",
        bases: &[portmone::ENDPOINT],
        links: &[
            ("bills", "/_sandbox/portmone/bills"),
            ("faults", "/_sandbox/portmone/faults"),
            ("notifications", "/_sandbox/portmone/notices"),
        ],
    },
    Service {
        name: "Portmone payment gateway",
        what: "Card payments in hryvnia, refunds and settlements, with a page on which a person pays.",
        bases: &[portmone::GATEWAY],
        links: &[("orders and transactions", "/_sandbox/portmone/gateway")],
    },
    Service {
        name: "YooKassa API v3",
        what: "Payments, refunds and payouts in roubles, webhooks and a clock that can be moved, with a page on which a \
               person pays.",
        bases: &[yookassa::ENDPOINT],
        links: &[
            ("books", "/_sandbox/yookassa/books"),
            ("calls", "/_sandbox/yookassa/calls"),
            ("clock", "/_sandbox/yookassa/clock"),
            ("notifications", "/_sandbox/yookassa/notices"),
        ],
    },
];

pub(super) async fn show() -> Response {
    let services: String = SERVICES.iter().map(section).collect();
    let body = format!(
        "<h1>Simulated services</h1>\
         <p>They answer as the real ones do, also on bad days. What a person would do is done over the control side under \
         <code>/_sandbox/</code>, which asks for no key.</p>{services}\
         <p><a href=\"/_sandbox/health\">Health</a></p>"
    );
    let footer = "Nothing here is real. No money moves and no message leaves.";
    framed(StatusCode::OK, "Simulated services", &body, footer)
}

fn section(service: &Service) -> String {
    let bases: Vec<String> = service
        .bases
        .iter()
        .map(|base| format!("<code>{}</code>", escaped(base)))
        .collect();
    let links: Vec<String> = service
        .links
        .iter()
        .map(|(name, path)| format!("<a href=\"{}\">{}</a>", escaped(path), escaped(name)))
        .collect();
    format!(
        "<h2>{}</h2><p>{}</p><p>API: {}</p><p>Control: {}</p>",
        escaped(service.name),
        escaped(service.what),
        bases.join(", "),
        links.join(", ")
    )
}
