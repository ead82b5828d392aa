//! Why a disk, an image or a volume cannot be had, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::image::foreign::Foreign;
use super::name::is_name_of_disk;
use super::rights::has_full_rights;
use crate::model::advice::Advice;

/// Why a disk, an image or a volume cannot be had. The message says what
/// happened to which path; [`DiskError::advice`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Nothing of that name.
    #[error("{}: not found", path.display())]
    NotFound {
        /// What was asked for.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: access denied", path.display())]
    Denied {
        /// What was asked for.
        path: PathBuf,
    },
    /// The system refused, to an account that may do anything.
    #[error("{}: access refused, although Lifeboat runs with full rights: {error}", path.display())]
    Closed {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another program has it to itself.
    #[error("{}: in use by another program", path.display())]
    Busy {
        /// What was asked for.
        path: PathBuf,
    },
    /// A folder where an image or a disk was asked for.
    #[error("{}: is a folder, not a disk or a disk image", path.display())]
    IsDirectory {
        /// What was asked for.
        path: PathBuf,
    },
    /// No byte in it.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// What was asked for.
        path: PathBuf,
    },
    /// No medium in the drive, or a disk of no bytes.
    #[error("{}: no medium in the drive", path.display())]
    NoMedium {
        /// What was asked for.
        path: PathBuf,
    },
    /// Nothing in it looks like a disk or a volume.
    #[error("{}: not a disk image: {why}", path.display())]
    NotAnImage {
        /// What was asked for.
        path: PathBuf,
        /// What was looked for and not found, for people.
        why: String,
    },
    /// Not what ddrescue writes beside an image.
    #[error("{}: not a mapfile of ddrescue: {why}", path.display())]
    Mapfile {
        /// The file.
        path: PathBuf,
        /// Why, for people.
        why: String,
    },
    /// An image, but in a format that has to be converted.
    #[error("{}: is {}, which Lifeboat does not read", path.display(), format.name())]
    Foreign {
        /// What was asked for.
        path: PathBuf,
        /// Which format.
        format: Foreign,
    },
    /// A container (VHD, VHDX) that is of a kind we do not read.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// What was asked for.
        path: PathBuf,
        /// Which kind, for people.
        what: String,
        /// What to do instead, for people.
        advice: String,
    },
    /// A container (VHD, VHDX) whose own structures are broken.
    #[error("{}: {what} at byte {offset}: {found}", path.display())]
    Damaged {
        /// The container.
        path: PathBuf,
        /// Which structure.
        what: &'static str,
        /// Byte in the file.
        offset: u64,
        /// What was expected and what stands there, for people.
        found: String,
    },
    /// A BitLocker volume that nobody has unlocked.
    #[error("{volume}: locked by BitLocker")]
    Locked {
        /// The volume, for people; a drive (`C:`) where it has a letter.
        volume: String,
    },
    /// Reading failed.
    #[error("{}: {doing}: {error}", path.display())]
    Io {
        /// What was asked for.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// `FVE_E_LOCKED_VOLUME` (winerror.h): what a locked BitLocker volume answers.
pub(crate) const FVE_E_LOCKED_VOLUME: u32 = 0x8031_0000;

impl DiskError {
    /// From what the system said when `path` was to be opened.
    pub(crate) fn from_open(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        if is_locked_by_bitlocker(&error) {
            return Self::Locked { volume: path.display().to_string() };
        }
        if is_no_medium(&error) {
            return Self::NoMedium { path };
        }
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound { path },
            io::ErrorKind::PermissionDenied if has_full_rights() => Self::Closed { path, error },
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            io::ErrorKind::ResourceBusy => Self::Busy { path },
            // ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED: no device to read from.
            _ if cfg!(windows) && matches!(error.raw_os_error(), Some(1 | 50)) => {
                Self::Unsupported {
                    path,
                    what: format!("this system does not let it be read as a disk ({error})"),
                    advice: "give a folder on it, or an image of it".to_owned(),
                }
            }
            // ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION.
            _ if cfg!(windows) && matches!(error.raw_os_error(), Some(32 | 33)) => {
                Self::Busy { path }
            }
            _ => Self::Io { path, doing: "opening it", error },
        }
    }
}

/// What to do about a BitLocker volume that Windows has locked, and whose disk cannot be read.
/// `volume` is how `manage-bde` may be told which one: a letter, or what people know it by.
pub(crate) fn unlock_advice(volume: &str) -> String {
    let of = |text: &str| {
        format!(
            "locked; unlock it with manage-bde -unlock {text} -rp <recovery key>, then run again"
        )
    };
    let bytes = volume.as_bytes();
    if bytes.len() <= 3 && bytes.get(1) == Some(&b':') || volume.starts_with(r"\\?\Volume{") {
        return of(volume);
    }
    of("<drive letter>:")
}

/// Whether this is what a locked BitLocker volume answers.
pub(crate) fn is_locked_by_bitlocker(error: &io::Error) -> bool {
    cfg!(windows)
        && error.raw_os_error().is_some_and(|code| code.cast_unsigned() == FVE_E_LOCKED_VOLUME)
}

