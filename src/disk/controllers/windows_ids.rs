//! What Windows' hardware IDs of a PCI device say ("Identifiers for PCI Devices", Microsoft).
#![cfg_attr(not(windows), allow(dead_code))] // tested everywhere, used in Windows

/// Class, vendor and device of a PCI device.
pub(super) type Ids = (u32, u16, u16);

/// By the hardware IDs and the compatible IDs of a device, such as
/// `PCI\VEN_8086&DEV_9A0B&CC_010400`.
pub(super) fn parse<'a>(ids: impl IntoIterator<Item = &'a str>) -> Option<Ids> {
    let (mut class, mut vendor, mut device) = (None, None, None);
    for id in ids {
        let Some(fields) = id.get(..4).filter(|bus| bus.eq_ignore_ascii_case(r"PCI\")) else {
            continue;
        };
        for field in id[fields.len()..].split('&') {
            let Some((name, digits)) = field.split_once('_') else { continue };
            let Ok(number) = u32::from_str_radix(digits, 16) else { continue };
            match (name.to_ascii_uppercase().as_str(), digits.len()) {
                ("VEN", 4) => vendor = vendor.or(u16::try_from(number).ok()),
                ("DEV", 4) => device = device.or(u16::try_from(number).ok()),
                ("CC", 6) => class = Some(number),
                // Without the interface: less than what another ID may say.
                ("CC", 4) => class = class.or(Some(number << 8)),
                _ => {}
            }
        }
    }
    Some((class?, vendor?, device?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_longest_ones() {
        let hardware = [
            r"PCI\VEN_8086&DEV_9A0B&SUBSYS_0A6B1028&REV_00",
            r"PCI\VEN_8086&DEV_9A0B&SUBSYS_0A6B1028",
            r"PCI\VEN_8086&DEV_9A0B&CC_010400",
            r"PCI\VEN_8086&DEV_9A0B&CC_0104",
        ];
        assert_eq!(parse(hardware), Some((0x01_04_00, 0x8086, 0x9A0B)));
        let compatible = [r"PCI\VEN_144D&DEV_A808", r"PCI\VEN_144D&CC_0108", r"PCI\CC_010802"];
        assert_eq!(parse(compatible), Some((0x01_08_02, 0x144D, 0xA808)));
        assert_eq!(parse([r"ACPI\INT33BB", r"PCI\VEN_8086&DEV_9A0B", "PCI"]), None);
        assert_eq!(parse([r"PCI\VEN_&DEV_zz&CC_", "PCI\\\u{e9}_\u{e9}&"]), None);
    }
}
