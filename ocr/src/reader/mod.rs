//! The whole way from bytes to a [`Recognition`].

mod plan;
mod vote;

use std::time::{Duration, Instant};

use image::GrayImage;
use kvit_domain::money::Currency;
use kvit_domain::recognition::{FiscalQr, QrReading, ReceiptItem, Recognition, Region};

use crate::engine::{Engine, EngineConfig, EngineError, PageMode};
use crate::intake::{self, IntakeError};
use crate::layout::{self, Line, Word, mean_confidence};
use crate::parser::{self, ReceiptText, anomalies, items::Draft};
use crate::preprocess::{self, Prepared};
use crate::{confidence, lines, qr};
pub use plan::{Plan, Threshold};

/// Longest text kept in a recognition, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Sizes at which doubtful rows are read again, in thousandths of the first one.
const SIZES: [u32; 2] = [1_450, 850];
/// Signs that make the difference between texture and text.
const SIGNS_MIN: usize = 30;
/// A row below this mean confidence is texture or a code, and stays so at any size.
const HOPELESS: u16 = 200;
/// A row read with a mean confidence below this is no text.
const ROW_FLOOR: u16 = 250;
/// A page read with a mean confidence below this may stand on its head.
const UPRIGHT_FROM: u16 = 450;

/// How one photo is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Time for the search of a QR code; a clear code takes a small part of it.
    pub qr_budget: Duration,
    /// Time for reading the text. A pass that has begun is finished; no further one is begun when this is spent.
    pub text_budget: Duration,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            qr_budget: Duration::from_secs(3),
            text_budget: Duration::from_secs(6),
        }
    }
}

/// Why a photo could not be read at all. A blank or unreadable photo is not an error but a recognition with a low
/// confidence.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not an acceptable picture: the sender's to fix, never worth a retry.
    #[error("the photo was not accepted")]
    Intake(#[from] IntakeError),
    /// The engine failed: the worker should end and be started anew.
    #[error("the OCR engine failed")]
    Engine(#[from] EngineError),
}

impl ReadError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Intake(error) => error.code(),
            Self::Engine(_) => "ocr_engine",
        }
    }

    /// Whether the sender has to send something else, so that a retry is useless.
    #[must_use]
    pub const fn is_rejection(&self) -> bool {
        matches!(self, Self::Intake(_))
    }
}

/// Reads photos with an engine that stays warm. `Send` but not `Sync`: one for each OS thread of a worker.
#[derive(Debug)]
pub struct Reader {
    engine: Engine,
    plan: Plan,
}

impl Reader {
    /// Starts the engine: tenths of a second and some 70 MB.
    ///
    /// # Errors
    /// [`EngineError::Start`].
    pub fn init(config: &EngineConfig) -> Result<Self, EngineError> {
        Ok(Self {
            engine: Engine::init(config)?,
            plan: Plan::default(),
        })
    }

