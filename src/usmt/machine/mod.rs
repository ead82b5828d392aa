//! The computer that a source is from: by the registry of its Windows, the
//! logs, or the firmware.

pub(crate) mod hive;
#[cfg(target_os = "linux")]
mod linux;
mod smbios;
#[cfg(windows)]
mod windows;

use super::{Logs, Store, StoreVolume};
use crate::model::name::NtPath;

/// What is known about the computer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// Its name, and where it was found, for display.
    pub name: Option<(String, String)>,
    /// Its serial number from the firmware, and where it was found. Only if the
    /// source is a disk of this machine.
    pub serial: Option<(String, String)>,
    /// The names that several Windows have: more than one if disks of several computers are
    /// attached, such as a technician's own.
    pub of_disks: Vec<DiskName>,
    /// The volumes, and the disks that they are on, for display.
    disks: Vec<(String, String)>,
}

/// A computer's name, by the registry of a Windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskName {
    /// The name.
    pub name: String,
    /// Where it was found, for display.
    pub from: String,
    /// The disk of that Windows, for display.
    pub disk: String,
}

impl Machine {
    /// Searches all volumes, then the logs; the first name wins. If there is no
    /// name, the firmware's serial number identifies the machine, if all
    /// volumes are on disks of this machine.
    pub fn find(volumes: &[StoreVolume], logs: &Logs) -> Self {
        let named = volumes.iter().filter_map(|volume| {
            let name = hive::computer_name(&*volume.tree, &NtPath::from("Windows"))?;
            let from = format!("the SYSTEM hive on {}", volume.display);
            Some(DiskName { name, from, disk: volume.disk.clone() })
        });
        let of_disks: Vec<DiskName> = named.collect();
        let first = of_disks.first().map(|named| (named.name.clone(), named.from.clone()));
        let name = first.or_else(|| logs.computer.clone());
        let disks = volumes.iter().map(|v| (v.display.clone(), v.disk.clone())).collect();
        let attached = !volumes.is_empty() && volumes.iter().all(|volume| volume.attached);
        let serial = attached.then(firmware_serial).flatten();
        let serial = serial.map(|s| (s, "the firmware of this machine".to_owned()));
        Self { name, serial, of_disks, disks }
    }

    /// The computer that a store is from, as [`Machine::of_volumes`].
    #[must_use]
    pub fn of_store(&self, store: &Store) -> Self {
        let volumes: Vec<&str> = store.parts.iter().map(|p| p.volume_display.as_str()).collect();
        self.of_volumes(&volumes)
    }

    /// The computer that some of the volumes are from, by their names for display. If the disks
    /// have Windows of several names, only the one on the same disk counts: a wrong name is
    /// worse than none.
    #[must_use]
    pub fn of_volumes(&self, volumes: &[&str]) -> Self {
        if self.names().len() < 2 {
            return self.clone();
        }
        let disk_of = |volume: &&str| {
            let known = self.disks.iter().find(|(display, _)| display == volume);
            known.map(|(_, disk)| disk.as_str())
        };
        let disks: Vec<&str> = volumes.iter().filter_map(disk_of).collect();
        let here = self.of_disks.iter().filter(|named| disks.contains(&named.disk.as_str()));
        let here: Vec<DiskName> = here.cloned().collect();
        let mut of_these = Self { of_disks: here, ..self.clone() };
        of_these.name = match of_these.names().as_slice() {
            [one] => Some((one.name.clone(), one.from.clone())),
            _ => None,
        };
        of_these
    }

    /// The Windows with different names.
    pub fn names(&self) -> Vec<&DiskName> {
        let mut names: Vec<&DiskName> = Vec::new();
        for named in &self.of_disks {
            if !names.iter().any(|known| known.name.eq_ignore_ascii_case(&named.name)) {
                names.push(named);
            }
        }
        names
    }
}

fn firmware_serial() -> Option<String> {
    #[cfg(target_os = "linux")]
    let told = linux::product_serial();
    #[cfg(windows)]
    let told = windows::smbios().as_deref().and_then(smbios::system_serial);
    #[cfg(not(any(target_os = "linux", windows)))]
    let told: Option<String> = None;
    told.and_then(|serial| smbios::sound(&serial))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_gets_the_name_of_the_windows_on_its_own_disk() {
        let named = |name: &str, disk: &str| DiskName {
            name: name.to_owned(),
            from: format!("the SYSTEM hive on {disk}"),
            disk: disk.to_owned(),
        };
        let disks = ["a1", "a2", "b1", "c1"].map(|v| (v.to_owned(), v[..1].to_owned()));
        let machine = Machine {
            name: Some(("TECH".to_owned(), String::new())),
            of_disks: vec![named("TECH", "a"), named("PC-1", "b")],
            disks: disks.to_vec(),
            serial: None,
        };
        let name = |volumes: &[&str]| machine.of_volumes(volumes).name.map(|(name, _)| name);
        assert_eq!(name(&["a2"]).as_deref(), Some("TECH"));
        assert_eq!(name(&["b1"]).as_deref(), Some("PC-1"));
        assert_eq!(name(&["b1", "c1"]).as_deref(), Some("PC-1"));
        // A disk without a Windows may be of either.
        assert_eq!(name(&["c1"]), None);
        assert_eq!(name(&["a1", "b1"]), None);
        // Two Windows of one name are one computer.
        let one = Machine { of_disks: vec![named("pc-1", "a"), named("PC-1", "b")], ..machine };
        assert_eq!(one.of_volumes(&["c1"]).name, one.name);
    }
}
