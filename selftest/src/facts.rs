//! Everything that is known of a file, and the comparison of two trees.

use std::collections::{BTreeMap, BTreeSet};

/// Bits of the attributes (MS-FSCC 2.6).
pub mod bits {
    /// Read-only.
    pub const READONLY: u32 = 0x1;
    /// Hidden.
    pub const HIDDEN: u32 = 0x2;
    /// System.
    pub const SYSTEM: u32 = 0x4;
    /// A folder.
    pub const DIRECTORY: u32 = 0x10;
    /// To be archived.
    pub const ARCHIVE: u32 = 0x20;
    /// Temporary.
    pub const TEMPORARY: u32 = 0x100;
    /// Sparse.
    pub const SPARSE: u32 = 0x200;
    /// Has reparse data.
    pub const REPARSE: u32 = 0x400;
    /// Compressed by NTFS.
    pub const COMPRESSED: u32 = 0x800;
    /// Not here.
    pub const OFFLINE: u32 = 0x1000;
    /// Not indexed.
    pub const NOT_INDEXED: u32 = 0x2000;
    /// Encrypted by EFS.
    pub const ENCRYPTED: u32 = 0x4000;
    /// Those that a program can set directly, and that say something about the file.
    pub const SETTABLE: u32 =
        READONLY | HIDDEN | SYSTEM | ARCHIVE | TEMPORARY | OFFLINE | NOT_INDEXED;
}

/// Bytes and a hash of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// How many.
    pub size: u64,
    /// Of all of them; comparable within one process.
    pub hash: u64,
}

/// What Windows says of a file, folder or link. `None`: it could not be read, or there
/// is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Attributes.
    pub attributes: u32,
    /// Bytes of the unnamed stream.
    pub size: u64,
    /// Bytes on the disk.
    pub allocated: u64,
    /// Creation, in 100 ns since 1601.
    pub created: u64,
    /// Last access.
    pub accessed: u64,
    /// Last write.
    pub written: u64,
    /// Change time.
    pub changed: u64,
    /// The unnamed stream of a file.
    pub content: Option<Content>,
    /// Alternate data streams by name; `None` if they could not be listed.
    pub streams: Option<BTreeMap<String, Content>>,
    /// The whole reparse buffer.
    pub reparse: Option<Vec<u8>>,
    /// The first 16 bytes of the object id.
    pub object_id: Option<Vec<u8>>,
    /// The 8.3 name, if it is another one.
    pub short_name: Option<String>,
    /// Extended attributes by name.
    pub extended_attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Owner, group and DACL, in SDDL.
    pub access: Option<String>,
    /// SACL with the integrity label, in SDDL.
    pub audit: Option<String>,
    /// What all names of a file have in common.
    pub id: u64,
    /// How many names it has.
    pub links: u32,
}

impl Facts {
    /// Whether a bit of the attributes is set.
    pub fn has(&self, bit: u32) -> bool {
        self.attributes & bit != 0
    }
}

/// Paths below a folder, with `\`, to what is there. Halves of surrogates are
/// written as their number.
pub type Tree = BTreeMap<String, Facts>;

/// What to expect of a destination.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expect {
    /// How far a time may be off, in 100 ns: 2 s on FAT, 10 ms on exFAT.
    pub time_slack: u64,
    /// Only bytes, names and times: not NTFS.
    pub plain: bool,
    /// The volume keeps no 8.3 names.
    pub no_short_names: bool,
}

/// What was compared for one row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many files.
    pub compared: u32,
    /// What differs, a path with a reason each.
    pub wrong: Vec<String>,
}

impl Tally {
    fn check(&mut self, is_right: bool, path: &str, what: impl FnOnce() -> String) {
        self.compared += 1;
        if !is_right {
            self.wrong.push(format!("{path}: {}", what()));
        }
    }
}

