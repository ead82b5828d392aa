//! Small registry hives (`regf`, version 1.5) with the keys that tell an offline
//! Windows' computer name, its users, and where they keep their folders. Byte by
//! byte the same for the same facts.
//!
//! The layout: a base block of 4096 bytes, then one bin of cells, every offset
//! counted from the start of that bin.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a hive of a test has a few KiB, which `Cells::finish` checks"
)]

use anyhow::{Result, ensure};

use crate::reparse::utf16;
use crate::tree::WORKDAY;

/// Bytes of the base block, and the unit of the bin.
const BLOCK: usize = 4096;
/// A bin that a test's hive never needs.
const MOST: usize = 1 << 20;
/// "No such list", as an offset.
const NONE: u32 = u32::MAX;

/// A `SYSTEM` hive whose current control set names the computer `name`.
pub fn system_with_computer_name(name: &str) -> Result<Vec<u8>> {
    let computer_name = Key::new("ComputerName").string("ComputerName", name);
    let control = Key::new("Control").key(Key::new("ComputerName").key(computer_name));
    // Windows keeps more than one set; `Current` tells which counts.
    let stale = Key::new("ComputerName").string("ComputerName", "OLD-NAME");
    let stale = Key::new("Control").key(Key::new("ComputerName").key(stale));
    let root = Key::new("ROOT")
        .key(Key::new("ControlSet001").key(control))
        .key(Key::new("ControlSet002").key(stale))
        .key(Key::new("Select").number("Current", 1).number("Default", 1));
    write(&root)
}

/// A `SOFTWARE` hive of a Windows on `C:`, with the profiles of these accounts:
/// the key's name (a SID, or one with `.bak`), and the path.
pub fn software_with_users(users: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut users = users.to_vec();
    users.sort_unstable();
    let mut list = Key::new("ProfileList").expand("ProfilesDirectory", "%SystemDrive%\\Users");
    for (sid, path) in users {
        list = list.key(Key::new(sid).expand("ProfileImagePath", path).number("State", 0));
    }
    let version = Key::new("CurrentVersion").string("SystemRoot", "C:\\WINDOWS").key(list);
    write(&Key::new("ROOT").key(Key::new("Microsoft").key(Key::new("Windows NT").key(version))))
}

/// A user's `NTUSER.DAT` with these `User Shell Folders`.
pub fn user_with_folders(folders: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut key = Key::new("User Shell Folders");
    for (name, path) in folders {
        key = key.expand(name, path);
    }
    for above in ["Explorer", "CurrentVersion", "Windows", "Microsoft", "Software", "ROOT"] {
        key = Key::new(above).key(key);
    }
    write(&key)
}

/// A key before it is written.
struct Key {
    name: String,
    values: Vec<(String, u32, Vec<u8>)>,
    keys: Vec<Key>,
}

impl Key {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), values: Vec::new(), keys: Vec::new() }
    }

    /// Adds a subkey; they must come in the order of their names.
    fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// How many keys there are, this one included.
    fn count(&self) -> u32 {
        1 + self.keys.iter().map(Self::count).sum::<u32>()
    }

    /// A `REG_SZ`.
    fn string(mut self, name: &str, text: &str) -> Self {
        let data = [utf16(text), vec![0, 0]].concat();
        self.values.push((name.to_owned(), 1, data));
        self
    }

    /// A `REG_EXPAND_SZ`.
    fn expand(mut self, name: &str, text: &str) -> Self {
        let data = [utf16(text), vec![0, 0]].concat();
        self.values.push((name.to_owned(), 2, data));
        self
    }

    /// A `REG_DWORD`.
    fn number(mut self, name: &str, number: u32) -> Self {
        self.values.push((name.to_owned(), 4, number.to_le_bytes().to_vec()));
        self
    }
}

fn write(root: &Key) -> Result<Vec<u8>> {
    let mut cells = Cells { bytes: bin_header() };
    let security = cells.security(root.count());
    let root = cells.key(root, NONE, security, true)?;
    let mut bin = cells.finish()?;
    let mut hive = base_block(root, bin.len());
    hive.append(&mut bin);
    Ok(hive)
}

fn base_block(root: u32, bins: usize) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..4].copy_from_slice(b"regf");
    block[12..20].copy_from_slice(&WORKDAY.to_le_bytes());
    let numbers = [(4, 1), (8, 1), (20, 1), (24, 5), (32, 1), (36, root), (44, 1)];
    for (at, number) in numbers {
        put(&mut block, at, number);
    }
    put(&mut block, 40, bins as u32);
    let name = utf16("SYSTEM");
    block[48..48 + name.len()].copy_from_slice(&name);
    let sum = block[..508]
        .chunks(4)
        .fold(0, |sum, word| sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    put(&mut block, 508, sum);
    block
}

