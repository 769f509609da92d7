//! The chain, followed through a history that somebody may have tampered with.
//!
//! Every event is compared with the hash that *stands* in the line before it, so that one bad line does not make all later
//! ones look bad. An event that does not fit is tried elsewhere, and where its hash comes out right is where it was
//! appended: behind an earlier line (the lines between were put in), under a higher number (lines before it were taken out
//! and the rest renumbered), or in the place of another event that does not fit (they were moved). What fits nowhere was
//! changed. When an event was changed together with its hash, it is the next link that breaks; the words say so.

use std::collections::VecDeque;

use crate::event::{Event, Hash};
use crate::report::{Finding, Kind};

/// Lines that are remembered behind the last one, and the largest renumbering that is recognised.
const REACH: usize = 8;
/// Events that do not fit and are kept to be compared with each other.
const ODD_MAX: usize = 48;
/// Holes that are kept.
const HOLES_MAX: usize = 1_000;
/// Searches after which no further ones are made.
const SEARCHES_MAX: u32 = 10_000;

/// A line that was passed.
#[derive(Debug, Clone)]
struct Passed {
    position: i64,
    /// The position that it was written at, as far as that is known.
    original: i64,
    id: String,
    /// The hash that stands in it.
    hash: Hash,
    /// The hash that its fields give, if that is another one.
    own: Option<Hash>,
}

/// An event that does not fit.
struct Odd {
    event: Event,
    /// The hash in the line before; `None` when that line is missing.
    before: Option<Hash>,
}

/// Positions that no line has had so far.
struct Hole {
    from: i64,
    to: i64,
    before: Hash,
}

/// What an event that does not fit suggests about the lines before it. It holds when the next line agrees.
struct Guess {
    found: Vec<Finding>,
    /// Positions that are explained by it; the last is that of the event itself.
    explains: Vec<i64>,
    /// The offset from that event on.
    offset: i64,
}

/// See the module.
pub(crate) struct Chain {
    passed: VecDeque<Passed>,
    /// What must be added to today's positions to have those of the time of writing.
    offset: i64,
    guess: Option<Guess>,
    odd: Vec<Odd>,
    holes: Vec<Hole>,
    found: Vec<Finding>,
    searches: u32,
}

impl Chain {
    /// Before the first event.
    pub(crate) fn new() -> Self {
        let start = Passed {
            position: 0,
            original: 0,
            id: String::new(),
            hash: [0; 32],
            own: None,
        };
        Self {
            passed: VecDeque::from([start]),
            offset: 0,
            guess: None,
            odd: Vec::new(),
            holes: Vec::new(),
            found: Vec::new(),
            searches: 0,
        }
    }

    /// Position and hash of the last line.
    pub(crate) fn end(&self) -> (i64, Hash) {
        self.passed
            .back()
            .map_or((0, [0; 32]), |last| (last.position, last.hash))
    }

    /// Whether the lines that are read now have been renumbered.
    pub(crate) fn is_renumbered(&self) -> bool {
        self.offset != 0 || self.guess.is_some()
    }

    /// Takes the event of the next line.
    pub(crate) fn take(&mut self, event: Event) {
        let (last, last_hash) = self.end();
        let position = event.position;
        if position < 1 {
            let words = format!("an event stands at {position}, where none can be");
            self.tell(Kind::Inserted, &event, words);
        } else if position <= last {
            self.late(event);
        } else if position == last.saturating_add(1) {
            let fits = self.fits(&event, &last_hash);
            self.guess = if fits {
                None
            } else {
                self.guess(&event, &last_hash)
            };
            let own = if fits {
                None
            } else {
                event.hash_behind(&last_hash, position)
            };
            self.pass(&event, own);
            if !fits {
                self.set_aside(event, Some(last_hash));
            }
        } else {
            let hole = Hole {
                from: last.saturating_add(1),
                to: position - 1,
                before: last_hash,
            };
            if self.holes.len() < HOLES_MAX {
                self.holes.push(hole);
            } else {
                self.found.push(removed(hole.from, hole.to));
            }
            self.pass(&event, None);
            self.set_aside(event, None);
        }
    }

    fn tell(&mut self, kind: Kind, event: &Event, words: String) {
        self.found.push(
            Finding::new(kind, words)
                .at(event.position)
                .event(&event.event_id),
        );
    }

    fn pass(&mut self, event: &Event, own: Option<Hash>) {
        if self.passed.len() > REACH {
            self.passed.pop_front();
        }
        self.passed.push_back(Passed {
            position: event.position,
            original: event.position.saturating_add(self.offset),
            id: event.event_id.clone(),
            hash: event.stored_hash().or(own).unwrap_or_default(),
            own,
        });
    }