/// Compares what was restored with the source. The key is the id of a row in
/// [`crate::rows`]; rows that neither tree has anything for are not in it.
pub fn compare(source: &Tree, restored: &Tree, expect: Expect) -> BTreeMap<&'static str, Tally> {
    let mut rows: BTreeMap<&'static str, Tally> = BTreeMap::new();
    for (path, have) in source {
        let place = row_of(path, have);
        let Some(got) = restored.get(path) else {
            rows.entry(place).or_default().check(false, path, || "was not restored".to_owned());
            continue;
        };
        if place != "bytes" {
            rows.entry(place).or_default().check(true, path, String::new);
        }
        if place == "case-only" {
            let is_right = got.content == have.content;
            rows.entry(place).or_default().check(is_right, path, || "other bytes".to_owned());
            continue;
        }
        compare_plain(&mut rows, path, have, got, expect);
        if !expect.plain {
            compare_ntfs(&mut rows, path, have, got, expect);
        }
    }
    let restored_only = restored.keys().filter(|path| !source.contains_key(*path));
    for path in restored_only {
        let row = rows.entry("bytes").or_default();
        row.check(false, path, || "is not in the source".to_owned());
    }
    if !expect.plain {
        compare_links(&mut rows, source, restored);
    }
    rows
}

/// The row that a file stands for by its name alone.
fn row_of(path: &str, facts: &Facts) -> &'static str {
    let name = path.rsplit('\\').next().unwrap_or_default();
    if path.contains("\\odd names\\") {
        "odd-names"
    } else if path.contains("\\case only\\") {
        "case-only"
    } else if path.encode_utf16().count() > 260 {
        "long-paths"
    } else if name.starts_with("empty") {
        "empty"
    } else if facts.has(bits::REPARSE) && facts.reparse.is_some() {
        "reparse"
    } else {
        "bytes"
    }
}

/// The year 2016, in 100 ns since 1601.
pub const LONG_AGO: u64 = 130_970_000_000_000_000;

/// The part that FAT keeps, too.
fn compare_plain(
    rows: &mut BTreeMap<&'static str, Tally>,
    path: &str,
    have: &Facts,
    got: &Facts,
    expect: Expect,
) {
    let is_link = have.reparse.is_some();
    if let (Some(content), false) = (&have.content, is_link) {
        let row = if path.contains("compact os") { "wof" } else { "bytes" };
        rows.entry(row).or_default().check(got.content.as_ref() == Some(content), path, || {
            format!("{} bytes instead of {}, or others", got.size, content.size)
        });
    }
    let near = |a: u64, b: u64| a.abs_diff(b) <= expect.time_slack;
    let written = near(have.written, got.written) && near(have.created, got.created);
    rows.entry("written").or_default().check(written, path, || {
        format!(
            "created {} not {}, written {} not {}",
            got.created, have.created, got.written, have.written
        )
    });
    if expect.plain {
        return;
    }
    // A scanner, or whoever lists a folder, may access anything meanwhile: what counts
    // are files whose last access was set to a time long ago.
    if have.accessed < LONG_AGO {
        rows.entry("accessed").or_default().check(near(have.accessed, got.accessed), path, || {
            format!("{} not {}", got.accessed, have.accessed)
        });
    }
    let mask = bits::SETTABLE;
    rows.entry("attributes").or_default().check(
        have.attributes & mask == got.attributes & mask,
        path,
        || format!("{:#x} not {:#x}", got.attributes & mask, have.attributes & mask),
    );
}