fn bin_header() -> Vec<u8> {
    let mut header = vec![0; 32];
    header[..4].copy_from_slice(b"hbin");
    header[20..28].copy_from_slice(&WORKDAY.to_le_bytes());
    header
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// The bin while it fills with cells: a size (negative: in use), then the data.
struct Cells {
    bytes: Vec<u8>,
}

impl Cells {
    fn add(&mut self, data: &[u8]) -> u32 {
        let at = self.bytes.len();
        let size = (4 + data.len()).next_multiple_of(8);
        self.bytes.extend_from_slice(&(-(size as i32)).to_le_bytes());
        self.bytes.extend_from_slice(data);
        self.bytes.resize(at + size, 0);
        at as u32
    }

    /// One security cell (`sk`) for all keys, of which it keeps count; a ring of
    /// its own.
    fn security(&mut self, users: u32) -> u32 {
        let descriptor = crate::security::Descriptor::of_user(&crate::security::Sid::system());
        let descriptor = descriptor.to_bytes();
        let own = self.bytes.len() as u32;
        let mut cell = b"sk\0\0".to_vec();
        for number in [own, own, users, descriptor.len() as u32] {
            cell.extend_from_slice(&number.to_le_bytes());
        }
        cell.extend(descriptor);
        self.add(&cell)
    }

    /// A key node (`nk`) with its values and, below it, its subkeys.
    fn key(&mut self, key: &Key, parent: u32, security: u32, is_root: bool) -> Result<u32> {
        const ROOT: u16 = 0x0C; // entry to the hive, cannot be deleted
        const ASCII_NAME: u16 = 0x20;
        let mut node = vec![0; 76];
        node[..2].copy_from_slice(b"nk");
        let flags = ASCII_NAME | if is_root { ROOT } else { 0 };
        node[2..4].copy_from_slice(&flags.to_le_bytes());
        node[4..12].copy_from_slice(&WORKDAY.to_le_bytes());
        put(&mut node, 16, parent);
        put(&mut node, 20, key.keys.len() as u32);
        for at in [28, 32, 40, 48] {
            put(&mut node, at, NONE);
        }
        put(&mut node, 36, key.values.len() as u32);
        put(&mut node, 44, security);
        node[72..74].copy_from_slice(&u16::try_from(key.name.len())?.to_le_bytes());
        node.extend_from_slice(key.name.as_bytes());
        let at = self.add(&node);

        if !key.values.is_empty() {
            let values: Vec<u8> =
                key.values.iter().flat_map(|value| self.value(value).to_le_bytes()).collect();
            let list = self.add(&values);
            self.patch(at, 40, list);
        }
        if !key.keys.is_empty() {
            let mut list = b"lh".to_vec();
            list.extend_from_slice(&u16::try_from(key.keys.len())?.to_le_bytes());
            for below in &key.keys {
                list.extend_from_slice(&self.key(below, at, security, false)?.to_le_bytes());
                list.extend_from_slice(&name_hash(&below.name).to_le_bytes());
            }
            let list = self.add(&list);
            self.patch(at, 28, list);
        }
        Ok(at)
    }

    /// A value (`vk`); data of four bytes and less stands in the offset's place.
    fn value(&mut self, (name, kind, data): &(String, u32, Vec<u8>)) -> u32 {
        const IN_PLACE: u32 = 0x8000_0000;
        const ASCII_NAME: u16 = 1;
        let (size, offset) = match <[u8; 4]>::try_from(data.as_slice()) {
            Ok(number) => (IN_PLACE | 4, u32::from_le_bytes(number)),
            Err(_) => (data.len() as u32, self.add(data)),
        };
        let mut cell = b"vk".to_vec();
        cell.extend_from_slice(&(name.len() as u16).to_le_bytes());
        for number in [size, offset, *kind] {
            cell.extend_from_slice(&number.to_le_bytes());
        }
        cell.extend_from_slice(&ASCII_NAME.to_le_bytes());
        cell.extend_from_slice(&[0, 0]);
        cell.extend_from_slice(name.as_bytes());
        self.add(&cell)
    }

    /// Sets a number in a cell that is there already.
    fn patch(&mut self, cell: u32, at: usize, number: u32) {
        put(&mut self.bytes, cell as usize + 4 + at, number);
    }

    /// The whole bin, its rest one free cell.
    fn finish(mut self) -> Result<Vec<u8>> {
        let at = self.bytes.len();
        let size = (at + 8).next_multiple_of(BLOCK);
        ensure!(size <= MOST, "the hive is too large");
        self.bytes.resize(size, 0);
        put(&mut self.bytes, at, (size - at) as u32);
        put(&mut self.bytes, 8, size as u32);
        Ok(self.bytes)
    }
}

/// The hash in `lh` lists: of the name in capitals, times 37 a character.
fn name_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        hash.wrapping_mul(37).wrapping_add(u32::from(byte.to_ascii_uppercase()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reader_finds_the_computer_name() {
        let hive = system_with_computer_name("PC-0815").unwrap();
        let hive = regf::RegistryHive::from_bytes(hive).unwrap();
        let key = hive.open_key("ControlSet001\\Control\\ComputerName\\ComputerName").unwrap();
        assert_eq!(key.value("ComputerName").unwrap().string_data().unwrap(), "PC-0815");
        let select = hive.open_key("Select").unwrap();
        assert_eq!(select.value("Current").unwrap().dword_data().unwrap(), 1);
    }

    #[test]
    fn another_reader_finds_the_users_and_their_folders() {
        let users = [("S-1-5-21-1-2-3-1001", "C:\\Users\\alice"), ("S-1-5-18", "%systemroot%")];
        let hive = software_with_users(&users).unwrap();
        let hive = regf::RegistryHive::from_bytes(hive).unwrap();
        let list = hive.open_key("Microsoft\\Windows NT\\CurrentVersion\\ProfileList").unwrap();
        assert_eq!(list.subkeys().unwrap().len(), 2);
        let alice = list.open_subkey("S-1-5-21-1-2-3-1001").unwrap();
        let path = alice.value("ProfileImagePath").unwrap().string_data().unwrap();
        assert_eq!(path, "C:\\Users\\alice");
        let hive = user_with_folders(&[("Personal", "D:\\Data")]).unwrap();
        let hive = regf::RegistryHive::from_bytes(hive).unwrap();
        let names = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders";
        let key = hive.open_key(names).unwrap();
        assert_eq!(key.value("Personal").unwrap().string_data().unwrap(), "D:\\Data");
    }
}
