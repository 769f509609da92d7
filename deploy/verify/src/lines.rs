//! Lines of a file, with a bound on their length and a digest of everything that was read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// What came instead of a line.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The file ended, after a whole line or without any.
    End,
    /// The file ended inside of a line.
    CutOff,
    /// A line is longer than the bound.
    TooLong,
    /// A line is not UTF-8.
    NotText,
    /// The disk failed.
    Io(io::Error),
}

/// Reads lines.
pub(crate) struct Lines {
    reader: BufReader<File>,
    digest: Sha256,
    bytes: u64,
    number: u64,
    max: usize,
    buffer: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path, max: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        Ok(Self {
            reader: BufReader::with_capacity(256 * 1024, file),
            digest: Sha256::new(),
            bytes: 0,
            number: 0,
            max,
            buffer: Vec::new(),
        })
    }

    /// Number of the last line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end.
    pub(crate) fn next(&mut self) -> Result<&str, Stop> {
        self.buffer.clear();
        let bound = u64::try_from(self.max)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let read = self
            .reader
            .by_ref()
            .take(bound)
            .read_until(b'\n', &mut self.buffer)
            .map_err(Stop::Io)?;
        self.digest.update(&self.buffer);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if read == 0 {
            return Err(Stop::End);
        }
        self.number = self.number.saturating_add(1);
        if self.buffer.pop() != Some(b'\n') {
            return Err(if read > self.max {
                Stop::TooLong
            } else {
                Stop::CutOff
            });
        }
        std::str::from_utf8(&self.buffer).map_err(|_| Stop::NotText)
    }

    /// Reads the rest unseen, and gives size and SHA-256 (hex) of the whole file.
    pub(crate) fn finish(mut self) -> io::Result<(u64, String)> {
        loop {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                return Ok((self.bytes, hex::encode(self.digest.finalize())));
            }
            self.digest.update(chunk);
            let length = chunk.len();
            self.bytes = self
                .bytes
                .saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            self.reader.consume(length);
        }
    }
}
