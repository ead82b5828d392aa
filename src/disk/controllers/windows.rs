//! Windows: the PCI devices that are present, by the configuration manager.
//!
//! Microsoft tells programs to ask it (`CM_…`), not to read the registry's `Enum` tree. All of this
//! asks; nothing is changed. docs/development/windows-calls.md has each call.
#![allow(unsafe_code)] // a platform file: std has no words for devices

use std::ptr;

use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    CM_DRP_COMPATIBLEIDS, CM_DRP_HARDWAREID, CM_DRP_SERVICE, CM_GETIDLIST_FILTER_ENUMERATOR,
    CM_GETIDLIST_FILTER_PRESENT, CM_Get_DevNode_Registry_PropertyW, CM_Get_DevNode_Status,
    CM_Get_Device_ID_List_SizeW, CM_Get_Device_ID_ListW, CM_LOCATE_DEVNODE_NORMAL,
    CM_Locate_DevNodeW, CM_PROB_FAILED_INSTALL, CM_PROB_NOT_CONFIGURED, CM_PROB_REINSTALL,
    CR_SUCCESS, DN_HAS_PROBLEM,
};

use super::family::Family;
use super::{Controller, Driver, windows_ids};

/// More than the list of any machine's PCI devices has, in UTF-16 units.
const MOST: u32 = 1 << 20;

/// The controllers that are present.
pub(super) fn controllers() -> Vec<Controller> {
    present().iter().filter_map(|id| controller(id)).collect()
}

/// The IDs of all PCI devices that are present.
fn present() -> Vec<String> {
    let flags = CM_GETIDLIST_FILTER_ENUMERATOR | CM_GETIDLIST_FILTER_PRESENT;
    let filter: Vec<u16> = "PCI\0".encode_utf16().collect();
    let mut units = 0_u32;
    // SAFETY: `filter` ends with a NUL; `units` outlives the call.
    let asked = unsafe { CM_Get_Device_ID_List_SizeW(&raw mut units, filter.as_ptr(), flags) };
    if asked != CR_SUCCESS || units == 0 || units > MOST {
        return Vec::new();
    }
    let mut list = vec![0_u16; units as usize];
    // SAFETY: `filter` ends with a NUL; `list` has `units` units.
    let asked = unsafe { CM_Get_Device_ID_ListW(filter.as_ptr(), list.as_mut_ptr(), units, flags) };
    if asked != CR_SUCCESS {
        return Vec::new();
    }
    strings(&list)
}

/// NUL-terminated texts, up to an empty one.
fn strings(list: &[u16]) -> Vec<String> {
    let texts = list.split(|unit| *unit == 0).take_while(|text| !text.is_empty());
    texts.map(String::from_utf16_lossy).collect()
}

fn controller(id: &str) -> Option<Controller> {
    let name: Vec<u16> = id.encode_utf16().chain([0]).collect();
    let mut node = 0_u32;
    // SAFETY: `name` ends with a NUL; `node` outlives the call.
    let found =
        unsafe { CM_Locate_DevNodeW(&raw mut node, name.as_ptr(), CM_LOCATE_DEVNODE_NORMAL) };
    if found != CR_SUCCESS {
        return None;
    }
    let ids = [property(node, CM_DRP_HARDWAREID), property(node, CM_DRP_COMPATIBLEIDS)].concat();
    let (class, vendor, device) = windows_ids::parse(ids.iter().map(String::as_str))?;
    Family::of(class, vendor, device)?;
    let (mut status, mut problem) = (0, 0);
    // SAFETY: both numbers outlive the call.
    let asked = unsafe { CM_Get_DevNode_Status(&raw mut status, &raw mut problem, node, 0) };
    // What Windows does not tell is no trouble.
    let problem = (asked == CR_SUCCESS && status & DN_HAS_PROBLEM != 0).then_some(problem);
    let service = property(node, CM_DRP_SERVICE).into_iter().next();
    let driver = match (service, problem) {
        (None, None) if asked != CR_SUCCESS => return None,
        (None, _)
        | (_, Some(CM_PROB_FAILED_INSTALL | CM_PROB_NOT_CONFIGURED | CM_PROB_REINSTALL)) => {
            Driver::Missing
        }
        (Some(name), Some(problem)) => Driver::Fails(name, problem),
        (Some(name), None) => Driver::Works(name),
    };
    Some(Controller { address: id.to_owned(), class, vendor, device, driver, hidden: 0 })
}

/// A property of a device that is one text or several; none if it has not got it.
fn property(node: u32, which: u32) -> Vec<String> {
    let mut units = [0_u16; 4096];
    let mut bytes = u32::try_from(size_of_val(&units)).unwrap_or(0);
    // SAFETY: `units` has `bytes` bytes; the type of the data is not asked for (a null pointer is
    // allowed there); the numbers outlive the call.
    let asked = unsafe {
        CM_Get_DevNode_Registry_PropertyW(
            node,
            which,
            ptr::null_mut(),
            units.as_mut_ptr().cast(),
            &raw mut bytes,
            0,
        )
    };
    if asked != CR_SUCCESS {
        return Vec::new();
    }
    strings(units.get(..bytes as usize / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_of_this_windows_are_known_or_none() {
        // Wine lists no PCI devices; a real Windows has some.
        for controller in controllers() {
            assert!(controller.address.to_ascii_uppercase().starts_with(r"PCI\"), "{controller:?}");
            assert_ne!(controller.vendor, 0, "{controller:?}");
        }
        assert_eq!(strings(&[65, 0, 66, 67, 0, 0, 68]), ["A", "BC"]);
    }
}
