//! The page to which a payer's browser comes back. It proves nothing and credits nothing: it says how our own books have the
//! payment, and has the provider asked once more if the payment is still open.
//!
//! Whoever knows the address sees the page, so it says nothing about the person, the amount or any id.

use std::str::FromStr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use kvit_domain::ids::PaymentId;
use kvit_domain::payment::PaymentState;
use serde::Deserialize;

use crate::auth::limit::Allowance;
use crate::http::problem::Problem;
use crate::pages::OWN_ONLY;
use crate::parts::Gateway;

/// How long the payer waits for the provider's answer before the page says what is known.
const ASK_TIME_MAX: Duration = Duration::from_secs(4);
/// How often a page may have the provider asked about one payment.
const ASKS_PER_MINUTE: u32 = 6;
/// The page looks again while the payment is open.
const LOOK_AGAIN: &str = "5";
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tongue {
    Uk,
    Ru,
    En,
}

impl Tongue {
    const fn code(self) -> &'static str {
        match self {
            Self::Uk => "uk",
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    /// The language of ours that the browser likes best; English when it names none of them.
    fn of(headers: &HeaderMap) -> Self {
        let wanted = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let mut best = (0, Self::En);
        for part in wanted.split(',').take(20) {
            let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let tongue = match primary.to_ascii_lowercase().as_str() {
                "uk" => Self::Uk,
                "ru" => Self::Ru,
                "en" => Self::En,
                _ => continue,
            };
            let weight = thousandths(weight.trim().trim_start_matches("q="));
            if weight > best.0 {
                best = (weight, tongue);
            }
        }
        best.1
    }
}

/// A weight from `0` to `1.000` in thousandths.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole != "0" {
        return if whole == "1" { 1_000 } else { 0 };
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    u32::from_str(&digits).unwrap_or(0)
}

/// What the page can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Not paid yet, as far as we know.
    Open,
    /// Paid; the money is held and will be taken or given back.
    Held,
    /// Paid and credited.
    Paid,
    /// Not paid.
    Canceled,
    /// Something does not fit; a person looks at it.
    Checked,
    /// There is no such payment.
    Unknown,
}

impl Standing {
    const fn of(state: PaymentState) -> Self {
        match state {
            PaymentState::New => Self::Unknown,
            PaymentState::Intended | PaymentState::Sending | PaymentState::Pending => Self::Open,
            PaymentState::AwaitingCapture => Self::Held,
            PaymentState::Succeeded => Self::Paid,
            PaymentState::Canceled => Self::Canceled,
            PaymentState::Quarantined | PaymentState::Resolved => Self::Checked,
        }
    }

    /// A title and a sentence.
    const fn words(self, tongue: Tongue) -> (&'static str, &'static str) {
        use Tongue::{En, Ru, Uk};
        match (self, tongue) {
            (Self::Open, Uk) => (
                "Платіж ще обробляється",
                "Щойно провайдер підтвердить оплату, гроші з’являться на балансі. Сторінка оновиться сама; її можна й закрити.",
            ),
            (Self::Open, Ru) => (
                "Платёж ещё обрабатывается",
                "Как только провайдер подтвердит оплату, деньги появятся на балансе. Страница обновится сама; её можно и закрыть.",
            ),
            (Self::Open, En) => (
                "The payment is being processed",
                "As soon as the provider confirms it, the money is on the balance. This page looks again by itself; you may also close it.",
            ),
            (Self::Held, Uk) => (
                "Гроші зарезервовано",
                "Оплату отримано і зарезервовано. Її буде зараховано або повернено вам.",
            ),
            (Self::Held, Ru) => (
                "Деньги зарезервированы",
                "Оплата получена и зарезервирована. Она будет зачислена или возвращена вам.",
            ),
            (Self::Held, En) => (
                "The money is reserved",
                "Your payment was received and reserved. It will be credited or given back to you.",
            ),
            (Self::Paid, Uk) => ("Оплачено", "Дякуємо! Гроші вже на балансі."),
            (Self::Paid, Ru) => ("Оплачено", "Спасибо! Деньги уже на балансе."),
            (Self::Paid, En) => ("Paid", "Thank you! The money is on the balance."),
            (Self::Canceled, Uk) => (
                "Не оплачено",
                "Платіж скасовано, гроші не списано. Можна спробувати ще раз із чату.",
            ),
            (Self::Canceled, Ru) => (
                "Не оплачено",
                "Платёж отменён, деньги не списаны. Можно попробовать ещё раз из чата.",
            ),
            (Self::Canceled, En) => (
                "Not paid",
                "The payment was cancelled and no money was taken. You can try again from the chat.",
            ),
            (Self::Checked, Uk) => (
                "Платіж перевіряє людина",
                "Щось у цьому платежі не збігається, тож його перевіряє людина. Гроші не загубляться.",
            ),
            (Self::Checked, Ru) => (
                "Платёж проверяет человек",
                "Что-то в этом платеже не сходится, поэтому его проверяет человек. Деньги не потеряются.",
            ),
            (Self::Checked, En) => (
                "A person checks the payment",
                "Something about this payment does not fit, so a person looks at it. The money is not lost.",
            ),
            (Self::Unknown, Uk) => (
                "Немає такого платежу",
                "За цією адресою немає платежу. Перевірте стан у чаті.",
            ),
            (Self::Unknown, Ru) => (
                "Нет такого платежа",
                "По этому адресу платежа нет. Проверьте состояние в чате.",
            ),
            (Self::Unknown, En) => (
                "There is no such payment",
                "Nothing is known at this address. See the chat for how things stand.",
            ),
        }
    }
}

