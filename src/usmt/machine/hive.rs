//! Registry hives of an offline Windows. They are read from memory and never loaded: loading
//! changes them.

use regf::RegistryHive;
use regf::hive::RegistryKey;

use crate::model::bytes::utf16;
use crate::model::name::NtPath;
use crate::tree::Tree;
use crate::usmt::drive::read_small;

/// SYSTEM has 10 to 30 MB, SOFTWARE 50 to 120, a user's NTUSER.DAT 1 to 20.
const HIVE_LIMIT_BYTES: usize = 160 << 20;

/// A hive.
pub(crate) struct Hive(RegistryHive);

/// Why a hive cannot be used, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoHive {
    /// There is no such file.
    Missing,
    /// Its data cannot be read, or is larger than any hive.
    Unreadable,
    /// It is no hive, or one that is damaged at its beginning.
    Damaged,
}

impl Hive {
    /// Reads the hive at `path`. What is still in its transaction logs is not applied.
    pub(crate) fn read(tree: &dyn Tree, path: &NtPath) -> Result<Self, NoHive> {
        let node = tree.lookup(path).map_err(|_| NoHive::Missing)?;
        let bytes = read_small(tree, node, HIVE_LIMIT_BYTES).ok_or(NoHive::Unreadable)?;
        Self::from_bytes(bytes).ok_or(NoHive::Damaged)
    }

    /// The hive in these bytes.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let hive = RegistryHive::from_bytes(bytes).ok()?;
        hive.root_key().ok()?;
        Some(Self(hive))
    }

    /// The key at a path of names below the root.
    pub(crate) fn key(&self, names: &[&str]) -> Option<RegistryKey<'_>> {
        let root = self.0.root_key().ok()?;
        names.iter().try_fold(root, |key, name| key.open_subkey(name).ok())
    }
}

/// A value that is text (`REG_SZ`, `REG_EXPAND_SZ`), up to its first zero.
pub(crate) fn text(key: &RegistryKey<'_>, value: &str) -> Option<String> {
    let units = utf16(&key.value(value).ok()?.raw_data().ok()?);
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16(&units[..end]).ok()
}

/// `ComputerName` from `System32\config\SYSTEM` of the Windows in this folder.
pub(crate) fn computer_name(tree: &dyn Tree, windows: &NtPath) -> Option<String> {
    let path = windows.join("System32").join("config").join("SYSTEM");
    name_in(&Hive::read(tree, &path).ok()?)
}

/// `Select\Current` says which control set was in use; its `ComputerName` is
/// the name.
fn name_in(hive: &Hive) -> Option<String> {
    let current = hive.key(&["Select"])?.value("Current").ok()?.dword_data().ok()?;
    let set = format!("ControlSet{current:03}");
    let key = hive.key(&[&set, "Control", "ComputerName", "ComputerName"])?;
    let name = text(&key, "ComputerName")?;
    let name = name.trim();
    // Only a valid computer name may become part of a folder's name.
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

    fn name_of(bytes: Vec<u8>) -> Option<String> {
        name_in(&Hive::from_bytes(bytes)?)
    }

    #[test]
    fn the_name_is_that_of_the_current_control_set() {
        assert_eq!(name_of(hive("PC-ALICE")), Some("PC-ALICE".into()));
    }

    #[test]
    fn what_is_no_computer_name_is_refused() {
        for bad in ["", "..", "a/b", "a\\b", "C:"] {
            assert_eq!(name_of(hive(bad)), None, "{bad}");
        }
        assert_eq!(name_of(vec![]), None);
        assert_eq!(name_of(b"regf".repeat(4096)), None);
    }

    /// The hive is from a broken disk: whatever its bytes, no panic, no hang.
    #[test]
    fn damaged_hives_do_no_harm() {
        let good = hive("PC-ALICE");
        for at in (0..good.len().min(6000)).step_by(3) {
            for bytes in [&[0xFF][..], &[0xFF; 4], &[0; 4]] {
                let mut bad = good.clone();
                bad[at..at + bytes.len()].copy_from_slice(bytes);
                let _ = name_of(bad);
            }
        }
    }

    /// A PC that lost power has hives whose two sequence numbers differ.
    #[test]
    fn a_dirty_hive_is_read() {
        let mut dirty = hive("PC-ALICE");
        dirty[4] ^= 1;
        assert_eq!(name_of(dirty), Some("PC-ALICE".into()));
    }
}
