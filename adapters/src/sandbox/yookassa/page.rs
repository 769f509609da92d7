//! The page on which a person pays, or does not. It stands where the provider's own page would, and leads back the same way.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use super::error::ApiError;
use super::life::{self, PAYMENT_REASONS};
use super::payments::METHODS;
use super::state::{Payment, PaymentStatus};
use super::{Yookassa, locked, render};

#[derive(Deserialize)]
struct Choice {
    action: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    reason: String,
}

pub(super) fn routes() -> Router<Arc<Yookassa>> {
    Router::new().route("/yookassa/pay/{id}", get(show).post(choose))
}

fn find(yookassa: &Yookassa, id: &str) -> Result<Payment, ApiError> {
    let mut books = locked(&yookassa.books);
    yookassa.tick(&mut books)?;
    let payment = books.payments.get(id).cloned();
    payment.ok_or_else(|| ApiError::not_found("Payment"))
}

async fn show(State(yookassa): State<Arc<Yookassa>>, Path(id): Path<String>) -> Response {
    match find(&yookassa, &id) {
        Ok(payment) => page(StatusCode::OK, &body(&payment)),
        Err(error) => failed(&error),
    }
}

async fn choose(
    State(yookassa): State<Arc<Yookassa>>,
    Path(id): Path<String>,
    Form(choice): Form<Choice>,
) -> Response {
    let done = find(&yookassa, &id).and_then(|_| match choice.action.as_str() {
        "pay" => yookassa.pay(&id, &choice.method),
        _ => yookassa.decline(&id, &choice.reason, None),
    });
    match done {
        // The address says nothing of how it ended: whoever is led back has to ask the provider.
        Ok(payment) => match payment.confirmation.and_then(|one| one.return_url) {
            Some(url) => Redirect::to(&url).into_response(),
            None => Redirect::to(&format!("/yookassa/pay/{id}")).into_response(),
        },
        Err(error) => failed(&error),
    }
}

impl Yookassa {
    /// What the button "Pay" does.
    pub(super) fn pay(&self, id: &str, method: &str) -> Result<Payment, ApiError> {
        let method = if METHODS.contains(&method) {
            method
        } else {
            "bank_card"
        };
        self.change(id, |payment, at| self.paid(payment, method, at))
    }

    /// What the button "Decline" does; also ends a payment on hold.
    pub(super) fn decline(
        &self,
        id: &str,
        reason: &str,
        party: Option<&str>,
    ) -> Result<Payment, ApiError> {
        let why = life::cancellation(reason, party, "payment_network");
        self.change(id, |payment, at| {
            let mut payment = payment.clone();
            payment.method.get_or_insert_with(|| "bank_card".to_owned());
            self.canceled(&payment, why, at)
        })
    }

    fn change(
        &self,
        id: &str,
        how: impl FnOnce(
            &Payment,
            chrono::DateTime<chrono::Utc>,
        ) -> Result<Vec<super::state::Change>, ApiError>,
    ) -> Result<Payment, ApiError> {
        let mut books = locked(&self.books);
        self.tick(&mut books)?;
        let gone = || ApiError::not_found("Payment");
        let changes = {
            let payment = books.payments.get(id).ok_or_else(gone)?;
            how(payment, self.now(&books))?
        };
        books.commit(changes)?;
        self.tell();
        books.payments.get(id).cloned().ok_or_else(gone)
    }
}

fn failed(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    page(status, &format!("<p>{}</p>", escaped(&error.description)))
}

fn body(payment: &Payment) -> String {
    let amount = render::amount(payment.amount_minor, &payment.currency);
    let text = |name: &str| {
        escaped(
            amount
                .get(name)
                .and_then(|v| v.as_str())
                .unwrap_or_default(),
        )
    };
    let (sum, currency) = (text("value"), text("currency"));
    let description = escaped(payment.description.as_deref().unwrap_or("Payment"));
    let head = format!("<p class=sum>{sum} {currency}</p><p>{description}</p>");
    if payment.status != PaymentStatus::Pending {
        return format!(
            "{head}<p class=done>{}</p>",
            payment.status.word().replace('_', " ")
        );
    }
    let methods = options(METHODS.iter().copied(), payment.method.as_deref());
    let reasons = options(PAYMENT_REASONS.iter().copied(), Some("general_decline"));
    format!(
        "{head}<form method=post><label>Pay with <select name=method>{methods}</select></label>\
         <button name=action value=pay>Pay</button></form>\
         <form method=post><label>or fail with <select name=reason>{reasons}</select></label>\
         <button class=no name=action value=decline>Decline</button></form>"
    )
}

fn options<'a>(words: impl Iterator<Item = &'a str>, chosen: Option<&str>) -> String {
    words
        .map(|word| {
            let selected = if chosen == Some(word) {
                " selected"
            } else {
                ""
            };
            format!(
                "<option value=\"{word}\"{selected}>{}</option>",
                word.replace('_', " ")
            )
        })
        .collect()
}

fn page(status: StatusCode, body: &str) -> Response {
    let footer = "Simulated payment page. No money moves here.";
    framed(status, "Payment", body, footer)
}

/// A page of the simulator. The body is HTML already; the rest stands in it as text.
pub(in crate::sandbox) fn framed(
    status: StatusCode,
    title: &str,
    body: &str,
    footer: &str,
) -> Response {
    let style = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:10vh auto;padding:0 1rem;color:#222}\
        .sum{font-size:2.2rem;margin:0}form{margin:1.2rem 0;display:flex;gap:.6rem;align-items:end}label{flex:1}\
        select{width:100%;font:inherit;padding:.3rem}button{font:inherit;padding:.4rem 1.2rem;background:#175;color:#fff;\
        border:0;border-radius:.3rem}.no{background:#a33}.done{font-weight:600}footer{color:#777;font-size:.85rem}";
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{}</title><style>{style}</style><body>{body}\
         <footer>{}</footer></body></html>",
        escaped(title),
        escaped(footer)
    );
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, headers, Html(text)).into_response()
}

/// Fit to stand in a page's text and in its quoted attributes.
pub(in crate::sandbox) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            plain => out.push(plain),
        }
    }
    out
}
