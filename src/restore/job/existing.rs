//! What an earlier attempt of the same restore left and may stay.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::{CHUNK, Job, Place};
use crate::model::name::NtName;
use crate::restore::place::{FactKind, Kind};
use crate::set::format::hash::finish_hex;
use crate::set::format::manifest::{Data, Member};

impl Job<'_> {
    /// Whether an earlier attempt restored this same file completely. Only in a
    /// stage: it has only files of this restore.
    pub(super) fn is_there_whole(&mut self, member: &Member, place: &Place, data: &Data) -> bool {
        if self.places.stages.is_empty() || !self.may_replace(place) {
            return false;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let is_whole = self.compare(member, place, data, &mut buffer);
        self.buffer = buffer;
        is_whole.unwrap_or(false)
    }

    fn compare(
        &mut self,
        member: &Member,
        place: &Place,
        data: &Data,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        let root = self.root(place).map_err(|_| io::ErrorKind::NotFound)?;
        if root.kind(&place.at)? != Some(Kind::File) {
            return Ok(false);
        }
        if let Some(short) = &member.short_name
            && root.holds(FactKind::ShortName)
            && !root.has_short_name(&place.at, &NtName::from(short.as_str()))
        {
            return Ok(false);
        }
        let mut file = root.open_file(&place.at)?;
        if file.metadata()?.len() != data.size {
            return Ok(false);
        }
        let mut hash = Sha256::new();
        loop {
            if self.monitor.is_cancelled() {
                return Ok(false);
            }
            match file.read(buffer)? {
                0 => break,
                n => hash.update(&buffer[..n]),
            }
        }
        Ok(finish_hex(hash) == data.sha256 || (data.size == 0 && data.sha256.is_empty()))
    }
}
