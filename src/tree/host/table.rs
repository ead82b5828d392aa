//! The files met so far: one slot a name, 24 bytes and the name itself, so that
//! a million files take some 70 MB.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The root's slot.
pub(super) const ROOT: u32 = 0;

/// Stands where there is no slot.
const NONE: u32 = u32::MAX;

struct Slot {
    parent: u32,
    /// The slot whose number is the id: another one for a further hard link.
    first: u32,
    /// The next slot with the same hash.
    next: u32,
    name_at: u64,
    name_bytes: u16,
}

/// Slots by number, by (parent, name), and by the file system's own identity.
pub(super) struct Table {
    slots: Vec<Slot>,
    names: Vec<u8>,
    by_name: HashMap<u64, u32>,
    by_file: HashMap<u128, u32>,
    /// Further slots of a file with several names.
    further: HashMap<u32, Vec<u32>>,
}

impl Table {
    pub(super) fn new() -> Self {
        let root = Slot { parent: NONE, first: ROOT, next: NONE, name_at: 0, name_bytes: 0 };
        Self {
            slots: vec![root],
            names: Vec::new(),
            by_name: HashMap::new(),
            by_file: HashMap::new(),
            further: HashMap::new(),
        }
    }

    /// The slot of `name` in `parent`, made if it is new. `file` is the file
    /// system's identity of a file that may have several names. Returns the slot
    /// of the first name met. `None` when 2^32 names or a name of 64 KiB is met.
    pub(super) fn meet(&mut self, parent: u32, name: &[u8], file: Option<u128>) -> Option<u32> {
        let hash = hash_of(parent, name);
        let head = self.by_name.get(&hash).copied().unwrap_or(NONE);
        let mut at = head;
        while let Some(slot) = self.slots.get(at as usize) {
            if slot.parent == parent && self.name(at) == name {
                return Some(slot.first);
            }
            at = slot.next;
        }
        let number = u32::try_from(self.slots.len()).ok().filter(|n| *n != NONE)?;
        let name_bytes = u16::try_from(name.len()).ok()?;
        let first = file.map_or(number, |f| *self.by_file.entry(f).or_insert(number));
        if first != number {
            self.further.entry(first).or_default().push(number);
        }
        let name_at = self.names.len() as u64;
        self.names.extend_from_slice(name);
        self.slots.push(Slot { parent, first, next: head, name_at, name_bytes });
        self.by_name.insert(hash, number);
        Some(first)
    }

    /// Whether such a slot was handed out.
    pub(super) fn holds(&self, slot: u32) -> bool {
        (slot as usize) < self.slots.len()
    }

    /// The name in a slot; empty for the root.
    pub(super) fn name(&self, slot: u32) -> &[u8] {
        let Some(s) = self.slots.get(slot as usize) else { return &[] };
        let at = usize::try_from(s.name_at).unwrap_or(usize::MAX);
        at.checked_add(usize::from(s.name_bytes))
            .and_then(|end| self.names.get(at..end))
            .unwrap_or_default()
    }

    /// The slot of the folder that holds it; `None` for the root.
    pub(super) fn parent(&self, slot: u32) -> Option<u32> {
        self.slots.get(slot as usize).map(|s| s.parent).filter(|p| *p != NONE)
    }

    /// All slots met of the file whose first is `slot`, the first at the front.
    pub(super) fn all_names(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::once(slot).chain(self.further.get(&slot).into_iter().flatten().copied())
    }

    /// The path to a slot, names joined by `separator`.
    pub(super) fn path(&self, slot: u32, separator: u8) -> Vec<u8> {
        let mut chain = Vec::new();
        let mut at = slot;
        while let Some(up) = self.parent(at) {
            chain.push(at);
            at = up;
        }
        let names: Vec<_> = chain.iter().rev().map(|s| self.name(*s)).collect();
        names.join(&separator)
    }
}

fn hash_of(parent: u32, name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (parent, name).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_met_twice_keeps_its_slot_and_links_share_one() {
        let mut table = Table::new();
        let dir = table.meet(ROOT, b"dir", None).unwrap();
        let file = table.meet(dir, b"one", Some(7)).unwrap();
        assert_eq!(table.meet(dir, b"one", Some(7)), Some(file));
        assert_eq!(table.meet(ROOT, b"two", Some(7)), Some(file), "a further link");
        assert_eq!(table.meet(ROOT, b"two", Some(7)), Some(file), "met again");
        assert_ne!(table.meet(ROOT, b"one", None), Some(file), "same name elsewhere");
        assert_eq!(table.path(file, b'/'), b"dir/one");
        let names: Vec<_> = table.all_names(file).map(|s| table.path(s, b'/')).collect();
        assert_eq!(names, [b"dir/one".to_vec(), b"two".to_vec()]);
        assert_eq!(table.path(ROOT, b'/'), b"");
        assert!(!table.holds(99) && table.parent(99).is_none() && table.name(99).is_empty());
    }
}
