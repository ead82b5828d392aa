//! What is known of the machine's own disks beyond their bytes.

use super::condition::Condition;
use crate::model::units;

/// A physical disk, as the system describes it. Empty where it does not tell.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hardware {
    /// Vendor and model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// How it is attached: `usb`, `sata`, `nvme`, `virtio`, `scsi`, `mmc`…
    pub transport: String,
    /// Whether its medium can be taken out (USB sticks say so, USB disks not).
    pub removable: bool,
    /// Bytes in the smallest piece that can be addressed.
    pub logical_sector: u32,
    /// Bytes in the smallest piece that is written at once.
    pub physical_sector: u32,
    /// The file that a loop device shows; empty for all others.
    pub backing: String,
    /// What it says of its health, and whether it is locked; nothing until it is asked
    /// ([`Disk::ask_condition`](super::Disk::ask_condition)).
    pub condition: Condition,
}

impl Hardware {
    /// Whether it is a disk that a PC has built in: no stick, no USB disk, no image.
    pub(crate) fn is_built_in(&self) -> bool {
        let is_elsewhere =
            matches!(&*self.transport, "" | "usb" | "loop" | "virtual" | "iscsi" | "sd");
        !is_elsewhere && !self.removable && self.backing.is_empty()
    }

    /// In a few words: `Samsung SSD 860 (sata), 238.0 GiB`.
    pub fn describe(&self, len: u64) -> String {
        let mut words = match (&*self.model, &*self.backing) {
            ("", "") => "disk".to_owned(),
            ("", file) => file.to_owned(),
            (model, _) => model.to_owned(),
        };
        if !self.transport.is_empty() {
            words = format!("{words} ({})", self.transport);
        }
        format!("{words}, {}", units::bytes(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_described_by_what_is_known() {
        let mut hardware = Hardware::default();
        assert_eq!(hardware.describe(1 << 30), "disk, 1.0 GiB");
        hardware.model = "Samsung SSD 860".to_owned();
        assert!(!hardware.is_built_in());
        hardware.transport = "sata".to_owned();
        assert!(hardware.is_built_in());
        assert_eq!(hardware.describe(238 << 30), "Samsung SSD 860 (sata), 238.0 GiB");
    }
}
