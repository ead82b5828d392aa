//! Trees by seed: every kind of thing that ntfs-3g can write, in every mixture.

use crate::content::Content;
use crate::path::TreePath;
use crate::rng::Rng;
use crate::security::{Ace, AceKind, Descriptor, FULL, READ, Sid};
use crate::tree::{DAY, Entry, TreeSpec, WORKDAY};
use crate::volume::VolumeSpec;
use crate::{extended, reparse};

/// A volume whose clusters, sectors and files follow from `seed`. 24 MiB.
pub fn random_volume(seed: u64) -> VolumeSpec {
    let mut rng = Rng::new(seed);
    let mut volume = VolumeSpec::new(&format!("random {seed}"), 24 * 1024 * 1024);
    volume.serial = rng.next_u64();
    if rng.one_in(6) {
        volume.sector = 4096;
    }
    let clusters = [512, 1024, 2048, 4096, 4096, 4096, 8192, 65_536];
    volume.cluster = volume.sector.max(*rng.pick(&clusters));
    let cluster = volume.cluster;
    volume.tree = Grower { rng, tree: TreeSpec::new(), cluster, names: 0 }.grow();
    volume
}

/// The tree of [`random_volume`].
pub fn random_tree(seed: u64) -> TreeSpec {
    random_volume(seed).tree
}

struct Grower {
    rng: Rng,
    tree: TreeSpec,
    cluster: u32,
    names: u64,
}

impl Grower {
    fn grow(mut self) -> TreeSpec {
        if self.rng.one_in(2) {
            // Their records are taken again, with higher sequence numbers.
            self.tree.churn = u32::try_from(self.rng.between(1, 60)).unwrap_or(1);
        }
        let folders = self.folders();
        let mut files = Vec::new();
        for _ in 0..self.rng.between(10, 70) {
            files.push(self.file(&folders));
        }
        if self.rng.one_in(4) {
            self.crowded_folder();
        }
        if self.cluster <= 4096 && self.rng.one_in(4) {
            self.many_pieces();
        }
        self.links(&folders, &files);
        self.reparse_points(&folders);
        self.deletions(&folders);
        self.tree
    }

    fn folders(&mut self) -> Vec<TreePath> {
        let mut folders = vec![TreePath::root()];
        for _ in 0..self.rng.between(2, 20) {
            let path = self.rng.pick(&folders).join(self.name(false));
            self.tree.dir(&path);
            let compress = self.compresses() && self.rng.one_in(5);
            let stream = self.rng.one_in(6).then(|| (self.stream_name(), self.content(3000)));
            let facts = self.facts();
            let entry = self.tree.dir(&path);
            facts.apply(entry);
            if compress {
                entry.compress();
            }
            if let Some((name, content)) = stream {
                entry.stream(name, content);
            }
            folders.push(path);
        }
        folders
    }

    fn file(&mut self, folders: &[TreePath]) -> TreePath {
        // A colon in the name would be taken for a stream's by the mount that
        // writes large streams.
        let has_streams = self.rng.one_in(4);
        let path = self.rng.pick(folders).join(self.name(!has_streams));
        let is_compressed = self.is_compressed(&path);
        let is_encrypted = self.rng.one_in(20) && !is_compressed;
        let content = if is_encrypted {
            let units = self.rng.between(0, 40);
            Content::noise(self.rng.next_u64(), units * 512)
        } else {
            self.content(200_000)
        };
        let len = content.len();
        let mut streams = Vec::new();
        if has_streams && !is_encrypted {
            for _ in 0..self.rng.between(1, 6) {
                streams.push((self.stream_name(), self.content(100_000)));
            }
        }
        let facts = self.facts();
        let fragments = if self.rng.one_in(8) { self.rng.between(2, 60) } else { 0 };
        let object_id = self.rng.one_in(10).then(|| {
            let len = *self.rng.pick(&[16, 64]);
            self.rng.bytes(len)
        });
        let extended = self.rng.one_in(10).then(|| {
            let value = self.content_bytes(200);
            extended::encode(&[("LXUID", &[1, 0, 0, 0]), ("RANDOM.EA", &value)])
        });
        self.names += 1;
        let dos_name = (self.rng.one_in(8) && is_win32_name(path.file_name()))
            .then(|| format!("F{:05X}~1.TXT", self.names));
        let padding = u16::try_from(self.rng.below(512)).unwrap_or(0);
        let efs = self.efs_info();

        let entry = self.tree.file(&path, content);
        facts.apply(entry);
        entry.facts.object_id = object_id;
        entry.facts.extended = extended;
        entry.facts.dos_name = dos_name;
        if is_encrypted {
            entry.efs(efs, if len == 0 { 0 } else { padding });
        } else if len > 4096 && !is_compressed {
            entry.fragments(u32::try_from(fragments).unwrap_or(0));
        }
        for (name, content) in streams {
            entry.stream(name, content);
        }
        path
    }

