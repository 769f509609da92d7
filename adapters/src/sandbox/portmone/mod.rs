//! The simulated Portmone: PortmoneDirect (form posts in, small XML documents out), the payment gateway in [`gateway`], the
//! notifications of both in [`notices`], and books to compare our ledger with.
//!
//! Money moves in [`state`] and in the gateway's state only, once per bill, whatever goes wrong around it. Error codes other than
//! `p001` and the name of the status method are not public knowledge; here they are the simulator's own, and the client treats them
//! as opaque.

pub mod client;
mod control;
pub mod faults;
pub mod gateway;
pub mod notices;
mod render;
mod state;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};

use self::faults::{PortmoneAction, PortmoneChance, Settle};
use self::gateway::state::ShopBooks;
use self::notices::Notices;
use self::render::{Blemish, Reply};
use self::state::{Books, Refused};
use super::faults::{FaultBox, Faults};
use super::journal::{JournalError, Remembered};
use super::server::Wire;
use super::{SandboxConfig, SandboxError};

pub use self::control::{BillRecord, BooksView, Settlement};
pub use self::gateway::{GATEWAY, GatewaySettings};

/// Where the service answers.
pub const ENDPOINT: &str = "/api/directcash/";
const MAX_FORM: usize = 16 * 1024;

/// One mobile operator at the simulated provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payee {
    /// The provider's id of it.
    pub id: String,
    /// Its name in answers.
    pub name: String,
    /// Prefixes after `380` whose numbers are its own, unless a number has been ported.
    pub prefixes: Vec<String>,
}

/// How a bill's id is written. Sources disagree, so both exist here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillShape {
    /// `<bill id="523">`
    #[default]
    Attribute,
    /// `<bill><billId>523</billId><contractNumber>…</contractNumber>`
    Child,
}

/// What paying a paid bill again does. Sources do not say, so both exist here; money moves once in either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repay {
    /// Answers the paid bill.
    #[default]
    Answers,
    /// Refuses with a code.
    Refuses,
}

/// Settings of the simulated provider.
#[derive(Clone)]
pub struct PortmoneSettings {
    /// The login that is accepted.
    pub login: String,
    /// The password that is accepted.
    pub password: String,
    /// The name of the method that reads a bill.
    pub status_method: String,
    /// How bills are written.
    pub shape: BillShape,
    /// What paying a paid bill again does.
    pub repay: Repay,
    /// The account at the payment gateway.
    pub gateway: GatewaySettings,
    /// Money that can be paid out, in kopecks.
    pub deposit_minor: i64,
    /// The operators.
    pub payees: Vec<Payee>,
    /// What goes wrong from the start.
    pub faults: Faults<PortmoneAction, PortmoneChance>,
}

impl fmt::Debug for PortmoneSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortmoneSettings")
            .field("status_method", &self.status_method)
            .field("shape", &self.shape)
            .field("repay", &self.repay)
            .finish_non_exhaustive()
    }
}