    fn set_aside(&mut self, event: Event, before: Option<Hash>) {
        if self.odd.len() < ODD_MAX {
            self.odd.push(Odd { event, before });
        } else if before.is_some() {
            self.found.push(changed(&event));
        }
    }

    /// The odd event at a position is explained.
    fn explain(&mut self, position: i64) {
        self.odd.retain(|odd| odd.event.position != position);
    }

    /// Whether the event belongs behind the last line, perhaps with what that tells about earlier lines.
    fn fits(&mut self, event: &Event, before: &Hash) -> bool {
        let Some(stored) = event.stored_hash() else {
            return false;
        };
        let here = event.position.saturating_add(self.offset);
        let is_right =
            |previous: &Hash, position: i64| event.hash_behind(previous, position) == Some(stored);
        if is_right(before, here) {
            return true;
        }
        let last = self.passed.back().cloned();
        if let Some(last) = &last
            && last.own.is_some_and(|own| is_right(&own, here))
        {
            self.explain(last.position);
            let words = "its hash was changed, its fields were not".to_owned();
            self.found.push(
                Finding::new(Kind::Changed, words)
                    .at(last.position)
                    .event(&last.id),
            );
            return true;
        }
        if let Some(guess) = &self.guess
            && is_right(before, event.position.saturating_add(guess.offset))
        {
            self.believe_guess();
            return true;
        }
        false
    }

    fn believe_guess(&mut self) {
        let Some(guess) = self.guess.take() else {
            return;
        };
        self.offset = guess.offset;
        self.found.extend(guess.found);
        for position in guess.explains {
            self.explain(position);
        }
    }

    /// What an event that does not fit suggests.
    fn guess(&mut self, event: &Event, before: &Hash) -> Option<Guess> {
        let stored = event.stored_hash()?;
        if self.searches >= SEARCHES_MAX {
            return None;
        }
        self.searches += 1;
        let is_right =
            |previous: &Hash, position: i64| event.hash_behind(previous, position) == Some(stored);
        // Behind an earlier line: those between were put in.
        let earlier = self.passed.iter().rev().skip(1);
        let mut behind =
            earlier.filter(|passed| is_right(&passed.hash, passed.original.saturating_add(1)));
        if let Some(behind) = behind.next() {
            let between = || {
                let later = |passed: &&Passed| passed.position > behind.position;
                self.passed.iter().filter(later)
            };
            let words = "the event after it follows from the one before it";
            let inserted = |passed: &Passed| {
                Finding::new(Kind::Inserted, words)
                    .at(passed.position)
                    .event(&passed.id)
            };
            return Some(Guess {
                found: between().map(inserted).collect(),
                explains: between()
                    .map(|passed| passed.position)
                    .chain([event.position])
                    .collect(),
                offset: behind
                    .original
                    .saturating_add(1)
                    .saturating_sub(event.position),
            });
        }
        // Right behind the line before, but under a higher number: lines before that one were taken out.
        let here = event.position.saturating_add(self.offset);
        let lost = (1..)
            .take(REACH)
            .find(|lost| is_right(before, here.saturating_add(*lost)))?;
        let last = self.passed.back()?;
        let words = format!(
            "{lost} event(s) before this one were removed, and it and those after it were renumbered"
        );
        Some(Guess {
            found: vec![
                Finding::new(Kind::Removed, words)
                    .at(last.position)
                    .event(&last.id),
            ],
            explains: vec![last.position, event.position],
            offset: self.offset.saturating_add(lost),
        })
    }

    /// A line whose position was passed already: it fills a hole, or somebody put it in.
    fn late(&mut self, event: Event) {
        let position = event.position;
        let Some(at) = self
            .holes
            .iter()
            .position(|hole| (hole.from..=hole.to).contains(&position))
        else {
            self.second(event);
            return;
        };
        let hole = self.holes.swap_remove(at);
        let before = (position == hole.from).then_some(hole.before);
        let stored = event.stored_hash().unwrap_or_default();
        if hole.from < position {
            self.holes.push(Hole {
                to: position - 1,
                ..hole
            });
        }
        if position < hole.to {
            self.holes.push(Hole {
                from: position + 1,
                to: hole.to,
                before: stored,
            });
        }
        let words = format!("it comes after event {}", self.end().0);
        self.tell(Kind::Reordered, &event, words);
        let wrong =
            before.is_some_and(|before| event.hash_behind(&before, position) != Some(stored));
        if wrong {
            self.set_aside(event, before);
        }
    }

