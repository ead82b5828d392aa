//! A whole NTFS volume in 24 KiB, made by hand: sectors, clusters and records of
//! 512 bytes, and one of each thing that a record can lead to. Small enough to be
//! a seed for the fuzzer.

use lifeboat::ntfs::ondisk::record::FileRef;

const PIECE: usize = 512;
const PIECES: u8 = 48;
/// Records: what is left of the pieces behind the boot sector and 11 of data.
const RECORDS: u64 = 36;
/// The first cluster of file data.
const DATA: u8 = 37;
/// The cluster with compressed data.
const PACKED: u8 = 40;
/// 64 times the letter a: a chunk of 4 bytes, with one letter and a copy of it.
const LZNT1: [u8; 6] = [0x03, 0xB0, 0x02, b'a', 0x3C, 0x00];

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// An attribute in its record.
fn resident(kind: u32, name: &str, value: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let value_at = (0x18 + name.len()).next_multiple_of(8);
    let mut b = vec![0; (value_at + value.len()).next_multiple_of(8)];
    let length = u32::try_from(b.len()).unwrap();
    put(&mut b, 0, &kind.to_le_bytes());
    put(&mut b, 4, &length.to_le_bytes());
    b[9] = u8::try_from(name.len() / 2).unwrap();
    b[0x0A] = 0x18;
    put(&mut b, 0x10, &u32::try_from(value.len()).unwrap().to_le_bytes());
    b[0x14] = u8::try_from(value_at).unwrap();
    put(&mut b, 0x18, &name);
    put(&mut b, value_at, value);
    b
}

/// An unnamed attribute in clusters.
fn in_clusters(kind: u32, flags: u16, size: u64, runs: &[u8]) -> Vec<u8> {
    let mut b = vec![0; (0x48 + runs.len()).next_multiple_of(8)];
    let length = u32::try_from(b.len()).unwrap();
    put(&mut b, 0, &kind.to_le_bytes());
    put(&mut b, 4, &length.to_le_bytes());
    b[8] = 1;
    put(&mut b, 0x0C, &flags.to_le_bytes());
    b[0x20] = 0x48;
    b[0x22] = if flags & 1 != 0 { 4 } else { 0 };
    for field in [0x28, 0x30, 0x38, 0x40] {
        put(&mut b, field, &size.to_le_bytes());
    }
    put(&mut b, 0x48, runs);
    b
}

/// The value of a name; `namespace`: 1 Win32, 2 DOS, 3 both.
fn name_value(parent: u64, name: &str, namespace: u8) -> Vec<u8> {
    let mut value = FileRef::new(parent, 1).0.to_le_bytes().to_vec();
    value.resize(0x40, 0);
    value.extend([u8::try_from(name.len()).unwrap(), namespace]);
    value.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    value
}

fn named(parent: u64, name: &str) -> Vec<u8> {
    resident(0x30, "", &name_value(parent, name, 3))
}

fn standard(attributes: u32) -> Vec<u8> {
    let mut value = [0; 48];
    put(&mut value, 0x20, &attributes.to_le_bytes());
    resident(0x10, "", &value)
}

/// With the id of a security descriptor, as NTFS 3 has it.
fn standard_secured(attributes: u32) -> Vec<u8> {
    let mut value = [0; 72];
    put(&mut value, 0x20, &attributes.to_le_bytes());
    put(&mut value, 0x34, &256_u32.to_le_bytes());
    resident(0x10, "", &value)
}

/// The least descriptor: no owner, no group, no lists.
fn descriptor() -> Vec<u8> {
    let mut value = vec![0; 20];
    put(&mut value, 0, &[1, 0, 0, 0x80]);
    value
}

fn sds() -> Vec<u8> {
    let descriptor = descriptor();
    let mut value = lifeboat::ntfs::read::secure::hash(&descriptor).to_le_bytes().to_vec();
    value.extend(256_u32.to_le_bytes());
    value.extend(0_u64.to_le_bytes());
    value.extend(40_u32.to_le_bytes());
    value.extend(descriptor);
    value
}

