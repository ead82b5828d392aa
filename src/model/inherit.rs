//! The descriptor of a file that moves into another account's folder: its explicit entries stay,
//! for the new account; its inherited entries come from the new parent folder.
//!
//! Windows' own calls do this for one machine's files (`SetNamedSecurityInfo`, "Automatic
//! propagation of inheritable ACEs"), but not offline and not on Linux.

use super::bytes::u32_at;
use super::descriptor::{
    self, AUTO_INHERITED, DACL_PRESENT, PROTECTED, SACL_PRESENT, SELF_RELATIVE,
};
use super::sid::Sid;

/// Flags of an entry (MS-DTYP 2.4.4.1).
const OBJECT_INHERIT: u8 = 0x01;
const CONTAINER_INHERIT: u8 = 0x02;
const NO_PROPAGATE: u8 = 0x04;
const INHERIT_ONLY: u8 = 0x08;
const INHERITED: u8 = 0x10;
const INHERITANCE: u8 = 0x1F;

/// An account that takes the place of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    /// The account on the saved Windows.
    pub(crate) from: Sid,
    /// The account that gets the files.
    pub(crate) to: Sid,
}

impl Change {
    fn of(&self, sid: &Sid) -> Sid {
        if *sid == self.from { self.to.clone() } else { self.of_group(sid) }
    }

    /// Domain Users, or the local group `None`, of the old account becomes that of the new one;
    /// an Entra account is its own group.
    fn of_group(&self, sid: &Sid) -> Sid {
        const USERS: u32 = 513;
        let is_users = sid.subauthorities().last() == Some(USERS)
            && sid.authority() == self.from.authority()
            && domain(sid).eq(domain(&self.from));
        if !is_users {
            return sid.clone();
        }
        if self.to.authority() != 5 {
            return self.to.clone();
        }
        let numbers: Vec<String> =
            domain(&self.to).chain([USERS]).map(|number| number.to_string()).collect();
        format!("S-1-5-{}", numbers.join("-")).parse().unwrap_or_else(|_| sid.clone())
    }
}

/// All numbers but the last.
fn domain(sid: &Sid) -> impl Iterator<Item = u32> + '_ {
    let count = sid.subauthorities().count();
    sid.subauthorities().take(count.saturating_sub(1))
}

/// The descriptor `bytes` of a file or folder after its move into a folder that has `parent`.
/// `None` if it is not a descriptor.
pub(crate) fn moved(
    bytes: &[u8],
    change: &Change,
    parent: Option<&[u8]>,
    is_folder: bool,
) -> Option<Vec<u8>> {
    let parts = descriptor::parts(bytes)?;
    let sid = |bytes: Option<&[u8]>| Some(change.of(&Sid::from_bytes(bytes?)?));
    let (owner, group) = (sid(parts.owner), sid(parts.group));
    let is_protected = parts.control & PROTECTED != 0;
    let mut control = parts.control & (PROTECTED | (PROTECTED | AUTO_INHERITED) << 1);
    let sacl = parts.sacl.map(|list| list.iter().map(|entry| renamed(entry, change)).collect());
    let dacl = parts.dacl.map(|list| {
        let own = list.iter().filter(|entry| is_protected || flags(entry) & INHERITED == 0);
        let mut entries: Vec<Vec<u8>> = own.map(|entry| renamed(entry, change)).collect();
        if !is_protected {
            control |= AUTO_INHERITED;
            let above = parent.and_then(descriptor::parts).and_then(|parent| parent.dacl);
            for entry in above.iter().flatten() {
                inherit(entry, is_folder, owner.as_ref(), group.as_ref(), &mut entries);
            }
        }
        entries
    });
    Some(built(control, owner.as_ref(), group.as_ref(), sacl, dacl))
}

fn flags(entry: &[u8]) -> u8 {
    entry.get(1).copied().unwrap_or(0)
}

/// Whether the entry is a header, a mask and a SID (MS-DTYP 2.4.4.2 to 2.4.4.10): those that
/// allow, deny and audit, also with conditions. Labels and the like name no account.
fn names_account(entry: &[u8]) -> bool {
    matches!(entry.first(), Some(0x00..=0x03 | 0x09 | 0x0A | 0x0D | 0x0E))
}

