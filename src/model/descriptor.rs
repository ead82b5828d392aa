//! Self-relative security descriptors (MS-DTYP 2.4.6): whether bytes are one,
//! and whether two say the same.
//!
//! Their bytes differ though they say the same. `$Secure` has the lists before the
//! owner, and a query has the owner first; `RtlMakeSelfRelativeSD` and NTFS lay
//! parts out as they like, since each part has its offset in the header.

use super::bytes::{u16_at, u32_at};
use super::sid::{AccountKind, Sid};

/// `SE_DACL_PRESENT`, `SE_SACL_PRESENT`, `SE_SELF_RELATIVE` (MS-DTYP 2.4.6).
pub(super) const DACL_PRESENT: u16 = 0x4;
pub(super) const SACL_PRESENT: u16 = 0x10;
pub(super) const SELF_RELATIVE: u16 = 0x8000;

/// `SE_DACL_AUTO_INHERITED` and `SE_DACL_PROTECTED`; those of the SACL are twice
/// as high. A call that sets a list keeps these and no other: the `DEFAULTED` bits
/// describe how the caller got a list, the `INHERIT_REQ` bits ask for something.
pub(super) const AUTO_INHERITED: u16 = 0x0400;
pub(super) const PROTECTED: u16 = 0x1000;

/// The parts of a descriptor, each as it is in its bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Parts<'a> {
    pub(super) control: u16,
    pub(crate) owner: Option<&'a [u8]>,
    pub(crate) group: Option<&'a [u8]>,
    /// The entries; `None` if there is no list. To an access check, a list that is
    /// absent and one that is NULL are the same: both allow everything.
    pub(crate) dacl: Option<Vec<&'a [u8]>>,
    /// Audit entries, integrity labels and the like.
    pub(crate) sacl: Option<Vec<&'a [u8]>>,
}

/// Takes a descriptor apart; `None` if it is not one, or has a part that is not
/// completely within its bytes.
pub(crate) fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let control = u16_at(bytes, 2)?;
    if bytes.first() != Some(&1) || control & SELF_RELATIVE == 0 {
        return None;
    }
    // `Some(None)`: there is no such part. The header has 20 bytes; nothing may lie in it.
    let part = |field: usize| match u32_at(bytes, field)? {
        0 => Some(None),
        1..20 => None,
        at => bytes.get(usize::try_from(at).ok()?..).map(Some),
    };
    let sid_at = |field| match part(field)? {
        None => Some(None),
        Some(rest) => sid(rest).map(Some),
    };
    let list_at = |field, is_there| match (is_there, if is_there { part(field)? } else { None }) {
        (true, Some(rest)) => entries(rest).map(Some),
        _ => Some(None),
    };
    Some(Parts {
        control,
        owner: sid_at(4)?,
        group: sid_at(8)?,
        sacl: list_at(12, control & SACL_PRESENT != 0)?,
        dacl: list_at(16, control & DACL_PRESENT != 0)?,
    })
}

/// Whether this is a self-relative descriptor whose parts lie within it. Windows
/// takes one without its length, so one that points beyond its end must never get
/// there.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    // A header always has its four offsets, also those that do not count.
    bytes.len() >= 20 && parts(bytes).is_some()
}

/// Whether a file that should have the descriptor `wanted` has it, if it has
/// `found`.
///
/// - The order of audit entries and labels does not matter, and the kernel sorts
///   them by kind. If `wanted` has no such list, the file system provides one.
/// - `AUTO_INHERITED` may be added (Windows does it for a folder whose entries
///   come from above), but not removed.
pub(crate) fn is_same(wanted: &[u8], found: &[u8]) -> bool {
    let (Some(wanted), Some(found)) = (parts(wanted), parts(found)) else {
        return wanted == found;
    };
    let keeps = |bits: u16| {
        let lost = wanted.control & !found.control;
        let gained = found.control & !wanted.control;
        lost & bits & (AUTO_INHERITED | AUTO_INHERITED << 1) == 0
            && (lost | gained) & bits & (PROTECTED | PROTECTED << 1) == 0
    };
    let allows = wanted.dacl.is_some();
    let audits = wanted.sacl.as_ref().is_some_and(|list| !list.is_empty());
    wanted.owner == found.owner
        && wanted.group == found.group
        && wanted.dacl == found.dacl
        && (!allows || keeps(AUTO_INHERITED | PROTECTED))
        && (!audits || keeps((AUTO_INHERITED | PROTECTED) << 1))
        && (!audits || sorted(wanted.sacl) == sorted(found.sacl))
}

