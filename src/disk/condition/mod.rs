//! What a disk says of its own health, and whether it is locked.
//!
//! Everything here asks and reads: no self-test is started, no setting changed, and no password
//! tried.

mod ata;
#[cfg(target_os = "linux")]
mod linux;
mod nvme;
mod opal;
mod smartctl;
#[cfg_attr(not(windows), allow(dead_code))] // tested everywhere
pub(super) mod windows;

#[cfg(target_os = "linux")]
use std::path::Path;

use crate::model::finding::{Finding, Severity};
use crate::model::units;

/// What a disk says of itself. Empty where it does not tell.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Condition {
    /// How this is known: `smartctl`, `NVMe health log` ...; empty if it is not.
    pub from: &'static str,
    /// Its own verdict: whether it expects to fail; `None` if it has none.
    pub failing: Option<bool>,
    /// The bits of an NVMe disk's critical warning.
    pub critical_warning: Option<u8>,
    /// Sectors that were bad and replaced.
    pub reallocated: Option<u64>,
    /// Sectors that cannot be read, and are not replaced yet.
    pub pending: Option<u64>,
    /// Reads that could not be corrected (NVMe: media errors).
    pub uncorrectable: Option<u64>,
    /// Whether it is locked, and how; `None` if it is not, or does not tell.
    pub lock: Option<Lock>,
}

/// How a disk is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// The ATA password (the firmware's "hard disk password").
    AtaPassword,
    /// TCG Opal: its encrypted range is locked.
    Opal,
    /// TCG Opal: it shows its start program in place of the data.
    OpalShadow,
}

impl Lock {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtaPassword => "ata-password",
            Self::Opal => "opal",
            Self::OpalShadow => "opal-shadow-mbr",
        }
    }
}

/// A disk's condition in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// It does not tell.
    Unknown,
    /// Nothing is wrong.
    Good,
    /// It has replaced sectors; what is on it can be read.
    Worn,
    /// It expects to fail, or has sectors that cannot be read.
    Critical,
}

impl Health {
    /// The stable name, as in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Worn => "worn",
            Self::Critical => "critical",
        }
    }
}

impl Condition {
    /// Asks a disk of this machine.
    #[cfg(target_os = "linux")]
    pub(super) fn ask(path: &Path, transport: &str) -> Self {
        linux::ask(path, transport)
    }

    /// Whether a disk that shows no volume of Windows is locked by its own encryption.
    #[cfg(target_os = "linux")]
    pub(super) fn ask_for_lock(&mut self, path: &Path, transport: &str) {
        if transport == "nvme" && self.lock.is_none() {
            self.lock = linux::opal_lock(path);
        }
    }

    /// In one word.
    pub fn health(&self) -> Health {
        // Too hot (bit 1) is no damage.
        let is_critical = self.critical_warning.is_some_and(|bits| bits & !0b10 != 0);
        let bad = |count: Option<u64>| count.unwrap_or(0) > 0;
        if self.failing == Some(true) || is_critical || bad(self.pending) || bad(self.uncorrectable)
        {
            Health::Critical
        } else if bad(self.reallocated) {
            Health::Worn
        } else if self.from.is_empty() {
            Health::Unknown
        } else {
            Health::Good
        }
    }

    /// What it says, in one line: `12 reallocated sectors, 3 pending sectors`.
    pub(crate) fn signs(&self) -> String {
        let mut signs = Vec::new();
        if self.failing == Some(true) {
            signs.push("it expects to fail".to_owned());
        }
        if let Some(bits) = self.critical_warning.filter(|bits| *bits != 0) {
            signs.push(format!("critical warning: {}", nvme::warning(bits)));
        }
        let mut count = |count: Option<u64>, one, many| {
            let count = count.filter(|count| *count > 0);
            signs.extend(count.map(|count| units::count(count, one, many)));
        };
        count(self.reallocated, "reallocated sector", "reallocated sectors");
        count(self.pending, "pending sector", "pending sectors");
        count(self.uncorrectable, "read error", "read errors");
        if signs.is_empty() { "no errors".to_owned() } else { signs.join(", ") }
    }

    /// The findings about a disk.
    pub fn findings(&self, disk: &str) -> Vec<Finding> {
        let finding = |code, severity, what: String, meaning: &str, action: &str| Finding {
            code,
            severity,
            path: disk.to_owned(),
            what,
            meaning: meaning.to_owned(),
            action: action.to_owned(),
        };
        let mut findings = Vec::new();
        if let Some(lock) = self.lock {
            findings.push(match lock {
                Lock::AtaPassword => finding(
                    "disk-locked",
                    Severity::Warning,
                    "the disk is locked by an ATA password".to_owned(),
                    "Nothing on it can be read until it is unlocked.",
                    "Start it in its own PC, which asks for the hard disk password when it is \
                     switched on, and boot the rescue system there without switching off.",
                ),
                Lock::Opal | Lock::OpalShadow => finding(
                    "disk-locked",
                    Severity::Warning,
                    if lock == Lock::Opal {
                        "the disk encrypts by itself (TCG Opal) and is locked".to_owned()
                    } else {
                        "the disk encrypts by itself (TCG Opal) and shows only its start program"
                            .to_owned()
                    },
                    "Nothing of its data can be read until it is unlocked.",
                    "Start it in its own PC and give its password or the firmware's, then restart \
                     into the rescue system without switching off. On Linux, sedutil-cli unlocks it.",
                ),
            });
        }
        let from = self.from;
        match self.health() {
            Health::Critical => findings.push(finding(
                "disk-failing",
                Severity::Warning,
                format!("the disk's health is critical: {} ({from})", self.signs()),
                "It may stop at any time, and each read may be the last one of that place.",
                "Copy first, verify later: run offload now, with nothing else before. If that is \
                 slow, image the disk with ddrescue and name the image.",
            )),
            Health::Worn => findings.push(finding(
                "disk-worn",
                Severity::Info,
                format!("the disk has {} ({from})", self.signs()),
                "It replaced bad places so far. What is on it can be read.",
                "Save before you try anything else on this disk.",
            )),
            Health::Good | Health::Unknown => {}
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_the_worst_that_it_says() {
        let good = Condition { from: "smartctl", failing: Some(false), ..Condition::default() };
        assert_eq!((good.health(), good.signs().as_str()), (Health::Good, "no errors"));
        assert!(good.findings("disk 0").is_empty());
        assert_eq!(Condition::default().health(), Health::Unknown);
        let worn = Condition { reallocated: Some(12), ..good.clone() };
        assert_eq!((worn.health(), worn.findings("disk 0")[0].code), (Health::Worn, "disk-worn"));
        let pending = Condition { pending: Some(1), ..worn.clone() };
        let findings = pending.findings("disk 0");
        assert_eq!(findings[0].code, "disk-failing");
        assert!(findings[0].what.contains("12 reallocated sectors, 1 pending sector"));
        assert!(findings[0].action.starts_with("Copy first, verify later"));
        let hot = Condition { critical_warning: Some(0b10), ..good.clone() };
        assert_eq!(hot.health(), Health::Good);
        let read_only = Condition { critical_warning: Some(0b1000), ..good };
        assert_eq!(read_only.health(), Health::Critical);
        assert!(read_only.signs().contains("read-only"), "{}", read_only.signs());
    }

    #[test]
    fn a_locked_disk_says_how_it_is_unlocked() {
        for lock in [Lock::AtaPassword, Lock::Opal, Lock::OpalShadow] {
            let locked = Condition { lock: Some(lock), ..Condition::default() };
            assert_eq!(locked.findings("disk 0")[0].code, "disk-locked", "{lock:?}");
        }
    }
}
