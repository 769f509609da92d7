//! Tesseract, kept warm.
//!
//! Starting it costs tenths of a second and tens of megabytes, so one engine lives as long as its worker thread. It
//! is `Send` but not `Sync`: one for each OS thread. `OMP_THREAD_LIMIT=1` must stand in the environment before the
//! process starts; setting it later has no effect and each page then takes several times as long.

use std::ffi::CStr;
use std::time::Instant;

use image::GrayImage;
use kvit_domain::recognition::{Confidence, Region};
use leptess::leptonica::pix_read_mem;
use leptess::tesseract::TessApi;

use crate::layout::{Word, mean_confidence};

/// Most words kept of a page; a receipt has some hundred.
const WORDS_MAX: usize = 4_000;
/// Longest word kept, in characters; longer ones are noise of a texture.
const WORD_CHARS_MAX: usize = 80;
/// A page read with a mean confidence below this is read again in the other page mode.
const SATISFIED_AT: u16 = 700;
/// With fewer words the other page mode is tried, too.
const WORDS_EXPECTED: usize = 8;

/// How to start the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Languages in Tesseract's notation. Three beat two on Ukrainian receipts; `eng` alone is right for English ones.
    pub languages: String,
    /// Folder with the trained data; the engine's own default when absent.
    pub data_path: Option<String>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            languages: "ukr+rus+eng".into(),
            data_path: None,
        }
    }
}

/// Why the engine did not start or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The trained data of a language is missing: a fault of the installation.
    #[error(
        "the OCR engine did not start with the languages {languages}; install tesseract-ocr with their data"
    )]
    Start {
        /// The languages asked for.
        languages: String,
    },
    /// The engine refused a page it should have taken.
    #[error("the OCR engine failed while it {step}")]
    Page {
        /// What it was doing.
        step: &'static str,
    },
}

/// How a page is divided into lines, in Tesseract's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageMode {
    /// One uniform block: best on receipts.
    Block,
    /// One column of text of varying sizes.
    Column,
    /// One text line, whose place the engine still looks for itself.
    Line,
    /// One text line that fills the picture.
    RawLine,
}

impl PageMode {
    const fn number(self) -> &'static CStr {
        match self {
            Self::Block => c"6",
            Self::Column => c"4",
            Self::Line => c"7",
            Self::RawLine => c"13",
        }
    }
}

/// A warm engine.
pub struct Engine {
    tesseract: TessApi,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// [`EngineError::Start`].
    pub fn init(config: &EngineConfig) -> Result<Self, EngineError> {
        if std::env::var("OMP_THREAD_LIMIT").as_deref() != Ok("1") {
            tracing::warn!(
                "OMP_THREAD_LIMIT is not 1 in the environment: reading a page takes several times as long"
            );
        }
        let failed = || EngineError::Start {
            languages: config.languages.clone(),
        };
        // The binding turns these into C strings and panics on a NUL inside.
        if config.languages.contains('\0')
            || config
                .data_path
                .as_deref()
                .is_some_and(|p| p.contains('\0'))
        {
            return Err(failed());
        }
        let mut tesseract =
            TessApi::new(config.data_path.as_deref(), &config.languages).map_err(|_| failed())?;
        for (variable, value) in [
            (c"debug_file", c"/dev/null"), // it writes remarks on every blank page to stderr
            (c"user_defined_dpi", c"300"),
            (c"tessedit_do_invert", c"0"), // receipts are dark on light; the second look costs time
        ] {
            tesseract
                .raw
                .set_variable(variable, value)
                .map_err(|_| failed())?;
        }
        Ok(Self { tesseract })
    }

    /// Chooses how the next pages are binarised, in the engine's numbers: 0 one threshold for all (Otsu), which grain
    /// cannot disturb, 1 and 2 by the neighbourhood (2 Sauvola), which keeps thin strokes where the light still varies.
    ///
    /// # Errors
    /// [`EngineError::Page`].
    pub fn threshold(&mut self, method: u8) -> Result<(), EngineError> {
        let method = match method {
            0 => c"0",
            1 => c"1",
            _ => c"2",
        };
        let chosen = self
            .tesseract
            .raw
            .set_variable(c"thresholding_method", method);
        chosen.map_err(|_| EngineError::Page {
            step: "chose the threshold",
        })
    }

    /// Reads a prepared page: as one block, and as a column when that went badly and the deadline has not passed.
    /// Words stand in the page's pixels.
    ///
    /// # Errors
    /// [`EngineError::Page`].
    pub fn read(
        &mut self,
        page: &GrayImage,
        column: bool,
        deadline: Instant,
    ) -> Result<Vec<Word>, EngineError> {
        let block = self.read_as(page, PageMode::Block)?;
        let satisfied =
            block.len() >= WORDS_EXPECTED && mean_confidence(&block).thousandths() >= SATISFIED_AT;
        if satisfied || !column || Instant::now() >= deadline {
            return Ok(block);
        }
        let column = self.read_as(page, PageMode::Column)?;
        Ok(if evidence(&column) > evidence(&block) {
            column
        } else {
            block
        })
    }

