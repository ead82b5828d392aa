//! A rescue set: options, the manifest's plain bytes, the tar's plain bytes. They are
//! packed as a set has them (so that the fuzzer need not learn zstd), and read as a
//! restore does; the same set encrypted, too, in pieces that may lie of their size.
//! No stream yields more than it says, nor, without an error, less;
//! and reading comes to an end.

use std::collections::HashMap;
use std::sync::Arc;

use lifeboat::destination::{Destination, DestinationEntry, DestinationError, DestinationFile, ErrorKind, Space};
use lifeboat::set::crypt::key::parse_identities;
use lifeboat::set::crypt::stream::{CHUNK, begin};
use lifeboat::set::crypt::{Keys, Locks, SetKey};
use lifeboat::set::read::reader::SetReader;

/// Bytes that are read of any set, in all.
const MOST: u64 = 64 << 20;

/// A folder in memory.
pub(crate) struct Folder(pub(crate) HashMap<String, Arc<Vec<u8>>>);

struct File(Arc<Vec<u8>>);

fn no(path: &str) -> DestinationError {
    DestinationError {
        kind: ErrorKind::NotFound,
        path: path.to_owned(),
        what: "not here".to_owned(),
        action: String::new(),
        source: None,
    }
}

impl DestinationFile for File {
    fn write_all_at(&mut self, _: u64, _: &[u8]) -> Result<(), DestinationError> {
        Err(no(""))
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let n = buf.len().min(self.0.len() - from);
        buf[..n].copy_from_slice(&self.0[from..from + n]);
        Ok(n)
    }
    fn size(&mut self) -> Result<u64, DestinationError> {
        Ok(self.0.len() as u64)
    }
    fn set_size(&mut self, _: u64) -> Result<(), DestinationError> {
        Err(no(""))
    }
    fn sync(&mut self) -> Result<(), DestinationError> {
        Ok(())
    }
    fn close(self: Box<Self>) -> Result<(), DestinationError> {
        Ok(())
    }
}

impl Destination for Folder {
    fn display(&self, path: &str) -> String {
        path.to_owned()
    }
    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        Err(no(dir))
    }
    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        Ok(self.0.get(path).map(|bytes| DestinationEntry {
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            is_dir: false,
            size: bytes.len() as u64,
        }))
    }
    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        Err(no(dir))
    }
    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Err(no(path))
    }
    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Err(no(path))
    }
    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        let bytes = self.0.get(path).ok_or_else(|| no(path))?;
        Ok(Box::new(File(Arc::clone(bytes))))
    }
    fn rename(&self, from: &str, _: &str) -> Result<(), DestinationError> {
        Err(no(from))
    }
    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        Err(no(path))
    }
    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        Err(no(path))
    }
    fn space(&self) -> Result<Option<Space>, DestinationError> {
        Ok(None)
    }
}

/// A frame that is stored, not packed (RFC 8878 3.1.1): what it holds stays for
/// the fuzzer to see.
fn frame(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0x28, 0xB5, 0x2F, 0xFD, 0xA0];
    out.extend(u32::try_from(plain.len()).unwrap_or(0).to_le_bytes());
    let mut pieces = plain.chunks(100_000).peekable();
    if pieces.peek().is_none() {
        out.extend([1, 0, 0]);
    }
    while let Some(piece) = pieces.next() {
        let last = u32::from(pieces.peek().is_none());
        let head = last | u32::try_from(piece.len()).unwrap_or(0) << 3;
        out.extend(&head.to_le_bytes()[..3]);
        out.extend(piece);
    }
    out
}

/// A piece of an encrypted store or manifest.
fn encrypted(key: &SetKey, plain: &[u8]) -> Vec<u8> {
    let (mut file, cipher) = begin(key).expect("a key");
    let chunks: Vec<_> = plain.chunks(CHUNK).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        cipher.seal(number as u64, number + 1 == chunks.len(), chunk, &mut file);
    }
    file
}

/// Nobody's secret: it is in the open here.
const IDENTITY: &str = include_str!("../corpus/age_file.identity");