/// The list of a file whose data is told of in another record.
fn attribute_list(base: u64, other: u64) -> Vec<u8> {
    let entry = |kind: u32, record: u64| {
        let mut entry = [0; 32];
        put(&mut entry, 0, &kind.to_le_bytes());
        put(&mut entry, 4, &[32, 0, 0, 0x1A]);
        put(&mut entry, 0x10, &FileRef::new(record, 1).0.to_le_bytes());
        entry
    };
    [entry(0x10, base), entry(0x30, base), entry(0x80, other)].concat()
}

/// An index with one name.
fn index_root(record: u64, key: &[u8]) -> Vec<u8> {
    let mut entry = FileRef::new(record, 1).0.to_le_bytes().to_vec();
    let length = u16::try_from((0x10 + key.len()).next_multiple_of(8)).unwrap();
    entry.extend(length.to_le_bytes());
    entry.extend(u16::try_from(key.len()).unwrap().to_le_bytes());
    entry.extend([0; 4]);
    entry.extend(key);
    entry.resize(usize::from(length), 0);
    let mut value = [0x30_u32, 1, 512, 1, 16, u32::from(length) + 32, u32::from(length) + 32, 0]
        .map(u32::to_le_bytes)
        .concat();
    value.extend(entry);
    value.extend([0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0]);
    value
}

fn record(number: u64, flags: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut b = vec![0; PIECE];
    put(&mut b, 0, b"FILE\x30\0\x02\0");
    put(&mut b, 0x10, &[1, 0, 1, 0, 0x38, 0, flags & 0x7F]);
    if flags & 0x80 != 0 {
        put(&mut b, 0x20, &FileRef::new(number + 1, 1).0.to_le_bytes());
    }
    put(&mut b, 0x2C, &u32::try_from(number).unwrap().to_le_bytes());
    let body = [attributes.concat(), vec![0xFF; 4]].concat();
    put(&mut b, 0x38, &body);
    put(&mut b, 0x18, &u32::try_from(0x38 + body.len() + 4).unwrap().to_le_bytes());
    let tail = [b[510], b[511]];
    put(&mut b, 0x30, &[1, 0]);
    put(&mut b, 0x32, &tail);
    put(&mut b, 510, &[1, 0]);
    b
}

/// Room for reparse data in the records of `USMT` and its file.
pub const MAX_REPARSE: usize = 64;

/// The volume: `USMT/` with one file, sparse, with a stream, and a placeholder
/// of the cloud; files of other kinds, each named for what it is; a deleted one.
pub fn make() -> Vec<u8> {
    filled(None, &[0x1A, 0, 0, 0x90, 4, 0, 0, 0, 1, 2, 3, 4])
}

/// The same with other reparse data, and with it on the folder too.
pub fn with_reparse(reparse: &[u8]) -> Vec<u8> {
    filled(Some(reparse), reparse)
}

