//! The computer that a source is from: by the registry of its Windows, the
//! logs, or the firmware.

pub(crate) mod hive;
#[cfg(target_os = "linux")]
mod linux;
mod smbios;
#[cfg(windows)]
mod windows;

use super::{Logs, StoreVolume};
use crate::model::name::NtPath;

/// What is known about the computer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// Its name, and where it was found, for display.
    pub name: Option<(String, String)>,
    /// Its serial number from the firmware, and where it was found. Only if the
    /// source is a disk of this machine.
    pub serial: Option<(String, String)>,
}

impl Machine {
    /// Searches all volumes, then the logs; the first name wins. If there is no
    /// name, the firmware's serial number identifies the machine, if all
    /// volumes are on disks of this machine.
    pub fn find(volumes: &[StoreVolume], logs: &Logs) -> Self {
        let registry = volumes.iter().find_map(|volume| {
            let name = hive::computer_name(&*volume.tree, &NtPath::from("Windows"))?;
            Some((name, format!("the SYSTEM hive on {}", volume.display)))
        });
        let name = registry.or_else(|| logs.computer.clone());
        let attached = !volumes.is_empty() && volumes.iter().all(|volume| volume.attached);
        let serial = attached.then(firmware_serial).flatten();
        Self { name, serial: serial.map(|s| (s, "the firmware of this machine".to_owned())) }
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