/// The set in `files` encrypted, and what opens it. `odd` decides what it lies about.
fn encrypt(files: &mut HashMap<String, Arc<Vec<u8>>>, rescue: &str, odd: u8) -> Keys {
    let identities = parse_identities(IDENTITY).unwrap_or_default();
    let locks = Locks::Recipients(identities.iter().map(|one| one.to_public()).collect());
    let key = SetKey::generate();
    let locked = key.lock("0badc0de", &locks).expect("a recipient");
    files.insert("s/key.age".to_owned(), Arc::new(locked));
    let mut list = Vec::new();
    for name in ["store.tar.zst", "manifest.jsonl.zst"] {
        let Some(plain) = files.remove(&format!("s/{name}")) else { continue };
        let (one, two) = plain.split_at(plain.len() * usize::from(odd >> 3) / 31);
        for (number, piece) in (1..).zip([one, two]) {
            let lie = if odd & number == number { u64::from(odd) << (odd & 31) } else { 0 };
            let said = (piece.len() as u64).wrapping_add(lie);
            let name = format!("{name}.{number:03}.age");
            list.push(format!(r#"{{"name":"{name}","size":1,"sha256":"","plain_size":{said}}}"#));
            files.insert(format!("s/{name}"), Arc::new(encrypted(&key, piece)));
        }
    }
    let mut text = rescue.replacen(
        r#""format":1,"#,
        r#""format":2,"encryption":{"files":"age-encryption.org/v1","how":"recipients"},"#,
        1,
    );
    // "files" of what it is encrypted with stands there first.
    if let Some(at) = text.rfind(r#""files":["#) {
        text.truncate(at);
    }
    text.push_str(&format!(r#""files":[{}]}}"#, list.join(",")));
    files.insert("s/rescue.json".to_owned(), Arc::new(text.into_bytes()));
    Keys { passphrase: None, identities }
}

pub(crate) fn run(input: &[u8]) {
    let [options, cut, rest @ ..] = input else { return };
    let at = rest.len() * usize::from(*cut) / 256;
    let (manifest, tar) = rest.split_at(at);
    // Two frames, so that members lie across.
    let half = tar.len() / 2 / 512 * 512;
    let (first, second) = tar.split_at(half);
    let frames = [frame(first), frame(second)];
    let mut store = frames.concat();
    if options & 1 == 0 {
        store.extend([0x5E, 0x2A, 0x4D, 0x18, 25, 0, 0, 0]);
        for (packed, plain) in frames.iter().zip([first, second]) {
            store.extend(u32::try_from(packed.len()).unwrap_or(0).to_le_bytes());
            store.extend(u32::try_from(plain.len()).unwrap_or(0).to_le_bytes());
        }
        store.extend([2, 0, 0, 0, 0, 0xB1, 0xEA, 0x92, 0x8F]);
    }
    let rescue = format!(
        r#"{{"format":1,"program":"x","set":"0badc0de","created":"","machine":{{}},"what":"store",
        "kind":"uncompressed","parts":[{{"drive":"C","drive_from":"","path":"S","role":"whole",
        "volume_label":"","file_system":"NTFS","via":"raw"}}],"totals":{{"files":1,
        "directories":0,"links":0,"streams":0,"bytes":4,"frames":2,"losses":0}},
        "end_state":"saved","options":{{"level":1,"frame_bytes":4194304,"read_back":true}},
        "plan":"","files":[{{"name":"store.tar.zst","size":{},"sha256":""}}]}}"#,
        store.len()
    );
    let mut files = HashMap::new();
    files.insert("s/rescue.json".to_owned(), Arc::new(rescue.clone().into_bytes()));
    files.insert("s/store.tar.zst".to_owned(), Arc::new(store));
    if options & 2 == 0 {
        files.insert("s/manifest.jsonl.zst".to_owned(), Arc::new(frame(manifest)));
    }
    let mut keys = Keys::default();
    if options & 4 != 0 {
        keys = encrypt(&mut files, &rescue, options.rotate_left(3) ^ *cut);
    }
    let Ok(set) = SetReader::open_with(Arc::new(Folder(files)), "s", &keys) else { return };
    let Ok(mut members) = set.in_order() else { return };
    let mut left = MOST;
    let mut buffer = vec![0; 64 << 10];
    while let Some(member) = members.next_member() {
        let Ok(member) = member else { continue };
        let _ = (member.exact_path(), member.exact_link_to());
        for data in member.data.iter().chain(member.streams.iter().map(|s| &s.data)) {
            let mut reader = members.data(data);
            let (mut got, mut skips) = (0_u64, 0);
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => {
                        assert_eq!(got, data.size, "an end without an error");
                        break;
                    }
                    Ok(n) => got += n as u64,
                    Err(_) if got >= data.size => break,
                    Err(_) => {
                        let skipped = reader.skip_damage();
                        skips += 1;
                        if skipped == 0 || skips > 100 {
                            break;
                        }
                        got = got.saturating_add(skipped);
                    }
                }
                assert!(got <= data.size, "{got} of {}", data.size);
                left = left.saturating_sub(1 << 10);
                if left == 0 {
                    return;
                }
            }
        }
    }
}
