//! Linux: the PCI devices of sysfs.

use std::fs;
use std::path::Path;

use super::family::Family;
use super::{Controller, Driver};

/// Drivers that keep a device for a virtual machine: its disks are not seen here.
const RESERVED: [&str; 2] = ["vfio-pci", "pci-stub"];

/// The controllers below `sysfs`, by their addresses.
pub(super) fn controllers(sysfs: &Path) -> Vec<Controller> {
    let entries = fs::read_dir(sysfs.join("bus/pci/devices")).into_iter().flatten().flatten();
    let mut found: Vec<Controller> =
        entries.filter_map(|entry| controller(&entry.path())).collect();
    found.sort_by(|a, b| a.address.cmp(&b.address));
    found
}

fn controller(folder: &Path) -> Option<Controller> {
    let class = number(&folder.join("class"))?;
    let vendor = u16::try_from(number(&folder.join("vendor"))?).ok()?;
    let device = u16::try_from(number(&folder.join("device"))?).ok()?;
    Family::of(class, vendor, device)?;
    // A link to the driver's folder, as long as a driver has the device.
    let driver = fs::read_link(folder.join("driver")).ok();
    let driver = driver.and_then(|to| Some(to.file_name()?.to_string_lossy().into_owned()));
    let driver = driver.filter(|name| !RESERVED.contains(&name.as_str()));
    let hidden = fs::read_to_string(folder.join("remapped_nvme")).unwrap_or_default();
    Some(Controller {
        address: folder.file_name()?.to_string_lossy().into_owned(),
        class,
        vendor,
        device,
        driver: driver.map_or(Driver::Missing, Driver::Works),
        // Linux' ahci counts the NVMe disks that Intel's RST has put behind it.
        hidden: hidden.trim().parse().unwrap_or(0),
    })
}

/// `0x010802`
fn number(file: &Path) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_controllers_are_those_of_sysfs() {
        for controller in controllers(Path::new("/sys")) {
            let folder = Path::new("/sys/bus/pci/devices").join(&controller.address);
            assert!(folder.join("vendor").exists(), "{controller:?}");
            let has_driver = matches!(controller.driver, Driver::Works(_));
            assert_eq!(has_driver, folder.join("driver").exists(), "{controller:?}");
        }
    }

    #[test]
    fn what_hides_disks_is_read_off_the_folders() {
        let root = tempfile::tempdir().unwrap();
        let devices = root.path().join("bus/pci/devices");
        let put = |address: &str, class: &str, ids: [&str; 2], driver: Option<&str>| {
            let folder = devices.join(address);
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in [("class", class), ("vendor", ids[0]), ("device", ids[1])] {
                fs::write(folder.join(name), format!("{text}\n")).unwrap();
            }
            if let Some(driver) = driver {
                let to = format!("../../../../bus/pci/drivers/{driver}");
                std::os::unix::fs::symlink(to, folder.join("driver")).unwrap();
            }
            folder
        };
        put("0000:00:0e.0", "0x010400", ["0x8086", "0x9a0b"], None);
        put("0000:00:02.0", "0x030000", ["0x8086", "0x9a49"], None);
        put("0000:01:00.0", "0x010802", ["0x144d", "0xa808"], Some("nvme"));
        put("0000:02:00.0", "0x010802", ["0x144d", "0xa808"], Some("vfio-pci"));
        let sata = put("0000:00:17.0", "0x010601", ["0x8086", "0x2822"], Some("ahci"));
        fs::write(sata.join("remapped_nvme"), "2\n").unwrap();
        let found = controllers(root.path());
        let told: Vec<_> = found.iter().map(|c| (c.address.as_str(), c.trouble())).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], ("0000:00:0e.0", Some("has no driver".to_owned())));
        assert!(told[1].1.as_ref().unwrap().starts_with("hides 2 NVMe disks"), "{told:?}");
        assert_eq!(told[2], ("0000:01:00.0", None));
        assert_eq!(told[3], ("0000:02:00.0", Some("has no driver".to_owned())));
    }
}