    /// A second line for a position. The one that follows from the line before is the event, the other one was put in.
    fn second(&mut self, event: Event) {
        let (last, _) = self.end();
        let before = self
            .passed
            .iter()
            .rev()
            .find(|passed| passed.position < event.position);
        let first_is_odd = self.passed.back().is_some_and(|last| last.own.is_some());
        if event.position == last
            && first_is_odd
            && let Some(before) = before
            && event.hash_behind(&before.hash, event.position.saturating_add(self.offset))
                == event.stored_hash()
            && let Some(first) = self.passed.pop_back()
        {
            self.explain(last);
            let words = "another event has this position by right".to_owned();
            self.found.push(
                Finding::new(Kind::Inserted, words)
                    .at(last)
                    .event(&first.id),
            );
            self.pass(&event, None);
        } else {
            let words = "another event has this position already".to_owned();
            self.tell(Kind::Inserted, &event, words);
        }
    }

    /// Compares the events that do not fit with each other, and tells everything.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        let mut homes = self.homes();
        // No further line could confirm a guess at the last one. It holds if nobody that it explains belongs elsewhere.
        if let Some(guess) = &self.guess {
            let (_, before) = guess.explains.split_last().unwrap_or((&0, &[]));
            let moved = self.odd.iter().zip(&homes).any(|(odd, home)| {
                let at = odd.event.position;
                before.contains(&at) && home.is_some_and(|home| home != at)
            });
            if !moved {
                self.believe_guess();
                homes = self.homes();
            }
        }
        let home_of = |position: i64| {
            self.odd
                .iter()
                .zip(&homes)
                .find(|(odd, _)| odd.event.position == position)
                .and_then(|(odd, home)| home.map(|home| (home, odd.event.event_id.clone())))
        };
        for (odd, home) in self.odd.iter().zip(&homes) {
            let (at, id) = (odd.event.position, &odd.event.event_id);
            let finding = match *home {
                Some(home) if home == at => continue,
                Some(home) => match home_of(home) {
                    Some((back, partner)) if back == at => {
                        if home < at {
                            continue;
                        }
                        let words = format!("it was swapped with event {home} ({partner})");
                        Finding::new(Kind::Swapped, words).with(home)
                    }
                    _ => {
                        self.holes
                            .retain(|hole| (hole.from, hole.to) != (home, home));
                        let words = format!("its place is {home}");
                        Finding::new(Kind::Reordered, words).with(home)
                    }
                },
                // There is nothing to compare it with; the hole before it is told.
                None if odd.before.is_none() => continue,
                None => changed(&odd.event),
            };
            self.found.push(finding.at(at).event(id));
        }
        self.found
            .extend(self.holes.iter().map(|hole| removed(hole.from, hole.to)));
        self.found
    }

    fn homes(&self) -> Vec<Option<i64>> {
        self.odd.iter().map(|odd| self.home(odd)).collect()
    }

    /// The place where an odd event's hash comes out right.
    fn home(&self, odd: &Odd) -> Option<i64> {
        let own = odd.event.position;
        let stored = odd.event.stored_hash()?;
        let moved: Vec<Hash> = self
            .odd
            .iter()
            .filter_map(|other| other.event.stored_hash())
            .collect();
        let is_right = |place: i64, before: Option<Hash>, there: Option<Hash>| {
            before.iter().chain(&moved).any(|previous| {
                let hash = odd.event.hash_behind(previous, place);
                // Moved together with its hash, or without it.
                hash == Some(stored) || (place != own && hash.is_some() && hash == there)
            })
        };
        let odd_places = self.odd.iter().map(|other| {
            (
                other.event.position,
                other.before,
                other.event.stored_hash(),
            )
        });
        let holes = self
            .holes
            .iter()
            .filter(|hole| hole.from == hole.to)
            .take(ODD_MAX)
            .map(|hole| (hole.from, Some(hole.before), None));
        odd_places
            .chain(holes)
            .find(|(place, before, there)| is_right(*place, *before, *there))
            .map(|(place, ..)| place)
    }
}

fn changed(event: &Event) -> Finding {
    let words = if event.position > 1 {
        format!(
            "it does not follow from event {before}: it was changed, or event {before} together with its hash",
            before = event.position - 1
        )
    } else {
        "it was changed".to_owned()
    };
    Finding::new(Kind::Changed, words)
        .at(event.position)
        .event(&event.event_id)
}

fn removed(from: i64, to: i64) -> Finding {
    let words = if from == to {
        format!("event {from} is not there")
    } else {
        format!("events {from} to {to} are not there")
    };
    Finding::new(Kind::Removed, words).at(from).with(to)
}
