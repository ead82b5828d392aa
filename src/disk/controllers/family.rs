//! Which kind of controller it is, and what its disks need to be seen.
//!
//! The names of drivers are those of the .inf files in the manufacturers' packages: Intel's F6
//! drivers, AMD's RAID drivers, VMware Tools, virtio-win, and Windows' own.

/// A kind of controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    IntelVmd,
    IntelRaid,
    AmdRaid,
    VirtIo,
    VmwareScsi,
    MegaRaid,
    SmartArray,
    Nvme,
    Sata,
    Ide,
    Raid,
    Sas,
    Ufs,
    SdHost,
    Usb,
    Storage,
}

/// Intel's VMD, by the list in Linux' driver for it (drivers/pci/controller/vmd.c).
const VMD: [u16; 12] = [
    0x201D, 0x28C0, 0x467F, 0x4C3D, 0x9A0B, 0xA77F, 0x7D0B, 0xAD0B, 0xB06F, 0xB60B, 0xB06D, 0xB08F,
];
/// AMD's RAID: the SATA controllers in RAID mode, and what NVMe disks are put behind.
const AMD_RAID: [u16; 8] = [0x4392, 0x4393, 0x43BD, 0x7802, 0x7803, 0x7905, 0x7917, 0xB000];

const VMD_WINDOWS: &str = "load Intel's F6 driver for VMD: drvload X:\\path\\iaStorVD.inf (where \
                           Intel's package has a folder without VMD too, load iaStorAC.inf \
                           first). The PC's manufacturer has it as a driver for WinPE, or \
                           pe-build adds it with --drivers.";
const VMD_FIRMWARE: &str = "Turn VMD off in the firmware's settings only if there is no driver, \
                            and on again afterwards: without it Windows may not start, BitLocker \
                            asks for the recovery key, and an array of several disks is not seen.";
const RST_WINDOWS: &str = "load Intel's F6 driver for RST: drvload X:\\path\\iaStorAC.inf \
                           (iaStorAVC.inf or iaStorAV.inf for older PCs).";
const RST_FIRMWARE: &str = "AHCI in the firmware's settings shows single disks, but not an array: \
                            set it back to RAID afterwards, or Windows may not start, and have the \
                            BitLocker recovery key at hand.";
/// For disks that Intel's RST has put behind a SATA controller, where Linux cannot read them.
pub(super) const RST_HIDES: &str = "set the storage mode in the firmware's settings from RAID to AHCI, and back afterwards: \
     until then Windows may not start, and BitLocker asks for the recovery key. If the disk is \
     Optane memory, which caches another disk, leave the mode, and use WinPE with Intel's RST \
     driver (iaStorAC.inf): the other disk alone is not up to date.";
const ANOTHER_SYSTEM: &str =
    "Use a newer live Linux, or WinPE with the manufacturer's driver for it.";

