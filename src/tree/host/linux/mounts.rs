//! What `/proc/self/mountinfo` (proc(5)) says of the file system that a folder
//! is on.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::model::bytes::u64_at;

/// One mounted file system.
pub(super) struct Mount {
    /// As the kernel calls it: `ext4`, `fuseblk`, `cifs`.
    pub(super) kind: String,
    /// The device, image file or share; not always a path.
    pub(super) source: PathBuf,
}

/// The mount with this device number; `None` where `/proc` does not tell.
pub(super) fn of_device(major: u32, minor: u32) -> Option<Mount> {
    let text = fs::read("/proc/self/mountinfo").ok()?;
    let device = format!("{major}:{minor}");
    text.split(|b| *b == b'\n').find_map(|line| parse(line, device.as_bytes()))
}

/// Where the changes to the `overlayfs` go that a folder is on; `None` if it is on none.
pub(super) fn upper_of(folder: &Path) -> Option<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").ok()?;
    upper_in(&text, &folder.canonicalize().ok()?)
}

/// The last of the longest mount points above the folder is what is seen there.
fn upper_in(mountinfo: &[u8], folder: &Path) -> Option<PathBuf> {
    let mut best: Option<(usize, Option<PathBuf>)> = None;
    for line in mountinfo.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b' ');
        let Some(point) = fields.nth(4).map(unescape) else { continue };
        let point = PathBuf::from(std::ffi::OsString::from_vec(point));
        let depth = point.components().count();
        if !folder.starts_with(&point) || best.as_ref().is_some_and(|(other, _)| *other > depth) {
            continue;
        }
        let options = fields.skip_while(|f| *f != b"-").nth(3).unwrap_or_default();
        let upper =
            options.split(|b| *b == b',').find_map(|option| option.strip_prefix(b"upperdir="));
        let upper = upper.map(|path| std::ffi::OsString::from_vec(unescape(path)).into());
        best = Some((depth, upper));
    }
    best?.1
}

/// Where something is mounted below an open folder, each path from there.
pub(super) fn below(folder: &OwnedFd) -> HashSet<Vec<u8>> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let top = fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).unwrap_or_default();
    let mut top = top.into_os_string().into_vec();
    if top.last() != Some(&b'/') {
        top.push(b'/');
    }
    points_below(&text, &top)
}

/// `top` ends with a slash.
fn points_below(mountinfo: &[u8], top: &[u8]) -> HashSet<Vec<u8>> {
    let lines = mountinfo.split(|b| *b == b'\n');
    let points = lines.filter_map(|line| line.split(|b| *b == b' ').nth(4));
    let below = points.filter_map(|point| Some(unescape(point).strip_prefix(top)?.to_vec()));
    below.filter(|path| !path.is_empty()).collect()
}

/// The roots of file systems that ntfs-3g may have mounted, for writing.
pub(super) fn writable_fuse() -> Vec<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    text.split(|b| *b == b'\n').filter_map(fuse_point).collect()
}

fn fuse_point(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line.split(|b| *b == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    let is_writable = fields.next()?.split(|b| *b == b',').any(|option| option == b"rw");
    fields.find(|f| *f == b"-")?;
    let is_fuse = fields.next()?.starts_with(b"fuse");
    let point = std::ffi::OsString::from_vec(unescape(point)).into();
    (root == b"/" && is_writable && is_fuse).then_some(point)
}

/// A line is `id parent major:minor root point options [tags…] - kind source …`.
fn parse(line: &[u8], device: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    if fields.nth(2)? != device {
        return None;
    }
    fields.find(|f| *f == b"-")?;
    let kind = String::from_utf8_lossy(fields.next()?).into_owned();
    let source = std::ffi::OsString::from_vec(unescape(fields.next()?)).into();
    Some(Mount { kind, source })
}

/// Spaces and the like stand as `\040` in mountinfo.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| byte == b'\\').and_then(|d| {
            let text = std::str::from_utf8(d).ok()?;
            u8::from_str_radix(text, 8).ok()
        });
        out.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    out
}

impl Mount {
    /// The NTFS serial number, from the boot sector of the device or image if
    /// that can be read: bytes 0x48 to 0x4F, beside the `NTFS` at byte 3.
    pub(super) fn ntfs_serial(&self) -> Option<u64> {
        if !self.source.is_absolute() {
            return None;
        }
        let kind = fs::metadata(&self.source).ok()?.file_type();
        if !(kind.is_file() || kind.is_block_device()) {
            return None;
        }
        let mut sector = [0; 512];
        File::open(&self.source).ok()?.read_exact(&mut sector).ok()?;
        let serial = u64_at(&sector, 0x48);
        serial.filter(|_| &sector[3..11] == b"NTFS    ")
    }

    /// The volume's label, as udev found it; empty where it did not.
    pub(super) fn label(&self) -> String {
        let device = |path: &Path| {
            let meta = fs::metadata(path).ok()?;
            meta.file_type().is_block_device().then(|| meta.rdev())
        };
        let Some(ours) = device(&self.source) else { return String::new() };
        let links = fs::read_dir("/dev/disk/by-label").into_iter().flatten().flatten();
        let name = links.filter(|l| device(&l.path()) == Some(ours)).map(|l| l.file_name()).next();
        // udev writes what a file name should not hold as \x20.
        name.map_or_else(String::new, |n| unescape_hex(n.as_bytes()))
    }
}

fn unescape_hex(name: &[u8]) -> String {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.strip_prefix(b"x").filter(|_| byte == b'\\').and_then(|d| {
            let text = std::str::from_utf8(d.get(..2)?).ok()?;
            u8::from_str_radix(text, 16).ok()
        });
        out.push(hex.unwrap_or(byte));
        rest = if hex.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo_are_read() {
        let line = br"42 27 0:39 / /mnt/a\040b rw - fuseblk /dev/sd\134a\040x rw,user_id=0";
        let mount = parse(line, b"0:39").unwrap();
        assert_eq!(mount.kind, "fuseblk");
        assert_eq!(mount.source, Path::new(r"/dev/sd\a x"));
        assert!(parse(line, b"0:3").is_none());
        assert_eq!(fuse_point(line).unwrap(), Path::new("/mnt/a b"));
        assert!(fuse_point(b"42 27 0:39 / /mnt ro - fuseblk /dev/sda rw").is_none());
        assert!(fuse_point(b"42 27 0:39 / /mnt rw - ext4 /dev/sda rw").is_none());
        assert!(fuse_point(b"42 27 0:39 /below /mnt rw - fuseblk /dev/sda rw").is_none());
        for cut in 0..line.len() {
            let _ = fuse_point(&line[..cut]);
            let _ = parse(&line[..cut], b"0:39");
        }
        let mounted =
            b"1 0 0:2 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/run/live\\040x/rw\n\
                     2 1 0:3 / /mnt rw - ext4 /dev/sda1 rw\n3 1 0:4 / /mn rw - overlay o rw";
        let upper = |folder: &str| upper_in(mounted, Path::new(folder));
        assert_eq!(upper("/home/x"), Some("/run/live x/rw".into()));
        assert_eq!((upper("/mnt/rescue"), upper("/mn/x")), (None, None));
        assert_eq!(points_below(line, b"/mnt/"), HashSet::from([b"a b".to_vec()]));
        assert_eq!(points_below(line, b"/"), HashSet::from([b"mnt/a b".to_vec()]));
        assert!(points_below(line, b"/mnt/a b/").is_empty());
        assert_eq!(unescape(br"\04"), br"\04");
        assert_eq!(unescape_hex(br"A\x20B\x2"), r"A B\x2");
    }
}
