//! Members as tar: PAX records in the dialect of Windows container layers, with
//! additional `LIFEBOAT.` keywords where that dialect has none.
//!
//! A header depends only on the manifest's line, so that each verifies the other.
//! `docs/reference/format.md` has the table of keywords and their reasons.

use tar::EntryType;

use super::manifest::{
    self, ContentKind, Data, Member, MemberKind, NamedStream, TimesLine, to_text,
};
use super::pax::{self, Records};
use super::ustar::{self, BLOCK, Header, padding};
use crate::model::metadata::{FileTime, attributes};
use crate::model::reparse::link_target;

/// The largest PAX header that is read, in bytes. The most that a real file can need
/// (security descriptor, reparse data, extended attributes and a path of 32,767
/// units, in base64) is half of that. Go's and libarchive's readers have the same
/// limit.
pub(crate) const MAX_RECORDS: u64 = 1 << 20;

/// The blocks of zeros that end a tar.
pub const END: usize = 2 * BLOCK;

mod key {
    pub(crate) const CHARSET: &str = "hdrcharset";
    pub(crate) const PATH: &str = "path";
    pub(crate) const LINK_PATH: &str = "linkpath";
    pub(crate) const SIZE: &str = "size";
    pub(crate) const MODIFIED: &str = "mtime";
    pub(crate) const ACCESSED: &str = "atime";
    pub(crate) const CHANGED: &str = "ctime";
    pub(crate) const CREATED: &str = "LIBARCHIVE.creationtime";
    pub(crate) const ATTRIBUTES: &str = "MSWINDOWS.fileattr";
    pub(crate) const SECURITY: &str = "MSWINDOWS.rawsd";
    pub(crate) const MOUNT_POINT: &str = "MSWINDOWS.mountpoint";
    pub(crate) const REPARSE: &str = "LIFEBOAT.reparse";
    pub(crate) const OBJECT_ID: &str = "LIFEBOAT.objectid";
    pub(crate) const EXTENDED_ATTRIBUTES: &str = "LIFEBOAT.ea";
    pub(crate) const SHORT_NAME: &str = "LIFEBOAT.shortname";
    pub(crate) const CONTENT: &str = "LIFEBOAT.content";
    pub(crate) const STREAM: &str = "LIFEBOAT.stream";
}

/// The headers of a member: PAX records, then the tar header. Data of
/// [`Member::data`]'s size follows. `None` if the line is damaged.
pub fn member_header(member: &Member) -> Option<Vec<u8>> {
    let mut path = member.exact_path()?;
    let mut records = Records::default();
    if member.kind == MemberKind::Link {
        let link = member.exact_link_to()?;
        if let Some(short) = &member.short_name {
            records.push(key::SHORT_NAME, short);
        }
        return Some(assemble(&path, EntryType::Link, 0, 0, &link, records));
    }
    push_times(&mut records, member.times);
    records.push(key::ATTRIBUTES, member.attributes.to_string());
    if let Some(security) = &member.security {
        records.push(key::SECURITY, security);
    }
    let size = member.data.as_ref().map_or(0, |data| data.size);
    let link = match &member.reparse {
        Some(reparse) if size == 0 => link_target(&manifest::from_base64(reparse)?),
        _ => None,
    };
    if link.as_ref().is_some_and(|link| link.mount_point) {
        records.push(key::MOUNT_POINT, "1");
    }
    for (key, value) in [
        (key::REPARSE, &member.reparse),
        (key::OBJECT_ID, &member.object_id),
        (key::EXTENDED_ATTRIBUTES, &member.extended_attributes),
        (key::SHORT_NAME, &member.short_name),
    ] {
        if let Some(value) = value {
            records.push(key, value);
        }
    }
    if let Some(content) = &member.content {
        records.push(key::CONTENT, content.as_str());
    }
    let entry_type = match (&link, member.kind) {
        (Some(_), _) => EntryType::Symlink,
        (None, MemberKind::Directory) => EntryType::Directory,
        (None, _) => EntryType::Regular,
    };
    if entry_type == EntryType::Directory {
        path.push(b'/');
    }
    let target = link.map(|link| link.target).unwrap_or_default();
    Some(assemble(&path, entry_type, size, member.times.modified, &target, records))
}