/// The entry with the account changed.
fn renamed(entry: &[u8], change: &Change) -> Vec<u8> {
    let old = if names_account(entry) { entry.get(8..).and_then(Sid::from_bytes) } else { None };
    match old {
        Some(old) => with_sid(entry, &old, &change.of(&old)),
        None => entry.to_vec(),
    }
}

fn with_sid(entry: &[u8], old: &Sid, new: &Sid) -> Vec<u8> {
    let rest = entry.get(8 + old.as_bytes().len()..).unwrap_or_default();
    let mut made = entry.get(..8).unwrap_or_default().to_vec();
    made.extend(new.as_bytes());
    made.extend(rest);
    // A condition after the SID ends at a multiple of four, as the entry did.
    let size = u16::try_from(made.len()).unwrap_or(u16::MAX);
    made[2..4].copy_from_slice(&size.to_le_bytes());
    made
}

/// What a new file or folder gets from an entry of the folder above it (MS-DTYP 2.5.3.4.6, and
/// "ACE inheritance rules", Microsoft).
fn inherit(
    entry: &[u8],
    is_folder: bool,
    owner: Option<&Sid>,
    group: Option<&Sid>,
    to: &mut Vec<Vec<u8>>,
) {
    if !names_account(entry) || entry.len() < 8 {
        return;
    }
    let above = flags(entry);
    let goes_on = is_folder && above & NO_PROPAGATE == 0;
    let for_own = if is_folder { CONTAINER_INHERIT } else { OBJECT_INHERIT };
    let below = if goes_on { above & (OBJECT_INHERIT | CONTAINER_INHERIT) } else { 0 };
    let is_for_it = above & for_own != 0;
    let is_for_files_below = goes_on && above & OBJECT_INHERIT != 0;
    if !(is_for_it || is_for_files_below) {
        return;
    }
    let with = |bytes: &[u8], added: u8| {
        let mut made = bytes.to_vec();
        made[1] = made[1] & !INHERITANCE | INHERITED | added;
        made
    };
    let Some(account) = entry.get(8..).and_then(Sid::from_bytes) else { return };
    let creator = match account.to_string().as_str() {
        "S-1-3-0" => owner,
        "S-1-3-1" => group,
        _ => None,
    };
    let is_general = u32_at(entry, 4).is_some_and(|mask| mask & 0xF000_0000 != 0);
    if !is_for_it {
        to.push(with(entry, below | INHERIT_ONLY));
    } else if creator.is_none() && !is_general {
        to.push(with(entry, below));
    } else {
        // The entry itself applies to this one, by name and by what its general rights mean; what
        // is below gets it as it is.
        let named = creator.map(|creator| with_sid(entry, &account, creator));
        let mut own = with(named.as_deref().unwrap_or(entry), 0);
        let mask = u32_at(&own, 4).map_or(0, mapped);
        own[4..8].copy_from_slice(&mask.to_le_bytes());
        to.push(own);
        if below != 0 {
            to.push(with(entry, below | INHERIT_ONLY));
        }
    }
}

/// General rights as those of a file (`FILE_ALL_ACCESS` and the like of winnt.h).
fn mapped(mask: u32) -> u32 {
    [
        (0x1000_0000, 0x001F_01FF),
        (0x2000_0000, 0x0012_00A0),
        (0x4000_0000, 0x0012_0116),
        (0x8000_0000, 0x0012_0089),
    ]
    .iter()
    .fold(
        mask & 0x0FFF_FFFF,
        |sum, (general, own)| {
            if mask & general != 0 { sum | own } else { sum }
        },
    )
}

