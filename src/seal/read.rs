//! Reads a seal, and validates it before a line is used.

use std::io::{BufRead, BufReader, Read};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zstd::stream::read::Decoder;

use super::{End, FORMAT, Header, Line, NAME};
use crate::model::name::NtName;
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{Member, Totals};
use crate::set::read::lines::MAX_LINE;
use crate::tree::Stream;
use crate::usmt::Part;

/// Why a seal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is damaged.
    #[error("line {line}: {what}")]
    Damaged {
        /// From 1.
        line: u64,
        /// What was expected, and what was found.
        what: String,
    },
    /// A later program wrote it.
    #[error("its format {0} is newer than this program knows")]
    TooNew(u32),
}

/// Opens a seal's bytes; may be called several times.
type Open = Box<dyn Fn() -> std::io::Result<Box<dyn Read>> + Send + Sync>;

/// A valid seal.
pub struct Seal {
    header: Header,
    end: End,
    open: Open,
}

impl Seal {
    /// Reads a seal completely and validates its hash, its counts and every
    /// line.
    ///
    /// # Errors [`Unsound`]: do not use anything in it.
    pub fn prove(
        open: impl Fn() -> std::io::Result<Box<dyn Read>> + Send + Sync + 'static,
    ) -> Result<Self, Unsound> {
        let mut lines = Lines::new(open()?)?;
        let header = lines.header()?;
        let mut totals = Totals::default();
        while let Some(member) = lines.member()? {
            totals.count(&member);
        }
        let end = lines.end(totals)?;
        Ok(Self { header, end, open: Box::new(open) })
    }

    /// The seal beside a part of a store; `None` if there is none.
    pub fn beside(part: &Part) -> Option<Result<Self, Unsound>> {
        let folder = part.tree.lookup(&part.store_path()).ok()?;
        let node = part.tree.lookup_in(folder, &NtName::from(NAME)).ok()?;
        let tree = part.tree.clone();
        Some(Self::prove(move || {
            let stream = tree.open(node, None).map_err(std::io::Error::other)?;
            Ok(Box::new(InTree(stream)) as Box<dyn Read>)
        }))
    }

    /// What was sealed, when.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What it counts.
    pub fn totals(&self) -> Totals {
        self.end.totals
    }

    /// Its own hash, from its last line.
    pub fn sha256(&self) -> &str {
        &self.end.sha256
    }

    /// Reads its members again.
    ///
    /// # Errors The medium fails now, but did not when the seal was validated.
    pub(super) fn members(
        &self,
        mut each: impl FnMut(Member) -> Result<(), Unsound>,
    ) -> Result<(), Unsound> {
        let mut lines = Lines::new((self.open)()?)?;
        lines.header()?;
        while let Some(member) = lines.member()? {
            each(member)?;
        }
        Ok(())
    }
}

/// A stream of a tree as bytes to read.
struct InTree(Box<dyn Stream>);

impl Read for InTree {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf).map_err(std::io::Error::other)
    }
}

/// Reads the lines, within bounds for any bytes.
struct Lines {
    plain: BufReader<Decoder<'static, BufReader<Box<dyn Read>>>>,
    text: Vec<u8>,
    /// The number of the line in `text`, from 1.
    number: u64,
    /// Over all lines before the one in `text`.
    hash: Sha256,
    end: Option<End>,
}

impl Lines {
    fn new(packed: Box<dyn Read>) -> Result<Self, Unsound> {
        let mut decoder = Decoder::new(packed)?;
        // Lifeboat's own seals need 2 MiB.
        decoder.window_log_max(23)?;
        let plain = BufReader::with_capacity(256 << 10, decoder);
        Ok(Self { plain, text: Vec::new(), number: 0, hash: Sha256::new(), end: None })
    }

    fn damaged(&self, what: impl Into<String>) -> Unsound {
        Unsound::Damaged { line: self.number.max(1), what: what.into() }
    }

    /// The next line; `None` after the last.
    fn line(&mut self) -> Result<Option<Line>, Unsound> {
        self.hash.update(&self.text);
        self.text.clear();
        self.number += 1;
        let mut bounded = (&mut self.plain).take(MAX_LINE as u64 + 1);
        // zstd reports damaged bytes as a read error.
        if let Err(error) = bounded.read_until(b'\n', &mut self.text) {
            return Err(self.damaged(error.to_string()));
        }
        match self.text.strip_suffix(b"\n") {
            None if self.text.is_empty() => Ok(None),
            None if self.text.len() > MAX_LINE => Err(self.damaged("it is too long")),
            None => Err(self.damaged("it is truncated")),
            Some(text) => match serde_json::from_slice(text) {
                Ok(line) => Ok(Some(line)),
                Err(error) => Err(self.damaged(error.to_string())),
            },
        }
    }

    fn header(&mut self) -> Result<Header, Unsound> {
        let line = self.line();
        // The version first: a later format may have other fields.
        if let Ok(Version { format }) = serde_json::from_slice(&self.text)
            && format > FORMAT
        {
            return Err(Unsound::TooNew(format));
        }
        let Some(line) = line? else { return Err(self.damaged("it is empty")) };
        let Line::Seal(header) = line else {
            return Err(self.damaged("it does not begin as a seal"));
        };
        if OffsetDateTime::parse(&header.created, &Rfc3339).is_err() {
            return Err(self.damaged(format!("{:?} is not a time", header.created)));
        }
        if header.parts.is_empty() {
            return Err(self.damaged("it lists no part of a store"));
        }
        Ok(header)
    }

    /// The next member; `None` after the last line.
    fn member(&mut self) -> Result<Option<Member>, Unsound> {
        loop {
            match self.line()? {
                Some(Line::Member(member)) => return Ok(Some(*member)),
                Some(Line::Other) => {}
                Some(Line::Seal(_)) => return Err(self.damaged("it begins a second time")),
                Some(Line::End(end)) => {
                    self.end = Some(end);
                    return Ok(None);
                }
                None => return Err(self.damaged("its end is missing")),
            }
        }
    }

    /// Compares the last line, which [`Lines::member`] has read, with the other
    /// lines.
    fn end(mut self, counted: Totals) -> Result<End, Unsound> {
        let Some(end) = self.end.take() else { return Err(self.damaged("its end is missing")) };
        if finish_hex(self.hash.clone()) != end.sha256 {
            return Err(self.damaged("its own SHA-256 differs"));
        }
        if end.totals != counted {
            return Err(self.damaged("its counts differ from its lines"));
        }
        if self.line()?.is_some() {
            return Err(self.damaged("it continues after its end"));
        }
        Ok(end)
    }
}

#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}