fn compare_ntfs(
    rows: &mut BTreeMap<&'static str, Tally>,
    path: &str,
    have: &Facts,
    got: &Facts,
    expect: Expect,
) {
    let mut check = |row, is_right, what: &dyn Fn() -> String| {
        rows.entry(row).or_default().check(is_right, path, what);
    };
    // The change time is the set's matter: NTFS sets it with the next change.
    if let Some(access) = &have.access {
        check("owner", got.access.as_ref() == Some(access), &|| {
            format!("{} not {access}", got.access.as_deref().unwrap_or("unreadable"))
        });
    }
    if let Some(audit) = have.audit.as_ref().filter(|audit| !is_empty_list(audit)) {
        check("sacl", got.audit.as_ref() == Some(audit), &|| {
            format!("{} not {audit}", got.audit.as_deref().unwrap_or("unreadable"))
        });
    }
    // Windows may show what it keeps such a file in.
    let is_compact_os = path.contains("compact os");
    let streams = have.streams.as_ref().filter(|streams| !streams.is_empty() && !is_compact_os);
    if let Some(streams) = streams {
        let row = if have.has(bits::DIRECTORY) { "folder-streams" } else { "streams" };
        check(row, got.streams.as_ref() == Some(streams), &|| {
            let names = |of: &BTreeMap<String, Content>| {
                of.iter()
                    .map(|(name, c)| format!("{name} ({})", c.size))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            format!(
                "[{}] not [{}]",
                got.streams.as_ref().map_or_else(String::new, names),
                names(streams)
            )
        });
    }
    if let Some(reparse) = &have.reparse {
        check("reparse", got.reparse.as_ref() == Some(reparse), &|| {
            format!("{} bytes, other reparse data", got.reparse.as_ref().map_or(0, Vec::len))
        });
    }
    if let Some(id) = &have.object_id {
        check("object-ids", got.object_id.as_ref() == Some(id), &|| {
            "another id, or none".to_owned()
        });
    }
    if let (Some(name), false) = (&have.short_name, expect.no_short_names) {
        check("dos-names", got.short_name.as_ref() == Some(name), &|| {
            format!("{} not {name}", got.short_name.as_deref().unwrap_or("none"))
        });
    }
    if !have.extended_attributes.is_empty() {
        check("extended-attributes", got.extended_attributes == have.extended_attributes, &|| {
            format!("{} not {}", got.extended_attributes.len(), have.extended_attributes.len())
        });
    }
    if have.has(bits::SPARSE) && have.reparse.is_none() && !is_compact_os {
        let is_right = got.has(bits::SPARSE) && got.allocated <= have.allocated + (1 << 20);
        check("sparse", is_right, &|| {
            format!("attributes {:#x}, {} bytes on the disk", got.attributes, got.allocated)
        });
    }
    if have.has(bits::COMPRESSED) {
        check("compressed", got.has(bits::COMPRESSED), &|| "not compressed".to_owned());
    }
    // Of a folder it is a mark for new files, which is a listed loss.
    if have.has(bits::ENCRYPTED) && !have.has(bits::DIRECTORY) {
        check("efs", got.has(bits::ENCRYPTED), &|| "not encrypted".to_owned());
    }
}

/// Compares the change times that a set has, by their paths in it (`C/Store/USMT/x`),
/// with those of the source. `root`: the store's path in the set, with its drive.
pub fn compare_changed<'a>(
    source: &Tree,
    root: &str,
    in_set: impl Iterator<Item = (&'a str, u64)>,
) -> Tally {
    let mut tally = Tally::default();
    for (path, changed) in in_set {
        let below = path.strip_prefix(root).and_then(|below| below.strip_prefix('/'));
        let have = below.and_then(|below| source.get(&below.replace('/', "\\")));
        if let Some(have) = have {
            tally
                .check(have.changed == changed, path, || format!("{changed} not {}", have.changed));
        }
    }
    tally
}

/// Without what `losses` name: to who is no administrator, Windows refuses some
/// metadata, and each refusal has to be listed, by its path, or one for all of a kind.
pub fn without_listed(row: &str, wrong: Vec<String>, losses: &[String]) -> Vec<String> {
    let is_for_all = |loss: &String| {
        loss.contains(" lost in total") && kind_of(row).is_some_and(|kind| loss.contains(kind))
    };
    if losses.iter().any(is_for_all) {
        return Vec::new();
    }
    let is_listed = |wrong: &String| {
        let path = wrong.split(": ").next().unwrap_or_default().replace('\\', "/");
        losses.iter().any(|loss| loss.contains(&path))
    };
    wrong.into_iter().filter(|wrong| !is_listed(wrong)).collect()
}

/// What lifeboat calls the metadata of a row in its losses.
fn kind_of(row: &str) -> Option<&'static str> {
    Some(match row {
        "owner" | "sacl" => "owner and permissions",
        "attributes" => "attributes (read-only",
        "written" => "time",
        "reparse" => "reparse data",
        "object-ids" => "object id",
        "dos-names" => "DOS name",
        "extended-attributes" => "extended attributes",
        "streams" | "folder-streams" => "alternate data stream",
        "compressed" => "compression",
        _ => return None,
    })
}