/// The owner and every account that an entry of the DACL allows something, each once.
fn accounts(bytes: &[u8]) -> Vec<Sid> {
    let Some(parts) = parts(bytes) else { return Vec::new() };
    let allowed = parts.dacl.iter().flatten().filter_map(|entry| match entry.first() {
        // ACCESS_ALLOWED_ACE (MS-DTYP 2.4.4.2): header, mask, SID.
        Some(0) => Sid::from_bytes(entry.get(8..)?),
        _ => None,
    });
    let mut found: Vec<Sid> = parts.owner.and_then(Sid::from_bytes).into_iter().collect();
    found.extend(allowed);
    found.sort();
    found.dedup();
    found
}

/// The account of a person, if the owner and the entries name one person alone.
pub(crate) fn only_person(bytes: &[u8]) -> Option<Sid> {
    let mut people = accounts(bytes);
    people.retain(|sid| sid.account() == AccountKind::Person);
    match people.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Whether a descriptor has an integrity label or another newer entry in its SACL:
/// `SYSTEM_MANDATORY_LABEL_ACE` and the types after it (MS-DTYP 2.4.4.1). Calls of
/// Windows leave these out unless they are asked for by name.
#[cfg_attr(not(windows), allow(dead_code))] // only Windows sets lists in pieces
pub(crate) fn has_labels(bytes: &[u8]) -> bool {
    let sacl = parts(bytes).and_then(|parts| parts.sacl).unwrap_or_default();
    sacl.iter().any(|entry| entry.first().is_some_and(|kind| *kind >= 0x11))
}

fn sorted(list: Option<Vec<&[u8]>>) -> Vec<&[u8]> {
    let mut list = list.unwrap_or_default();
    list.sort_unstable();
    list
}

/// The SID at the start of these bytes (MS-DTYP 2.4.2.2).
fn sid(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [1, count @ 0..=15, ..] => bytes.get(..8 + 4 * usize::from(*count)),
        _ => None,
    }
}

