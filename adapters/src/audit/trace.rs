//! Follows the chain through a log that somebody may have tampered with, and tells what they did.
//!
//! Each row's hash is compared with its fields behind the hash *stored* before it, so one bad row does not spoil all that
//! follow. A row that does not fit is tried in other places: behind an earlier row (then rows were put in between), some
//! numbers further (then rows before it are gone and the rest was renumbered), and at the end in the places of the other
//! rows that did not fit (then they were moved). A hash that comes out right elsewhere is proof of where a row belongs.
//! What fits nowhere was changed.
//!
//! One thing the chain alone cannot tell: whether a row was changed, or the row before it together with its hash. Both
//! break the same link, and the finding names both.

use std::collections::VecDeque;

use kvit_domain::event::Position;
use uuid::Uuid;

use super::link::Link;
use super::report::{Finding, Kind};
use crate::postgres::chain::{GENESIS, Hash};

/// How far rows are looked for behind earlier ones, and how many renumbered rows are recognised at once.
const REACH: usize = 8;
/// Rows that do not fit and are kept for the comparison with each other at the end.
const SUSPECTS_MAX: usize = 48;
/// Gaps that are kept.
const GAPS_MAX: usize = 1_000;
/// How often the whole search is done; a log that is garbage from end to end is not worth more.
const SEARCHES_MAX: u32 = 10_000;

/// The row before the one that is looked at.
#[derive(Clone)]
struct Last {
    position: Position,
    event_id: Uuid,
    stored: Hash,
    /// The hash that its fields give, when that is not the stored one.
    computed: Option<Hash>,
}

/// A row that does not fit.
struct Suspect {
    link: Link,
    /// The hash stored before it; `None` when that row is missing.
    before: Option<Hash>,
}

/// Positions without a row.
struct Gap {
    from: Position,
    to: Position,
    before: Hash,
}

/// A guess about the rows before one that does not fit. The next row confirms it, or it is dropped.
struct Guess {
    /// The row that gave rise to it.
    at: Position,
    /// What would be reported.
    findings: Vec<Finding>,
    /// The rows that would be explained, `at` among them.
    explains: Vec<Position>,
    /// The shift that would hold from `at` on.
    shift: Position,
}

/// See the module.
pub(super) struct Trace {
    last: Last,
    /// The last rows, oldest first: position, original position as far as known, id, stored hash.
    recent: VecDeque<(Position, Position, Uuid, Hash)>,
    /// Original position less today's position of the rows that are read now.
    shift: Position,
    guess: Option<Guess>,
    suspects: Vec<Suspect>,
    gaps: Vec<Gap>,
    findings: Vec<Finding>,
    searches: u32,
}

impl Trace {
    /// Begins before the first event.
    pub(super) fn new() -> Self {
        Self {
            last: Last {
                position: 0,
                event_id: Uuid::nil(),
                stored: GENESIS,
                computed: None,
            },
            recent: VecDeque::from([(0, 0, Uuid::nil(), GENESIS)]),
            shift: 0,
            guess: None,
            suspects: Vec::new(),
            gaps: Vec::new(),
            findings: Vec::new(),
            searches: 0,
        }
    }

    /// Position and stored hash of the last row.
    pub(super) fn head(&self) -> (Position, Hash) {
        (self.last.position, self.last.stored)
    }

    /// Whether the rows that are read now have been renumbered.
    pub(super) fn is_shifted(&self) -> bool {
        self.shift != 0 || self.guess.is_some()
    }

    /// Takes the next row, in the order of positions.
    pub(super) fn take(&mut self, mut link: Link) {
        let position = link.position;
        if position < 1 {
            let detail = format!(
                "event {} stands at {position}, where no event can be",
                link.event_id
            );
            self.findings
                .push(Finding::new(Kind::Inserted, detail).event(position, link.event_id));
            return;
        }
        if position == self.last.position {
            self.second_at_one_place(link);
            return;
        }
        let due = self.last.position.saturating_add(1);
        let before = if position == due {
            Some(self.last.stored)
        } else {
            self.gap(due, position - 1);
            None
        };
        let fits = before.is_some_and(|before| self.fits(&mut link, &before));
        let computed = if fits {
            self.guess = None;
            None
        } else {
            self.guess = before.and_then(|before| self.guess(&mut link, &before));
            let computed = before.and_then(|before| link.hash(&before, position));
            self.suspect(Suspect {
                link: link.clone(),
                before,
            });
            computed
        };
        self.step(&link, computed);
    }