/// Whether SDDL of a SACL has no entry: `S:`, `S:AI`.
fn is_empty_list(sddl: &str) -> bool {
    !sddl.contains('(')
}

/// Names that are one file stay one file.
fn compare_links(rows: &mut BTreeMap<&'static str, Tally>, source: &Tree, restored: &Tree) {
    for (path, group) in groups(source) {
        let ids: BTreeSet<_> =
            group.iter().map(|path| restored.get(*path).map(|facts| facts.id)).collect();
        let is_right = ids.len() == 1 && !ids.contains(&None);
        let row = rows.entry("hard-links").or_default();
        row.check(is_right, path, || format!("{} names are {} files", group.len(), ids.len()));
    }
}

/// The names of each file that has several in the tree, by the first of them.
fn groups(tree: &Tree) -> BTreeMap<&str, Vec<&str>> {
    let mut by_id: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for (path, facts) in tree.iter().filter(|(_, facts)| !facts.has(bits::DIRECTORY)) {
        by_id.entry(facts.id).or_default().push(path);
    }
    let several = by_id.into_values().filter(|names| names.len() > 1);
    several.filter_map(|names| Some((*names.first()?, names))).collect()
}

/// Takes `FILE_FULL_EA_INFORMATION` (MS-FSCC 2.4.16) apart. The kernel's own,
/// which programs cannot set, are left out.
pub fn parse_extended_attributes(list: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    while let Some(head) = list.get(at..at + 8) {
        let next = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let name_bytes = usize::from(head[5]);
        let value_bytes = usize::from(u16::from_le_bytes([head[6], head[7]]));
        let name = list.get(at + 8..at + 8 + name_bytes);
        let value_at = at + 8 + name_bytes + 1;
        let value = list.get(value_at..value_at + value_bytes);
        let (Some(name), Some(value)) = (name, value) else { break };
        if !name.starts_with(b"$KERNEL.") {
            found.insert(name.to_ascii_uppercase(), value.to_vec());
        }
        if next == 0 {
            break;
        }
        at += next;
    }
    found
}

/// One entry of `FILE_FULL_EA_INFORMATION`; its next-offset is 0, which ends a list.
pub fn extended_attribute(name: &str, value: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 4];
    entry.push(0); // flags
    entry.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    entry.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    entry.extend(name.as_bytes());
    entry.push(0);
    entry.extend(value);
    entry
}

/// SDDL without what Windows does not keep: `AR` only asks for inheritance
/// (MS-DTYP 2.4.6, `SE_DACL_AUTO_INHERIT_REQ`).
pub fn settled(sddl: &str) -> String {
    let mut out = String::new();
    let mut rest = sddl;
    while let Some(at) = rest.find("D:").or_else(|| rest.find("S:")) {
        // The flags stand between `D:` and the first entry.
        let flags_at = at + 2;
        let end = rest[flags_at..].find(['(', ':']).map_or(rest.len(), |n| flags_at + n);
        out.push_str(&rest[..flags_at]);
        out.push_str(&rest[flags_at..end].replace("AR", ""));
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
        // Entries have no `D:` or `S:` in them, except in conditions, which we never make.
        let next = rest.find(")S:").map_or(rest.len(), |n| n + 1);
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    out.push_str(rest);
    out
}

/// A reparse buffer of a junction (MS-FSCC 2.1.2.5), to a path such as `C:\to`.
pub fn junction(target: &str) -> Vec<u8> {
    let units =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let substitute = units(&format!(r"\??\{target}"));
    let print = units(target);
    let len = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(0);
    let mut data = Vec::new();
    data.extend(0_u16.to_le_bytes());
    data.extend(len(&substitute).to_le_bytes());
    data.extend((len(&substitute) + 2).to_le_bytes());
    data.extend(len(&print).to_le_bytes());
    data.extend(&substitute);
    data.extend([0, 0]);
    data.extend(&print);
    data.extend([0, 0]);
    reparse(0xA000_0003, &data)
}

/// A reparse buffer of a relative symbolic link (MS-FSCC 2.1.2.4).
pub fn symbolic_link(target: &str) -> Vec<u8> {
    let name: Vec<u8> = target.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let len = u16::try_from(name.len()).unwrap_or(0);
    let mut data = Vec::new();
    for number in [0, len, len, len] {
        data.extend(number.to_le_bytes());
    }
    data.extend(1_u32.to_le_bytes()); // SYMLINK_FLAG_RELATIVE
    data.extend(&name);
    data.extend(&name);
    reparse(0xA000_000C, &data)
}

/// A reparse buffer of another maker's tag (MS-FSCC 2.1.2.3), with a GUID.
pub fn foreign_reparse(data: &[u8]) -> Vec<u8> {
    let mut buffer = reparse(0x0000_4C42, &[]);
    buffer[4..6].copy_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_le_bytes());
    buffer.extend(b"lifeboatselftest"); // the GUID
    buffer.extend(data);
    buffer
}