/// The entries of the access list at the start of these bytes (MS-DTYP 2.4.5).
/// There may be unused bytes after the last one, which mean nothing.
fn entries(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let list = bytes.get(..usize::from(u16_at(bytes, 2)?))?;
    let mut rest = list.get(8..)?;
    let mut entries = Vec::new();
    for _ in 0..u16_at(bytes, 4)? {
        // MS-DTYP 2.4.4.1: type, flags, size of the whole entry.
        let size = usize::from(u16_at(rest, 2)?);
        entries.push(rest.get(..size).filter(|entry| entry.len() >= 4)?);
        rest = rest.get(size..)?;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Owner and group SYSTEM, a list with one entry for Administrators.
    fn good() -> Vec<u8> {
        let system = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        let mut sd = vec![1, 0, 4, 0x80];
        for offset in [20u32, 32, 0, 44] {
            sd.extend(offset.to_le_bytes());
        }
        sd.extend(system);
        sd.extend(system);
        sd.extend([2, 0, 32, 0, 1, 0, 0, 0, 0, 3, 24, 0, 0xFF, 0x01, 0x1F, 0x00]);
        sd.extend([1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0]);
        sd
    }

    #[test]
    fn a_whole_one_passes_and_a_cut_one_does_not() {
        let good = good();
        assert!(is_whole(&good));
        for cut in 0..good.len() {
            assert!(!is_whole(&good[..cut]), "cut at {cut}");
        }
    }

    #[test]
    fn what_points_beyond_the_end_is_refused() {
        for (at, value) in
            [(4, 70), (4, 8), (16, 0xFF), (46, 33), (48, 2), (54, 25), (54, 3), (21, 15)]
        {
            let mut bad = good();
            bad[at] = value;
            assert!(!is_whole(&bad), "{value} at {at}");
        }
    }

    const ENTRY: [u8; 24] =
        [0, 3, 24, 0, 0xFF, 0x01, 0x1F, 0x00, 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0];
    /// `SYSTEM_MANDATORY_LABEL_ACE` (MS-DTYP 2.4.4.13): low.
    const LABEL: [u8; 20] = [0x11, 0, 20, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 16, 0x00, 0x10, 0, 0];
    /// `SYSTEM_AUDIT_ACE` (MS-DTYP 2.4.4.10): everyone.
    const AUDIT: [u8; 20] = [2, 0xC0, 20, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];

    fn list(entries: &[&[u8]], unused: usize) -> Vec<u8> {
        let bytes = entries.concat();
        let size = u16::try_from(8 + bytes.len() + unused).unwrap();
        let count = u16::try_from(entries.len()).unwrap();
        let [a, b] = size.to_le_bytes();
        let [c, d] = count.to_le_bytes();
        [&[2, 0, a, b, c, d, 0, 0][..], &bytes, &vec![0xEE; unused]].concat()
    }

    /// A descriptor with its parts in this order: 4 owner, 8 group, 12 SACL, 16 DACL.
    fn built(control: u16, order: &[usize], sacl: Option<&[u8]>, dacl: Option<&[u8]>) -> Vec<u8> {
        let system = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        let mut control = control | SELF_RELATIVE;
        control |= if sacl.is_some() { SACL_PRESENT } else { 0 };
        control |= if dacl.is_some() { DACL_PRESENT } else { 0 };
        let mut sd = vec![0; 20];
        sd[0] = 1;
        sd[2..4].copy_from_slice(&control.to_le_bytes());
        for field in order {
            let part = match field {
                12 => sacl.unwrap_or_default(),
                16 => dacl.unwrap_or_default(),
                _ => &system,
            };
            if !part.is_empty() {
                let at = u32::try_from(sd.len()).unwrap();
                sd[*field..field + 4].copy_from_slice(&at.to_le_bytes());
                sd.extend(part);
            }
        }
        sd
    }

    #[test]
    fn the_layout_of_a_descriptor_does_not_count() {
        let lists = (list(&[&AUDIT, &LABEL], 0), list(&[&ENTRY], 0));
        let more = (list(&[&LABEL, &AUDIT], 4), list(&[&ENTRY], 8));
        let on_disk = built(0x0400, &[12, 16, 4, 8], Some(&lists.0), Some(&lists.1));
        let queried = built(0x0400, &[4, 8, 12, 16], Some(&more.0), Some(&more.1));
        assert_ne!(on_disk, queried);
        assert!(is_same(&on_disk, &queried) && is_same(&queried, &on_disk));
    }

    #[test]
    fn what_a_descriptor_says_counts() {
        let dacl = list(&[&ENTRY], 0);
        let mut deny = ENTRY;
        deny[0] = 1;
        let plain = built(0, &[4, 8, 16], None, Some(&dacl));
        let with = |sacl: &[&[u8]]| built(0, &[4, 8, 12, 16], Some(&list(sacl, 0)), Some(&dacl));
        for other in [
            built(0, &[4, 8, 16], None, Some(&list(&[&deny], 0))),
            built(0, &[4, 8, 16], None, Some(&list(&[&deny, &ENTRY], 0))),
            built(0, &[4, 8, 16], None, Some(&list(&[], 0))),
            built(0, &[4, 8], None, None),
            built(0, &[8, 16], None, Some(&dacl)),
            built(PROTECTED, &[4, 8, 16], None, Some(&dacl)),
        ] {
            assert!(!is_same(&plain, &other) && !is_same(&other, &plain), "{other:x?}");
        }
        // A label that was saved must come back; an audit entry that came from the
        // folder above is no loss.
        assert!(!is_same(&with(&[&LABEL]), &plain));
        assert!(!is_same(&with(&[&LABEL, &AUDIT]), &with(&[&AUDIT])));
        assert!(is_same(&plain, &with(&[&AUDIT])));
        assert!(is_same(&with(&[]), &plain));
    }

    #[test]
    fn labels_are_told_from_audit_entries() {
        let with = |sacl: &[&[u8]]| built(0, &[4, 8, 12], Some(&list(sacl, 0)), None);
        assert!(has_labels(&with(&[&AUDIT, &LABEL])));
        assert!(!has_labels(&with(&[&AUDIT])) && !has_labels(&good()));
    }

    #[test]
    fn control_bits_that_do_not_survive_do_not_count() {
        let dacl = list(&[&ENTRY], 0);
        let with = |control| built(control, &[4, 8, 16], None, Some(&dacl));
        // Owner, group and DACL defaulted; a request to inherit; bits of a missing SACL.
        for gone in [0x0001, 0x0002, 0x0008, 0x0100, 0x2800] {
            assert!(is_same(&with(gone), &with(0)), "{gone:x}");
        }
        assert!(!is_same(&with(AUTO_INHERITED), &with(0)));
        assert!(is_same(&with(0), &with(AUTO_INHERITED)));
        let null = [built(DACL_PRESENT, &[4, 8], None, None), built(0, &[4, 8], None, None)];
        assert!(is_same(&null[0], &null[1]) && is_same(&null[1], &null[0]));
    }

    #[test]
    fn what_is_no_descriptor_is_compared_by_its_bytes() {
        assert!(is_same(b"x", b"x") && !is_same(b"x", b"y") && !is_same(&good(), b"x"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            is_whole(&bytes);
            assert!(is_same(&bytes, &bytes));
        }
    }
}