    /// Enough names for an index of several blocks.
    fn crowded_folder(&mut self) {
        let folder = TreePath::from("crowded");
        for _ in 0..self.rng.between(50, 400) {
            let path = folder.join(self.name(true));
            self.tree.bytes(path, "");
        }
    }

    /// A file whose runs do not fit its record.
    fn many_pieces(&mut self) {
        let pieces = u32::try_from(self.rng.between(250, 450)).unwrap_or(250);
        let len = u64::from(pieces * self.cluster) - self.rng.below(100);
        let content = Content::noise(self.rng.next_u64(), len);
        self.tree.file("many pieces.bin", content).fragments(pieces);
    }

    fn links(&mut self, folders: &[TreePath], files: &[TreePath]) {
        for file in files {
            if self.rng.one_in(5) {
                for _ in 0..self.rng.between(1, 9) {
                    // Without a colon, for the same reason as a file's name.
                    let path = self.rng.pick(folders).join(self.name(false));
                    self.tree.link(path, file);
                }
            }
        }
    }

    /// On files and folders of their own: ntfs-3g shows them as links, so nobody
    /// could look into them.
    fn reparse_points(&mut self, folders: &[TreePath]) {
        for _ in 0..self.rng.below(6) {
            let path = self.rng.pick(folders).join(self.name(true));
            let buffer = self.content_bytes(2000);
            let data = match self.rng.below(5) {
                0 => reparse::junction("C:\\Users\\alice"),
                1 => reparse::symlink("D:\\elsewhere"),
                2 => reparse::microsoft(reparse::CLOUD, &buffer),
                3 => reparse::microsoft(0x8000_0000 | 0x7000 | self.tag(), &buffer),
                _ => reparse::microsoft(reparse::DEDUP, &buffer),
            };
            let facts = self.facts();
            let is_junction = data.starts_with(&reparse::MOUNT_POINT.to_le_bytes());
            let entry = if is_junction || self.rng.one_in(2) {
                self.tree.dir(&path)
            } else {
                self.tree.bytes(&path, "")
            };
            facts.apply(entry);
            entry.reparse(data);
        }
    }

    fn tag(&mut self) -> u32 {
        u32::try_from(self.rng.below(0x1000)).unwrap_or(0)
    }

    /// Some names, now and then a whole folder: its files and those above them.
    fn deletions(&mut self, folders: &[TreePath]) {
        let names: Vec<TreePath> = self.tree.entries.iter().map(|e| e.path.clone()).collect();
        for path in &names {
            if self.rng.one_in(12) && !folders.contains(path) {
                self.tree.remove(path);
            }
        }
        if self.rng.one_in(3)
            && let Some(folder) = folders.get(1 + self.rng.index(folders.len() - 1))
        {
            self.tree.remove(folder);
        }
    }

    /// NTFS compresses no larger clusters.
    fn compresses(&self) -> bool {
        self.cluster <= 4096
    }

    fn is_compressed(&self, path: &TreePath) -> bool {
        // Folders made in a compressed one are compressed too.
        self.tree.entries.iter().any(|e| e.facts.compress && path.below(&e.path).is_some())
    }

    /// A name that no other has. `any`: with all that NTFS allows.
    fn name(&mut self, any: bool) -> Vec<u8> {
        self.names += 1;
        let n = self.names;
        let fill = |text: &str| {
            let head = format!("{n} ");
            let units = (255 - head.len()) / text.encode_utf16().count();
            head + &text.repeat(units)
        };
        let text = match self.rng.below(if any { 16 } else { 12 }) {
            0 => fill("x"),
            1 => fill("文"),
            2 => fill("🎉"),
            3 => format!("{n} dot."),
            4 => format!("{n} space "),
            5 => format!("{n} émoji 🎂"),
            6 => format!("Straße {n}"),
            7 => format!("{n}.{}", "long extension ".repeat(5)),
            8 | 9 => format!("file{n}.txt"),
            10 => format!("UPPER{n}.TXT"),
            11 => format!("$Dollar{n}"),
            12 => format!("{n}:*?\"<>|\\"),
            13 => format!("CON.{n}"),
            14 => format!("\u{1}{n}\u{7}"),
            _ => return [format!("{n} lone ").as_bytes(), b"\xED\xA0\xBD", b"."].concat(),
        };
        text.into_bytes()
    }

    fn stream_name(&mut self) -> String {
        self.names += 1;
        match self.rng.below(4) {
            0 => format!("Zone.Identifier{}", self.names),
            1 => format!("поток {}", self.names),
            2 => format!("{} {}", self.names, "s".repeat(180)),
            _ => format!("s{}", self.names),
        }
    }