/// The headers of an alternate data stream, a member with the name `path:stream`.
pub(crate) fn stream_header(member: &Member, stream: &NamedStream) -> Option<Vec<u8>> {
    let name = stream.exact_name()?;
    let path = [&member.exact_path()?, &b":"[..], &name].concat();
    let mut records = Records::default();
    push_times(&mut records, member.times);
    records.push(key::STREAM, &name);
    Some(assemble(&path, EntryType::Regular, stream.data.size, member.times.modified, b"", records))
}

/// Bytes of a member in the tar: its finished header, data and streams, with
/// padding. `None` if the line is damaged.
pub(crate) fn whole_size(member: &Member, header: &[u8]) -> Option<u64> {
    let filled = |size: u64| size.checked_add(padding(size) as u64);
    let mut sum = header.len() as u64;
    sum = sum.checked_add(filled(member.data.as_ref().map_or(0, |data| data.size))?)?;
    for stream in &member.streams {
        sum = sum.checked_add(stream_header(member, stream)?.len() as u64)?;
        sum = sum.checked_add(filled(stream.data.size)?)?;
    }
    Some(sum)
}

fn push_times(records: &mut Records<'_>, times: TimesLine) {
    for (key, ticks) in [
        (key::MODIFIED, times.modified),
        (key::ACCESSED, times.accessed),
        (key::CHANGED, times.changed),
        (key::CREATED, times.created),
    ] {
        records.push(key, pax::format_time(FileTime(ticks)));
    }
}

/// Puts the records that every member may need before those given, and the tar
/// header after them.
fn assemble(
    path: &[u8],
    entry_type: EntryType,
    size: u64,
    modified: u64,
    link: &[u8],
    more: Records<'_>,
) -> Vec<u8> {
    let fits = |name: &[u8]| name.len() <= 100 && name.is_ascii();
    let mut records = Records::default();
    if [path, link].iter().any(|name| std::str::from_utf8(name).is_err()) {
        // Lone surrogates: the values are bytes, not UTF-8.
        records.push(key::CHARSET, "BINARY");
    }
    if !fits(path) {
        records.push(key::PATH, path);
    }
    if !fits(link) {
        records.push(key::LINK_PATH, link);
    }
    let too_large = size > ustar::LARGEST;
    if too_large {
        records.push(key::SIZE, size.to_string());
    }
    let (seconds, _) = FileTime(modified).to_unix();
    let header = Header {
        name: &plain_name(path),
        entry_type,
        size: if too_large { 0 } else { size },
        modified: u64::try_from(seconds).unwrap_or(0),
        link_name: &plain_name(link),
    };
    records.extend(more);
    let records = records.to_bytes();
    let mut out = Vec::with_capacity(2 * BLOCK + records.len().next_multiple_of(BLOCK));
    if !records.is_empty() {
        let last = path.strip_suffix(b"/").unwrap_or(path);
        let last = last.rsplit(|&b| b == b'/').next().unwrap_or(last);
        let pax = Header {
            name: &plain_name(&[b"PaxHeaders/", last].concat()),
            entry_type: EntryType::XHeader,
            size: records.len() as u64,
            link_name: b"",
            ..header
        };
        out.extend_from_slice(&pax.to_block());
        out.extend_from_slice(&records);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.extend_from_slice(&header.to_block());
    out
}

/// The header's 100-byte name field: the name if it fits, otherwise an approximation
/// for readers without PAX support.
fn plain_name(name: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| if b.is_ascii() { *b } else { b'_' };
    let mut out: Vec<u8> = name.iter().take(100).map(plain).collect();
    if name.len() > 100 && out.last() == Some(&b'.') {
        // A name truncated to `..` would lead upwards.
        out[99] = b'_';
    }
    out
}

/// A member according to its headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A file, folder or link, without hashes, positions, holes, losses, streams.
    Member(Box<Member>),
    /// An alternate data stream of the member before.
    Stream(NamedStream),
}

impl Item {
    /// Bytes of data that follow the header.
    pub fn size(&self) -> u64 {
        match self {
            Self::Member(member) => member.data.as_ref().map_or(0, |data| data.size),
            Self::Stream(stream) => stream.data.size,
        }
    }
}