fn filled(of_folder: Option<&[u8]>, of_file: &[u8]) -> Vec<u8> {
    let mut boot = vec![0; PIECE];
    put(&mut boot, 3, b"NTFS    ");
    put(&mut boot, 0x0B, &512_u16.to_le_bytes());
    boot[0x0D] = 1;
    put(&mut boot, 0x28, &u64::from(PIECES).to_le_bytes());
    put(&mut boot, 0x30, &1_u64.to_le_bytes());
    put(&mut boot, 0x38, &1_u64.to_le_bytes());
    boot[0x40] = 1;
    boot[0x44] = 1;
    let mut volume = vec![0; usize::from(PIECES) * PIECE];
    put(&mut volume, 0, &boot);
    let mut set = |number: u64, flags: u8, attributes: &[Vec<u8>]| {
        let at = usize::try_from(1 + number).unwrap() * PIECE;
        put(&mut volume, at, &record(number, flags, attributes));
    };
    let mft_runs = [0x11, u8::try_from(RECORDS).unwrap(), 1, 0];
    let mft = in_clusters(0x80, 0, RECORDS * 512, &mft_runs);
    set(0, 1, &[standard(6), named(5, "$MFT"), mft]);
    let information = [0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0];
    set(3, 1, &[standard(6), resident(0x60, "", b"t\0"), resident(0x70, "", &information)]);
    set(5, 3, &[standard(6), named(5, ".")]);
    let bitmap = resident(0x80, "", &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x03]);
    set(6, 1, &[standard(6), named(5, "$Bitmap"), bitmap]);
    let mut folder = vec![standard(0x410), named(5, "USMT")];
    folder.extend(of_folder.map(|reparse| resident(0xC0, "", reparse)));
    set(24, 3, &folder);
    // Three clusters, of which the middle is sparse.
    let sparse = in_clusters(0x80, 0x8000, 1400, &[0x11, 1, DATA, 0x01, 1, 0x11, 1, 1, 0]);
    set(
        25,
        1,
        &[
            standard(0x620),
            named(24, "file"),
            sparse,
            resident(0x80, "s", b"x"),
            resident(0xC0, "", of_file),
        ],
    );
    other_kinds(&mut set);
    volume[usize::from(DATA) * PIECE..].fill(0x5A);
    put(&mut volume, usize::from(PACKED) * PIECE, &LZNT1);
    put(&mut volume, usize::from(PACKED) * PIECE + LZNT1.len(), &[0, 0]);
    volume
}

/// Puts a record down: its number, flags, attributes.
type SetRecord<'a> = dyn FnMut(u64, u8, &[Vec<u8>]) + 'a;

fn other_kinds(set: &mut SetRecord<'_>) {
    set(9, 1, &[standard(6), named(5, "$Secure"), resident(0x80, "$SDS", &sds())]);
    // Bit 7 of the flags here: it extends the record behind it.
    set(26, 0x81, &[in_clusters(0x80, 0, 700, &[0x11, 2, DATA, 0])]);
    let list = resident(0x20, "", &attribute_list(27, 26));
    set(27, 1, &[standard(0x20), list, named(24, "listed")]);
    let packed = in_clusters(0x80, 1, 64, &[0x11, 1, PACKED, 0x01, 15, 0]);
    set(28, 1, &[standard(0x820), named(24, "packed"), packed]);
    let wof = [0x8000_0017_u32, 16, 1, 2, 1, 0].map(u32::to_le_bytes).concat();
    set(
        29,
        1,
        &[
            standard(0x420),
            named(24, "compact"),
            in_clusters(0x80, 0x8000, 40, &[0x01, 1, 0]),
            resident(0x80, "WofCompressedData", &[0x5A; 40]),
            resident(0xC0, "", &wof),
        ],
    );
    // Of its two clusters the first was given to another file.
    let gone = in_clusters(0x80, 0, 900, &[0x11, 2, PACKED + 1, 0]);
    set(33, 0, &[standard(0x20), named(24, "gone"), gone]);
    let efs = [16_u32, 0, 2, 7].map(u32::to_le_bytes).concat();
    let sealed = in_clusters(0x80, 0x4000, 100, &[0x11, 1, DATA, 0]);
    let efs = resident(0x100, "$EFS", &efs);
    set(30, 1, &[standard(0x4020), named(24, "sealed"), sealed, efs]);
    let root = resident(0x90, "$I30", &index_root(32, &name_value(31, "in a folder", 1)));
    let old = resident(0x50, "", &descriptor());
    set(31, 3, &[standard(0x10), named(24, "folder"), old, root]);
    set(
        32,
        1,
        &[
            standard_secured(0x20),
            resident(0x30, "", &name_value(31, "in a folder", 1)),
            resident(0x30, "", &name_value(31, "INAFOL~1", 2)),
            resident(0x40, "", &[7; 16]),
            resident(0x80, "", b"data"),
            resident(0xE0, "", &[0, 0, 0, 0, 0, 1, 1, 0, b'A', 0, 7, 0]),
        ],
    );
}