/// Whether the error says that the whole device is no longer there, so that no
/// further read from it will succeed.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let Some(code) = error.raw_os_error() else { return false };
    if cfg!(windows) {
        // NOT_READY, DEV_NOT_EXIST, NO_SUCH_DEVICE, FILE_INVALID (the volume was
        // dismounted under the handle), NO_MEDIA_IN_DRIVE, DEVICE_NOT_CONNECTED,
        // DEVICE_REMOVED.
        matches!(code, 21 | 55 | 433 | 1006 | 1112 | 1167 | 1617) || is_locked_by_bitlocker(error)
    } else {
        // ENXIO, ENODEV, ENOTCONN (a FUSE mount whose program has ended),
        // ENOMEDIUM.
        matches!(code, 6 | 19 | 107 | 123)
    }
}

/// Whether there is no medium: `ENOMEDIUM`, `ERROR_NOT_READY`,
/// `ERROR_NO_MEDIA_IN_DRIVE`.
fn is_no_medium(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(123) => cfg!(target_os = "linux"),
        Some(21 | 1112) => cfg!(windows),
        _ => false,
    }
}

impl DiskError {
    /// What was asked for.
    pub fn path(&self) -> String {
        match self {
            Self::NotFound { path }
            | Self::Denied { path }
            | Self::Closed { path, .. }
            | Self::Busy { path }
            | Self::IsDirectory { path }
            | Self::Empty { path }
            | Self::NoMedium { path }
            | Self::NotAnImage { path, .. }
            | Self::Mapfile { path, .. }
            | Self::Foreign { path, .. }
            | Self::Unsupported { path, .. }
            | Self::Damaged { path, .. }
            | Self::Io { path, .. } => path.display().to_string(),
            Self::Locked { volume } => volume.clone(),
        }
    }

    /// What happened to it: the message without the path in front.
    pub fn what(&self) -> String {
        let text = self.to_string();
        let start = format!("{}: ", self.path());
        text.strip_prefix(&start).map(str::to_owned).unwrap_or(text)
    }
}

impl Advice for DiskError {
    fn advice(&self) -> String {
        match self {
            Self::NotFound { .. } => "check the name; `lifeboat detect` without a source lists \
                                      everything attached"
                .to_owned(),
            Self::Denied { .. } if cfg!(windows) => {
                "run Lifeboat as Administrator (in WinPE it always is)".to_owned()
            }
            Self::Denied { .. } => "run Lifeboat as root (sudo)".to_owned(),
            Self::Closed { .. } if cfg!(windows) => {
                "its permissions, a program or a policy keep it closed (disk encryption, a virus \
                 scanner, device control): run Lifeboat in WinPE or from the rescue stick"
            }
            .to_owned(),
            Self::Closed { path, .. } if is_name_of_disk(path) => {
                "a container, a virtual machine or a security policy keeps it from all programs: \
                 run Lifeboat outside of it, or from the rescue stick"
            }
            .to_owned(),
            Self::Closed { .. } => {
                "its file system refuses root (a share, another user's mount): run Lifeboat as \
                 the user that may read it, or copy the image"
            }
            .to_owned(),
            Self::Busy { .. } => "close the program or virtual machine that uses it".to_owned(),
            Self::IsDirectory { .. } => "name the disk image, not the folder it is in".to_owned(),
            Self::Empty { .. } => "the image is incomplete; copy it again".to_owned(),
            Self::NoMedium { .. } => "insert a medium, or name another disk".to_owned(),
            Self::NotAnImage { .. } => "name a raw disk image (dd, .img, .raw, .vhd, .vhdx), a \
                                        disk, a volume, or a mounted folder"
                .to_owned(),
            Self::Mapfile { .. } => {
                "name the mapfile that ddrescue wrote with this image, or move \
                                     this file away from the image"
                    .to_owned()
            }
            Self::Foreign { path, format } => format.advice(path),
            Self::Unsupported { advice, .. } => advice.clone(),
            Self::Damaged { .. } => "copy the image again; if it is the only one, attach it where \
                                     it was made and make a raw image of it"
                .to_owned(),
            Self::Locked { volume } => unlock_advice(volume),
            Self::Io { .. } => "check the cable and the disk; try again, or image the disk with \
                                ddrescue and name the image"
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_named_in_the_command_that_unlocks_it() {
        let with_letter = DiskError::Locked { volume: "C:".to_owned() }.advice();
        assert!(with_letter.contains("manage-bde -unlock C: -rp"), "{with_letter}");
        let without = DiskError::Locked { volume: "disk.img, partition 3".to_owned() }.advice();
        assert!(without.contains("manage-bde -unlock <drive letter>: -rp"), "{without}");
    }

    #[test]
    fn who_has_all_rights_is_not_told_to_get_more() {
        let error = DiskError::from_open(Path::new("/dev/x"), io::Error::from_raw_os_error(1));
        if !cfg!(target_os = "linux") {
            return;
        }
        let is_root = has_full_rights();
        assert_eq!(matches!(error, DiskError::Closed { .. }), is_root, "{error}");
        assert_eq!(error.advice().contains("as root"), !is_root, "{}", error.advice());
        assert_eq!(error.path(), "/dev/x");
        assert!(!error.what().contains("/dev/x"), "{}", error.what());
    }

    #[test]
    fn every_message_names_the_path() {
        let path = Path::new("some.img");
        for kind in [
            io::ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ResourceBusy,
            io::ErrorKind::Other,
        ] {
            let error = DiskError::from_open(path, kind.into());
            assert!(error.to_string().starts_with("some.img: "), "{error}");
            assert!(!error.advice().is_empty());
        }
    }
}
