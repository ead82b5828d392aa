//! How a set becomes one: read back, renamed, `rescue.json` last, and then the
//! folder's own name. Each step may be the last before a break; done again, it
//! finds what is done and goes on.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::ArchiveError;
use super::hash::{finish_hex, sha256_hex};
use super::instructions;
use super::journal::{self, Written};
use super::lock::Lock;
use super::options::OffloadOptions;
use super::plan::Plan;
use super::rescue::{Machine, Rescue, SetFile};
use super::sink::{Growing, PARTIAL};
use crate::facts::FileTime;
use crate::monitor::{Monitor, Progress, Stage};
use crate::target::{Target, TargetError, Trouble};

/// The file that makes a set whole.
pub const RESCUE: &str = "rescue.json";
/// The hashes of all the set's files, for `sha256sum -c`.
pub const SUMS: &str = "SHA256SUMS";

/// Bytes to read back at once.
const CHUNK: usize = 1 << 20;

/// What a set is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SetNames {
    /// Eight hex digits.
    pub(super) id: String,
    /// RFC 3339, whole seconds.
    pub(super) created: String,
    /// The folder's name once it is whole.
    pub(super) folder: String,
}

impl SetNames {
    /// Names after the machine and the time. `attempt` is 0, and more where that
    /// name is taken.
    pub(super) fn new(plan: &Plan, options: &OffloadOptions, attempt: u32) -> Self {
        let FileTime(ticks) = options.created;
        let machine = Self::machine(plan, options);
        // A digest, not a random number: the same run gives the same set.
        let seed = format!("{} {ticks} {machine} {attempt}", plan.digest());
        let id = sha256_hex(seed.as_bytes())[..8].to_owned();
        let (seconds, _) = options.created.to_unix();
        let time =
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let created = time.format(&Rfc3339).unwrap_or_default();
        let compact: String = created.chars().filter(char::is_ascii_alphanumeric).collect();
        let folder = format!("{machine}-{compact}-{id}");
        Self { id, created, folder }
    }

    /// What the names of a machine's sets begin with.
    pub(super) fn machine(plan: &Plan, options: &OffloadOptions) -> String {
        let volume = plan.parts().iter().find_map(|part| part.tree.info().serial);
        machine_name(&options.machine, volume)
    }

    /// The folder's name while it is not whole.
    pub(super) fn partial(&self) -> String {
        format!("{}{PARTIAL}", self.folder)
    }
}

/// A name for folders: letters, digits and `-`, at most 40. Of a machine that
/// nothing tells the name of, the volume's serial number.
fn machine_name(machine: &Machine, volume: Option<u64>) -> String {
    let known = machine.name.as_deref().or(machine.serial.as_deref()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = known.trim().chars().map(plain).take(40).collect();
    let name = name.trim_matches('-');
    // Names that Windows keeps for devices would be refused there.
    let device = ["con", "prn", "aux", "nul"].iter().any(|d| name.eq_ignore_ascii_case(d));
    match volume {
        _ if !name.is_empty() && !device => name.to_owned(),
        Some(serial) => format!("volume-{serial:016x}"),
        None => "unknown".to_owned(),
    }
}

/// Compares the written files with what was meant to be written: their sizes,
/// and with `contents` every byte.
pub(super) fn read_back(
    target: &dyn Target,
    dir: &str,
    written: &Written,
    contents: bool,
    monitor: &dyn Monitor,
) -> Result<(), ArchiveError> {
    Step { target, dir }.read_back(written, contents, monitor)
}

/// Gives the written files the names back that they had while they grew.
pub(super) fn unname(
    target: &dyn Target,
    dir: &str,
    written: &Written,
) -> Result<(), ArchiveError> {
    let step = Step { target, dir };
    for file in &written.files {
        let path = step.path(&file.name);
        if step.size(&path)?.is_some() {
            rename_once(target, &path, &format!("{path}{PARTIAL}"))?;
        }
    }
    Ok(())
}

/// Renames and publishes what was written and read back. Returns `rescue.json`.
pub(super) fn publish(
    target: &dyn Target,
    names: &SetNames,
    mut rescue: Rescue,
    written: &Written,
    lock: &Lock<'_>,
) -> Result<Rescue, ArchiveError> {
    let dir = names.partial();
    let step = Step { target, dir: &dir };
    let crlf = |text: String| text.replace('\n', "\r\n").into_bytes();
    let text = crlf(instructions::restore_txt(&rescue));
    let script = crlf(instructions::restore_cmd(&rescue));

    for file in &written.files {
        step.rename(&file.name)?;
    }
    for (name, bytes) in [("RESTORE.txt", text), ("restore.cmd", script)] {
        rescue.files.push(step.write_small(name, &bytes)?);
    }
    let mut json = serde_json::to_vec_pretty(&rescue)
        .map_err(|error| ArchiveError::Internal { what: error.to_string() })?;
    json.push(b'\n');
    let sums = rescue.files.iter().map(|file| (file.sha256.clone(), file.name.as_str()));
    let sums = sums.chain([(sha256_hex(&json), RESCUE)]);
    // As sha256sum writes them: hash, space, `*` for binary, name.
    let sums: Vec<String> = sums.map(|(hash, name)| format!("{hash} *{name}\n")).collect();
    step.write_small(SUMS, sums.concat().as_bytes())?;
    step.write_small(RESCUE, &json)?;
    finish(target, names, lock)?;
    Ok(rescue)
}

/// The last steps, when `rescue.json` stands: the journal goes, the set is no
/// longer ours, and the folder gets its name.
pub(super) fn finish(
    target: &dyn Target,
    names: &SetNames,
    lock: &Lock<'_>,
) -> Result<(), ArchiveError> {
    let dir = names.partial();
    let step = Step { target, dir: &dir };
    let journal = step.path(journal::NAME);
    if step.size(&journal)?.is_some() {
        target.remove_file(&journal)?;
    }
    lock.give_back()?;
    rename_once(target, &dir, &names.folder)
}

struct Step<'a> {
    target: &'a dyn Target,
    dir: &'a str,
}