    fn step(&mut self, link: &Link, computed: Option<Hash>) {
        let (position, event_id) = (link.position, link.event_id);
        let stored = link.stored.or(computed).unwrap_or_default();
        self.last = Last {
            position,
            event_id,
            stored,
            computed,
        };
        if self.recent.len() > REACH {
            self.recent.pop_front();
        }
        let original = position.saturating_add(self.shift);
        self.recent
            .push_back((position, original, event_id, stored));
    }

    fn gap(&mut self, from: Position, to: Position) {
        if self.gaps.len() < GAPS_MAX {
            let before = self.last.stored;
            self.gaps.push(Gap { from, to, before });
        } else {
            self.findings.push(removed(from, to));
        }
    }

    /// Whether the row belongs behind the last one, perhaps after what it shows about the rows before it.
    fn fits(&mut self, link: &mut Link, before: &Hash) -> bool {
        let here = link.position.saturating_add(self.shift);
        if link.follows(before, here) {
            return true;
        }
        if let Some(guess) = &self.guess
            && link.follows(before, link.position.saturating_add(guess.shift))
        {
            self.accept_guess();
            return true;
        }
        if let Some(computed) = self.last.computed
            && link.follows(&computed, here)
        {
            // The row before is as it was, only its hash is not.
            self.acquit(self.last.position);
            let (position, id) = (self.last.position, self.last.event_id);
            let detail =
                format!("event {position} ({id}): its hash was changed, its fields were not");
            self.findings
                .push(Finding::new(Kind::Changed, detail).event(position, id));
            return true;
        }
        false
    }

    fn accept_guess(&mut self) {
        if let Some(guess) = self.guess.take() {
            self.shift = guess.shift;
            self.findings.extend(guess.findings);
            for position in guess.explains {
                self.acquit(position);
            }
        }
    }

    fn guess(&mut self, link: &mut Link, before: &Hash) -> Option<Guess> {
        if self.searches >= SEARCHES_MAX {
            return None;
        }
        self.searches += 1;
        self.behind_an_earlier_one(link)
            .or_else(|| self.renumbered(link, before))
    }

    /// Looks for rows that were put in between.
    fn behind_an_earlier_one(&self, link: &mut Link) -> Option<Guess> {
        let &(position, original, ..) = self
            .recent
            .iter()
            .rev()
            .skip(1)
            .find(|(_, original, _, stored)| link.follows(stored, original.saturating_add(1)))?;
        let between = self.recent.iter().filter(|(at, ..)| *at > position);
        let findings = between.clone().map(|(at, _, id, _)| {
            let detail = format!(
                "event {at} ({id}) was inserted: the event after it follows from the one before it"
            );
            Finding::new(Kind::Inserted, detail).event(*at, *id)
        });
        Some(Guess {
            at: link.position,
            findings: findings.collect(),
            explains: between.map(|(at, ..)| *at).chain([link.position]).collect(),
            shift: original.saturating_add(1).saturating_sub(link.position),
        })
    }

    /// Looks for rows that are gone without a gap, because those after them were renumbered. It shows at the second row
    /// after them: the first has lost the hash it follows from.
    fn renumbered(&self, link: &mut Link, before: &Hash) -> Option<Guess> {
        let here = link.position.saturating_add(self.shift);
        let lost = (1..)
            .take(REACH)
            .find(|lost| link.follows(before, here.saturating_add(*lost)))?;
        let (first, id) = (self.last.position, self.last.event_id);
        let detail = format!(
            "{lost} event(s) before event {first} ({id}) were removed, and those from there on were renumbered"
        );
        Some(Guess {
            at: link.position,
            findings: vec![Finding::new(Kind::Removed, detail).event(first, id)],
            explains: vec![first, link.position],
            shift: self.shift.saturating_add(lost),
        })
    }

    /// Two rows with one position: the one that follows from the row before is the event.
    fn second_at_one_place(&mut self, mut link: Link) {
        let position = link.position;
        let original = position.saturating_add(self.shift);
        let mut inserted = (link.event_id, false);
        if let Some(&(_, _, _, before)) = self.recent.iter().rev().find(|(at, ..)| *at < position)
            && self.last.computed.is_some()
            && link.follows(&before, original)
        {
            inserted = (self.last.event_id, true);
        }
        let (id, is_first) = inserted;
        let detail = format!("event {id} was inserted: another event stands at {position}");
        self.findings
            .push(Finding::new(Kind::Inserted, detail).event(position, id));
        if is_first {
            self.acquit(position);
            self.recent.pop_back();
            self.step(&link, None);
        }
    }

