//! Lists in pages, so that nothing is missed and nothing comes twice however much is created meanwhile.
//!
//! Only two things choose what is in a list: when an object was created, which never changes, and what it belongs to. A state does
//! not, since an object could change it between two pages and be in neither. The order of the pages is not relied on: what comes
//! twice is known by its id, and after the last page the newest end of the window is read again until it holds nothing new.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use kvit_commands::ports::statement::STATEMENT_ITEMS_MAX;

use super::line::{Ask, Line};
use super::node::{AnswerError, Node};
use super::outcome::Lost;

/// Objects of one page; the provider gives no more.
const PAGE: usize = 100;
/// Most pages of one reading.
const PAGES: usize = STATEMENT_ITEMS_MAX / PAGE + 1;
/// How far back the newest end is read again: an object may be seen some time after the moment that it says it was created.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);
/// How often the newest end is read again. What is created still later belongs to the next reading.
const READINGS: usize = 5;
/// How often a reading waits because there were too many calls, and how long at most each time.
const WAITS: u32 = 5;
const WAIT: Duration = Duration::from_secs(5);

/// A list.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a> {
    /// For logs.
    pub name: &'static str,
    /// Below the base.
    pub path: &'a [&'a str],
    /// What the objects belong to.
    pub of: Option<(&'a str, &'a str)>,
    /// When they were created.
    pub window: Option<Window>,
}

/// From a moment up to another, which is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Window {
    pub(super) fn holds(&self, at: DateTime<Utc>) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// Parameters of a little more than the window, in whole milliseconds as the provider's own examples have them. What is
    /// outside of it is left out by [`holds`](Self::holds).
    fn query(&self) -> [(String, String); 2] {
        let whole = |at: DateTime<Utc>| {
            let nanos = at.nanosecond();
            at.with_nanosecond(nanos.saturating_sub(nanos % 1_000_000))
                .unwrap_or(at)
        };
        let to = whole(self.to);
        let to = if to < self.to {
            to.checked_add_signed(TimeDelta::milliseconds(1))
                .unwrap_or(to)
        } else {
            to
        };
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        [
            ("created_at.gte".to_owned(), text(whole(self.from))),
            ("created_at.lt".to_owned(), text(to)),
        ]
    }
}

impl Line {
    /// Reads page after page until there is none or the reader has enough.
    pub(super) async fn pages(
        &self,
        list: List<'_>,
        mut reader: impl FnMut(&Node) -> Result<ControlFlow<()>, AnswerError> + Send,
    ) -> Result<(), Lost> {
        let mut cursor: Option<String> = None;
        let mut waits = 0_u32;
        let mut pages = 0_usize;
        loop {
            let mut query = vec![("limit".to_owned(), PAGE.to_string())];
            query.extend(list.window.iter().flat_map(Window::query));
            query.extend(
                list.of
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            query.extend(cursor.clone().map(|cursor| ("cursor".to_owned(), cursor)));
            let ask = Ask {
                name: list.name,
                path: list.path,
                query,
            };
            let page = match self.ask(&ask).await {
                // Asking moves nothing, so waiting and asking again is nobody else's business.
                Err(Lost::TooMany(pause)) if waits < WAITS && pause <= WAIT => {
                    waits = waits.saturating_add(1);
                    tokio::time::sleep(pause).await;
                    continue;
                }
                page => page?,
            };
            let page = page.ok_or(AnswerError::Missing("list"))?;
            for item in page
                .at("items")
                .list()
                .ok_or(AnswerError::Missing("items"))?
            {
                if reader(item)?.is_break() {
                    return Ok(());
                }
            }
            let next = match page.at("next_cursor") {
                Node::Null => return Ok(()),
                next => next.text().ok_or(AnswerError::Missing("next_cursor"))?,
            };
            pages = pages.saturating_add(1);
            if next.is_empty() || cursor.as_deref() == Some(next) || pages > PAGES {
                return Err(AnswerError::Endless.into());
            }
            cursor = Some(next.to_owned());
        }
    }

    /// Every object that was created within the window, each once as it was seen last, in the order of creation. One whose moment
    /// cannot be read comes first.
    pub(super) async fn all<T: Send>(
        &self,
        list: List<'_>,
        window: Window,
        read: impl Fn(&Node) -> (String, Option<DateTime<Utc>>, T) + Sync,
    ) -> Result<Vec<T>, Lost> {
        let mut found: BTreeMap<String, (DateTime<Utc>, T)> = BTreeMap::new();
        let mut from = window.from;
        for _ in 0..READINGS {
            let known = found.len();
            let list = List {
                window: Some(Window { from, ..window }),
                ..list
            };
            self.pages(list, |item| {
                let (id, created_at, item) = read(item);
                // Within the window by the provider's own word, since it was asked for nothing else.
                let created_at = created_at.unwrap_or(window.from);
                if window.holds(created_at) {
                    found.insert(id, (created_at, item));
                }
                if found.len() > STATEMENT_ITEMS_MAX {
                    return Err(AnswerError::Endless);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
            let newest = found.values().map(|(created_at, _)| *created_at).max();
            match newest {
                Some(newest) if found.len() > known => {
                    from = newest
                        .checked_sub_signed(OVERLAP)
                        .map_or(window.from, |from| from.max(window.from));
                }
                _ => break,
            }
        }
        let mut found: Vec<(DateTime<Utc>, String, T)> = found
            .into_iter()
            .map(|(id, (created_at, item))| (created_at, id, item))
            .collect();
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        Ok(found.into_iter().map(|(_, _, item)| item).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_asked_for_in_whole_milliseconds_around_it() {
        let window = Window {
            from: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
            to: "2026-01-03T00:00:00.000001Z".parse().unwrap(),
        };
        let [from, to] = window.query();
        assert_eq!(from.1, "2026-01-02T03:04:05.678Z");
        assert_eq!(to.1, "2026-01-03T00:00:00.001Z");
        assert!(window.holds(window.from) && !window.holds(window.to));
        assert!(!window.holds("2026-01-02T03:04:05.678900Z".parse().unwrap()));
        let day = Window {
            from: "2026-01-02T00:00:00Z".parse().unwrap(),
            to: "2026-01-03T00:00:00Z".parse().unwrap(),
        };
        assert_eq!(day.query()[1].1, "2026-01-03T00:00:00.000Z");
    }
}