    /// Changes a step of reading for the next photos: see [`Plan`].
    ///
    /// # Errors
    /// A sentence about the key or the value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        self.plan.set(key, value)
    }

    /// Reads a photo: the QR code first, then the text.
    ///
    /// # Errors
    /// [`ReadError::Intake`] for bytes that are no acceptable picture, [`ReadError::Engine`] when the engine fails.
    pub fn read(&mut self, image: &[u8], options: &ReadOptions) -> Result<Recognition, ReadError> {
        let mut watch = Watch::start();
        let photo = intake::decode(image)?;
        watch.stage("decode");
        let search = qr::search(&photo.grey, Instant::now() + options.qr_budget);
        watch.stage("qr");
        let deadline = Instant::now() + options.text_budget;
        let known_total = search.reading.fiscal().map(|qr| qr.total_minor);
        let Look {
            prepared,
            mut lines,
        } = self.look(&photo.grey, search.quarter_turns, deadline, &mut watch)?;
        let mut text = parser::parse(&lines, known_total);
        watch.stage("parse");
        // Goods that do not come out at the total deserve a second look with the other threshold.
        if let Some(prepared) = prepared.filter(|_| {
            self.plan.again
                && !text.adds_up
                && quality(&lines) >= UPRIGHT_FROM
                && Instant::now() < deadline
        }) {
            let again = self.read_page(&prepared, !prepared.steps.smoothed, deadline)?;
            watch.stage("ocr");
            text = parser::parse_all(&[&lines, &again], known_total);
            if quality(&again) > quality(&lines) {
                lines = again;
            }
        }
        let mut recognition = assemble(text, search.reading, &lines, photo.short_edge_px);
        watch.stage("parse");
        recognition.stage_ms = watch.stages;
        Ok(recognition)
    }

    /// The photo's lines, the right way up.
    fn look(
        &mut self,
        photo: &GrayImage,
        turns: Option<u8>,
        deadline: Instant,
        watch: &mut Watch,
    ) -> Result<Look, EngineError> {
        let start = match turns {
            Some(turns) => turns,
            None => u8::from(self.plan.direction && lies_on_its_side(photo)),
        };
        let mut best = self.look_turned(photo, start, deadline, watch)?;
        // A code tells the direction; without one, a page that reads badly is tried in the other ones.
        let upright =
            turns.is_some() || best.lines.is_empty() || quality(&best.lines) >= UPRIGHT_FROM;
        let others: &[u8] = match upright {
            true => &[],
            false if start == 1 => &[3],
            false if preprocess::runs_down(photo) => &[1, 3],
            false => &[2],
        };
        for turns in others {
            if quality(&best.lines) >= UPRIGHT_FROM || Instant::now() >= deadline {
                break;
            }
            let other = self.look_turned(photo, *turns, deadline, watch)?;
            if quality(&other.lines) > quality(&best.lines) {
                best = other;
            }
        }
        Ok(best)
    }

    fn look_turned(
        &mut self,
        photo: &GrayImage,
        turns: u8,
        deadline: Instant,
        watch: &mut Watch,
    ) -> Result<Look, EngineError> {
        let prepared = preprocess::prepare(photo, turns, &self.plan);
        watch.stage("preprocess");
        let lines = match &prepared {
            Some(page) => self.read_page(page, page.steps.smoothed, deadline)?,
            None => Vec::new(),
        };
        watch.stage("ocr");
        Ok(Look { prepared, lines })
    }

    fn read_page(
        &mut self,
        prepared: &Prepared,
        grainy: bool,
        deadline: Instant,
    ) -> Result<Vec<Line>, EngineError> {
        let method = match self.plan.threshold {
            Threshold::ByGrain if grainy => 0,
            Threshold::ByGrain => 2,
            Threshold::Method(method) => method,
        };
        self.engine.threshold(method)?;
        if let Some(mode) = self.plan.lines.filter(|_| !prepared.rows.is_empty()) {
            let lines = self.read_rows(prepared, mode, deadline)?;
            if !self.plan.block {
                return Ok(placed(lines, prepared));
            }
        }
        let words = self
            .engine
            .read(&prepared.page, self.plan.column, deadline)?;
        let block = layout::lines(layout::within_margins(words));
        Ok(placed(block, prepared))
    }

    /// Reads the rows one by one, and those with doubtful words again at other sizes.
    fn read_rows(
        &mut self,
        prepared: &Prepared,
        mode: PageMode,
        deadline: Instant,
    ) -> Result<Vec<Line>, EngineError> {
        let rows = &prepared.rows;
        let mut readings: Vec<Vec<Vec<Word>>> = self
            .engine
            .read_rows(&prepared.page, rows, mode, deadline)?
            .into_iter()
            .map(|words| vec![words])
            .collect();
        for size in SIZES
            .into_iter()
            .take(usize::from(self.plan.passes.saturating_sub(1)))
        {
            let doubtful: Vec<usize> = (0..readings.len())
                .filter(|index| self.is_doubtful(&vote::voted(&readings[*index])))
                .collect();
            if doubtful.is_empty() || Instant::now() >= deadline {
                break;
            }
            let (page, scale) = if self.plan.ink {
                prepared.inked_at_size(size, u32::from(self.plan.capital_px))
            } else {
                prepared.at_size(size)
            };
            let regions: Vec<Region> = doubtful
                .iter()
                .map(|index| scaled(rows[*index], scale))
                .collect();
            let again = self.engine.read_rows(&page, &regions, mode, deadline)?;
            for (index, mut words) in doubtful.into_iter().zip(again) {
                for word in &mut words {
                    word.region = scaled(word.region, 1_000_000 / scale.max(1));
                }
                readings[index].push(words);
            }
        }
        Ok(readings
            .iter()
            .map(|readings| Line {
                words: vote::voted(readings),
            })
            .filter(|line| !line.words.is_empty() && line.confidence().thousandths() >= ROW_FLOOR)
            .collect())
    }

    /// Whether a row is worth another look: it may be text, and not each of its words is sure.
    fn is_doubtful(&self, words: &[Word]) -> bool {
        mean_confidence(words).thousandths() >= HOPELESS
            && words
                .iter()
                .any(|word| word.confidence.thousandths() < self.plan.doubt)
    }
}