    /// Of sizes around those where something changes, seldom above `limit`.
    fn content(&mut self, limit: u64) -> Content {
        let seed = self.rng.next_u64();
        let len = match self.rng.below(12) {
            0 | 1 => 0,
            2 => self.rng.between(1, 200),
            3 | 4 => self.rng.between(400, 1100), // leaves the record somewhere here
            5 => *self.rng.pick(&[511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, 65_537]),
            6 | 7 => self.rng.between(1, 20_000),
            8 | 9 => self.rng.between(1, limit),
            10 => return self.sparse(limit),
            _ => return self.mixed(limit),
        };
        if self.rng.one_in(2) { Content::text(seed, len) } else { Content::noise(seed, len) }
    }

    fn sparse(&mut self, limit: u64) -> Content {
        let mut islands = Vec::new();
        let mut at = 0;
        for _ in 0..self.rng.below(5) {
            at += self.rng.between(0, limit);
            let len = self.rng.between(1, 1 + limit / 8);
            islands.push((at, Content::noise(self.rng.next_u64(), len)));
            at += len;
        }
        Content::Sparse { len: at + self.rng.below(limit), islands }
    }

    /// What compresses beside what does not, and runs of zeros.
    fn mixed(&mut self, limit: u64) -> Content {
        let mut parts = Vec::new();
        for _ in 0..self.rng.between(1, 4) {
            let len = self.rng.between(1, limit / 4);
            let seed = self.rng.next_u64();
            parts.push(match self.rng.below(3) {
                0 => Content::text(seed, len),
                1 => Content::noise(seed, len),
                _ => Content::Bytes(vec![0; usize::try_from(len).unwrap_or(0)]),
            });
        }
        Content::ConcatenatedFile(parts)
    }

    fn content_bytes(&mut self, limit: usize) -> Vec<u8> {
        let len = 1 + self.rng.index(limit);
        self.rng.bytes(len)
    }

    fn efs_info(&mut self) -> Vec<u8> {
        let len = 100 + self.rng.index(900);
        let mut info = u32::try_from(len).unwrap_or(0).to_le_bytes().to_vec();
        info.extend(self.rng.bytes(len - 4));
        info
    }

    fn facts(&mut self) -> RandomFacts {
        let mut time = || WORKDAY - self.rng.below(9000 * DAY);
        let times = (time(), time(), time());
        let attributes = self.rng.one_in(4).then(|| {
            *self.rng.pick(&[0x1, 0x2, 0x4, 0x6, 0x7, 0x20, 0x21, 0x100, 0x1000, 0x2000, 0x2026])
        });
        let security = self.rng.one_in(3).then(|| self.descriptor().to_bytes());
        RandomFacts { times, attributes, security }
    }

    fn descriptor(&mut self) -> Descriptor {
        let count = self.rng.below(6);
        let dacl = (0..count).map(|_| self.ace(AceKind::Allow)).collect();
        let sacl = self.rng.one_in(5).then(|| vec![self.ace(AceKind::Audit)]);
        Descriptor {
            owner: self.sid(),
            group: self.sid(),
            dacl: if self.rng.one_in(10) { None } else { Some(dacl) },
            sacl,
            control: *self.rng.pick(&[0, 0x0400, 0x1000]),
        }
    }

    fn ace(&mut self, kind: AceKind) -> Ace {
        let kind = if kind == AceKind::Allow && self.rng.one_in(4) { AceKind::Deny } else { kind };
        let flags = if kind == AceKind::Audit { 0xC0 } else { *self.rng.pick(&[0, 0x10]) };
        Ace { kind, flags, mask: *self.rng.pick(&[FULL, READ]), sid: self.sid() }
    }

    fn sid(&mut self) -> Sid {
        match self.rng.below(4) {
            0 => Sid::system(),
            1 => Sid::administrators(),
            2 => Sid::everyone(),
            _ => Sid::account(1000 + self.tag()),
        }
    }
}

/// Only names that Win32 takes have DOS names beside them.
fn is_win32_name(name: &[u8]) -> bool {
    let is_fine = |byte: &u8| *byte >= 0x20 && !b":*?\"<>|\\".contains(byte);
    name.iter().all(is_fine)
        && !name.starts_with(b"CON.")
        && !name.ends_with(b".")
        && !name.ends_with(b" ")
}

struct RandomFacts {
    times: (u64, u64, u64),
    attributes: Option<u32>,
    security: Option<Vec<u8>>,
}

impl RandomFacts {
    fn apply(self, entry: &mut Entry) {
        let (created, modified, accessed) = self.times;
        entry.times(created, modified, accessed);
        entry.facts.attributes = self.attributes;
        entry.facts.security = self.security;
    }
}