    fn read_as(&mut self, page: &GrayImage, mode: PageMode) -> Result<Vec<Word>, EngineError> {
        self.page(page, mode)?;
        let mut words = self.recognised()?;
        words.truncate(WORDS_MAX);
        Ok(words)
    }

    /// Reads the rows of a page one by one. Words stand in the page's pixels. Rows after the deadline are not read.
    ///
    /// # Errors
    /// [`EngineError::Page`].
    pub fn read_rows(
        &mut self,
        page: &GrayImage,
        rows: &[Region],
        mode: PageMode,
        deadline: Instant,
    ) -> Result<Vec<Vec<Word>>, EngineError> {
        self.page(page, mode)?;
        let side = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            if Instant::now() >= deadline {
                break;
            }
            self.tesseract.set_rectangle(
                side(row.x),
                side(row.y),
                side(row.width),
                side(row.height),
            );
            read.push(self.recognised()?);
        }
        Ok(read)
    }

    /// Hands a page over.
    fn page(&mut self, page: &GrayImage, mode: PageMode) -> Result<(), EngineError> {
        let failed = |step| EngineError::Page { step };
        let chosen = self
            .tesseract
            .raw
            .set_variable(c"tessedit_pageseg_mode", mode.number());
        chosen.map_err(|_| failed("chose the page mode"))?;
        // Uncompressed, so that handing the page over costs a copy and no codec.
        let mut pnm = format!("P5\n{} {}\n255\n", page.width(), page.height()).into_bytes();
        pnm.extend_from_slice(page.as_raw());
        self.tesseract
            .set_image(&pix_read_mem(&pnm).map_err(|_| failed("took the page"))?);
        Ok(())
    }

    fn recognised(&mut self) -> Result<Vec<Word>, EngineError> {
        let failed = |step| EngineError::Page { step };
        if self.tesseract.recognize() != 0 {
            return Err(failed("recognised the page"));
        }
        let table = self
            .tesseract
            .get_tsv_text(0)
            .map_err(|_| failed("wrote its table"))?;
        Ok(table.lines().filter_map(word).collect())
    }
}

/// What a reading is worth in comparison: letters and digits, weighted by confidence above guessing.
fn evidence(words: &[Word]) -> u64 {
    words
        .iter()
        .map(|w| {
            let signs = w.text.chars().filter(|c| c.is_alphanumeric()).count() as u64;
            signs * u64::from(w.confidence.thousandths().saturating_sub(300))
        })
        .sum()
}

/// A row of the engine's table: level, page, block, paragraph, line, word, left, top, width, height, confidence, text.
/// Only level 5 is a word.
fn word(row: &str) -> Option<Word> {
    let mut cells = row.splitn(12, '\t');
    if cells.next()? != "5" {
        return None;
    }
    let mut cells = cells.skip(5);
    let mut number = || cells.next()?.parse::<u32>().ok();
    let region = Region {
        x: number()?,
        y: number()?,
        width: number()?,
        height: number()?,
    };
    let confidence = thousandths(cells.next()?)?;
    let text: String = cells.next()?.split_whitespace().collect();
    (!text.is_empty() && text.chars().count() <= WORD_CHARS_MAX).then_some(Word {
        text,
        confidence,
        region,
    })
}

/// Per cent with a decimal fraction (`96.4213`) as thousandths, by digits.
fn thousandths(text: &str) -> Option<Confidence> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let tenth = fraction
        .chars()
        .next()
        .and_then(|c| c.to_digit(10))
        .unwrap_or(0);
    let value = whole
        .parse::<u16>()
        .ok()?
        .checked_mul(10)?
        .checked_add(u16::try_from(tenth).ok()?)?;
    Some(Confidence::from_thousandths(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_table_row_becomes_a_word_and_other_levels_do_not() {
        let read = word("5\t1\t1\t1\t2\t3\t36\t92\t60\t24\t96.481\tСУМА").unwrap();
        assert_eq!(
            (read.text.as_str(), read.confidence.thousandths()),
            ("СУМА", 964)
        );
        assert_eq!(
            read.region,
            Region {
                x: 36,
                y: 92,
                width: 60,
                height: 24
            }
        );
        for row in [
            "",
            "4\t1\t1\t1\t2\t0\t36\t92\t60\t24\t-1\t",
            "5\t1\t1\t1\t2\t3\t36\t92\t60\t24\t95\t ",
            "5\tx",
        ] {
            assert_eq!(word(row), None, "{row}");
        }
    }

    #[test]
    fn an_unknown_language_is_a_start_error() {
        let config = EngineConfig {
            languages: "zz_none".into(),
            ..EngineConfig::default()
        };
        assert!(matches!(
            Engine::init(&config),
            Err(EngineError::Start { .. })
        ));
    }
}