fn reparse(tag: u32, data: &[u8]) -> Vec<u8> {
    let mut buffer = tag.to_le_bytes().to_vec();
    buffer.extend(u16::try_from(data.len()).unwrap_or(0).to_le_bytes());
    buffer.extend([0, 0]);
    buffer.extend(data);
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u64, hash: u64) -> Facts {
        Facts {
            attributes: bits::ARCHIVE,
            content: Some(Content { size: 3, hash }),
            changed: 1,
            id,
            links: 1,
            ..Facts::default()
        }
    }

    fn tree(files: &[(&str, Facts)]) -> Tree {
        files.iter().map(|(path, facts)| ((*path).to_owned(), facts.clone())).collect()
    }

    fn wrong(rows: &BTreeMap<&'static str, Tally>) -> Vec<(&'static str, String)> {
        rows.iter().flat_map(|(row, t)| t.wrong.iter().map(|w| (*row, w.clone()))).collect()
    }

    #[test]
    fn the_same_is_the_same_and_counted() {
        let one = tree(&[(r"a\b", file(1, 7)), (r"a\empty", file(2, 0))]);
        let rows = compare(&one, &one, Expect::default());
        assert!(wrong(&rows).is_empty(), "{rows:?}");
        assert_eq!(rows["bytes"].compared, 2);
        assert_eq!(rows["empty"].compared, 1);
        assert!(!rows.contains_key("sacl"), "nothing has one");
    }

    #[test]
    fn every_kind_of_difference_is_found_in_its_row() {
        let full = Facts {
            attributes: bits::READONLY | bits::SPARSE | bits::COMPRESSED | bits::ENCRYPTED,
            written: 10,
            accessed: 11,
            streams: Some(BTreeMap::from([("s".to_owned(), Content { size: 1, hash: 1 })])),
            reparse: None,
            object_id: Some(vec![1; 16]),
            short_name: Some("A~1".to_owned()),
            extended_attributes: BTreeMap::from([(b"A".to_vec(), vec![1])]),
            access: Some("O:BAG:BAD:(A;;FA;;;SY)".to_owned()),
            audit: Some("S:(ML;;NW;;;LW)".to_owned()),
            ..file(1, 7)
        };
        let bare = Facts { streams: Some(BTreeMap::new()), ..file(1, 8) };
        let rows = compare(&tree(&[("f", full)]), &tree(&[("f", bare)]), Expect::default());
        let found: Vec<_> = wrong(&rows).into_iter().map(|(row, _)| row).collect();
        assert_eq!(
            found,
            [
                "accessed",
                "attributes",
                "bytes",
                "compressed",
                "dos-names",
                "efs",
                "extended-attributes",
                "object-ids",
                "owner",
                "sacl",
                "sparse",
                "streams",
                "written"
            ]
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_wrong() {
        let link = Facts { attributes: bits::REPARSE, reparse: Some(vec![1]), ..file(3, 0) };
        let source = tree(&[(r"x\odd names\NUL", file(1, 1)), ("j", link)]);
        let rows = compare(&source, &tree(&[(r"j\below", file(9, 9))]), Expect::default());
        let found: Vec<_> = wrong(&rows).into_iter().map(|(row, _)| row).collect();
        assert_eq!(found, ["bytes", "odd-names", "reparse"]);
    }

    #[test]
    fn names_of_one_file_must_stay_one_file() {
        let source = tree(&[("a", file(1, 1)), ("b", file(1, 1)), ("c", file(2, 1))]);
        let right = tree(&[("a", file(8, 1)), ("b", file(8, 1)), ("c", file(9, 1))]);
        assert!(wrong(&compare(&source, &right, Expect::default())).is_empty());
        let split = tree(&[("a", file(8, 1)), ("b", file(7, 1)), ("c", file(9, 1))]);
        let rows = compare(&source, &split, Expect::default());
        assert_eq!(wrong(&rows), [("hard-links", "a: 2 names are 2 files".to_owned())]);
    }

    #[test]
    fn fat_keeps_bytes_and_times_to_two_seconds() {
        let expect = Expect { time_slack: 20_000_000, plain: true, ..Expect::default() };
        let source = tree(&[("a", Facts { written: 100, object_id: Some(vec![1]), ..file(1, 1) })]);
        let near = tree(&[("a", Facts { written: 20_000_000, ..file(1, 1) })]);
        assert!(wrong(&compare(&source, &near, expect)).is_empty());
        let far = tree(&[("a", Facts { written: 20_000_101, ..file(1, 1) })]);
        assert_eq!(wrong(&compare(&source, &far, expect)).len(), 1);
    }

    #[test]
    fn change_times_are_those_of_the_set() {
        let source = tree(&[
            (r"USMT\a", Facts { changed: 5, ..file(1, 1) }),
            (r"USMT\b", Facts { changed: 6, ..file(2, 1) }),
        ]);
        let in_set = [("C/x/Store/USMT/a", 5), ("C/x/Store/USMT/b", 7), ("C/x", 1)];
        let tally = compare_changed(&source, "C/x/Store", in_set.into_iter());
        assert_eq!(tally.compared, 2, "{tally:?}");
        assert_eq!(tally.wrong, ["C/x/Store/USMT/b: 7 not 6"]);
    }

    #[test]
    fn a_difference_that_is_listed_as_a_loss_is_told_apart() {
        let wrong = vec![r"USMT\a: O:BA not O:SY".to_owned(), r"USMT\b: none".to_owned()];
        let losses = ["fact C/Store/USMT/a: owner".to_owned()];
        assert_eq!(without_listed("owner", wrong.clone(), &losses), [r"USMT\b: none"]);
        let all = ["fact C/Store: DOS name: not held; 8 lost in total, this is the first".into()];
        assert_eq!(without_listed("owner", wrong.clone(), &all), wrong);
        assert!(without_listed("dos-names", wrong, &all).is_empty());
    }

    #[test]
    fn extended_attributes_are_read_as_they_are_written() {
        let one = extended_attribute("LIFE", b"boat");
        assert_eq!(parse_extended_attributes(&one)[b"LIFE".as_slice()], b"boat");
        let mut two = extended_attribute("$KERNEL.PURGE.X", b"1");
        while !two.len().is_multiple_of(4) {
            two.push(0);
        }
        let next = u32::try_from(two.len()).unwrap().to_le_bytes();
        two[..4].copy_from_slice(&next);
        two.extend(&one);
        assert_eq!(parse_extended_attributes(&two).len(), 1);
        assert!(parse_extended_attributes(&one[..9]).is_empty());
    }

    #[test]
    fn requests_for_inheritance_are_no_difference() {
        assert_eq!(settled("O:BAG:BAD:PARAI(A;;FA;;;SY)"), "O:BAG:BAD:PAI(A;;FA;;;SY)");
        assert_eq!(
            settled("D:AR(A;;FA;;;AR)S:AR(AU;SA;FA;;;WD)"),
            "D:(A;;FA;;;AR)S:(AU;SA;FA;;;WD)"
        );
        assert_eq!(settled("O:BA"), "O:BA");
    }

    #[test]
    fn reparse_buffers_say_their_lengths() {
        for buffer in [junction(r"C:\to"), symbolic_link(r"..\a")] {
            let length = usize::from(u16::from_le_bytes([buffer[4], buffer[5]]));
            assert_eq!(length, buffer.len() - 8);
        }
        let foreign = foreign_reparse(b"data");
        assert_eq!((foreign.len(), foreign[4]), (8 + 16 + 4, 4));
    }
}
