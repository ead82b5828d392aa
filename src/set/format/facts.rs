//! What the metadata in a line must be, to be of use to a restore (docs/reference/format.md,
//! section 16). A damaged disk may have others: then the member has a loss.

use super::manifest::{Member, from_base64};
use crate::model::bytes::u32_at;
use crate::model::descriptor;
use crate::model::extended_attributes;
use crate::model::loss::LossKind;
use crate::model::metadata::is_name_surrogate;
use crate::model::reparse;

/// Whether these bytes are what they should be.
pub(crate) type IsWhole = fn(&[u8]) -> bool;

/// A self-relative security descriptor (MS-DTYP 2.4.6).
pub(crate) const DESCRIPTOR: IsWhole = descriptor::is_whole;
/// Reparse data with its header (MS-FSCC 2.1.2).
pub(crate) const REPARSE: IsWhole = reparse::is_whole;
/// `$OBJECT_ID`: the id, and up to three more ids of its birth (MS-FSCC 2.1.3).
pub(crate) const OBJECT_ID: IsWhole =
    |bytes| matches!(bytes.len(), 16..=64) && bytes.len().is_multiple_of(16);
/// A list of extended attributes (MS-FSCC 2.4.16).
pub(crate) const EXTENDED_ATTRIBUTES: IsWhole = extended_attributes::is_whole;

const DAMAGED_LIST: &str = "its extended attributes are damaged, and no loss says so";

/// Whether this can be a DOS name: 8.3 characters, of up to 3 bytes each.
pub(crate) fn is_short_name(name: &str) -> bool {
    matches!(name.len(), 1..=36) && !name.contains(['\0', '/', '\\', ':'])
}

/// Whether a member is a link or a junction: its reparse data stands for another place.
pub(crate) fn is_elsewhere(member: &Member) -> bool {
    let data = member.reparse.as_deref().and_then(from_base64);
    data.and_then(|data| u32_at(&data, 0)).is_some_and(is_name_surrogate)
}

/// What the metadata of a member contradicts.
pub(crate) fn fault(member: &Member) -> Option<&'static str> {
    let has_loss = member.losses.iter().any(|loss| LossKind::of_name(&loss.kind) == LossKind::Fact);
    for (text, is_whole, damaged) in [
        (&member.security, DESCRIPTOR, "its security descriptor is damaged, and no loss says so"),
        (&member.reparse, REPARSE, "its reparse data is damaged, and no loss says so"),
        (&member.object_id, OBJECT_ID, "its object id is damaged, and no loss says so"),
        (&member.extended_attributes, EXTENDED_ATTRIBUTES, DAMAGED_LIST),
    ] {
        let Some(text) = text else { continue };
        match from_base64(text) {
            None => return Some("some of its metadata is no base64"),
            Some(bytes) if !has_loss && !is_whole(&bytes) => return Some(damaged),
            Some(_) => {}
        }
    }
    let is_short = member.short_name.as_deref().is_none_or(is_short_name);
    (!is_short).then_some("its DOS name is none that a file can have")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::format::manifest::{MemberKind, to_base64};

    #[test]
    fn damaged_metadata_needs_a_loss() {
        // Owner S-1-5-18 behind the header, no group, no lists.
        let mut descriptor = vec![1, 0, 0, 0x80, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        descriptor.extend([1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]);
        let junction = [3, 0, 0, 0xA0, 4, 0, 0, 0, 1, 2, 3, 4];
        let foreign = [3, 0, 0, 0x20, 0, 0, 0, 0, 1, 2, 3, 4];
        let member = || Member::new(b"C/a", MemberKind::File);
        let with = |set: &dyn Fn(&mut Member)| {
            let mut member = member();
            set(&mut member);
            let alone = fault(&member);
            member.lose(LossKind::Fact, "damaged");
            (alone.is_none(), fault(&member).is_none())
        };
        let security = |bytes: &[u8]| with(&|member| member.security = Some(to_base64(bytes)));
        let reparse = |bytes: &[u8]| with(&|member| member.reparse = Some(to_base64(bytes)));
        let object = |bytes: &[u8]| with(&|member| member.object_id = Some(to_base64(bytes)));
        assert_eq!(security(&descriptor), (true, true));
        assert_eq!(security(&descriptor[..30]), (false, true));
        assert_eq!(reparse(&junction), (true, true));
        assert_eq!(reparse(&junction[..11]), (false, true));
        assert_eq!(reparse(&foreign), (false, true), "a tag that has a GUID");
        assert_eq!(object(&[7; 16]), (true, true));
        assert_eq!(object(&[7; 64]), (true, true));
        assert_eq!(object(&[7; 15]), (false, true));
        let list =
            |bytes: &[u8]| with(&|member| member.extended_attributes = Some(to_base64(bytes)));
        assert_eq!(list(&[0, 0, 0, 0, 0, 1, 1, 0, b'A', 0, 7]), (true, true));
        assert_eq!(list(&[0, 0, 0, 0, 0, 1, 2, 0, b'A', 0, 7]), (false, true));
        assert_eq!(with(&|member| member.security = Some("?".to_owned())), (false, false));
        for name in ["", "A/B", "A:B", &"A".repeat(37)] {
            let found = with(&|member| member.short_name = Some(name.to_owned()));
            assert_eq!(found, (false, false), "{name}");
        }
        assert!(with(&|member| member.short_name = Some("PROGRA~1.EXE".to_owned())).0);
    }
}
