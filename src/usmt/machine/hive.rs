//! The computer's name in the registry of an offline Windows.

use regf::RegistryHive;

use crate::model::name::NtPath;
use crate::tree::Tree;
use crate::usmt::drive::read_small;

/// A SYSTEM hive is 10 to 30 MB; a far larger file is not one.
const HIVE_LIMIT_BYTES: usize = 64 << 20;

/// `ComputerName` from `\Windows\System32\config\SYSTEM`.
pub(super) fn name_in_hive(tree: &dyn Tree) -> Option<String> {
    let node = tree.lookup(&NtPath::from("Windows/System32/config/SYSTEM")).ok()?;
    computer_name(read_small(tree, node, HIVE_LIMIT_BYTES)?)
}

/// `Select\Current` says which control set was in use; its `ComputerName` is
/// the name. The hive is read from memory and never loaded: loading changes it.
fn computer_name(hive: Vec<u8>) -> Option<String> {
    let hive = RegistryHive::from_bytes(hive).ok()?;
    let root = hive.root_key().ok()?;
    let current = root.open_subkey("Select").ok()?.value("Current").ok()?.dword_data().ok()?;
    let mut key = root.open_subkey(&format!("ControlSet{current:03}")).ok()?;
    for name in ["Control", "ComputerName", "ComputerName"] {
        key = key.open_subkey(name).ok()?;
    }
    let name = key.value("ComputerName").ok()?.string_data().ok()?;
    // Only a valid computer name may become part of a folder's name.
    let name = name.trim_end_matches('\0').trim();
    let sound = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    sound.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regf::{DataType, HiveBuilder};

    fn hive(name: &str) -> Vec<u8> {
        let mut hive = HiveBuilder::new().unwrap();
        let root = hive.root_offset();
        let select = hive.add_key(root, "Select").unwrap();
        hive.add_value(select, "Current", DataType::Dword, &2_u32.to_le_bytes()).unwrap();
        let mut key = hive.add_key(root, "ControlSet002").unwrap();
        for name in ["Control", "ComputerName", "ComputerName"] {
            key = hive.add_key(key, name).unwrap();
        }
        let wide: Vec<u8> = format!("{name}\0").encode_utf16().flat_map(u16::to_le_bytes).collect();
        hive.add_value(key, "ComputerName", DataType::String, &wide).unwrap();
        hive.to_bytes().unwrap()
    }

    #[test]
    fn the_name_is_that_of_the_current_control_set() {
        assert_eq!(computer_name(hive("PC-ALICE")), Some("PC-ALICE".into()));
    }

    #[test]
    fn what_is_no_computer_name_is_refused() {
        for bad in ["", "..", "a/b", "a\\b", "C:"] {
            assert_eq!(computer_name(hive(bad)), None, "{bad}");
        }
        assert_eq!(computer_name(vec![]), None);
        assert_eq!(computer_name(b"regf".repeat(4096)), None);
    }

    /// The hive is from a broken disk: whatever its bytes, no panic, no hang.
    #[test]
    fn damaged_hives_do_no_harm() {
        let good = hive("PC-ALICE");
        for at in (0..good.len().min(6000)).step_by(3) {
            for bytes in [&[0xFF][..], &[0xFF; 4], &[0; 4]] {
                let mut bad = good.clone();
                bad[at..at + bytes.len()].copy_from_slice(bytes);
                let _ = computer_name(bad);
            }
        }
    }
}
