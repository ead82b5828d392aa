//! Identifies the process that left something at a destination, and whether it
//! can still be running. Only Linux can answer that, and only for processes of
//! this machine; for all others, watch what they do.

use serde::{Deserialize, Serialize};

/// A process, until the machine restarts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// The boot id of the machine.
    pub(crate) boot: String,
    /// The PID namespace: containers have their own.
    namespace: String,
    pid: u32,
    /// Start time in ticks since boot: process ids are reused.
    started: u64,
}

impl ProcessIdentity {
    /// This process; `None` if the system does not say.
    #[cfg(target_os = "linux")]
    pub(crate) fn mine() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
        let pid = std::process::id();
        Some(Self {
            boot: boot.trim().to_owned(),
            namespace: namespace.to_string_lossy().into_owned(),
            pid,
            started: started(pid)?,
        })
    }

    /// Windows has no id for a boot, and reuses process ids.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn mine() -> Option<Self> {
        None
    }

    /// Whether the process has certainly ended. A process that cannot be queried
    /// may still be running.
    pub(crate) fn is_over(&self) -> bool {
        let same = |me: Self| me.boot == self.boot && me.namespace == self.namespace;
        Self::mine().is_some_and(same) && has_ended(self.pid, self.started)
    }

    /// Whether the process certainly exists: it runs, or it is stopped and may go on.
    pub(crate) fn is_here(&self) -> bool {
        let same = |me: Self| me.boot == self.boot && me.namespace == self.namespace;
        Self::mine().is_some_and(same) && !has_ended(self.pid, self.started)
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// A short tag for a file name: letters, digits and `-`.
    pub(crate) fn tag(&self) -> String {
        let boot: String = self.boot.chars().filter(char::is_ascii_hexdigit).take(8).collect();
        let space: String = self.namespace.chars().filter(char::is_ascii_digit).collect();
        format!("{boot}-{space}-{}-{}", self.pid, self.started)
    }

    /// Whether the process of this tag belongs to this machine and has certainly
    /// ended.
    pub(crate) fn is_tag_of_the_dead(tag: &str) -> bool {
        let Some(me) = Self::mine() else { return false };
        let own = me.tag();
        let split = |tag: &str| {
            let (rest, started) = tag.rsplit_once('-')?;
            let (place, pid) = rest.rsplit_once('-')?;
            Some((place.to_owned(), pid.parse::<u32>().ok()?, started.parse::<u64>().ok()?))
        };
        let (Some((place, pid, started)), Some((here, ..))) = (split(tag), split(&own)) else {
            return false;
        };
        place == here && Self { pid, started, ..me }.is_over()
    }
}

/// Whether no process with this id and start time runs.
#[cfg(target_os = "linux")]
fn has_ended(pid: u32, began: u64) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let gone = |pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    number.is_none_or(gone) || started(pid).is_some_and(|started| started != began)
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
fn has_ended(_pid: u32, _began: u64) -> bool {
    false
}

/// Start time of a process; `u64::MAX` for a zombie (proc(5), `/proc/pid/stat`,
/// fields 3 and 22).
#[cfg(target_os = "linux")]
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it can contain anything, even `)`.
    let (_, fields) = stat.rsplit_once(") ")?;
    if fields.starts_with(['Z', 'X']) {
        return Some(u64::MAX);
    }
    fields.split(' ').nth(19)?.parse().ok()
}

/// The name of this machine, in plain characters; empty if it is not known.
pub(crate) fn host_name() -> String {
    let host = if cfg!(windows) {
        std::env::var("COMPUTERNAME").unwrap_or_default()
    } else {
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default()
    };
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    host.chars().filter(plain).take(64).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_told_from_the_living() {
        let me = ProcessIdentity::mine().unwrap();
        assert!(!me.is_over() && !ProcessIdentity::is_tag_of_the_dead(&me.tag()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let began = started(child.id()).unwrap();
        let other = ProcessIdentity { pid: child.id(), started: began, ..me.clone() };
        assert!(!other.is_over() && !ProcessIdentity::is_tag_of_the_dead(&other.tag()));
        assert!(other.is_here());
        child.kill().unwrap();
        while started(child.id()) != Some(u64::MAX) {
            std::thread::yield_now();
        }
        assert!(other.is_over(), "nobody has taken notice yet");
        child.wait().unwrap();
        assert!(other.is_over() && ProcessIdentity::is_tag_of_the_dead(&other.tag()));
        // A number that is used again is another process.
        assert!(ProcessIdentity { started: me.started + 1, ..me.clone() }.is_over());
        // Of another machine nobody knows.
        let there = ProcessIdentity { boot: "elsewhere".to_owned(), ..other };
        assert!(
            !there.is_here()
                && !there.is_over()
                && !ProcessIdentity::is_tag_of_the_dead(&there.tag())
        );
        assert!(!ProcessIdentity::is_tag_of_the_dead("nonsense"));
    }
}
