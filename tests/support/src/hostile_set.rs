//! Writes rescue sets byte by byte, with whatever a test wants in them.

use std::fs;
use std::path::Path;

use lifeboat::set::format::hash::sha256_hex;
use serde_json::{Value, json};

/// What the seek table says.
pub enum FrameTable {
    /// The truth.
    True,
    /// One frame of this plain size.
    Says(u32),
    /// So many frames.
    Count(u32),
}

pub struct HostileSet {
    rescue: Value,
    lines: Vec<Value>,
    tar: Vec<u8>,
    pub with_manifest: bool,
    pub table: FrameTable,
    /// What stands behind the last line of the manifest.
    pub manifest_tail: Vec<u8>,
}

impl HostileSet {
    /// A set of one part.
    pub fn new(drive: &str, path: &str) -> Self {
        let rescue = json!({
            "format": 1, "program": "somebody", "set": "0badc0de",
            "created": "2026-11-22T00:00:00Z", "machine": {}, "what": "store",
            "kind": "uncompressed",
            "parts": [{
                "drive": drive, "drive_from": "a test", "path": path, "role": "whole",
                "volume_label": "", "file_system": "NTFS", "via": "raw",
            }],
            "totals": {"files": 1, "directories": 0, "links": 0, "streams": 0, "bytes": 4,
                       "frames": 1, "losses": 0},
            "end_state": "saved",
            "options": {"level": 1, "frame_bytes": 4 << 20, "read_back": true},
            "plan": "",
        });
        Self {
            rescue,
            lines: vec![json!({"type": "header", "format": 1, "set": "0badc0de"})],
            tar: Vec::new(),
            with_manifest: true,
            table: FrameTable::True,
            manifest_tail: Vec::new(),
        }
    }

    pub fn file(&mut self, path: &str, bytes: &[u8]) {
        self.file_with(path, bytes, &json!({}));
    }

    /// A file, with more fields for its line.
    pub fn file_with(&mut self, path: &str, bytes: &[u8], more: &Value) {
        let start = self.tar.len();
        self.pax(&[("path", path.as_bytes())], None);
        self.header(b'0', bytes.len());
        let at = self.tar.len();
        self.tar.extend(bytes);
        self.fill_up();
        let data = if bytes.is_empty() {
            json!({"size": 0, "sha256": sha256_hex(b"")})
        } else {
            json!({"size": bytes.len(), "sha256": sha256_hex(bytes),
                   "at": {"frame": 0, "offset": at}})
        };
        self.line(path, "file", start, more, Some(data));
    }

    pub fn folder_with(&mut self, path: &str, more: &Value) {
        let start = self.tar.len();
        self.pax(&[("path", format!("{path}/").as_bytes())], None);
        self.header(b'5', 0);
        self.line(path, "directory", start, more, None);
    }

    pub fn link(&mut self, path: &str, to: &str) {
        let start = self.tar.len();
        self.pax(&[("path", path.as_bytes()), ("linkpath", to.as_bytes())], None);
        self.header(b'1', 0);
        self.line(path, "link", start, &json!({"link_to": to}), None);
    }

    fn line(&mut self, path: &str, kind: &str, start: usize, more: &Value, data: Option<Value>) {
        let time = 131_000_000_000_000_000_u64;
        let mut line = json!({
            "type": "member", "path": path, "kind": kind,
            "start": {"frame": 0, "offset": start}, "attributes": 32,
            "times": {"created": time, "modified": time, "changed": time, "accessed": time},
        });
        let fields = line.as_object_mut().unwrap();
        fields.extend(data.map(|data| ("data".to_owned(), data)));
        fields.extend(more.as_object().unwrap().clone());
        self.lines.push(line);
    }

    /// What the manifest says of a file's data.
    pub fn data_of(&self, path: &str) -> Value {
        self.lines.iter().find(|line| line["path"] == path).unwrap()["data"].clone()
    }

    /// Changes what the manifest says of a file's data.
    pub fn claim(&mut self, path: &str, change: impl FnOnce(&mut Value)) {
        change(&mut self.lines.iter_mut().find(|line| line["path"] == path).unwrap()["data"]);
    }

    /// A PAX header; `claims`: the octal size that it says it has.
    pub fn pax(&mut self, records: &[(&str, &[u8])], claims: Option<&str>) {
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            bytes.extend(format!("{length} {key}=").bytes());
            bytes.extend(*value);
            bytes.push(b'\n');
        }
        self.raw_header(b'x', &claims.map_or(format!("{:011o}", bytes.len()), str::to_owned));
        self.tar.extend(bytes);
        self.fill_up();
    }

    /// A PAX header with these bytes for records.
    pub fn raw_pax(&mut self, records: &[u8]) {
        self.raw_header(b'x', &format!("{:011o}", records.len()));
        self.tar.extend(records);
        self.fill_up();
        self.header(b'0', 0);
    }

    fn header(&mut self, kind: u8, size: usize) {
        self.raw_header(kind, &format!("{size:011o}"));
    }

    fn raw_header(&mut self, kind: u8, size: &str) {
        let mut block = [0; 512];
        block[..1].copy_from_slice(b"x");
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..124 + size.len()].copy_from_slice(size.as_bytes());
        block[136..147].copy_from_slice(b"00000000000");
        block[148..156].fill(b' ');
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.tar.extend(block);
    }

    fn fill_up(&mut self) {
        self.tar.resize(self.tar.len().next_multiple_of(512), 0);
    }

    /// Zeros up to this plain size.
    pub fn pad_frame(&mut self, bytes: u64) {
        self.tar.resize(usize::try_from(bytes).unwrap(), 0);
    }

    /// Writes the set below `sets`; its name.
    pub fn write(&self, sets: &Path) -> String {
        let dir = sets.join("hostile");
        fs::create_dir_all(&dir).unwrap();
        let plain = [&self.tar[..], &[0; 1024]].concat();
        let mut store = zstd::bulk::compress(&plain, 1).unwrap();
        let packed = u32::try_from(store.len()).unwrap();
        let (count, says) = match self.table {
            FrameTable::True => (1, u32::try_from(plain.len()).unwrap()),
            FrameTable::Says(says) => (1, says),
            FrameTable::Count(count) => (count, u32::try_from(plain.len()).unwrap()),
        };
        // docs/reference/format.md 4.2.
        store.extend([0x5E, 0x2A, 0x4D, 0x18]);
        store.extend(17u32.to_le_bytes());
        store.extend(packed.to_le_bytes());
        store.extend(says.to_le_bytes());
        store.extend(count.to_le_bytes());
        store.push(0);
        store.extend([0xB1, 0xEA, 0x92, 0x8F]);
        fs::write(dir.join("store.tar.zst"), &store).unwrap();
        let mut files = vec![json!({
            "name": "store.tar.zst", "size": store.len(), "sha256": sha256_hex(&store),
        })];
        if self.with_manifest {
            let mut text = Vec::new();
            for line in &self.lines {
                text.extend(line.to_string().bytes());
                text.push(b'\n');
            }
            text.extend(&self.manifest_tail);
            let packed = zstd::bulk::compress(&text, 1).unwrap();
            fs::write(dir.join("manifest.jsonl.zst"), &packed).unwrap();
            files.push(json!({
                "name": "manifest.jsonl.zst", "size": packed.len(),
                "sha256": sha256_hex(&packed),
            }));
        }
        let mut rescue = self.rescue.clone();
        rescue["files"] = json!(files);
        fs::write(dir.join("rescue.json"), rescue.to_string()).unwrap();
        "hostile".to_owned()
    }
}
