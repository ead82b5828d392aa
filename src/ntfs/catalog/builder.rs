//! Makes the catalog from records in the order of their numbers: credits
//! extension records to their base, and finds the names that lost their
//! directory.

use std::thread;

use super::{Catalog, Entry, Link, MAX_DEPTH, NAMELESS, ROOT, entry_flag};
use crate::model::bytes::utf16;
use crate::model::name::push_utf16_as_wtf8;
use crate::model::threads;
use crate::ntfs::ondisk::file_name::FileName;
use crate::ntfs::ondisk::record::{FileRef, known};

/// What an extension record knows of its base's data.
#[derive(Clone, Copy, Default)]
pub(crate) struct DataMetadata {
    pub(crate) size: u64,
    pub(crate) allocated: u64,
    pub(crate) lcn: u32,
    pub(crate) is_resident: bool,
}

/// What was put right while the catalog was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mended {
    /// Names whose directory is gone or was replaced, or that stood in a circle.
    pub(crate) orphans: u64,
    /// Directories with a second name, which was dropped.
    pub(crate) second_names: u64,
    /// Directories that (indirectly) contained themselves, or nested too deep.
    pub(crate) circles: u64,
    /// Files without a name.
    pub(crate) nameless: u64,
    /// Files with the name of another one in the same directory.
    pub(crate) same_names: u64,
}

/// Takes records in, gives the catalog out.
#[derive(Default)]
pub(crate) struct Builder {
    catalog: Catalog,
    /// Links from extension records: index, and the base they name.
    foreign_links: Vec<(u32, FileRef)>,
    /// Data from extension records.
    foreign_data: Vec<(FileRef, DataMetadata)>,
    /// Reparse tags from extension records.
    foreign_tags: Vec<(FileRef, u32)>,
    scratch: Vec<u8>,
}

impl Builder {
    /// With room for so many files, where that is known.
    pub(crate) fn with_capacity(files: usize) -> Self {
        let mut builder = Self::default();
        builder.catalog.entries.reserve_exact(files);
        builder.catalog.links.reserve_exact(files + files / 16);
        builder
    }

    /// A base record. They come in the order of their numbers.
    pub(crate) fn add_entry(&mut self, entry: Entry) {
        self.catalog.entries.push(entry);
    }

    /// A name. `owner` is the base record, and `None` in the base record itself.
    pub(crate) fn add_name(&mut self, record: u32, owner: Option<FileRef>, name: &FileName<'_>) {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        // Nearly all names are ASCII.
        if name.name.chunks_exact(2).all(|unit| unit[0] < 0x80 && unit[1] == 0) {
            bytes.extend(name.name.iter().step_by(2));
        } else {
            push_utf16_as_wtf8(&utf16(name.name), &mut bytes);
        }
        self.add_wtf8_name(record, owner, name.parent, &bytes);
        self.scratch = bytes;
    }

    /// The same, with the name as the arena keeps it.
    pub(crate) fn add_wtf8_name(
        &mut self,
        record: u32,
        owner: Option<FileRef>,
        parent: FileRef,
        name: &[u8],
    ) {
        let arena = &mut self.catalog.arena;
        let Ok(name_at) = u32::try_from(arena.len()) else { return };
        let Ok(name_len) = u16::try_from(name.len()) else { return };
        arena.extend_from_slice(name);
        let parent_sequence = parent.sequence();
        // Record numbers beyond 32 bits cannot be: such a directory is lost.
        let parent = u32::try_from(parent.number()).unwrap_or(NAMELESS - 1);
        if let Some(owner) = owner {
            let Ok(index) = u32::try_from(self.catalog.links.len()) else { return };
            self.foreign_links.push((index, owner));
        }
        self.catalog.links.push(Link {
            parent,
            record,
            name_at,
            parent_sequence,
            name_len,
            is_orphan: false,
        });
    }

    /// Data of `base`, found in a record that extends it.
    pub(crate) fn add_data(&mut self, base: FileRef, data: DataMetadata) {
        self.foreign_data.push((base, data));
    }

    /// The reparse tag of `base`, found in a record that extends it.
    pub(crate) fn add_tag(&mut self, base: FileRef, tag: u32) {
        self.foreign_tags.push((base, tag));
    }