/// Whether a photo makes much more text after a quarter turn.
fn lies_on_its_side(photo: &GrayImage) -> bool {
    let (upright, turned) = lines::upright_and_turned(photo);
    turned > 2 * upright + SIGNS_MIN
}

/// A region at another size, in thousandths.
fn scaled(region: Region, permille: u32) -> Region {
    let part = |value: u32| {
        u32::try_from(u64::from(value) * u64::from(permille) / 1_000).unwrap_or(u32::MAX)
    };
    Region {
        x: part(region.x),
        y: part(region.y),
        width: part(region.width),
        height: part(region.height),
    }
}

/// A page and what was read on it.
struct Look {
    /// `None` when the photo is blank.
    prepared: Option<Prepared>,
    lines: Vec<Line>,
}

fn placed(mut lines: Vec<Line>, prepared: &Prepared) -> Vec<Line> {
    for word in lines.iter_mut().flat_map(|line| &mut line.words) {
        word.region = prepared.on_photo(word.region);
    }
    lines
}

/// The mean confidence of all words of a page.
fn quality(lines: &[Line]) -> u16 {
    let words: Vec<_> = lines
        .iter()
        .flat_map(|line| line.words.iter().cloned())
        .collect();
    mean_confidence(&words).thousandths()
}

fn assemble(text: ReceiptText, qr: QrReading, lines: &[Line], short_edge_px: u32) -> Recognition {
    let fiscal: Option<&FiscalQr> = qr.fiscal();
    let anomalies = anomalies::find(&text, fiscal);
    let confidence = confidence::overall(&text, fiscal, &anomalies);
    let currency = fiscal
        .map(|qr| qr.currency)
        .or(text.currency)
        .unwrap_or(Currency::Uah);
    Recognition {
        merchant: text.merchant,
        tax_id: text.tax_id,
        register_number: text.register_number,
        receipt_number: text.receipt_number,
        purchased_at: text.purchased_at,
        purchased_on: text.purchased_on,
        currency,
        total_minor: text.totals.chosen().cloned(),
        items: text.items.into_iter().map(item).collect(),
        is_return: text.is_return,
        confidence,
        anomalies,
        text: bounded(lines),
        stage_ms: Vec::new(),
        short_edge_px,
        qr,
    }
}

fn item(draft: Draft) -> ReceiptItem {
    ReceiptItem {
        name: draft.name,
        quantity: draft.quantity,
        unit_price_minor: draft.unit_price_minor,
        sum_minor: draft.sum_minor,
        discount_minor: draft.discount_minor,
        tax: draft.tax.map(String::from),
        barcode: draft.barcode,
        code: draft.code,
        confidence: draft.confidence,
    }
}

/// The lines as text, cut at a character's boundary.
fn bounded(lines: &[Line]) -> String {
    let mut text = lines.iter().map(Line::text).collect::<Vec<_>>().join("\n");
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// Time by stage; a stage that runs again adds to its first entry.
struct Watch {
    since: Instant,
    stages: Vec<(String, u32)>,
}

impl Watch {
    fn start() -> Self {
        Self {
            since: Instant::now(),
            stages: Vec::new(),
        }
    }

    fn stage(&mut self, name: &str) {
        let spent = u32::try_from(self.since.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.since = Instant::now();
        match self.stages.iter_mut().find(|(known, _)| known == name) {
            Some((_, total)) => *total = total.saturating_add(spent),
            None => self.stages.push((name.to_owned(), spent)),
        }
    }
}
