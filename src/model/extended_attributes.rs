//! Lists of extended attributes: `FILE_FULL_EA_INFORMATION` entries (MS-FSCC
//! 2.4.16).
//!
//! On disk every entry has the offset of the next one, also the last, whose offset
//! is its own length (ntfs-3g and NTFS fill it in). In a call of Windows the last
//! one has 0, and another value is refused (`IoCheckEaBufferValidity`). A set keeps
//! the bytes as they were read.

use super::bytes::{u16_at, u32_at};

/// One attribute.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry<'a> {
    /// In upper case: NTFS folds names.
    name: Vec<u8>,
    flags: u8,
    value: &'a [u8],
    /// Its bytes after the offset.
    bytes: &'a [u8],
}

impl Entry<'_> {
    /// Whether only the kernel can set it: it keeps what it knows of a file's
    /// signature there, and ignores an attempt of a program (Kernel Extended
    /// Attributes, in the documents of the Windows Driver Kit).
    fn is_of_kernel(&self) -> bool {
        self.name.starts_with(b"$KERNEL.")
    }
}

/// The entries of a list; `None` if it is damaged.
fn entries(list: &[u8]) -> Option<Vec<Entry<'_>>> {
    let mut entries = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let next = usize::try_from(u32_at(rest, 0)?).ok()?;
        let name_bytes = usize::from(*rest.get(5)?);
        let value_at = 8 + name_bytes + 1;
        let end = value_at + usize::from(u16_at(rest, 6)?);
        entries.push(Entry {
            name: rest.get(8..8 + name_bytes)?.to_ascii_uppercase(),
            flags: *rest.get(4)?,
            value: rest.get(value_at..end)?,
            bytes: rest.get(4..end)?,
        });
        if next == 0 {
            break;
        }
        if next < end {
            return None;
        }
        // The padding of the last entry may be missing.
        rest = rest.get(next..).unwrap_or_default();
    }
    Some(entries)
}

/// Whether this is a list whose entries lie within it.
pub(crate) fn is_whole(list: &[u8]) -> bool {
    entries(list).is_some()
}

/// The list as a call of Windows takes it, without what only the kernel can set;
/// `None` if nothing is left. A damaged list is returned unchanged: Windows checks
/// it and says what is wrong.
#[cfg_attr(not(windows), allow(dead_code))] // ntfs-3g takes the bytes as on disk
pub(crate) fn to_set(list: &[u8]) -> Option<Vec<u8>> {
    let Some(mut entries) = entries(list) else { return Some(list.to_vec()) };
    entries.retain(|entry| !entry.is_of_kernel());
    let final_entry = entries.len().checked_sub(1)?;
    let mut bytes = Vec::with_capacity(list.len());
    for (at, entry) in entries.iter().enumerate() {
        // Each entry begins at a multiple of four bytes.
        let length = (4 + entry.bytes.len()).next_multiple_of(4);
        let end = bytes.len() + if at == final_entry { 4 + entry.bytes.len() } else { length };
        let next = if at == final_entry { 0 } else { u32::try_from(length).unwrap_or(0) };
        bytes.extend(next.to_le_bytes());
        bytes.extend(entry.bytes);
        bytes.resize(end, 0);
    }
    Some(bytes)
}

/// Whether a file that should have the attributes `wanted` has them, if it has
/// `found`. Those that only the kernel can set do not count.
pub(crate) fn is_same(wanted: &[u8], found: Option<&[u8]>) -> bool {
    let found = found.unwrap_or_default();
    let (Some(wanted_list), Some(found_list)) = (entries(wanted), entries(found)) else {
        return wanted == found;
    };
    let plain = |list: Vec<Entry<'_>>| {
        let list = list.into_iter().filter(|entry| !entry.is_of_kernel());
        let mut list: Vec<_> =
            list.map(|entry| (entry.name, entry.flags, entry.value.to_vec())).collect();
        list.sort_unstable();
        list
    };
    plain(wanted_list) == plain(found_list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A list; `end_mark` is the offset in its last entry, or else its length.
    fn list(entries: &[(&str, &str)], end_mark: Option<u32>) -> Vec<u8> {
        let mut list = Vec::new();
        for (at, (name, value)) in entries.iter().enumerate() {
            let length = (9 + name.len() + value.len()).next_multiple_of(4);
            let next = u32::try_from(length).unwrap();
            let is_last = at + 1 == entries.len();
            let next = if is_last { end_mark.unwrap_or(next) } else { next };
            let end = list.len() + length;
            list.extend(next.to_le_bytes());
            list.extend([0, u8::try_from(name.len()).unwrap()]);
            list.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
            list.extend(name.as_bytes());
            list.push(0);
            list.extend(value.as_bytes());
            list.resize(end, 0);
        }
        list
    }

    const TWO: [(&str, &str); 2] = [("ONE", "value"), ("SECOND", "more")];

    #[test]
    fn the_last_entry_of_a_list_for_windows_has_no_next_one() {
        let on_disk = list(&TWO, None);
        let set = to_set(&on_disk).unwrap();
        assert_ne!(on_disk, set);
        let by_kernel = list(&TWO, Some(0));
        assert!(by_kernel.starts_with(&set) && by_kernel.len() - set.len() < 4);
        assert_eq!(to_set(&by_kernel).unwrap(), set);
        assert_eq!(to_set(&set).unwrap(), set);
        assert!(is_same(&on_disk, Some(&by_kernel)) && is_same(&by_kernel, Some(&on_disk)));
        assert!(is_same(&on_disk, Some(&set)));
    }

    #[test]
    fn what_only_the_kernel_sets_is_not_expected_back() {
        let kernel = ("$Kernel.Purge.ESBCache", "signature");
        let all = list(&[TWO[0], kernel, TWO[1]], None);
        assert!(is_same(&all, Some(&list(&TWO, Some(0)))));
        assert_eq!(to_set(&all), to_set(&list(&TWO, None)));
        let only = list(&[kernel], None);
        assert_eq!(to_set(&only), None);
        assert!(is_same(&only, None));
    }

    #[test]
    fn names_values_and_flags_count_and_order_does_not() {
        let wanted = list(&TWO, None);
        assert!(is_same(&wanted, Some(&list(&[TWO[1], TWO[0]], Some(0)))));
        assert!(is_same(&list(&[("one", "value")], None), Some(&list(&[TWO[0]], None))));
        assert!(!is_same(&wanted, Some(&list(&[TWO[0]], None))));
        assert!(!is_same(&wanted, None));
        assert!(!is_same(&wanted, Some(&list(&[TWO[0], ("SECOND", "else")], None))));
        let mut needed = wanted.clone();
        needed[4] = 0x80; // FILE_NEED_EA
        assert!(!is_same(&wanted, Some(&needed)));
    }

    #[test]
    fn a_damaged_list_is_compared_by_its_bytes() {
        let mut bad = list(&TWO, None);
        bad[0] = 3;
        assert_eq!(entries(&bad), None);
        assert_eq!(to_set(&bad), Some(bad.clone()));
        assert!(is_same(&bad, Some(&bad)) && !is_same(&bad, Some(&list(&TWO, None))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            to_set(&bytes);
            assert!(is_same(&bytes, Some(&bytes)));
        }
    }
}
