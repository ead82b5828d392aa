//! Image formats that have to be converted before Lifeboat can read them, told
//! by their first (or last) bytes, and how to convert them.

use std::path::Path;

use crate::disk::device::Device;
use crate::model::bytes::stands_at;

/// A format that Lifeboat does not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// QEMU's copy-on-write image.
    Qcow2,
    /// `VMware`'s disk, or its descriptor.
    Vmdk,
    /// `VirtualBox`'s disk.
    Vdi,
    /// Parallels' disk.
    Parallels,
    /// `EnCase`/EWF evidence file.
    Ewf,
    /// Advanced Forensic Format.
    Aff,
    /// Windows imaging file (WIM, ESD, SWM).
    Wim,
    /// Apple disk image.
    Dmg,
    /// Partclone image.
    Partclone,
    /// Something packed by the program named.
    Packed(&'static str),
    /// The first piece of a raw image in pieces (`.001`, `.002`…).
    SplitRaw,
}

/// The signatures that stand near the start: offset, bytes, format.
const SIGNATURES: &[(usize, &[u8], Foreign)] = &[
    (0, b"QFI\xFB", Foreign::Qcow2),
    (0, b"KDMV", Foreign::Vmdk),
    (0, b"COWD", Foreign::Vmdk),
    (0, b"# Disk DescriptorFile", Foreign::Vmdk),
    (0x40, &[0x7F, 0x10, 0xDA, 0xBE], Foreign::Vdi),
    (0, b"WithoutFreeSpace", Foreign::Parallels),
    (0, b"WithouFreSpacExt", Foreign::Parallels),
    (0, b"EVF\x09\x0D\x0A\xFF\x00", Foreign::Ewf),
    (0, b"EVF2\x0D\x0A\x81\x00", Foreign::Ewf),
    (0, b"LVF\x09\x0D\x0A\xFF\x00", Foreign::Ewf),
    (0, b"AFF10\r\n\0", Foreign::Aff),
    (0, b"MSWIM\0\0\0", Foreign::Wim),
    (0, b"WLPWM\0\0\0", Foreign::Wim),
    (0, b"partclone-image", Foreign::Partclone),
    (0, b"PK\x03\x04", Foreign::Packed("zip")),
    (0, b"7z\xBC\xAF\x27\x1C", Foreign::Packed("7z")),
    (0, b"Rar!\x1A\x07", Foreign::Packed("rar")),
    (0, b"\x1F\x8B\x08", Foreign::Packed("gzip")),
    (0, b"\xFD7zXZ\0", Foreign::Packed("xz")),
    (0, b"\x28\xB5\x2F\xFD", Foreign::Packed("zstd")),
    (0, b"BZh", Foreign::Packed("bzip2")),
];

impl Foreign {
    /// What `device` is, when it is one of these.
    pub fn of(device: &dyn Device) -> Option<Self> {
        let mut head = [0; 512];
        let n = usize::try_from(device.len()).unwrap_or(usize::MAX).min(head.len());
        device.read_exact_at(0, head.get_mut(..n)?).ok()?;
        let known = SIGNATURES.iter().find(|(at, what, _)| stands_at(&head, *at, what));
        if let Some((.., format)) = known {
            return Some(*format);
        }
        // An Apple image carries its header in the last 512 bytes.
        device.read_exact_at(device.len().checked_sub(512)?, &mut head).ok()?;
        (head.starts_with(b"koly") && stands_at(&head, 8, &[0, 0, 2, 0])).then_some(Self::Dmg)
    }

    /// Whether `path` is the first piece of a raw image in pieces.
    pub(crate) fn is_first_of_pieces(path: &Path) -> bool {
        let next = match path.extension().and_then(|e| e.to_str()) {
            Some("001") => "002",
            Some("000") => "001",
            _ => return false,
        };
        path.with_extension(next).is_file()
    }

    /// Its name, with an article, for people.
    pub fn name(self) -> String {
        match self {
            Self::Qcow2 => "a QCOW2 image (QEMU)".to_owned(),
            Self::Vmdk => "a VMDK image (VMware)".to_owned(),
            Self::Vdi => "a VDI image (VirtualBox)".to_owned(),
            Self::Parallels => "a Parallels disk image".to_owned(),
            Self::Ewf => "an EnCase image (E01)".to_owned(),
            Self::Aff => "an AFF image".to_owned(),
            Self::Wim => "a WIM file (files of a Windows image, not a disk)".to_owned(),
            Self::Dmg => "an Apple disk image (DMG)".to_owned(),
            Self::Partclone => "a Partclone image".to_owned(),
            Self::Packed(by) => format!("packed with {by}"),
            Self::SplitRaw => "the first piece of an image in several pieces".to_owned(),
        }
    }

    /// How to make something of it that Lifeboat reads.
    pub fn advice(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Qcow2 | Self::Vmdk | Self::Vdi | Self::Parallels | Self::Dmg => {
                format!("convert it first: qemu-img convert -O raw \"{path}\" disk.img")
            }
            Self::Ewf => format!(
                "convert it first (the tool finds E02, E03... itself): ewfexport -t disk -f raw \
                 \"{path}\""
            ),
            Self::Aff => format!("convert it first: affconvert -r \"{path}\""),
            Self::Wim => format!(
                "unpack it and name the folder: wimlib-imagex apply \"{path}\" 1 FOLDER (in \
                 Windows: dism /Apply-Image)"
            ),
            Self::Partclone => {
                format!("convert it first: partclone.restore -C -s \"{path}\" -O disk.img")
            }
            Self::Packed(by) => format!("unpack it with {by} first, and name what was in it"),
            Self::SplitRaw if cfg!(windows) => {
                "join the pieces first: copy /b disk.001 + disk.002 + ... disk.img".to_owned()
            }
            Self::SplitRaw => "join the pieces first: cat disk.0* > disk.img".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::memory::MemoryDevice;

    #[test]
    fn formats_are_told_by_their_bytes() {
        for (at, what, format) in SIGNATURES {
            let mut bytes = vec![0; *at];
            bytes.extend_from_slice(what);
            assert_eq!(Foreign::of(&MemoryDevice::new(bytes.clone())), Some(*format));
            bytes.resize(4096, 0);
            assert_eq!(Foreign::of(&MemoryDevice::new(bytes)), Some(*format));
        }
        let mut apple = vec![1; 2048];
        apple[1536..1548].copy_from_slice(b"koly\0\0\0\x04\0\0\x02\0");
        assert_eq!(Foreign::of(&MemoryDevice::new(apple)), Some(Foreign::Dmg));
        assert_eq!(Foreign::of(&MemoryDevice::new(vec![0; 100])), None);
        assert_eq!(Foreign::of(&MemoryDevice::new(vec![])), None);
    }

    #[test]
    fn pieces_are_known_by_their_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("disk.001");
        assert!(!Foreign::is_first_of_pieces(&first));
        std::fs::write(dir.path().join("disk.002"), b"x").unwrap();
        assert!(Foreign::is_first_of_pieces(&first));
        assert!(!Foreign::is_first_of_pieces(&dir.path().join("disk.img")));
    }
}
