//! Completes a set: reads it back, renames its files, writes `rescue.json` last, and
//! then renames the folder. The process may be interrupted after any step; when
//! repeated, a step finds what is done and continues.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::append_file::AppendFile;
use super::beside::Verified;
use super::lock::Lock;
use super::options::{MakeReport, OffloadOptions, Report};
use super::plan::Plan;
use super::sink::Proofs;
use super::strangers::stranger_in;
use crate::destination::{Destination, DestinationError, ErrorKind, preflight, read_full};
use crate::model::metadata::FileTime;
use crate::model::monitor::{Monitor, Progress, Stage};
use crate::model::name::is_device;
use crate::set::crypt::key::MAX_SMALL;
use crate::set::crypt::{Locks, SetKey};
use crate::set::error::{SetError, encryption_error};
use crate::set::format::digest::BLOCK;
use crate::set::format::hash::{finish_hex, sha256_hex};
use crate::set::format::instructions;
use crate::set::format::journal::Written;
use crate::set::format::names::{
    self, AGE, DETAILS, INSTRUCTIONS, KEY, MANIFEST, PARTIAL, REPORT, RESCUE, SCRIPT, STORE, SUMS,
    USERS,
};
use crate::set::format::rescue::{Machine, Rescue, SetFile};
use crate::set::format::users::{self, SetUsers};
use crate::set::read::decrypting_destination::{redacted, small_file};
use crate::set::read::lines::Lines;

/// The names of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SetNames {
    /// Eight hex digits.
    pub(crate) id: String,
    /// RFC 3339, whole seconds.
    pub(crate) created: String,
    /// The folder's name once the set is complete.
    pub(crate) folder: String,
}

impl SetNames {
    /// Names from the machine and the time. `attempt` is 0, or more if that name
    /// exists.
    pub(crate) fn new(plan: &Plan, options: &OffloadOptions, attempt: u32) -> Self {
        let FileTime(ticks) = options.created;
        let machine = Self::machine(plan, options);
        // A digest, not a random number: the same run gives the same set.
        let seed = format!("{} {ticks} {machine} {attempt}", plan.digest());
        let id = sha256_hex(seed.as_bytes())[..8].to_owned();
        let created = rfc3339(options.created);
        let compact: String = created.chars().filter(char::is_ascii_alphanumeric).collect();
        let folder = format!("{machine}-{compact}-{id}");
        Self { id, created, folder }
    }

    /// The prefix of the names of a machine's sets.
    pub(crate) fn machine(plan: &Plan, options: &OffloadOptions) -> String {
        let volume = plan.parts().iter().find_map(|part| part.tree.info().serial);
        machine_name(&options.machine, volume)
    }

    /// The folder's name while the set is incomplete.
    pub(crate) fn partial(&self) -> String {
        format!("{}{PARTIAL}", self.folder)
    }
}

