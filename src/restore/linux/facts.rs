//! Sets the metadata of a restored file: on an ntfs-3g mount by `system.ntfs_*`
//! attributes, elsewhere only times.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use crate::model::metadata::{FileTime, Times, attributes};
use crate::restore::place::{Fact, FactKind};
use crate::tree::host::linux::xattrs::proc_path;

pub(super) fn set_ntfs(
    folder: &OwnedFd,
    name: &CString,
    fact: &Fact<'_>,
) -> rustix::io::Result<()> {
    let path = proc_path(folder, name);
    let reported = |now: &mut [u8]| rustix::fs::lgetxattr(&*path, TIMES, now);
    let (attribute, value) = as_attribute(fact, reported)?;
    rustix::fs::lsetxattr(&*path, attribute, &value, XattrFlags::empty())?;
    // As a system file, ntfs-3g may show it as a pipe now.
    let is_system = matches!(fact, Fact::Attributes(bits) if bits & attributes::SYSTEM != 0);
    if is_system || matches!(fact, Fact::Reparse(_)) {
        notice_new_kind(folder, name);
    }
    Ok(())
}

/// The attribute by which ntfs-3g takes a piece of metadata, and its value. `told`
/// reads the current times, for those that are left unchanged.
fn as_attribute<'a>(
    fact: &Fact<'a>,
    reported: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<(&'static str, Cow<'a, [u8]>)> {
    Ok(match *fact {
        Fact::Security(descriptor) => ("system.ntfs_acl", descriptor.into()),
        Fact::ObjectId(id) => (OBJECT_ID, id.into()),
        Fact::ExtendedAttributes(list) => ("system.ntfs_ea", list.into()),
        Fact::ShortName(short) => ("system.ntfs_dos_name", short.as_wtf8().into()),
        Fact::Attributes(bits) => ("system.ntfs_attrib_be", bits.to_be_bytes().to_vec().into()),
        Fact::Reparse(data) => ("system.ntfs_reparse_data", data.into()),
        Fact::Times(times) => {
            let mut now = [0; 32];
            if has_unknown(times) {
                reported(&mut now)?;
            }
            (TIMES, with_times(now, times).to_vec().into())
        }
    })
}

/// Sets metadata of an open file in the given order, as `Root::set` does.
pub(in crate::restore) fn set_by_handle(
    file: &File,
    facts: &[Fact<'_>],
    failed: &mut dyn FnMut(FactKind, io::Error),
) {
    for fact in facts {
        if let Err(error) = set_one_by_handle(file, fact) {
            failed(fact.kind(), error.into());
        }
    }
}

fn set_one_by_handle(file: &File, fact: &Fact<'_>) -> rustix::io::Result<()> {
    let reported = |now: &mut [u8]| rustix::fs::fgetxattr(file, TIMES, now);
    let (attribute, value) = as_attribute(fact, reported)?;
    rustix::fs::fsetxattr(file, attribute, &value, XattrFlags::empty())
}

/// ntfs-3g's name for the object id.
const OBJECT_ID: &str = "system.ntfs_object_id";

/// The object id (MS-FSCC 2.1.3.1); empty if there is none.
pub(super) fn object_id(folder: &OwnedFd, name: &CString) -> io::Result<Vec<u8>> {
    let mut id = [0; 64];
    match rustix::fs::lgetxattr(&*proc_path(folder, name), OBJECT_ID, &mut id[..]) {
        Ok(size) => Ok(id.get(..size).unwrap_or_default().to_vec()),
        Err(Errno::NODATA) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn remove_object_id(folder: &OwnedFd, name: &CString) -> io::Result<()> {
    Ok(rustix::fs::lremovexattr(&*proc_path(folder, name), OBJECT_ID)?)
}

/// ntfs-3g's name for the four times.
const TIMES: &str = "system.ntfs_times_be";

fn has_unknown(times: Times) -> bool {
    let Times { created, modified, changed, accessed } = times;
    [created, modified, changed, accessed].contains(&FileTime(0))
}

/// The value of [`TIMES`], with the known times.
fn with_times(mut value: [u8; 32], times: Times) -> [u8; 32] {
    let Times { created, modified, changed, accessed } = times;
    for (place, time) in value.chunks_exact_mut(8).zip([created, modified, accessed, changed]) {
        if time != FileTime(0) {
            place.copy_from_slice(&time.0.to_be_bytes());
        }
    }
    value
}

/// Sets these times of a file on an ntfs-3g mount, if they differ.
pub(in crate::restore) fn put_times_back(file: &File, times: Times) -> io::Result<()> {
    let mut now = [0; 32];
    rustix::fs::fgetxattr(file, TIMES, &mut now[..])?;
    let wanted = with_times(now, times);
    if wanted != now {
        rustix::fs::fsetxattr(file, TIMES, &wanted, XattrFlags::empty())?;
    }
    Ok(())
}

/// The attributes (MS-FSCC 2.6) of a name in a folder.
pub(super) fn attributes_of(folder: &OwnedFd, name: &CStr) -> rustix::io::Result<u32> {
    let mut bits = [0; 4];
    rustix::fs::lgetxattr(&*proc_path(folder, name), "system.ntfs_attrib_be", &mut bits[..])?;
    Ok(u32::from_be_bytes(bits))
}

pub(super) fn set_attributes(folder: &OwnedFd, name: &CStr, bits: u32) -> rustix::io::Result<()> {
    let value = bits.to_be_bytes();
    let path = proc_path(folder, name);
    rustix::fs::lsetxattr(&*path, "system.ntfs_attrib_be", &value, XattrFlags::empty())
}

pub(super) fn add_attribute(folder: &OwnedFd, name: &CStr, bit: u32) -> rustix::io::Result<()> {
    set_attributes(folder, name, attributes_of(folder, name)? | bit)
}

/// The kernel may see a link or pipe in place of a file or folder from now on. It
/// notices by one failed call, so make that call here.
pub(super) fn notice_new_kind(folder: &OwnedFd, name: &CString) {
    let _ = rustix::fs::statat(folder, &**name, AtFlags::SYMLINK_NOFOLLOW);
}

pub(super) fn set_plain(
    folder: &OwnedFd,
    name: &CString,
    fact: &Fact<'_>,
) -> rustix::io::Result<()> {
    let Fact::Times(times) = fact else { return Err(Errno::OPNOTSUPP) };
    let stamp = |time: FileTime| {
        let (tv_sec, nanos) = time.to_unix();
        let is_known = time != FileTime(0);
        Timespec { tv_sec, tv_nsec: if is_known { nanos.into() } else { rustix::fs::UTIME_OMIT } }
    };
    let stamps =
        Timestamps { last_access: stamp(times.accessed), last_modification: stamp(times.modified) };
    rustix::fs::utimensat(folder, &**name, &stamps, AtFlags::SYMLINK_NOFOLLOW)
}
