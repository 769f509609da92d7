//! The shapes that answers have in common.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kvit_commands::app::Done;
use kvit_domain::event::Position;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use kvit_projections::queries::{self, AsOf};

use crate::http::cursor::Listing;
use crate::http::problem::{Answer, Problem};

/// Header that says what a read model has folded.
pub const PROJECTION_POSITION: HeaderName = HeaderName::from_static("x-projection-position");

/// An answer out of the read models, with how far they were.
#[derive(Debug)]
pub struct Fresh<T> {
    /// Everything up to here is in the answer.
    pub position: Position,
    /// The answer.
    pub body: T,
}

impl<T> Fresh<T> {
    /// An answer as the API shows it.
    pub fn of<R>(answer: AsOf<R>, show: impl FnOnce(R) -> T) -> Self {
        Self {
            position: answer.position,
            body: show(answer.data),
        }
    }

    /// One thing, if it is there.
    pub fn one<R: Into<T>>(answer: AsOf<Option<R>>, what: &str) -> Answer<Self> {
        let row = answer.data.ok_or_else(|| Problem::not_found(what))?;
        Ok(Self {
            position: answer.position,
            body: row.into(),
        })
    }
}

impl<T> Fresh<Page<T>> {
    /// A page of a list.
    pub fn page<R: Into<T>>(answer: AsOf<queries::Page<R>>, listing: &Listing, limit: u32) -> Self {
        let queries::Page { items, next } = answer.data;
        Self {
            position: answer.position,
            body: Page::new(items, next, listing, limit),
        }
    }
}

impl<T> Fresh<Whole<T>> {
    /// A list without pages.
    pub fn whole<R: Into<T>>(answer: AsOf<Vec<R>>) -> Self {
        Self::of(answer, |rows| Whole {
            data: rows.into_iter().map(Into::into).collect(),
        })
    }
}

impl<T: Serialize> IntoResponse for Fresh<T> {
    fn into_response(self) -> Response {
        at_position(self.position, Json(self.body))
    }
}

/// Puts the position on an answer of any kind.
pub fn at_position(position: Position, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(PROJECTION_POSITION, HeaderValue::from(position));
    response
}

/// What a call that changes something answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// A read with this as `at_least` shows the change.
    #[schema(example = 1207)]
    pub position: i64,
    /// Whether the same call was done before; then nothing was changed again.
    pub replayed: bool,
}

impl From<Done> for Changed {
    fn from(done: Done) -> Self {
        Self {
            position: done.position,
            replayed: done.replayed,
        }
    }
}

/// What a call that makes something answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Created {
    /// Id of what was made.
    pub id: String,
    /// A read with this as `at_least` shows it.
    #[schema(example = 1207)]
    pub position: i64,
    /// Whether the same call was done before; then it is the same thing.
    pub replayed: bool,
}

/// 201 with the address of what was made.
pub fn created<T: Serialize>(location: &str, body: T) -> Response {
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response
            .headers_mut()
            .insert(axum::http::header::LOCATION, location);
    }
    response
}

/// Where the next page is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// Address of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Links {
    /// To the page that begins at a place, if there is one.
    pub fn to(next: Option<String>, listing: &Listing, limit: u32) -> Self {
        Self {
            next: next.map(|place| listing.next(&place, limit)),
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where to go on.
    pub links: Links,
}

impl<T> Page<T> {
    /// A page whose next one begins at a place.
    pub fn new<R: Into<T>>(
        rows: Vec<R>,
        next: Option<String>,
        listing: &Listing,
        limit: u32,
    ) -> Self {
        Self {
            data: rows.into_iter().map(Into::into).collect(),
            links: Links::to(next, listing, limit),
        }
    }
}

/// A whole list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Whole<T> {
    /// The rows.
    pub data: Vec<T>,
}