/// Whole seconds, UTC.
pub(crate) fn rfc3339(time: FileTime) -> String {
    let (seconds, _) = time.to_unix();
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// A name for folders: letters, digits and `-`, at most 40. The volume's serial
/// number for an unknown machine.
fn machine_name(machine: &Machine, volume: Option<u64>) -> String {
    let known = machine.name.as_deref().or(machine.serial.as_deref()).unwrap_or_default();
    match (name_of_sets(known), volume) {
        (Some(name), _) => name,
        (None, Some(serial)) => format!("volume-{serial:016x}"),
        (None, None) => "unknown".to_owned(),
    }
}

/// What the names of sets begin with if this name is asked for: letters, digits and `-`, at most
/// 40. `None` if nothing is left of it.
pub(crate) fn name_of_sets(asked: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = asked.trim().chars().map(plain).take(40).collect();
    let name = name.trim_matches('-');
    // Windows would refuse these device names.
    (!name.is_empty() && !is_device(name)).then(|| name.to_owned())
}

/// Compares the written files with the intended ones: their sizes, and every byte if
/// there are `proofs`: a file's blocks with their digests, or the whole file with
/// its SHA-256 if it has no digests. The blocks that were verified before are not read again.
pub(crate) fn read_back(
    target: &dyn Destination,
    dir: &str,
    written: &Written,
    proofs: Option<(&Proofs, &Verified)>,
    monitor: &dyn Monitor,
) -> Result<(), SetError> {
    Step { target, dir }.read_back(written, proofs, monitor)
}

/// Renames the written files back to their temporary names.
pub(crate) fn unname(
    target: &dyn Destination,
    dir: &str,
    written: &Written,
) -> Result<(), SetError> {
    let step = Step { target, dir };
    // With it, the folder would be a complete set.
    for name in [RESCUE, SUMS] {
        let path = step.path(name);
        if step.size(&path)?.is_some() {
            target.remove_file(&path)?;
        }
    }
    for file in &written.files {
        let path = step.path(&file.name);
        if step.size(&path)?.is_some() {
            rename_once(target, &path, &format!("{path}{PARTIAL}"))?;
        }
    }
    Ok(())
}

/// Writes the encrypted key of a new set.
pub(crate) fn write_key(
    target: &dyn Destination,
    dir: &str,
    set: &str,
    key: &SetKey,
    locks: &Locks,
) -> Result<(), SetError> {
    let bytes = key.lock(set, locks).map_err(|error| encryption_error(target, dir, error))?;
    Step { target, dir }.write_small(KEY, &bytes).map(drop)
}

/// Renames and publishes what was written and read back, and a report, if requested
/// and the set is plain. Returns the set's description: the public one, and the one
/// for holders of its key.
pub(crate) fn publish(
    (target, lock): (&dyn Destination, &Lock<'_>),
    names: &SetNames,
    inner: &Rescue,
    written: &Written,
    key: Option<&SetKey>,
    report: Option<MakeReport>,
    monitor: &dyn Monitor,
) -> Result<Rescue, SetError> {
    let dir = names.partial();
    let step = Step { target, dir: &dir };
    let crlf = |text: String| text.replace('\n', "\r\n").into_bytes();

    for file in &written.files {
        step.rename(&file.name)?;
    }
    let mut rescue = inner.clone();
    if let Some(key) = key {
        rescue = redacted(inner);
        step.remove_leftovers()?;
        rescue.files.push(step.present(KEY)?);
        rescue.files.push(step.details(inner, key)?);
    }
    let script = crlf(instructions::restore_cmd(&rescue));
    let script = step.write_optional(SCRIPT, &script, monitor)?;
    let text = crlf(instructions::restore_txt(&rescue, script.is_some()));
    rescue.files.push(step.write_small(INSTRUCTIONS, &text)?);
    rescue.files.extend(script);
    // It lists users and files, which an encrypted set hides.
    let report = report.filter(|_| key.is_none());
    let report = report.map(|make| step.report(make, &rescue, monitor)).transpose()?.flatten();
    if let Some(Report { page, users, more_users }) = report {
        let users =
            SetUsers { format: users::FORMAT, set: rescue.set.clone(), users, more: more_users };
        let mut users = serde_json::to_vec_pretty(&users)
            .map_err(|error| SetError::Internal { what: error.to_string() })?;
        users.push(b'\n');
        rescue.files.extend(step.write_optional(REPORT, &page, monitor)?);
        rescue.files.extend(step.write_optional(USERS, &users, monitor)?);
    } else {
        // An interrupted run may have left them.
        for name in [REPORT, USERS] {
            if step.size(&step.path(name))?.is_some() {
                target.remove_file(&step.path(name))?;
            }
        }
    }
    let mut json = serde_json::to_vec_pretty(&rescue)
        .map_err(|error| SetError::Internal { what: error.to_string() })?;
    json.push(b'\n');
    step.write_small(SUMS, &sums(&rescue.files, &json))?;
    step.write_small(RESCUE, &json)?;
    finish(target, names, &rescue.files, lock)?;
    Ok(Rescue { files: rescue.files, ..inner.clone() })
}

/// `SHA256SUMS` of these files and of `rescue.json`, as sha256sum writes it: hash, space, `*` for
/// binary, name.
fn sums(files: &[SetFile], json: &[u8]) -> Vec<u8> {
    let sums = files.iter().map(|file| (file.sha256.clone(), file.name.as_str()));
    let sums = sums.chain([(sha256_hex(json), RESCUE)]);
    let sums: Vec<String> = sums.map(|(hash, name)| format!("{hash} *{name}\n")).collect();
    sums.concat().into_bytes()
}

/// The last steps after `rescue.json` is written: removes the journal and the lock,
/// and renames the folder.
pub(crate) fn finish(
    target: &dyn Destination,
    names: &SetNames,
    files: &[SetFile],
    lock: &Lock<'_>,
) -> Result<(), SetError> {
    let dir = names.partial();
    let step = Step { target, dir: &dir };
    let journal = step.path(names::JOURNAL);
    if step.size(&journal)?.is_some() {
        target.remove_file(&journal)?;
    }
    lock.give_back()?;
    rename_once(target, &dir, &names.folder)?;
    // Some file systems lose what is in a folder that gets another name.
    match (Step { target, dir: &names.folder }).is_there(files)? {
        Ok(()) => Ok(()),
        Err(what) => Err(step.differs(&names.folder, &format!("under its final name, {what}"))),
    }
}

/// Whether a set whose `rescue.json` is written is what that says, byte for byte, as far as a
/// set can prove itself: every file by its hash, and `rescue.json` by `SHA256SUMS`.
///
/// # Errors
/// The destination fails. What is wrong with the set is the inner error.
pub(crate) fn prove(
    target: &dyn Destination,
    dir: &str,
    rescue: &Rescue,
    monitor: &dyn Monitor,
) -> Result<Result<(), String>, SetError> {
    let step = Step { target, dir };
    if let Err(what) = step.is_there(&rescue.files)? {
        return Ok(Err(what));
    }
    let (files, totals, seal) = (rescue.files.clone(), rescue.totals, rescue.seal.clone());
    let written = Written { files, totals, seal };
    match step.read_back(&written, Some((&Proofs::new(), &Verified::new())), monitor) {
        Err(SetError::Destination(error)) if error.kind == ErrorKind::Corrupted => {
            Ok(Err(error.to_string()))
        }
        read => read.map(Ok),
    }
}

struct Step<'a> {
    target: &'a dyn Destination,
    dir: &'a str,
}

impl Step<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    /// Whether all files of the set have their final names and sizes, and the small ones their
    /// hashes; the inner error says what is wrong.
    fn is_there(&self, files: &[SetFile]) -> Result<Result<(), String>, SetError> {
        if let Some(stranger) = stranger_in(self.target, self.dir) {
            return Ok(Err(stranger));
        }
        for file in files {
            let name = &file.name;
            if self.size(&self.path(name))? != Some(file.size) {
                return Ok(Err(format!("{name} is missing, or has another size")));
            }
            let is_large = name.starts_with(STORE) || name.starts_with(MANIFEST);
            if !is_large && self.small(name)?.is_none_or(|b| sha256_hex(&b) != file.sha256) {
                return Ok(Err(format!("{name} differs from what was written")));
            }
        }
        let (json, found) = (self.small(RESCUE)?, self.small(SUMS)?);
        let is_same = json.is_some_and(|json| found == Some(sums(files, &json)));
        Ok(is_same.then_some(()).ok_or_else(|| format!("{RESCUE} and {SUMS} do not match")))
    }

    /// The bytes of a small file; `None` if it is missing or not small.
    fn small(&self, name: &str) -> Result<Option<Vec<u8>>, SetError> {
        match small_file(self.target, &self.path(name), MAX_SMALL) {
            Err(SetError::Crypt { .. }) => Ok(None),
            Err(SetError::Destination(error)) if error.kind == ErrorKind::NotFound => Ok(None),
            found => found,
        }
    }

    fn size(&self, path: &str) -> Result<Option<u64>, SetError> {
        Ok(self.target.stat(path)?.map(|entry| entry.size))
    }

    /// The path of a file: under its final name or the temporary one.
    fn place(&self, name: &str) -> Result<String, SetError> {
        let path = self.path(name);
        let there = self.size(&path)?.is_some();
        Ok(if there { path } else { format!("{path}{PARTIAL}") })
    }

    /// Writes the report. An error must not fail the rescue: it is noted, and the set has
    /// no report.
    fn report(
        &self,
        make: MakeReport,
        rescue: &Rescue,
        monitor: &dyn Monitor,
    ) -> Result<Option<Report>, SetError> {
        let page = Lines::open(self.target, &self.path(MANIFEST)).and_then(|lines| {
            let mut lines = lines.map(|line| match line {
                _ if monitor.is_cancelled() => Err(SetError::Cancelled { set: None }),
                line => line,
            });
            make(rescue, &mut lines)
        });
        match page {
            Ok(page) => Ok(Some(page)),
            Err(error @ SetError::Cancelled { .. }) => Err(error),
            Err(error) => {
                monitor.note(&format!("{REPORT} was not written: {error}"));
                Ok(None)
            }
        }
    }

    /// Compares the files with the intended ones.
    fn read_back(
        &self,
        written: &Written,
        proofs: Option<(&Proofs, &Verified)>,
        monitor: &dyn Monitor,
    ) -> Result<(), SetError> {
        let total_bytes = written.files.iter().map(|file| file.size).sum();
        let mut progress = Progress { total_bytes, ..Progress::default() };
        monitor.stage(Stage::ReadBack, &self.target.display(self.dir));
        for file in &written.files {
            let path = self.place(&file.name)?;
            monitor.file(&file.name);
            if self.size(&path)? != Some(file.size) {
                return Err(self.differs(&path, "its size differs from what was written"));
            }
            let Some((proofs, verified)) = proofs else { continue };
            let blocks = proofs.get(&file.name);
            let mut open = self.target.open(&path)?;
            let mut hash = Sha256::new();
            let mut buf = vec![0; BLOCK];
            // Whole blocks only, so never more than the file has.
            let mut number = blocks.and(verified.get(&file.name)).copied().unwrap_or(0);
            let mut at = number as u64 * BLOCK as u64;
            progress.bytes += at;
            while at < file.size {
                if monitor.is_cancelled() {
                    return Err(SetError::Cancelled { set: None });
                }
                let read = read_full(&mut *open, at, &mut buf)?;
                let same = if let Some(blocks) = blocks {
                    blocks.has(number, &buf[..read])
                } else {
                    hash.update(&buf[..read]);
                    read > 0
                };
                if !same {
                    break;
                }
                number += 1;
                at += read as u64;
                progress.bytes += read as u64;
                monitor.progress(progress);
            }
            let differs = match blocks {
                Some(_) => at < file.size,
                None => finish_hex(hash) != file.sha256,
            };
            if differs {
                return Err(self.differs(&path, "the data read back differs from the data written"));
            }
        }
        Ok(())
    }

    fn differs(&self, path: &str, what: &str) -> SetError {
        let action = "use another destination: the disk or the connection is faulty";
        SetError::Destination(DestinationError {
            kind: ErrorKind::Corrupted,
            path: self.target.display(path),
            what: what.to_owned(),
            action: action.to_owned(),
            source: None,
        })
    }

    /// The entry of an existing small file.
    fn present(&self, name: &str) -> Result<SetFile, SetError> {
        let path = self.path(name);
        let bytes = small_file(self.target, &path, MAX_SMALL)?;
        let bytes = bytes.ok_or_else(|| self.differs(&path, "the written file is missing"))?;
        let (size, sha256) = (bytes.len() as u64, sha256_hex(&bytes));
        Ok(SetFile { name: name.to_owned(), size, sha256, plain_size: None })
    }

    /// Writes the description for holders of the key. Encrypting it again would give other
    /// bytes, so an existing file with the same content stays.
    fn details(&self, inner: &Rescue, key: &SetKey) -> Result<SetFile, SetError> {
        let path = self.path(DETAILS);
        let plain = serde_json::to_vec_pretty(inner)
            .map_err(|error| SetError::Internal { what: error.to_string() })?;
        let there = small_file(self.target, &path, MAX_SMALL)?;
        if there.is_some_and(|sealed| key.open(&sealed).is_ok_and(|there| there == plain)) {
            return self.present(DETAILS);
        }
        let sealed =
            key.seal(&plain).map_err(|error| encryption_error(self.target, &path, error))?;
        self.write_small(DETAILS, &sealed)
    }

    /// Removes files of the store that an earlier run left and this one does not use.
    fn remove_leftovers(&self) -> Result<(), SetError> {
        for entry in self.target.list(self.dir)? {
            if entry.name.to_ascii_lowercase().ends_with(&format!("{AGE}{PARTIAL}")) {
                self.target.remove_file(&self.path(&entry.name))?;
            }
        }
        Ok(())
    }

    fn rename(&self, name: &str) -> Result<(), SetError> {
        let path = self.path(name);
        rename_once(self.target, &format!("{path}{PARTIAL}"), &path)
    }

    /// Writes a small file: temporary name, flush, read back, rename. An existing file
    /// with these bytes stays.
    fn write_small(&self, name: &str, bytes: &[u8]) -> Result<SetFile, SetError> {
        let path = self.path(name);
        let file = SetFile {
            name: name.to_owned(),
            size: bytes.len() as u64,
            sha256: sha256_hex(bytes),
            plain_size: None,
        };
        if self.size(&path)?.is_some() {
            if self.holds(&path, bytes)? {
                return Ok(file);
            }
            self.target.remove_file(&path)?;
        }
        let partial = format!("{name}{PARTIAL}");
        let mut growing = AppendFile::create(self.target, self.dir, &partial, None)?;
        growing.append(bytes)?;
        growing.finish()?;
        let partial = self.path(&partial);
        if !self.holds(&partial, bytes)? {
            return Err(self.differs(&partial, "the data read back differs from the data written"));
        }
        self.rename(name)?;
        Ok(file)
    }

    /// Writes a small file that a set can do without; `None`, and a note, if the
    /// destination refuses its name.
    fn write_optional(
        &self,
        name: &str,
        bytes: &[u8],
        monitor: &dyn Monitor,
    ) -> Result<Option<SetFile>, SetError> {
        let error = match preflight::refuses(self.target, &self.path(name))? {
            Some(error) => error,
            None => match self.write_small(name, bytes) {
                Ok(file) => return Ok(Some(file)),
                Err(SetError::Destination(error)) if preflight::is_refusal(&error) => error,
                Err(error) => return Err(error),
            },
        };
        let _ = self.target.remove_file(&self.path(&format!("{name}{PARTIAL}")));
        monitor.note(&format!("{name} was not written: {error}"));
        Ok(None)
    }

    fn holds(&self, path: &str, bytes: &[u8]) -> Result<bool, SetError> {
        // One byte more, so that a longer file is detected.
        let mut buf = vec![0; bytes.len() + 1];
        let mut file = self.target.open(path)?;
        let read = file.read_at(0, &mut buf)?;
        Ok(buf[..read] == *bytes)
    }
}

/// Renames; no error if it was done before, or if the answer got lost.
fn rename_once(target: &dyn Destination, from: &str, to: &str) -> Result<(), SetError> {
    let done = || {
        let stat = |path: &str| target.stat(path);
        Ok::<_, DestinationError>(stat(from)?.is_none() && stat(to)?.is_some())
    };
    if done()? {
        return Ok(());
    }
    match target.rename(from, to) {
        Err(_) if done()? => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_any_name_give_folders_of_plain_ones() {
        let named = |name: &str| {
            let machine = Machine { name: Some(name.to_owned()), serial: Some("S".to_owned()) };
            machine_name(&machine, None)
        };
        assert_eq!(named("PC-0815"), "PC-0815");
        assert_eq!(named("../../etc"), "etc");
        assert_eq!(named("Büro: 2"), "B-ro--2");
        assert_eq!(named("nul"), "unknown");
        assert_eq!(named("COM1"), "unknown");
        assert_eq!(named("\u{202E}"), "unknown");
        let serial = Machine { name: None, serial: Some("5CG1".to_owned()) };
        assert_eq!(machine_name(&serial, Some(7)), "5CG1");
        assert_eq!(machine_name(&Machine::default(), Some(0xAB)), "volume-00000000000000ab");
    }
}
