//! Verifies the files of a set: that they exist, and that their hashes match
//! `rescue.json` and `SHA256SUMS`. [`verify`](super::verify) hashes the store's files as
//! it reads their frames.

use sha2::{Digest, Sha256};

use super::lines::in_other_case;
use super::verify::Verifier;
use crate::set::error::SetError;
use crate::set::format::hash::finish_hex;
use crate::set::format::names::{MANIFEST, RESCUE, STORE, SUMS};
use crate::set::format::rescue::{EndState, SetFile};

/// The largest file, other than store and manifest, that is read, in bytes.
const MAX_SMALL: u64 = 64 << 20;

/// How many files that are not the set's are named.
const NAMED: usize = 5;

impl Verifier<'_> {
    /// Whether all files exist with their sizes.
    pub(crate) fn files(&mut self) -> Result<(), SetError> {
        let rescue = self.set.rescue();
        for file in &rescue.files {
            let (name, size) = (&file.name, file.size);
            if !is_plain(name) {
                continue; // the gate has a fault
            }
            match self.set.target().stat(&self.path(name))? {
                Some(entry) if !entry.is_dir && entry.size == size => {}
                Some(entry) => {
                    let what = format!("{} bytes, but {size} were written", entry.size);
                    self.tell("set-file-size", self.shown(name), what);
                }
                None => {
                    let other = in_other_case(&**self.set.target(), &self.path(name));
                    self.tell("set-file-missing", self.shown(name), format!("missing{other}"));
                }
            }
        }
        if !self.set.shared().index.from_table {
            let what = "its seek table is damaged";
            self.tell("set-seek-table", self.shown(STORE), what);
        }
        self.strangers();
        for lack in &rescue.lacks {
            self.tell("set-lacks-part", self.set.display(), lack.clone());
        }
        for damage in &rescue.damage {
            self.tell("set-of-damaged-store", self.set.display(), damage.clone());
        }
        if rescue.end_state != EndState::Saved && rescue.totals.losses > 0 {
            let what = format!("saved with {} losses", rescue.totals.losses);
            self.tell("set-has-losses", self.set.display(), what);
        }
        Ok(())
    }

    /// Names what is in the set's folder and not the set's: no damage.
    fn strangers(&self) {
        let (rescue, dir) = (self.set.rescue(), self.set.dir());
        // An account may be allowed to read the files, and not to list the folder.
        let mut entries = self.set.target().list(dir).unwrap_or_default();
        entries.retain(|entry| entry.is_dir || !rescue.has_file(&entry.name));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries.iter().take(NAMED) {
            self.monitor.note(&format!("{}: not a file of the set", self.shown(&entry.name)));
        }
        if let Some(more) = entries.len().checked_sub(NAMED).filter(|more| *more > 0) {
            self.monitor.note(&format!("{more} more files and folders are not the set's"));
        }
    }

    /// The hashes of all files except the store's, and whether `SHA256SUMS` matches
    /// `rescue.json`.
    pub(crate) fn small_files(&mut self) -> Result<(), SetError> {
        let rescue = self.set.rescue();
        for file in &rescue.files {
            if is_plain(&file.name) && !is_large(&file.name) {
                self.small_file(file)?;
            }
        }
        let Some(json) = self.whole(RESCUE)? else { return Ok(()) };
        let expected: Vec<String> = rescue
            .files
            .iter()
            .map(|file| (file.sha256.clone(), file.name.as_str()))
            .chain([(crate::set::format::hash::sha256_hex(&json), RESCUE)])
            .map(|(hash, name)| format!("{hash} *{name}\n"))
            .collect();
        match self.whole(SUMS)? {
            None => self.tell("set-file-missing", self.shown(SUMS), "missing or unreadable"),
            Some(sums) if sums == expected.concat().into_bytes() => {}
            Some(_) => {
                let what = "differs from rescue.json: one of the two is damaged";
                self.tell("set-file-hash", self.shown(SUMS), what);
            }
        }
        Ok(())
    }

    fn small_file(&mut self, file: &SetFile) -> Result<(), SetError> {
        if let Some(bytes) = self.whole(&file.name)?
            && crate::set::format::hash::sha256_hex(&bytes) != file.sha256
        {
            self.tell("set-file-hash", self.shown(&file.name), "its SHA-256 differs");
        }
        Ok(())
    }

    /// A small file's bytes; `None` if it cannot be read.
    fn whole(&self, name: &str) -> Result<Option<Vec<u8>>, SetError> {
        let target = self.set.target();
        match target.stat(&self.path(name))? {
            Some(entry) if !entry.is_dir && entry.size <= MAX_SMALL => {}
            _ => return Ok(None),
        }
        let Ok(mut file) = target.open(&self.path(name)) else { return Ok(None) };
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        while bytes.len() as u64 <= MAX_SMALL {
            match file.read_at(bytes.len() as u64, &mut chunk) {
                Ok(0) => return Ok(Some(bytes)),
                Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The hashes of the files of an encrypted store, as stored. Those of the manifest are the
    /// gate's, which is not open without the key.
    pub(crate) fn encrypted_files(&mut self) -> Result<(), SetError> {
        for file in &self.set.rescue().files {
            let is_asked = file.name.starts_with(STORE)
                || (file.name.starts_with(MANIFEST) && self.set.is_closed());
            if is_plain(&file.name) && is_asked {
                self.hash_of(file)?;
            }
        }
        Ok(())
    }

    /// The hash of a large file.
    fn hash_of(&mut self, file: &SetFile) -> Result<(), SetError> {
        let name = &file.name;
        let Ok(mut open) = self.set.target().open(&self.path(name)) else { return Ok(()) };
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 1 << 20];
        let mut at = 0;
        while at < file.size {
            if self.monitor.is_cancelled() {
                return Err(SetError::Cancelled { set: None });
            }
            match open.read_at(at, &mut chunk)? {
                0 => break,
                read => {
                    hash.update(&chunk[..read]);
                    at += read as u64;
                }
            }
        }
        if finish_hex(hash) != file.sha256 {
            self.tell("set-file-hash", self.shown(name), "its SHA-256 differs");
        }
        Ok(())
    }
}

/// Whether it is a file of the store or the manifest.
fn is_large(name: &str) -> bool {
    name.starts_with(STORE) || name.starts_with(MANIFEST)
}

/// Whether a name is a plain one in the set's own folder.
fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}