    /// `record` says that it extends `base`.
    pub(crate) fn add_extension(&mut self, base: FileRef, record: u32) {
        if let Ok(number) = u32::try_from(base.number()) {
            self.catalog.extensions.push((number, record));
        }
    }

    /// Everything is in: the catalog.
    pub(crate) fn finish(mut self) -> (Catalog, Mended) {
        let mut mended = Mended::default();
        self.credit_extensions();
        let mut catalog = self.catalog;
        mark_orphans(&mut catalog);
        name_each(&mut catalog, &mut mended);
        sort_links(&mut catalog);
        index_records(&mut catalog);
        if cut_circles(&mut catalog, &mut mended) {
            sort_links(&mut catalog);
            index_records(&mut catalog);
        }
        catalog.entries.shrink_to_fit();
        catalog.links.shrink_to_fit();
        catalog.arena.shrink_to_fit();
        count_links(&mut catalog);
        mended.orphans = catalog.orphans() as u64;
        (catalog, mended)
    }

    fn credit_extensions(&mut self) {
        let catalog = &mut self.catalog;
        let position = |entries: &[Entry], base: FileRef| {
            let record = u32::try_from(base.number()).ok()?;
            let i = entries.binary_search_by_key(&record, |e| e.record).ok()?;
            base.fits(entries[i].sequence).then_some(i)
        };
        for (base, data) in &self.foreign_data {
            let Some(i) = position(&catalog.entries, *base) else { continue };
            catalog.entries[i].take_data(data);
        }
        for (base, tag) in &self.foreign_tags {
            let Some(i) = position(&catalog.entries, *base) else { continue };
            catalog.entries[i].reparse_tag = *tag;
        }
        // A name in a record whose base is gone names nothing.
        let mut stale: Vec<_> = self
            .foreign_links
            .iter()
            .filter(|(_, base)| position(&catalog.entries, *base).is_none())
            .map(|(index, _)| *index as usize)
            .collect();
        stale.reverse();
        let mut i = 0;
        catalog.links.retain(|_| {
            let is_stale = stale.last() == Some(&i);
            if is_stale {
                stale.pop();
            }
            i += 1;
            !is_stale
        });
        catalog.extensions.sort_unstable();
    }
}

impl Entry {
    pub(crate) fn take_data(&mut self, data: &DataMetadata) {
        if !self.is_directory() {
            self.size = data.size;
            self.allocated = data.allocated;
            self.lcn = data.lcn;
        }
        self.flags |= entry_flag::HAS_DATA;
        if data.is_resident {
            self.flags |= entry_flag::RESIDENT;
        }
    }
}

/// Marks the names whose directory is not there or is another one now.
fn mark_orphans(catalog: &mut Catalog) {
    let mut last: Option<(u32, u16, bool)> = None;
    for i in 0..catalog.links.len() {
        let Link { parent, parent_sequence, .. } = catalog.links[i];
        // Neighbours in `$MFT` are mostly neighbours in a directory.
        let is_there = match last {
            Some((p, s, is_there)) if (p, s) == (parent, parent_sequence) => is_there,
            // The root is where it is, whatever its record says.
            _ if parent == ROOT => true,
            _ => catalog.entry(parent).is_some_and(|e| {
                e.is_directory() && FileRef::new(0, parent_sequence).fits(e.sequence)
            }),
        };
        last = Some((parent, parent_sequence, is_there));
        catalog.links[i].is_orphan = !is_there;
    }
}

/// Links from which on sorting takes longer than starting a thread.
const WORTH_A_THREAD: usize = 20_000;

pub(crate) fn sort_links(catalog: &mut Catalog) {
    let arena = std::mem::take(&mut catalog.arena);
    let name = |l: &Link| {
        let at = l.name_at as usize;
        arena.get(at..at + usize::from(l.name_len)).unwrap_or_default()
    };
    let order = |a: &Link, b: &Link| {
        let folders = a.folder_key().cmp(&b.folder_key());
        folders.then_with(|| name(a).cmp(name(b))).then_with(|| a.record.cmp(&b.record))
    };
    // Two halves at once; the sort of the whole then only merges two runs.
    if catalog.links.len() >= WORTH_A_THREAD {
        let middle = catalog.links.len() / 2;
        let (first, second) = catalog.links.split_at_mut(middle);
        thread::scope(|scope| {
            // (Where there is no thread, the sort of the whole sorts that half, too.)
            let _ = threads::start_in(scope, "sort", || first.sort_by(order));
            second.sort_by(order);
        });
    }
    // They come in the order of the records, in which the files of a folder often
    // follow each other: the stable sort makes use of that.
    catalog.links.sort_by(order);
    // The same name of the same file, told twice (by a stale extension).
    catalog.links.dedup_by(|a, b| {
        a.record == b.record && a.folder_key() == b.folder_key() && name(a) == name(b)
    });
    catalog.arena = arena;
}

