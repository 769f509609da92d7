//! Which steps a photo goes through. The defaults were chosen by measurement; every step can be switched off or set
//! differently, so that each can be measured alone.

use crate::engine::PageMode;

/// How the engine tells ink from paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// One threshold for grainy pages, by the neighbourhood for others.
    ByGrain,
    /// Always this one of the engine's methods.
    Method(u8),
}

/// The steps of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Whether the text lines are looked for and the page is made straight along them.
    pub straighten: bool,
    /// Whether uneven light is evened out.
    pub flatten: bool,
    /// Height of capitals on the page, in pixels.
    pub capital_px: u16,
    /// Print less dark than this, in parts of 255, is made dark before the first look: 0 never, 255 always.
    pub faint: u8,
    /// Whether all print is made equally dark where rows are read again.
    pub ink: bool,
    /// Whether a photo that lies on its side is turned before it is read.
    pub direction: bool,
    /// How often a row is read at most, each time at another size.
    pub passes: u8,
    /// A word below this confidence, in thousandths, is read again.
    pub doubt: u16,
    /// Width of the smoothing of the straightened page, in tenths of a pixel.
    pub smooth: u8,
    /// How the engine binarises.
    pub threshold: Threshold,
    /// Whether the page is read as a whole.
    pub block: bool,
    /// Whether each text line that was found is read alone as well, and how.
    pub lines: Option<PageMode>,
    /// Whether the engine's second page mode is tried on a page that was read badly.
    pub column: bool,
    /// Whether goods that do not add up are read again.
    pub again: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            straighten: true,
            flatten: true,
            capital_px: 28,
            faint: 0,
            ink: true,
            direction: true,
            passes: 2,
            doubt: 900,
            smooth: 0,
            threshold: Threshold::ByGrain,
            block: false,
            lines: Some(PageMode::Line),
            column: true,
            again: true,
        }
    }
}

impl Plan {
    /// Changes one step.
    ///
    /// # Errors
    /// A sentence for the person at the keyboard: an unknown step or a value that it does not take.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let switch = || match value {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(format!("{key} is on or off, not {value}")),
        };
        match key {
            "straighten" => self.straighten = switch()?,
            "flatten" => self.flatten = switch()?,
            "block" => self.block = switch()?,
            "lines" => {
                self.lines = match value {
                    "off" => None,
                    "7" => Some(PageMode::Line),
                    "13" => Some(PageMode::RawLine),
                    _ => return Err(format!("lines is off, 7 or 13, not {value}")),
                };
            }
            "column" => self.column = switch()?,
            "again" => self.again = switch()?,
            "capital" => {
                self.capital_px = value
                    .parse()
                    .ok()
                    .filter(|px| (12..=80).contains(px))
                    .ok_or_else(|| format!("capital is 12 to 80 pixels, not {value}"))?;
            }
            "faint" => {
                self.faint = value
                    .parse()
                    .map_err(|_| format!("faint is 0 to 255, not {value}"))?;
            }
            "ink" => self.ink = switch()?,
            "direction" => self.direction = switch()?,
            "passes" => {
                self.passes = value
                    .parse()
                    .ok()
                    .filter(|passes| (1..=3).contains(passes))
                    .ok_or_else(|| format!("passes is 1 to 3, not {value}"))?;
            }
            "doubt" => {
                self.doubt = value
                    .parse()
                    .ok()
                    .filter(|doubt| *doubt <= 1_001)
                    .ok_or_else(|| format!("doubt is 0 to 1001 thousandths, not {value}"))?;
            }
            "smooth" => {
                self.smooth = value
                    .parse()
                    .ok()
                    .filter(|tenths| *tenths <= 50)
                    .ok_or_else(|| format!("smooth is 0 to 50 tenths of a pixel, not {value}"))?;
            }
            "threshold" => {
                self.threshold = match value {
                    "grain" => Threshold::ByGrain,
                    "0" | "1" | "2" => Threshold::Method(value.as_bytes()[0] - b'0'),
                    _ => return Err(format!("threshold is grain, 0, 1 or 2, not {value}")),
                };
            }
            _ => return Err(format!("no step is called {key}")),
        }
        Ok(())
    }
}