    fn suspect(&mut self, suspect: Suspect) {
        if self.suspects.len() < SUSPECTS_MAX {
            self.suspects.push(suspect);
        } else if suspect.before.is_some() {
            self.findings.push(changed(&suspect.link));
        }
    }

    /// What was suspected at a position is explained.
    fn acquit(&mut self, position: Position) {
        self.suspects
            .retain(|suspect| suspect.link.position != position);
    }

    /// Compares the rows that did not fit with each other, and tells what was found.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        let mut homes = self.homes();
        // A guess at the last row, which no further row could confirm, holds if nobody it explains belongs elsewhere.
        let is_moved = |at: &Position| {
            homes
                .iter()
                .any(|(own, home)| own == at && home.is_some_and(|home| home != *at))
        };
        if let Some(guess) = &self.guess {
            let others = guess.explains.iter().filter(|at| **at != guess.at);
            if others.clone().any(is_moved) {
                self.guess = None;
            } else {
                self.accept_guess();
                homes = self.homes();
            }
        }
        let home_of = |position: Position| {
            homes
                .iter()
                .find(|(at, _)| *at == position)
                .and_then(|(_, home)| *home)
        };
        for suspect in &self.suspects {
            let (at, id) = (suspect.link.position, suspect.link.event_id);
            match home_of(at) {
                Some(home) if home == at => {}
                Some(home) if home_of(home) == Some(at) => {
                    if at < home {
                        let partner = self
                            .suspects
                            .iter()
                            .find(|other| other.link.position == home)
                            .map_or(Uuid::nil(), |other| other.link.event_id);
                        let detail =
                            format!("events {at} ({id}) and {home} ({partner}) were swapped");
                        let finding = Finding::new(Kind::Swapped, detail).event(at, id).with(home);
                        self.findings.push(finding);
                    }
                }
                Some(home) => {
                    let detail =
                        format!("event {at} ({id}) stands out of its place, which is {home}");
                    let finding = Finding::new(Kind::Reordered, detail)
                        .event(at, id)
                        .with(home);
                    self.findings.push(finding);
                    self.gaps.retain(|gap| (gap.from, gap.to) != (home, home));
                }
                // Behind a gap there is nothing to compare with; the gap itself is named.
                None if suspect.before.is_none() && suspect.link.event.is_some() => {}
                None => self.findings.push(changed(&suspect.link)),
            }
        }
        let gaps = self.gaps.iter().map(|gap| removed(gap.from, gap.to));
        self.findings.extend(gaps);
        self.findings
    }

    /// Where each suspect belongs, if its hash comes out right anywhere.
    fn homes(&mut self) -> Vec<(Position, Option<Position>)> {
        let moved: Vec<Hash> = self
            .suspects
            .iter()
            .filter_map(|suspect| suspect.link.stored)
            .collect();
        // Places: position, the hash before, the hash that stands there now.
        let mut places: Vec<(Position, Option<Hash>, Option<Hash>)> = self
            .suspects
            .iter()
            .map(|suspect| (suspect.link.position, suspect.before, suspect.link.stored))
            .collect();
        let single = self.gaps.iter().filter(|gap| gap.from == gap.to);
        places.extend(
            single
                .map(|gap| (gap.from, Some(gap.before), None))
                .take(SUSPECTS_MAX),
        );
        self.suspects
            .iter_mut()
            .map(|suspect| {
                let (own, stored) = (suspect.link.position, suspect.link.stored);
                let home = places.iter().find(|(place, before, there)| {
                    before.iter().chain(&moved).any(|previous| {
                        let hash = suspect.link.hash(previous, *place);
                        // Moved with its hash, or without it.
                        hash.is_some() && (hash == stored || (*place != own && hash == *there))
                    })
                });
                (own, home.map(|(place, ..)| *place))
            })
            .collect()
    }
}

fn changed(link: &Link) -> Finding {
    let (position, id) = (link.position, link.event_id);
    let detail = if link.event.is_none() || position == 1 {
        format!("event {position} ({id}) was changed")
    } else {
        format!(
            "event {position} ({id}) was changed, or event {} was changed together with its hash",
            position - 1
        )
    };
    Finding::new(Kind::Changed, detail).event(position, id)
}

fn removed(from: Position, to: Position) -> Finding {
    let detail = if from == to {
        format!("event {from} was removed")
    } else {
        format!("events {from} to {to} were removed")
    };
    Finding::new(Kind::Removed, detail).at(from).with(to)
}