pub(crate) fn index_records(catalog: &mut Catalog) {
    let links = &catalog.links;
    let count = u32::try_from(links.len()).unwrap_or(u32::MAX);
    // By index among equals: names in a directory before orphaned ones.
    let key = |(i, link): (u32, &Link)| u64::from(link.record) << 32 | u64::from(i);
    let mut keys: Vec<u64> = (0..count).zip(links).map(key).collect();
    keys.sort_unstable();
    // Keys without the record are the indexes.
    catalog.by_record = keys.into_iter().map(|key| (key & 0xFFFF_FFFF) as u32).collect();
}

/// Drops the names of files that are not there, and of the root; leaves one name to each
/// directory (with two, a walk could go round for ever), and gives ordinary
/// files without any a name among the orphans.
fn name_each(catalog: &mut Catalog, mended: &mut Mended) {
    // Nearly in that order already: the stable sort sees that.
    catalog.links.sort_by_key(|link| link.record);
    let (mut kept, mut next) = (0, 0);
    let mut nameless = Vec::new();
    for entry in &catalog.entries {
        let rest = &catalog.links[next..];
        let from = next + rest.iter().take_while(|link| link.record < entry.record).count();
        let own = catalog.links[from..].iter().take_while(|link| link.record == entry.record);
        let to = from + own.count();
        let mut own = from..to;
        if own.is_empty() && u64::from(entry.record) >= known::FIRST_USER {
            nameless.push(entry.record);
        }
        if entry.record == ROOT {
            own = from..from; // it calls itself "."
        }
        if entry.is_directory() && own.len() > 1 {
            let is_good = |i: &usize| !catalog.links[*i].is_orphan;
            let best = own.clone().find(is_good).unwrap_or(from);
            mended.second_names += own.len() as u64 - 1;
            own = best..best + 1;
        }
        catalog.links.copy_within(own.clone(), kept);
        kept += own.len();
        next = to;
    }
    catalog.links.truncate(kept);
    for record in nameless {
        let name = format!("record-{record}");
        let Ok(name_at) = u32::try_from(catalog.arena.len()) else { break };
        catalog.arena.extend_from_slice(name.as_bytes());
        catalog.links.push(Link {
            parent: NAMELESS,
            record,
            name_at,
            parent_sequence: 0,
            name_len: u16::try_from(name.len()).unwrap_or(0),
            is_orphan: true,
        });
        mended.nameless += 1;
    }
}

/// Follows every directory up to the root. The one that closes a circle, or is
/// too deep, becomes an orphan.
fn cut_circles(catalog: &mut Catalog, mended: &mut Mended) -> bool {
    const UNKNOWN: u16 = u16::MAX;
    const ON_THE_WAY: u16 = u16::MAX - 1;
    let mut depths = vec![UNKNOWN; catalog.entries.len()];
    let position = |catalog: &Catalog, record: u32| {
        catalog.entries.binary_search_by_key(&record, |e| e.record).ok()
    };
    let link_of = |catalog: &Catalog, record: u32| {
        let links = &catalog.links;
        let from = catalog.by_record.partition_point(|i| links[*i as usize].record < record);
        let i = *catalog.by_record.get(from)? as usize;
        (links[i].record == record).then_some(i)
    };
    if let Some(root) = position(catalog, ROOT) {
        depths[root] = 0;
    }
    let mut way = Vec::new();
    for start in 0..catalog.entries.len() {
        if !catalog.entries[start].is_directory() {
            continue;
        }
        let mut at = start;
        let mut depth = loop {
            match depths[at] {
                UNKNOWN => depths[at] = ON_THE_WAY,
                ON_THE_WAY => {
                    // `at` contains itself: its name becomes an orphan.
                    if let Some(link) = link_of(catalog, catalog.entries[at].record) {
                        catalog.links[link].is_orphan = true;
                        mended.circles += 1;
                    }
                    break 3;
                }
                depth => break depth,
            }
            way.push(at);
            let link = link_of(catalog, catalog.entries[at].record).map(|i| catalog.links[i]);
            match link {
                Some(link) if !link.is_orphan => match position(catalog, link.parent) {
                    Some(parent) => at = parent,
                    None => break 2,
                },
                _ => break 2,
            }
        };
        // Back down. What is deepest in a circle comes first, which makes some
        // depths too large: that costs a needless cut in an absurd circle.
        while let Some(i) = way.pop() {
            depth += 1;
            if depth > MAX_DEPTH {
                if let Some(link) = link_of(catalog, catalog.entries[i].record) {
                    catalog.links[link].is_orphan = true;
                    mended.circles += 1;
                }
                depth = 3;
            }
            depths[i] = depth;
        }
    }
    mended.circles > 0
}