/// What comes with the address. Providers may add parameters of their own; they are not read.
#[derive(Debug, Deserialize)]
struct Returned {
    op: Option<String>,
}

async fn came_back(
    State(gateway): State<Gateway>,
    Query(query): Query<Returned>,
    headers: HeaderMap,
) -> Response {
    let tongue = Tongue::of(&headers);
    let payment_id = query.op.as_deref().and_then(|op| op.parse().ok());
    let standing = match payment_id {
        Some(payment_id) => match standing_of(&gateway, payment_id).await {
            Ok(standing) => standing,
            Err(problem) => return problem.into_response(),
        },
        None => Standing::Unknown,
    };
    shown(standing, tongue)
}

async fn standing_of(gateway: &Gateway, payment_id: PaymentId) -> Result<Standing, Problem> {
    let state = gateway.app.payment(payment_id).await?.state;
    let open = state != PaymentState::New && !state.is_final();
    if !open || !ask(gateway, payment_id).await {
        return Ok(Standing::of(state));
    }
    Ok(Standing::of(gateway.app.payment(payment_id).await?.state))
}

/// Has the provider asked, not too often. What comes of it is in the log; whether anything did is the answer.
async fn ask(gateway: &Gateway, payment_id: PaymentId) -> bool {
    let Some(asker) = &gateway.helpers.payment_asker else {
        return false;
    };
    let bucket = format!("return:{payment_id}");
    let now = gateway.clock.now();
    let allowance = gateway.limits.take(&bucket, ASKS_PER_MINUTE, now);
    if matches!(allowance, Allowance::Refused { .. }) {
        return false;
    }
    match tokio::time::timeout(ASK_TIME_MAX, asker.ask(payment_id)).await {
        Ok(Ok(())) => true,
        Ok(Err(fault)) => {
            tracing::warn!(%fault, "a payer came back and the provider could not be asked");
            false
        }
        Err(_) => {
            tracing::warn!("a payer came back and the provider did not answer in time");
            false
        }
    }
}

fn shown(standing: Standing, tongue: Tongue) -> Response {
    let (title, sentence) = standing.words(tongue);
    let status = match standing {
        Standing::Unknown => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/static/style.css\">\n\
         <link rel=\"icon\" href=\"/static/icon.svg\" type=\"image/svg+xml\">\n</head>\n<body>\n\
         <main class=\"card notice\">\n<h1>{title}</h1>\n<p>{sentence}</p>\n</main>\n</body>\n</html>\n",
        tongue.code()
    );
    let headers = [
        (CONTENT_SECURITY_POLICY, OWN_ONLY),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept-language"),
    ];
    let mut response = (status, headers, Html(html)).into_response();
    if standing == Standing::Open {
        response
            .headers_mut()
            .insert(REFRESH, axum::http::HeaderValue::from_static(LOOK_AGAIN));
    }
    response
}

/// The page. Some providers send the browser back with a form, whose content says nothing that counts.
pub(crate) fn routes() -> Router<Gateway> {
    Router::new().route("/return", get(came_back).post(came_back))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_language_is_the_one_that_the_browser_likes_best_of_ours() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, text.parse().unwrap());
            Tongue::of(&headers)
        };
        assert_eq!(of("uk-UA,uk;q=0.9,en;q=0.8"), Tongue::Uk);
        assert_eq!(of("de, en;q=0.3, ru;q=0.7"), Tongue::Ru);
        assert_eq!(of("pl"), Tongue::En);
        assert_eq!(of("uk;q=0, ru;q=0.001"), Tongue::Ru);
        assert_eq!(of("uk;q=x,,;;,=;q=1"), Tongue::En);
        assert_eq!(Tongue::of(&HeaderMap::new()), Tongue::En);
    }
}