/// A self-relative descriptor (MS-DTYP 2.4.6).
fn built(
    control: u16,
    owner: Option<&Sid>,
    group: Option<&Sid>,
    sacl: Option<Vec<Vec<u8>>>,
    dacl: Option<Vec<Vec<u8>>>,
) -> Vec<u8> {
    let mut control = control | SELF_RELATIVE;
    let mut bytes = vec![0; 20];
    bytes[0] = 1;
    let mut place = |field: usize, part: Option<Vec<u8>>| {
        let Some(part) = part else { return };
        let at = u32::try_from(bytes.len()).unwrap_or(0);
        bytes[field..field + 4].copy_from_slice(&at.to_le_bytes());
        bytes.extend(part);
    };
    place(4, owner.map(|sid| sid.as_bytes().to_vec()));
    place(8, group.map(|sid| sid.as_bytes().to_vec()));
    if let Some(sacl) = sacl {
        control |= SACL_PRESENT;
        place(12, Some(list(&sacl)));
    }
    if let Some(dacl) = dacl {
        control |= DACL_PRESENT;
        place(16, Some(list(&dacl)));
    }
    bytes[2..4].copy_from_slice(&control.to_le_bytes());
    bytes
}

/// An access list (MS-DTYP 2.4.5). Entries beyond its 64 KiB are left out, the last ones first:
/// explicit entries come before inherited ones.
fn list(entries: &[Vec<u8>]) -> Vec<u8> {
    let is_object =
        |entry: &Vec<u8>| matches!(entry.first(), Some(5..=8 | 0x0B | 0x0C | 0x0F | 0x10));
    let revision = if entries.iter().any(is_object) { 4 } else { 2 };
    let mut bytes = vec![revision, 0, 0, 0, 0, 0, 0, 0];
    let mut count = 0_u16;
    for entry in entries {
        if bytes.len() + entry.len() > usize::from(u16::MAX) {
            break;
        }
        bytes.extend(entry);
        count += 1;
    }
    let size = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    bytes[2..4].copy_from_slice(&size.to_le_bytes());
    bytes[4..6].copy_from_slice(&count.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALICE: &str = "S-1-5-21-1-2-3-1001";
    const ANNA: &str = "S-1-12-1-5-6-7-8";

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    fn change() -> Change {
        Change { from: sid(ALICE), to: sid(ANNA) }
    }

    fn entry(kind: u8, flags: u8, mask: u32, account: &str) -> Vec<u8> {
        let mut entry = vec![kind, flags, 0, 0];
        entry.extend(mask.to_le_bytes());
        entry.extend(sid(account).as_bytes());
        let size = u16::try_from(entry.len()).unwrap();
        entry[2..4].copy_from_slice(&size.to_le_bytes());
        entry
    }

    fn described(control: u16, owner: &str, dacl: &[Vec<u8>]) -> Vec<u8> {
        let group = sid("S-1-5-21-1-2-3-513");
        built(control, Some(&sid(owner)), Some(&group), None, Some(dacl.to_vec()))
    }

    fn dacl_of(bytes: &[u8]) -> Vec<Vec<u8>> {
        let parts = descriptor::parts(bytes).unwrap();
        parts.dacl.unwrap().into_iter().map(<[u8]>::to_vec).collect()
    }

    const FULL: u32 = 0x001F_01FF;

    #[test]
    fn the_new_account_owns_what_the_old_one_owned() {
        let file = described(0, ALICE, &[entry(0, 0, FULL, ALICE), entry(1, 0, 2, "S-1-1-0")]);
        let moved = moved(&file, &change(), None, false).unwrap();
        let parts = descriptor::parts(&moved).unwrap();
        assert_eq!(Sid::from_bytes(parts.owner.unwrap()), Some(sid(ANNA)));
        // An Entra account's group is the account itself.
        assert_eq!(Sid::from_bytes(parts.group.unwrap()), Some(sid(ANNA)));
        assert_eq!(dacl_of(&moved), [entry(0, 0, FULL, ANNA), entry(1, 0, 2, "S-1-1-0")]);
        let system = described(0, "S-1-5-18", &[]);
        let stays = super::moved(&system, &change(), None, false).unwrap();
        let parts = descriptor::parts(&stays).unwrap();
        assert_eq!(Sid::from_bytes(parts.owner.unwrap()), Some(sid("S-1-5-18")));
    }

    #[test]
    fn the_group_of_a_domain_becomes_that_of_the_other() {
        let to = sid("S-1-5-21-7-8-9-1104");
        let change = Change { from: sid(ALICE), to };
        let moved = moved(&described(0, ALICE, &[]), &change, None, false).unwrap();
        let group = descriptor::parts(&moved).unwrap().group.unwrap();
        assert_eq!(Sid::from_bytes(group), Some(sid("S-1-5-21-7-8-9-513")));
    }

    #[test]
    fn inherited_rights_come_from_the_new_folder() {
        let parent = described(
            0,
            ANNA,
            &[
                entry(0, OBJECT_INHERIT | CONTAINER_INHERIT, FULL, ANNA),
                entry(0, CONTAINER_INHERIT, 1, "S-1-5-32-545"),
                entry(0, OBJECT_INHERIT | INHERIT_ONLY, 2, "S-1-5-32-546"),
                entry(0, 0, 4, "S-1-5-32-547"),
                entry(0, OBJECT_INHERIT | CONTAINER_INHERIT | NO_PROPAGATE, 8, "S-1-5-32-548"),
            ],
        );
        let child = described(
            0x0400,
            ALICE,
            &[entry(0, 0, 1, ALICE), entry(0, INHERITED, FULL, "S-1-5-32-544")],
        );
        let file = moved(&child, &change(), Some(&parent), false).unwrap();
        assert_eq!(
            dacl_of(&file),
            [
                entry(0, 0, 1, ANNA),
                entry(0, INHERITED, FULL, ANNA),
                entry(0, INHERITED, 2, "S-1-5-32-546"),
                entry(0, INHERITED, 8, "S-1-5-32-548"),
            ]
        );
        let folder = moved(&child, &change(), Some(&parent), true).unwrap();
        assert_eq!(
            dacl_of(&folder),
            [
                entry(0, 0, 1, ANNA),
                entry(0, INHERITED | OBJECT_INHERIT | CONTAINER_INHERIT, FULL, ANNA),
                entry(0, INHERITED | CONTAINER_INHERIT, 1, "S-1-5-32-545"),
                entry(0, INHERITED | OBJECT_INHERIT | INHERIT_ONLY, 2, "S-1-5-32-546"),
                entry(0, INHERITED, 8, "S-1-5-32-548"),
            ]
        );
        assert!(descriptor::is_whole(&file) && descriptor::is_whole(&folder));
    }

    #[test]
    fn the_creator_gets_the_rights_by_name() {
        let parent = described(
            0,
            ANNA,
            &[entry(0, OBJECT_INHERIT | CONTAINER_INHERIT, 0x1000_0000, "S-1-3-0")],
        );
        let folder = moved(&described(0, ALICE, &[]), &change(), Some(&parent), true).unwrap();
        assert_eq!(
            dacl_of(&folder),
            [
                entry(0, INHERITED, FULL, ANNA),
                entry(
                    0,
                    INHERITED | OBJECT_INHERIT | CONTAINER_INHERIT | INHERIT_ONLY,
                    0x1000_0000,
                    "S-1-3-0"
                ),
            ]
        );
    }

    #[test]
    fn protected_rights_take_nothing_from_above() {
        let parent = described(0, ANNA, &[entry(0, OBJECT_INHERIT, FULL, ANNA)]);
        let child = described(PROTECTED, ALICE, &[entry(0, 0, 1, ALICE)]);
        let file = moved(&child, &change(), Some(&parent), false).unwrap();
        assert_eq!(dacl_of(&file), [entry(0, 0, 1, ANNA)]);
        assert_eq!(descriptor::parts(&file).unwrap().control & PROTECTED, PROTECTED);
    }

    proptest! {
        #[test]
        fn any_descriptors_give_a_whole_one(bytes: Vec<u8>, parent: Vec<u8>, is_folder: bool) {
            if let Some(moved) = moved(&bytes, &change(), Some(&parent), is_folder) {
                prop_assert!(descriptor::is_whole(&moved));
            }
        }
    }
}