impl Step<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    fn size(&self, path: &str) -> Result<Option<u64>, ArchiveError> {
        Ok(self.target.stat(path)?.map(|entry| entry.size))
    }

    /// Where a file is: under its final name or the one before.
    fn place(&self, name: &str) -> Result<String, ArchiveError> {
        let path = self.path(name);
        let there = self.size(&path)?.is_some();
        Ok(if there { path } else { format!("{path}{PARTIAL}") })
    }

    /// Compares the files with what was meant to be written.
    fn read_back(
        &self,
        written: &Written,
        contents: bool,
        monitor: &dyn Monitor,
    ) -> Result<(), ArchiveError> {
        let total_bytes = written.files.iter().map(|file| file.size).sum();
        let mut progress = Progress { total_bytes, ..Progress::default() };
        monitor.stage(Stage::ReadBack, &self.target.display(self.dir));
        for file in &written.files {
            let path = self.place(&file.name)?;
            monitor.file(&file.name);
            if self.size(&path)? != Some(file.size) {
                return Err(self.differs(&path, "its size is not what was written"));
            }
            if !contents {
                continue;
            }
            let mut open = self.target.open(&path)?;
            let mut hash = Sha256::new();
            let mut buf = vec![0; CHUNK];
            let mut at = 0;
            while at < file.size {
                if monitor.is_cancelled() {
                    return Err(ArchiveError::Cancelled { set: None });
                }
                let read = open.read_at(at, &mut buf)?;
                if read == 0 {
                    break;
                }
                hash.update(&buf[..read]);
                at += read as u64;
                progress.bytes += read as u64;
                monitor.progress(progress);
            }
            if finish_hex(hash) != file.sha256 {
                return Err(self.differs(&path, "what is read back is not what was written"));
            }
        }
        Ok(())
    }

    fn differs(&self, path: &str, what: &str) -> ArchiveError {
        let action = "the destination's disk or connection is faulty: use another one";
        ArchiveError::Target(TargetError {
            trouble: Trouble::Corrupted,
            path: self.target.display(path),
            what: what.to_owned(),
            action: action.to_owned(),
            source: None,
        })
    }

    fn rename(&self, name: &str) -> Result<(), ArchiveError> {
        let path = self.path(name);
        rename_once(self.target, &format!("{path}{PARTIAL}"), &path)
    }

    /// Writes a small file whole: temporary name, flush, read back, rename. One
    /// that is there already with these bytes stays.
    fn write_small(&self, name: &str, bytes: &[u8]) -> Result<SetFile, ArchiveError> {
        let path = self.path(name);
        let file =
            SetFile { name: name.to_owned(), size: bytes.len() as u64, sha256: sha256_hex(bytes) };
        if self.size(&path)?.is_some() {
            if self.holds(&path, bytes)? {
                return Ok(file);
            }
            self.target.remove_file(&path)?;
        }
        let partial = format!("{name}{PARTIAL}");
        let mut growing = Growing::create(self.target, self.dir, &partial)?;
        growing.append(bytes)?;
        growing.finish()?;
        let partial = self.path(&partial);
        if !self.holds(&partial, bytes)? {
            return Err(self.differs(&partial, "what is read back is not what was written"));
        }
        self.rename(name)?;
        Ok(file)
    }

    fn holds(&self, path: &str, bytes: &[u8]) -> Result<bool, ArchiveError> {
        // One byte more, so that a longer file is seen.
        let mut buf = vec![0; bytes.len() + 1];
        let mut file = self.target.open(path)?;
        let read = file.read_at(0, &mut buf)?;
        Ok(buf[..read] == *bytes)
    }
}

/// Renames; fine if it was done before, or if the answer got lost.
fn rename_once(target: &dyn Target, from: &str, to: &str) -> Result<(), ArchiveError> {
    let done = || {
        let stat = |path: &str| target.stat(path);
        Ok::<_, TargetError>(stat(from)?.is_none() && stat(to)?.is_some())
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
        assert_eq!(named("\u{202E}"), "unknown");
        let serial = Machine { name: None, serial: Some("5CG1".to_owned()) };
        assert_eq!(machine_name(&serial, Some(7)), "5CG1");
        assert_eq!(machine_name(&Machine::default(), Some(0xAB)), "volume-00000000000000ab");
    }
}