impl Default for PortmoneSettings {
    fn default() -> Self {
        let payee = |id: &str, name: &str, prefixes: &[&str]| Payee {
            id: id.to_owned(),
            name: name.to_owned(),
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        };
        Self {
            login: "sandbox".to_owned(),
            password: "sandbox".to_owned(),
            status_method: "bills.get".to_owned(),
            shape: BillShape::default(),
            repay: Repay::default(),
            gateway: GatewaySettings::default(),
            deposit_minor: 100_000_000,
            payees: vec![
                payee(
                    "2065",
                    "Kyivstar",
                    &["39", "67", "68", "77", "96", "97", "98"],
                ),
                payee("2066", "Vodafone", &["50", "66", "75", "95", "99"]),
                payee("2067", "lifecell", &["63", "73", "93"]),
            ],
            faults: Faults::default(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Portmone {
    settings: PortmoneSettings,
    books: Mutex<Remembered<Books>>,
    shop: Mutex<Remembered<ShopBooks>>,
    notices: Notices,
    faults: Mutex<FaultBox<PortmoneAction, PortmoneChance>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the state between two commits, where it is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Portmone {
    pub(crate) fn open(config: &SandboxConfig) -> Result<Arc<Self>, SandboxError> {
        let settings = config.portmone.clone();
        let books = Remembered::open(config.dir.as_deref(), "portmone.jsonl")?;
        let shop = Remembered::open(config.dir.as_deref(), "portmone-gateway.jsonl")?;
        let notices = Notices::open(config)?;
        let faults = FaultBox::new(settings.faults.clone(), config.seed);
        Ok(Arc::new(Self {
            settings,
            books: Mutex::new(books),
            shop: Mutex::new(shop),
            notices,
            faults: Mutex::new(faults),
        }))
    }

    /// Runs one call against the books.
    fn run(
        &self,
        form: &Form,
        hold: Option<Settle>,
    ) -> Result<Result<state::Bill, Refused>, JournalError> {
        if form.get("login") != self.settings.login
            || form.get("password") != self.settings.password
        {
            return Ok(Err(Refused::Credentials));
        }
        let mut books = locked(&self.books);
        let moved = books.bill(form.get("billId")).map(|bill| bill.moved_minor);
        let done = match form.get("method") {
            "bills.create" => state::create(&mut books, &self.settings, form),
            "bills.pay" => state::pay(&mut books, &self.settings, form, hold),
            method if method == self.settings.status_method => state::read(&mut books, form),
            _ => Ok(Err(Refused::Method)),
        };
        drop(books);
        if let Ok(Ok(bill)) = &done
            && moved.is_some_and(|before| before != bill.moved_minor)
        {
            self.tell_bill(bill, false)?;
        }
        done
    }

    /// Puts the news of a paid or reversed payout bill among the notifications.
    fn tell_bill(&self, bill: &state::Bill, reversed: bool) -> Result<(), JournalError> {
        let news = notices::bill_news(bill, reversed);
        self.notices.add(news, reversed)
    }

    fn answer_holding(
        &self,
        form: &Form,
        blemish: Option<&Blemish>,
        hold: Option<Settle>,
    ) -> Reply {
        match self.run(form, hold) {
            Ok(result) => render::reply(&self.settings, form, result, blemish),
            Err(error) => unwritten(&error),
        }
    }
}

fn unwritten(error: &JournalError) -> Reply {
    tracing::error!(%error, "sandbox cannot write its journal");
    Reply {
        status: 500,
        content_type: "text/plain",
        body: b"internal error".to_vec(),
    }
}

/// The fields of one call.
#[derive(Clone)]
pub(crate) struct Form(HashMap<String, String>);

impl Form {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn version(&self) -> &str {
        match self.get("version") {
            "" => "1",
            version => version,
        }
    }
}

pub(crate) fn router(portmone: Arc<Portmone>) -> Router {
    let service = Router::new()
        .route(ENDPOINT, any(call))
        .route(ENDPOINT.trim_end_matches('/'), any(call));
    service
        .merge(control::routes())
        .merge(gateway::routes())
        .merge(notices::routes())
        .with_state(portmone)
}

async fn call(
    State(portmone): State<Arc<Portmone>>,
    Extension(wire): Extension<Wire>,
    request: Request,
) -> Response {
    if request.method() != axum::http::Method::POST || request.uri().query().is_some() {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only POST with a form body");
    }
    let form_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !form_type
        .to_ascii_lowercase()
        .starts_with("application/x-www-form-urlencoded")
    {
        return plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "only application/x-www-form-urlencoded",
        );
    }
    let Ok(body) = to_bytes(request.into_body(), MAX_FORM).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large");
    };
    let form = Form(url::form_urlencoded::parse(&body).into_owned().collect());
    send(meet(&portmone, &form, &wire).await)
}

/// A call of either service, as far as misfortunes need to know it.
trait Call: Clone + Send + Sync + 'static {
    fn method(&self) -> &str;
    /// All names under which a rule may mean this call.
    fn subjects(&self, portmone: &Portmone) -> Vec<String>;
    /// Runs the call and writes the answer, spoilt as a fault demands.
    fn answer(&self, portmone: &Portmone, blemish: Option<&Blemish>, hold: Option<Settle>)
    -> Reply;
    fn refusal(&self, code: &str, words: &str) -> Reply;
}

impl Call for Form {
    fn method(&self) -> &str {
        self.get("method")
    }

    fn subjects(&self, portmone: &Portmone) -> Vec<String> {
        let books = locked(&portmone.books);
        let contract = books.bill(self.get("billId")).map_or_else(
            || self.get("contractNumber").to_owned(),
            |bill| bill.contract_number.clone(),
        );
        vec![contract, self.get("billId").to_owned()]
    }

    fn answer(
        &self,
        portmone: &Portmone,
        blemish: Option<&Blemish>,
        hold: Option<Settle>,
    ) -> Reply {
        portmone.answer_holding(self, blemish, hold)
    }

    fn refusal(&self, code: &str, words: &str) -> Reply {
        render::refusal(self, code, words)
    }
}

/// Lets the planned misfortune happen to the call, or answers it plainly.
async fn meet<C: Call>(portmone: &Arc<Portmone>, call: &C, wire: &Wire) -> Reply {
    let subjects = call.subjects(portmone);
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let action = locked(&portmone.faults).meet(call.method(), &subjects);
    let Some(action) = action else {
        return call.answer(portmone, None, None);
    };
    tracing::debug!(method = call.method(), ?action, "sandbox fault");
    match action {
        PortmoneAction::Delay { millis } => {
            // On its own task: a provider goes on with a call whose caller has lost patience and left.
            let (portmone, call) = (Arc::clone(portmone), call.clone());
            let late = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                call.answer(&portmone, None, None)
            });
            late.await
                .unwrap_or_else(|_stopped| render::failing_server(503))
        }
        PortmoneAction::DelayAfter { millis } => {
            let reply = call.answer(portmone, None, None);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            reply
        }
        PortmoneAction::DropBefore => match wire.cut().await {},
        PortmoneAction::DropAfter => {
            let _processed = call.answer(portmone, None, None);
            match wire.cut().await {}
        }
        PortmoneAction::HttpBefore { status } => render::failing_server(status),
        PortmoneAction::HttpAfter { status } => {
            let _processed = call.answer(portmone, None, None);
            render::failing_server(status)
        }
        PortmoneAction::Fail {
            code,
            description,
            processed,
        } => {
            if processed {
                let _processed = call.answer(portmone, None, None);
            }
            call.refusal(&code, &description)
        }
        PortmoneAction::Duplicate => {
            let _first = call.answer(portmone, None, None);
            call.answer(portmone, None, None)
        }
        PortmoneAction::Spoil { blemish } => call.answer(portmone, Some(&blemish), None),
        PortmoneAction::Pending { settle } => call.answer(portmone, None, Some(settle)),
    }
}

fn send(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(reply.content_type),
    );
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    send(Reply {
        status: status.as_u16(),
        content_type: "text/plain",
        body: text.as_bytes().to_vec(),
    })
}