/// DOS names left out, how many names each file has.
fn count_links(catalog: &mut Catalog) {
    let links = &catalog.links;
    let mut rest = catalog.by_record.iter().peekable();
    for entry in &mut catalog.entries {
        entry.links = 0;
        while let Some(i) = rest.next_if(|i| links[**i as usize].record <= entry.record) {
            entry.links =
                entry.links.saturating_add(u16::from(links[*i as usize].record == entry.record));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntfs::catalog::Folder;
    use crate::ntfs::ondisk::file_name::tests::build;

    fn entry(record: u32, is_directory: bool) -> Entry {
        let flags = if is_directory { entry_flag::DIRECTORY } else { 0 };
        Entry { record, sequence: 1, flags, ..Entry::default() }
    }

    /// Entries (record, directory) and names (record, parent, its sequence, name).
    fn catalog(entries: &[(u32, bool)], names: &[(u32, u64, u16, &str)]) -> (Catalog, Mended) {
        let mut builder = Builder::with_capacity(4);
        for (record, is_directory) in entries {
            builder.add_entry(entry(*record, *is_directory));
            for (_, parent, sequence, name) in names.iter().filter(|n| n.0 == *record) {
                let value = build(FileRef::new(*parent, *sequence), 1, name);
                builder.add_name(*record, None, &FileName::parse(&value).unwrap());
            }
        }
        builder.finish()
    }

    fn listed(catalog: &Catalog, folder: Folder) -> Vec<String> {
        catalog.children(folder).iter().map(|(name, _)| name.to_string()).collect()
    }

    /// Every path that a walk from the root meets; fails if it does not end.
    fn walk(catalog: &Catalog) -> Vec<String> {
        let mut paths = Vec::new();
        let mut pending = vec![(String::new(), Folder::Record(5))];
        while let Some((path, folder)) = pending.pop() {
            for (name, id) in catalog.children(folder) {
                let path = format!("{path}/{name}");
                pending.push((path.clone(), Folder::from_id(id)));
                paths.push(path);
                assert!(paths.len() < 100, "a circle");
            }
        }
        paths.sort();
        paths
    }

    const ROOT: (u32, bool) = (5, true);

    #[test]
    fn children_are_in_byte_order_and_the_system_hides() {
        let (catalog, mended) = catalog(
            &[(0, false), ROOT, (11, true), (24, false), (30, true), (31, false), (32, false)],
            &[
                (0, 5, 1, "$MFT"),
                (5, 5, 1, "."),
                (11, 5, 1, "$Extend"),
                (24, 11, 1, "$Quota"),
                (30, 5, 1, "b"),
                (31, 30, 1, "x"),
                (32, 5, 1, "Z"),
                (32, 30, 1, "link"),
            ],
        );
        assert_eq!(mended, Mended::default());
        assert_eq!(walk(&catalog), ["/Z", "/b", "/b/link", "/b/x"]);
        assert_eq!(listed(&catalog, Folder::Record(5)), ["Z", "b"]);
        assert_eq!(catalog.entry(32).unwrap().links, 2);
        let paths: Vec<_> = catalog.paths(32).iter().map(ToString::to_string).collect();
        assert_eq!(paths, ["Z", "b/link"]);
        assert!(catalog.child_named(Folder::Record(5), &"$Extend".into()).is_some());
        assert!(catalog.find(&|name| name == b"$Quota").0.is_empty());
    }

    #[test]
    fn a_lost_or_replaced_directory_leaves_orphans() {
        let (catalog, mended) = catalog(
            &[ROOT, (30, true), (31, false), (32, false), (33, false), (34, true), (35, false)],
            &[
                (30, 5, 1, "dir"),
                (31, 30, 2, "stale"),
                (32, 99, 7, "gone"),
                (33, 31, 1, "in a file"),
                (34, 99, 7, "sub"),
                (35, 34, 1, "deep"),
            ],
        );
        assert_eq!(mended, Mended { orphans: 4, ..Mended::default() });
        assert_eq!(
            walk(&catalog),
            [
                "/$Orphans",
                "/$Orphans/30-2",
                "/$Orphans/30-2/stale",
                "/$Orphans/31-1",
                "/$Orphans/31-1/in a file",
                "/$Orphans/99-7",
                "/$Orphans/99-7/gone",
                "/$Orphans/99-7/sub",
                "/$Orphans/99-7/sub/deep",
                "/dir",
            ]
        );
        let (found, _) = catalog.find(&|name| name == b"deep");
        assert_eq!(found[0].0.to_string(), "$Orphans/99-7/sub/deep");
    }

    #[test]
    fn circles_are_cut_and_nothing_in_them_is_lost() {
        let (catalog, mended) = catalog(
            &[ROOT, (30, true), (31, true), (32, true), (33, true), (34, false)],
            &[
                (30, 31, 1, "a"),
                (31, 32, 1, "b"),
                (32, 30, 1, "c"),
                (33, 33, 1, "self"),
                (34, 31, 1, "file"),
            ],
        );
        assert_eq!(mended.circles, 2);
        assert_eq!(
            walk(&catalog),
            [
                "/$Orphans",
                "/$Orphans/31-1",
                "/$Orphans/31-1/a",
                "/$Orphans/31-1/a/c",
                "/$Orphans/31-1/a/c/b",
                "/$Orphans/31-1/a/c/b/file",
                "/$Orphans/33-1",
                "/$Orphans/33-1/self",
            ]
        );
    }

    #[test]
    fn a_second_name_of_a_directory_and_files_without_one() {
        let (catalog, mended) = catalog(
            &[ROOT, (12, false), (30, true), (31, false)],
            &[(30, 5, 1, "dir"), (30, 30, 1, "inside itself")],
        );
        assert_eq!((mended.second_names, mended.nameless), (1, 1));
        let paths = walk(&catalog);
        assert_eq!(
            paths,
            ["/$Orphans", "/$Orphans/nameless", "/$Orphans/nameless/record-31", "/dir"]
        );
    }

    #[test]
    fn nesting_without_end_is_cut() {
        let mut builder = Builder::default();
        builder.add_entry(entry(5, true));
        let last = 30 + 2 * u32::from(MAX_DEPTH);
        for record in 30..=last {
            builder.add_entry(entry(record, true));
            let parent = if record == 30 { 5 } else { u64::from(record) - 1 };
            let value = build(FileRef::new(parent, 1), 1, "d");
            builder.add_name(record, None, &FileName::parse(&value).unwrap());
        }
        let (catalog, mended) = builder.finish();
        assert_eq!(mended.circles, 2);
        let depth = |record| catalog.paths(record)[0].names().len();
        assert_eq!(depth(29 + u32::from(MAX_DEPTH)), usize::from(MAX_DEPTH));
        assert_eq!(depth(30 + u32::from(MAX_DEPTH)), 3);
        assert!(depth(last) < usize::from(MAX_DEPTH));
    }

    #[test]
    fn extension_records_are_credited_to_a_base_that_fits() {
        let mut builder = Builder::default();
        builder.add_entry(entry(5, true));
        builder.add_entry(entry(30, false));
        for (base, name) in [(FileRef::new(30, 1), "good"), (FileRef::new(30, 2), "stale")] {
            let value = build(FileRef::new(5, 1), 1, name);
            builder.add_name(30, Some(base), &FileName::parse(&value).unwrap());
            let size = u64::from(base.sequence()) * 100;
            builder.add_data(base, DataMetadata { size, ..DataMetadata::default() });
            builder.add_extension(base, 40);
        }
        let (catalog, _) = builder.finish();
        assert_eq!(listed(&catalog, Folder::Record(5)), ["good"]);
        assert_eq!(catalog.entry(30).unwrap().size, 100);
    }
}
