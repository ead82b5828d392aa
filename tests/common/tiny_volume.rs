//! A whole NTFS volume in 16 KiB, made by hand: sectors, clusters and records of
//! 512 bytes. Small enough to be a seed for the fuzzer.
#![allow(dead_code, reason = "each test file uses some of these")]

use lifeboat::ntfs::record::FileRef;

const PIECE: usize = 512;
/// Records: what is left of 32 pieces behind the boot sector and 5 of data.
const RECORDS: u64 = 26;
/// The first cluster of file data.
const DATA: u8 = 27;

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

fn named(parent: u64, name: &str) -> Vec<u8> {
    let mut value = FileRef::new(parent, 1).0.to_le_bytes().to_vec();
    value.resize(0x40, 0);
    value.extend([u8::try_from(name.len()).unwrap(), 3]);
    value.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    resident(0x30, "", &value)
}

fn standard(attributes: u32) -> Vec<u8> {
    let mut value = [0; 48];
    put(&mut value, 0x20, &attributes.to_le_bytes());
    resident(0x10, "", &value)
}

fn record(number: u64, flags: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut b = vec![0; PIECE];
    put(&mut b, 0, b"FILE\x30\0\x02\0");
    put(&mut b, 0x10, &[1, 0, 1, 0, 0x38, 0, flags]);
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
pub(crate) const MAX_REPARSE: usize = 64;

/// The volume: `USMT/` with one file, sparse, with a stream, and a placeholder
/// of the cloud; and a deleted file beside it.
pub(crate) fn make() -> Vec<u8> {
    filled(None, &[0x1A, 0, 0, 0x90, 4, 0, 0, 0, 1, 2, 3, 4])
}

/// The same with other reparse data, and with it on the folder too.
pub(crate) fn with_reparse(reparse: &[u8]) -> Vec<u8> {
    filled(Some(reparse), reparse)
}

fn filled(of_folder: Option<&[u8]>, of_file: &[u8]) -> Vec<u8> {
    let mut boot = vec![0; PIECE];
    put(&mut boot, 3, b"NTFS    ");
    put(&mut boot, 0x0B, &512_u16.to_le_bytes());
    boot[0x0D] = 1;
    put(&mut boot, 0x28, &32_u64.to_le_bytes());
    put(&mut boot, 0x30, &1_u64.to_le_bytes());
    put(&mut boot, 0x38, &1_u64.to_le_bytes());
    boot[0x40] = 1;
    boot[0x44] = 1;
    let mut volume = vec![0; 32 * PIECE];
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
    set(22, 0, &[standard(0x20), named(24, "gone"), resident(0x80, "", b"deleted")]);
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
    volume[usize::from(DATA) * PIECE..].fill(0x5A);
    volume
}