/// Reads a tar header and the PAX records before it; the error says what is
/// wrong with them.
pub fn parse(records: &[u8], block: &[u8; BLOCK]) -> Result<Item, &'static str> {
    let header = Header::parse(block).ok_or("no tar header where one is expected")?;
    let records = pax::parse(records).ok_or("invalid PAX records")?;
    let get = |key: &str| records.iter().rev().find(|r| r.0 == key.as_bytes()).map(|r| r.1);
    let text = |key: &str| get(key).map(|value| String::from_utf8_lossy(value).into_owned());
    let time = |key: &str| match get(key) {
        None => Ok(0),
        Some(value) => pax::parse_time(value).map(|t| t.0).ok_or("an invalid time"),
    };
    let size = match get(key::SIZE) {
        None => header.size,
        Some(value) => pax::decimal(value).ok_or("an invalid size")?,
    };
    let path = get(key::PATH).unwrap_or(header.name);
    let data = Data { size, ..Data::default() };
    if let Some(name) = get(key::STREAM) {
        let (name, raw_name) = to_text(name);
        return Ok(Item::Stream(NamedStream { name, raw_name, data }));
    }
    let attributes = match get(key::ATTRIBUTES) {
        None => 0,
        Some(value) => pax::decimal(value)
            .and_then(|bits| u32::try_from(bits).ok())
            .ok_or("invalid file attributes")?,
    };
    let junction = attributes & attributes::DIRECTORY != 0;
    let kind = match header.entry_type {
        EntryType::Link => MemberKind::Link,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Symlink if junction => MemberKind::Directory,
        EntryType::Regular | EntryType::Symlink => MemberKind::File,
        _ => return Err("a member of an unknown kind"),
    };
    if size > 0 && header.entry_type != EntryType::Regular {
        return Err("data where none is allowed");
    }
    let path = match header.entry_type {
        EntryType::Directory => path.strip_suffix(b"/").unwrap_or(path),
        _ => path,
    };
    let mut member = Member::new(path, kind);
    if kind == MemberKind::Link {
        let (to, raw) = to_text(get(key::LINK_PATH).unwrap_or(header.link_name));
        (member.link_to, member.raw_link_to) = (Some(to), raw);
    }
    member.data = (kind == MemberKind::File).then_some(data);
    member.attributes = attributes;
    member.times = TimesLine {
        created: time(key::CREATED)?,
        modified: time(key::MODIFIED)?,
        changed: time(key::CHANGED)?,
        accessed: time(key::ACCESSED)?,
    };
    member.security = text(key::SECURITY);
    member.reparse = text(key::REPARSE);
    member.object_id = text(key::OBJECT_ID);
    member.extended_attributes = text(key::EXTENDED_ATTRIBUTES);
    member.short_name = text(key::SHORT_NAME);
    member.content = text(key::CONTENT).map(ContentKind::from);
    Ok(Item::Member(Box::new(member)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::NtName;
    use crate::model::reparse::LinkTarget;
    use crate::set::format::manifest::to_base64;
    use proptest::prelude::*;

    /// Reparse data of a symbolic link or a junction with these two names.
    fn reparse(tag: u32, kernel: &str, people: &str) -> Vec<u8> {
        let utf16 = |s: &str| s.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let (kernel, people) = (utf16(kernel), utf16(people));
        let mut data = Vec::new();
        for word in [0, kernel.len(), kernel.len(), people.len()] {
            data.extend(u16::try_from(word).unwrap().to_le_bytes());
        }
        if tag == 0xA000_000C {
            data.extend([0; 4]);
        }
        data.extend([kernel, people].concat());
        let mut all = tag.to_le_bytes().to_vec();
        all.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        all.extend([0; 2]);
        all.extend(data);
        all
    }

    /// A link of the tar has to lead somewhere.
    #[test]
    fn a_link_to_nothing_is_no_link() {
        let target = |kernel, people| link_target(&reparse(0xA000_000C, kernel, people));
        assert_eq!(target(r"\??\C:\a", "").unwrap().target, br"C:\a");
        assert_eq!(target(r"\??\C:\a", "a").unwrap().target, b"a");
        assert_eq!(target(r"\??\", ""), None);
    }

    /// Splits what the header functions made into records and header.
    fn read_back(bytes: &[u8]) -> Item {
        let first = Header::parse(bytes[..BLOCK].try_into().unwrap()).unwrap();
        let records = match first.entry_type {
            EntryType::XHeader => &bytes[BLOCK..BLOCK + usize::try_from(first.size).unwrap()],
            _ => &[],
        };
        parse(records, bytes[bytes.len() - BLOCK..].try_into().unwrap()).unwrap()
    }

    fn any_name() -> impl Strategy<Value = Vec<u8>> {
        let units = prop::collection::vec(any::<u16>(), 1..200);
        units.prop_map(|mut units| {
            units.iter_mut().filter(|u| [0, 0x2F].contains(*u)).for_each(|u| *u = 0xD800);
            NtName::from_utf16(&units).as_wtf8().to_vec()
        })
    }

    fn any_member() -> impl Strategy<Value = Member> {
        let kind = prop::sample::select(vec![MemberKind::File, MemberKind::Directory]);
        let blob = prop::option::of(prop::collection::vec(any::<u8>(), 0..2000));
        let blobs = (blob.clone(), blob.clone(), blob.clone(), blob);
        (any_name(), kind, any::<[u64; 5]>(), any::<u32>(), blobs).prop_map(
            |(path, kind, numbers, attributes, (security, reparse, object_id, ea))| {
                let blob = |b: Option<Vec<u8>>| b.map(|b| to_base64(&b));
                let directory = attributes::DIRECTORY;
                Member {
                    data: (kind == MemberKind::File)
                        .then_some(Data { size: numbers[4], ..Data::default() }),
                    attributes: match kind {
                        MemberKind::Directory => attributes | directory,
                        _ => attributes & !directory,
                    },
                    times: TimesLine {
                        created: numbers[0],
                        modified: numbers[1],
                        changed: numbers[2],
                        accessed: numbers[3],
                    },
                    security: blob(security),
                    reparse: blob(reparse),
                    object_id: blob(object_id),
                    extended_attributes: blob(ea),
                    short_name: Some("A~1".to_owned()),
                    content: Some(ContentKind::Wof),
                    ..Member::new(&path, kind)
                }
            },
        )
    }

    proptest! {
        #[test]
        fn every_fact_is_in_the_header(member in any_member()) {
            let bytes = member_header(&member).unwrap();
            prop_assert_eq!(bytes.len() % BLOCK, 0);
            prop_assert_eq!(read_back(&bytes), Item::Member(Box::new(member)));
        }

        #[test]
        fn streams_and_links_keep_their_names(path in any_name(), other in any_name()) {
            let member = Member::new(&path, MemberKind::File);
            let (name, raw_name) = to_text(&other);
            let data = Data { size: u64::MAX, ..Data::default() };
            let stream = NamedStream { name, raw_name, data };
            let bytes = stream_header(&member, &stream).unwrap();
            prop_assert_eq!(read_back(&bytes), Item::Stream(stream));

            let mut link = Member::new(&path, MemberKind::Link);
            let (to, raw) = to_text(&other);
            (link.link_to, link.raw_link_to) = (Some(to), raw);
            let bytes = member_header(&link).unwrap();
            prop_assert_eq!(read_back(&bytes), Item::Member(Box::new(link)));
        }

        #[test]
        fn any_reparse_data_is_survived(tag: bool, bytes: Vec<u8>) {
            let tag = if tag { 0xA000_0003_u32 } else { 0xA000_000C };
            let _ = link_target(&[&tag.to_le_bytes()[..], &bytes].concat());
        }
    }

    #[test]
    fn junctions_and_symbolic_links_are_links_in_the_tar() {
        let junction = reparse(0xA000_0003, r"\??\C:\Users", r"C:\Users");
        let target = LinkTarget { target: br"C:\Users".to_vec(), mount_point: true };
        assert_eq!(link_target(&junction), Some(target.clone()));
        let unnamed = reparse(0xA000_0003, r"\??\C:\Users", "");
        assert_eq!(link_target(&unnamed), Some(target));
        let symlink = reparse(0xA000_000C, r"..\a", r"..\a");
        assert_eq!(link_target(&symlink).map(|l| l.mount_point), Some(false));
        assert_eq!(link_target(&reparse(0x8000_0017, "a", "a")), None);

        let member = Member {
            attributes: attributes::DIRECTORY | attributes::REPARSE_POINT,
            reparse: Some(to_base64(&junction)),
            ..Member::new(b"C/j", MemberKind::Directory)
        };
        let bytes = member_header(&member).unwrap();
        let header = Header::parse(bytes[bytes.len() - BLOCK..].try_into().unwrap()).unwrap();
        assert_eq!((header.entry_type, header.link_name), (EntryType::Symlink, &br"C:\Users"[..]));
        assert_eq!(read_back(&bytes), Item::Member(Box::new(member)));
    }

    #[test]
    fn a_cut_name_never_leads_upwards() {
        let path = [&[b'a'; 97][..], b"/..b"].concat();
        assert_eq!(&plain_name(&path)[97..], b"/._");
    }
}