impl Family {
    /// By the PCI class and ids; `None` for what has no disks.
    pub(super) fn of(class: u32, vendor: u16, device: u16) -> Option<Self> {
        let family = match (class >> 8, vendor, device) {
            (_, 0x8086, device) if VMD.contains(&device) => Self::IntelVmd,
            (0x0104, 0x8086, _) => Self::IntelRaid,
            (0x0100..=0x01FF, 0x1022 | 0x1002, device) if AMD_RAID.contains(&device) => {
                Self::AmdRaid
            }
            // virtio-blk and virtio-scsi, transitional and modern.
            (_, 0x1AF4, 0x1001 | 0x1042 | 0x1004 | 0x1048) => Self::VirtIo,
            (_, 0x15AD, 0x07C0) => Self::VmwareScsi,
            (0x0104, 0x1000, _) => Self::MegaRaid,
            (0x0104 | 0x0107, 0x9005 | 0x103C, _) => Self::SmartArray,
            (0x0108, ..) => Self::Nvme,
            (0x0106, ..) => Self::Sata,
            (0x0101 | 0x0105, ..) => Self::Ide,
            (0x0104, ..) => Self::Raid,
            (0x0100 | 0x0107, ..) => Self::Sas,
            (0x0109, ..) => Self::Ufs,
            (0x0805, ..) => Self::SdHost,
            // Host controllers: UHCI, OHCI, EHCI, xHCI, USB4. Not "device" and "unspecified".
            (0x0C03, ..) if matches!(class & 0xFF, 0x00..=0x40) => Self::Usb,
            // Floppies are no disks.
            (0x0102, ..) => return None,
            (0x0100..=0x01FF, ..) => Self::Storage,
            _ => return None,
        };
        Some(family)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::IntelVmd => "intel-vmd",
            Self::IntelRaid => "intel-rst",
            Self::AmdRaid => "amd-raid",
            Self::VirtIo => "virtio",
            Self::VmwareScsi => "vmware",
            Self::MegaRaid | Self::SmartArray | Self::Raid => "raid",
            Self::Nvme => "nvme",
            Self::Sata => "sata",
            Self::Ide => "ide",
            Self::Sas => "scsi",
            Self::Ufs => "ufs",
            Self::SdHost => "sd",
            Self::Usb => "usb",
            Self::Storage => "other",
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::IntelVmd => "Intel VMD controller",
            Self::IntelRaid => "Intel RST controller (RAID mode)",
            Self::AmdRaid => "AMD RAID controller",
            Self::VirtIo => "virtio disk controller",
            Self::VmwareScsi => "VMware paravirtual SCSI controller",
            Self::MegaRaid => "Broadcom or Dell PERC RAID controller",
            Self::SmartArray => "HPE or Microchip RAID controller",
            Self::Nvme => "NVMe controller",
            Self::Sata => "SATA controller",
            Self::Ide => "IDE controller",
            Self::Raid => "RAID controller",
            Self::Sas => "SCSI or SAS controller",
            Self::Ufs => "UFS controller",
            Self::SdHost => "SD and eMMC controller",
            Self::Usb => "USB controller",
            Self::Storage => "storage controller",
        }
    }

    /// Whether the disk that a PC starts from may be attached to it.
    pub(super) fn is_for_built_in_disks(self) -> bool {
        self != Self::Usb
    }

    /// What to do if it has no driver.
    pub(super) fn advice(self, in_windows: bool) -> String {
        if !in_windows {
            return match self {
                Self::IntelVmd => format!("load the driver: modprobe vmd. {VMD_FIRMWARE}"),
                Self::IntelRaid => format!(
                    "use WinPE with Intel's F6 driver (iaStorAC.inf): Linux has none. {RST_FIRMWARE}"
                ),
                Self::AmdRaid => {
                    "use WinPE with AMD's RAID drivers (rcbottom.inf, rcraid.inf, rccfg.inf): Linux \
                     has none."
                        .to_owned()
                }
                Self::Nvme => "the driver is not loaded (modprobe nvme), or it gave the disk up: \
                               dmesg shows why. A disk that failed may answer after the PC was \
                               without power for a minute."
                    .to_owned(),
                _ => format!("load its driver, if this system has one. {ANOTHER_SYSTEM}"),
            };
        }
        let text = match self {
            Self::IntelVmd => return format!("{VMD_WINDOWS} {VMD_FIRMWARE}"),
            Self::IntelRaid => return format!("{RST_WINDOWS} {RST_FIRMWARE}"),
            Self::AmdRaid => {
                "load AMD's RAID drivers, in this order: drvload X:\\path\\rcbottom.inf, then \
                 rcraid.inf, then rccfg.inf."
            }
            Self::VirtIo => {
                "load the driver of the virtio-win disc: drvload D:\\path\\viostor.inf, or \
                 vioscsi.inf for SCSI."
            }
            Self::VmwareScsi => "load the driver of VMware Tools: drvload X:\\path\\pvscsi.inf.",
            Self::MegaRaid => {
                "load its driver: drvload X:\\path\\megasas35.inf (megasas2.inf for older \
                 controllers, percsas3.inf from Dell)."
            }
            Self::SmartArray => {
                "load its driver: drvload X:\\path\\SmartPqi.inf (HpCISSs3.inf for older \
                 controllers)."
            }
            Self::Nvme => {
                "WinPE of Windows 8.1 and newer has the driver (stornvme.inf). Use a newer boot \
                 image, or load the manufacturer's driver with drvload."
            }
            Self::Usb => {
                "use a USB 2 port, or a boot image of Windows 8 or newer; for Windows 7's, load \
                 the manufacturer's USB 3 driver with drvload."
            }
            _ => {
                "load the manufacturer's driver for WinPE: drvload X:\\path\\driver.inf. \
                 pe-build adds drivers to a boot image with --drivers."
            }
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_known_by_class_and_ids() {
        for (class, vendor, device, kind) in [
            (0x01_04_00, 0x8086, 0x9A0B, Some("intel-vmd")), // Tiger Lake
            (0x01_04_00, 0x8086, 0x201D, Some("intel-vmd")), // Xeon, as in a Dell Precision 5820
            (0x01_04_00, 0x8086, 0x282A, Some("intel-rst")), // mobile, RAID mode
            (0x01_06_01, 0x8086, 0x9D03, Some("sata")),
            (0x01_04_00, 0x1022, 0x43BD, Some("amd-raid")),
            (0x01_08_02, 0x1022, 0xB000, Some("amd-raid")), // hides NVMe disks
            (0x01_08_02, 0x144D, 0xA808, Some("nvme")),
            (0x01_00_00, 0x1AF4, 0x1001, Some("virtio")),
            (0x01_07_00, 0x15AD, 0x07C0, Some("vmware")),
            (0x01_04_00, 0x1000, 0x005D, Some("raid")),
            (0x08_05_01, 0x8086, 0x9D2D, Some("sd")),
            (0x0C_03_30, 0x8086, 0x9D2F, Some("usb")),
            (0x0C_03_FE, 0x8086, 0x9D30, None),
            (0x01_02_00, 0x8086, 0x0001, None),
            // Intel's managed controller beside a VMD: no driver of its own, and none needed.
            (0x08_80_00, 0x8086, 0x09AB, None),
            (0x03_00_00, 0x8086, 0x9A49, None),
            (0x01_80_00, 0x106B, 0x2005, Some("other")),
        ] {
            let family = Family::of(class, vendor, device);
            assert_eq!(family.map(Family::as_str), kind, "{class:06x} {vendor:04x}:{device:04x}");
        }
    }

    #[test]
    fn every_kind_says_what_to_load_in_windows() {
        for (family, driver) in [
            (Family::IntelVmd, "iaStorVD.inf"),
            (Family::IntelRaid, "iaStorAC.inf"),
            (Family::AmdRaid, "rcbottom.inf"),
            (Family::VirtIo, "viostor.inf"),
            (Family::VmwareScsi, "pvscsi.inf"),
            (Family::Nvme, "stornvme.inf"),
            (Family::Sas, "drvload"),
        ] {
            assert!(family.advice(true).contains(driver), "{family:?}");
        }
        assert!(Family::IntelVmd.advice(false).contains("modprobe vmd"));
        assert!(Family::IntelVmd.advice(true).contains("BitLocker"));
    }
}
