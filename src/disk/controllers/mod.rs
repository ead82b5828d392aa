//! Storage controllers: why a disk that is in the PC may not be seen.
//!
//! A disk that the system does not show cannot be read, and a search that finds nothing on the
//! others says nothing about it. So a controller without a driver, or one that hides disks, is
//! named with what to load.

mod family;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;
mod windows_ids;

use family::Family;

use crate::model::finding::{Finding, Severity};
use crate::model::units;

/// A controller on the PCI bus that disks are attached to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controller {
    /// Where it is: `0000:00:0e.0`; in Windows, the ID of the device instance.
    pub address: String,
    /// Base class, subclass and interface: `0x010802` is NVMe.
    pub class: u32,
    /// The PCI vendor.
    pub vendor: u16,
    /// The PCI device.
    pub device: u16,
    /// What drives it.
    pub driver: Driver,
    /// NVMe disks that it hides, as far as it tells (Intel RST, Linux).
    pub hidden: u32,
}

/// What drives a controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Driver {
    /// This driver.
    Works(String),
    /// None.
    Missing,
    /// This driver does not start it: the problem code of Windows' device manager.
    Fails(String, u32),
}

/// The storage controllers of this machine, and its USB controllers. Empty where the system does
/// not tell.
pub fn controllers() -> Vec<Controller> {
    #[cfg(target_os = "linux")]
    return linux::controllers(std::path::Path::new("/sys"));
    #[cfg(windows)]
    return windows::controllers();
    #[cfg(not(any(target_os = "linux", windows)))]
    return Vec::new();
}

impl Controller {
    fn family(&self) -> Option<Family> {
        Family::of(self.class, self.vendor, self.device)
    }

    /// The stable name of its kind, as in `--json`.
    pub fn kind(&self) -> &'static str {
        self.family().map_or("other", Family::as_str)
    }

    /// Whether disks behind it are not seen.
    pub fn hides(&self) -> bool {
        self.hidden > 0 || !matches!(self.driver, Driver::Works(_))
    }

    /// Whether it is sure that a disk is not seen; or likely, since no disk of the PC is seen that
    /// has anything of it.
    pub(crate) fn keeps_disks_from_view(&self, is_any_disk_seen: bool) -> bool {
        let may = self.hides() && self.family().is_some_and(Family::is_for_built_in_disks);
        self.hidden > 0 || (may && !is_any_disk_seen)
    }

    /// What it is, for people: `Intel VMD controller 8086:9a0b`.
    pub fn describe(&self) -> String {
        let what = self.family().map_or("storage controller", Family::describe);
        format!("{what} {:04x}:{:04x} ({})", self.vendor, self.device, self.address)
    }

    /// What is wrong, in a few words; `None` if nothing is.
    pub fn trouble(&self) -> Option<String> {
        if self.hidden > 0 {
            let disks = units::count(u64::from(self.hidden), "NVMe disk", "NVMe disks");
            return Some(format!("hides {disks}: the firmware's storage mode is RAID (Intel RST)"));
        }
        match &self.driver {
            Driver::Works(_) => None,
            Driver::Missing => Some("has no driver".to_owned()),
            Driver::Fails(name, 22) => Some(format!("is disabled (driver {name}, code 22)")),
            Driver::Fails(name, code) => {
                Some(format!("does not start (driver {name}, code {code})"))
            }
        }
    }

    /// What to do so that its disks are seen.
    pub fn advice(&self) -> String {
        let family = self.family().unwrap_or(Family::Storage);
        if self.hidden > 0 {
            return family::RST_HIDES.to_owned();
        }
        let advice = family.advice(cfg!(windows));
        match self.driver {
            Driver::Fails(..) => format!("it may need another version of its driver: {advice}"),
            Driver::Works(_) | Driver::Missing => advice,
        }
    }

    /// The finding about disks that it keeps from view; `None` if it does not. Without a disk of
    /// the PC in sight it is a warning, otherwise it is only worth knowing.
    pub fn finding(&self, is_any_disk_seen: bool) -> Option<Finding> {
        let trouble = self.trouble()?;
        let is_grave = self.keeps_disks_from_view(is_any_disk_seen);
        let (code, severity) = match (self.hidden, is_grave) {
            (1.., _) => ("controller-hides-disks", Severity::Warning),
            (0, true) => ("no-disk", Severity::Warning),
            (0, false) => ("controller-no-driver", Severity::Info),
        };
        Some(Finding {
            code,
            severity,
            path: self.describe(),
            what: trouble,
            meaning: if self.hidden > 0 {
                "Disks are in this PC that cannot be read: a store may be there.".to_owned()
            } else if is_grave {
                "No disk with a Windows or a store is seen: it may be attached to this controller."
                    .to_owned()
            } else {
                "Disks that are attached to it are not seen. Other disks are.".to_owned()
            },
            action: if is_grave {
                let mut advice = self.advice();
                if let Some(first) = advice.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                format!("{advice} Then run the command again, before you wipe anything.")
            } else {
                format!("None, if no disk is missing. Otherwise: {}", self.advice())
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(class: u32, vendor: u16, device: u16, driver: Driver) -> Controller {
        let address = "0000:00:0e.0".to_owned();
        Controller { address, class, vendor, device, driver, hidden: 0 }
    }

    #[test]
    fn a_vmd_without_a_driver_is_grave_only_where_no_disk_is_seen() {
        let vmd = controller(0x01_04_00, 0x8086, 0x9A0B, Driver::Missing);
        let finding = vmd.finding(false).unwrap();
        assert_eq!((finding.code, finding.severity), ("no-disk", Severity::Warning));
        assert!(finding.path.contains("Intel VMD controller 8086:9a0b"), "{finding:?}");
        assert!(finding.action.contains("Turn VMD off") || finding.action.contains("iaStorVD.inf"));
        let finding = vmd.finding(true).unwrap();
        assert_eq!((finding.code, finding.severity), ("controller-no-driver", Severity::Info));
        assert!(finding.action.starts_with("None"), "{finding:?}");
        assert!(!vmd.keeps_disks_from_view(true));
    }

    #[test]
    fn a_controller_that_works_is_no_finding() {
        let works = Driver::Works("stornvme".to_owned());
        let nvme = controller(0x01_08_02, 0x144D, 0xA808, works);
        assert!(nvme.finding(false).is_none() && !nvme.hides());
    }

    #[test]
    fn hidden_disks_are_grave_beside_other_disks_too() {
        let mut sata = controller(0x01_06_01, 0x8086, 0x2822, Driver::Works("ahci".to_owned()));
        sata.hidden = 1;
        let finding = sata.finding(true).unwrap();
        assert_eq!((finding.code, finding.severity), ("controller-hides-disks", Severity::Warning));
        assert!(finding.what.contains("hides 1 NVMe disk"), "{finding:?}");
    }

    #[test]
    fn a_usb_controller_without_a_driver_hides_no_built_in_disk() {
        let usb = controller(0x0C_03_30, 0x8086, 0x9C31, Driver::Missing);
        assert_eq!(usb.finding(false).unwrap().severity, Severity::Info);
    }
}
