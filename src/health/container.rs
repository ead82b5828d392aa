//! The compressed store (`USMT.MIG`), as far as it is known.
//!
//! The container's description comes from Windows Easy Transfer files; that
//! USMT's is the same is very probable and inferred.

use crate::store::Part;

use super::{Finding, Severity};

/// The first bytes of a container: magic, then version 2, little-endian.
const MAGIC: &[u8; 8] = b"1giM\x02\0\0\0";

pub(super) fn check(part: &Part, say: &mut dyn FnMut(Finding)) {
    let at = part.windows_path();
    let mut finding = |code, severity, name: &str, what: String, meaning: &str, action: &str| {
        say(Finding {
            code,
            severity,
            path: format!("{at}\\{name}"),
            what,
            meaning: meaning.into(),
            action: action.into(),
        });
    };
    let Some((name, first)) =
        part.markers.containers.iter().find(|(name, _)| name.eq_ignore_ascii_case("USMT.MIG"))
    else {
        finding(
            "container-missing",
            Severity::Fatal,
            "USMT.MIG",
            "pieces of a compressed store are here, but not USMT.MIG itself".into(),
            "loadstate starts with USMT.MIG.",
            "Rescue the pieces; look for USMT.MIG on other volumes.",
        );
        return;
    };
    if first.size == 0 {
        finding(
            "container-empty",
            Severity::Fatal,
            name,
            "USMT.MIG is empty".into(),
            "There is no user data in it.",
            "Look for deleted files and for another store.",
        );
        return;
    }
    let mut head = [0; 8];
    let read = part.tree.open(first.node, None).and_then(|mut stream| stream.read(&mut head));
    match read {
        Err(error) => finding(
            "unreadable",
            Severity::Fatal,
            name,
            format!("cannot be read: {error}"),
            "loadstate needs it whole.",
            "The disk may be failing: offload what can be read, now.",
        ),
        Ok(got) if head.get(..got) != Some(&MAGIC[..]) => finding(
            "container-unknown",
            Severity::Warning,
            name,
            "does not begin as compressed stores are believed to".into(),
            "Either it is damaged, or of a kind that is not known here (inferred).",
            "Rescue it; run usmtutils /verify on it where USMT is at hand.",
        ),
        Ok(_) => finding(
            "container-unchecked",
            Severity::Info,
            name,
            format!("begins as a compressed store does; {} bytes", first.size),
            "Its records were not checked.",
            "Run usmtutils /verify on it where USMT is at hand.",
        ),
    }
}
