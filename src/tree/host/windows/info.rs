//! What an open file tells of itself, and what it lets itself be told.
#![allow(unsafe_code)] // calls of ntdll and kernel32

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::mem::size_of;
use std::ops::Range;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Foundation as status;
use windows_sys::Win32::Foundation::{NTSTATUS, RtlNtStatusToDosError};
use windows_sys::Win32::System::IO::{DeviceIoControl, IO_STATUS_BLOCK};
use windows_sys::Win32::System::Ioctl::FSCTL_QUERY_ALLOCATED_RANGES;

use crate::model::bytes::{u32_at, u64_at};
use crate::model::metadata::{FileTime, Times};
use crate::tree::host::layouts;

/// What a handle tells of its file at once.
pub(crate) struct Look {
    pub(crate) times: Times,
    pub(crate) attributes: u32,
    pub(crate) size: u64,
    pub(crate) allocated: u64,
    pub(crate) links: u32,
    pub(crate) reparse_tag: Option<u32>,
}

/// The cheap facts of an open file.
pub(crate) fn look(file: &OwnedHandle) -> io::Result<Look> {
    const REPARSE_POINT: u32 = crate::model::metadata::attributes::REPARSE_POINT;
    // MS-FSCC 2.4.7: creation, access, write, change, attributes.
    let basic = query(file, wdk::FileBasicInformation, 40)?;
    // MS-FSCC, FileStandardInformation: allocated, size, links.
    let standard = query(file, wdk::FileStandardInformation, 24)?;
    let time = |at| FileTime(u64_at(&basic, at).unwrap_or(0));
    let attributes = u32_at(&basic, 32).unwrap_or(0);
    let reparse_tag = if attributes & REPARSE_POINT == 0 {
        None
    } else {
        // MS-FSCC 2.4.6: attributes, tag.
        u32_at(&query(file, wdk::FileAttributeTagInformation, 8)?, 4)
    };
    Ok(Look {
        times: Times { created: time(0), accessed: time(8), modified: time(16), changed: time(24) },
        attributes,
        allocated: u64_at(&standard, 0).unwrap_or(0),
        size: u64_at(&standard, 8).unwrap_or(0),
        links: u32_at(&standard, 16).unwrap_or(1),
        reparse_tag,
    })
}

/// Sets times and attributes (MS-FSCC 2.4.7); zeros are left as they are.
pub(crate) fn set_basic(file: &OwnedHandle, times: Times, attributes: u32) -> io::Result<()> {
    let mut basic = Vec::with_capacity(40);
    for time in [times.created, times.accessed, times.modified, times.changed] {
        // The highest bit means "stop keeping this time"; no real one has it.
        let ticks = if time.0 > i64::MAX.cast_unsigned() { 0 } else { time.0 };
        basic.extend(ticks.to_le_bytes());
    }
    basic.extend(attributes.to_le_bytes());
    basic.extend([0; 4]);
    set(file, wdk::FileBasicInformation, &basic)
}

/// Asks for a class of information, which has `bytes` bytes at first guess.
pub(crate) fn query(
    file: &OwnedHandle,
    class: wdk::FILE_INFORMATION_CLASS,
    bytes: usize,
) -> io::Result<Vec<u8>> {
    let mut length = bytes;
    loop {
        let mut buffer = Aligned::new(length);
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: the buffer is as long as said and aligned to 8 bytes.
        let result = unsafe {
            wdk::NtQueryInformationFile(
                file.as_raw_handle(),
                &raw mut io,
                buffer.as_mut_ptr(),
                buffer.length(),
                class,
            )
        };
        let is_short = matches!(
            result,
            status::STATUS_BUFFER_OVERFLOW
                | status::STATUS_BUFFER_TOO_SMALL
                | status::STATUS_INFO_LENGTH_MISMATCH
        );
        if is_short && length < MOST {
            length = (length * 4).min(MOST);
            continue;
        }
        check(result)?;
        return Ok(buffer.bytes(io.Information).to_vec());
    }
}

/// No answer of the kernel is let grow beyond this.
const MOST: usize = 1 << 20;

/// Sets a class of information.
pub(crate) fn set(
    file: &OwnedHandle,
    class: wdk::FILE_INFORMATION_CLASS,
    value: &[u8],
) -> io::Result<()> {
    let mut buffer = Aligned::new(value.len());
    buffer.fill(value);
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: the buffer holds `value`, aligned to 8 bytes, and is only read.
    check(unsafe {
        wdk::NtSetInformationFile(
            file.as_raw_handle(),
            &raw mut io,
            buffer.as_mut_ptr(),
            u32::try_from(value.len()).unwrap_or(0),
            class,
        )
    })
}

/// A file system control; returns up to `most` bytes of its answer.
pub(crate) fn control(
    file: &OwnedHandle,
    code: u32,
    input: &[u8],
    most: usize,
) -> io::Result<Vec<u8>> {
    let mut buffer = Aligned::new(most);
    let mut got = 0;
    // SAFETY: both buffers are as long as said; the input is only read; the
    // handle waits, so no overlapped structure is needed.
    let result = unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            input.as_ptr().cast(),
            u32::try_from(input.len()).unwrap_or(0),
            buffer.as_mut_ptr(),
            if most == 0 { 0 } else { buffer.length() },
            &raw mut got,
            null_mut(),
        )
    };
    if result == 0 {
        let error = io::Error::last_os_error();
        // The ranges that fit are whole (DeviceIoControl, lpBytesReturned).
        let has_part = code == FSCTL_QUERY_ALLOCATED_RANGES
            && got >= 16
            && error.raw_os_error() == Some(status::ERROR_MORE_DATA.cast_signed());
        if !has_part {
            return Err(error);
        }
    }
    Ok(buffer.bytes(got as usize).to_vec())
}

/// The next allocated range of a sparse file at or after `at`, up to `length`;
/// `length..length` if there is none, `None` if the file system does not tell.
pub(crate) fn next_allocated(file: &File, at: u64, length: u64) -> Option<Range<u64>> {
    // FILE_ALLOCATED_RANGE_BUFFER (MS-FSCC): offset, bytes.
    let left = length.checked_sub(at)?;
    let wanted = [at.to_le_bytes(), left.to_le_bytes()].concat();
    let file = file.try_clone().ok()?.into();
    // The first counts.
    let answer = control(&file, FSCTL_QUERY_ALLOCATED_RANGES, &wanted, 16 << 10).ok()?;
    let (Some(start), Some(bytes)) = (u64_at(&answer, 0), u64_at(&answer, 8)) else {
        return Some(length..length);
    };
    let (start, end) = (start.max(at), start.saturating_add(bytes).min(length));
    (start < end).then_some(start..end)
}

/// The self-relative security descriptor, in the parts that `which` names.
pub(crate) fn security(file: &OwnedHandle, which: u32) -> io::Result<Vec<u8>> {
    let mut length = 1024;
    loop {
        let mut buffer = Aligned::new(length);
        let mut needed = 0;
        // SAFETY: the buffer is as long as said.
        let result = unsafe {
            wdk::NtQuerySecurityObject(
                file.as_raw_handle(),
                which,
                buffer.as_mut_ptr(),
                buffer.length(),
                &raw mut needed,
            )
        };
        let needed = needed as usize;
        if result == status::STATUS_BUFFER_TOO_SMALL && needed > length && needed <= MOST {
            length = needed;
            continue;
        }
        check(result)?;
        return Ok(buffer.bytes(needed).to_vec());
    }
}

/// Sets the parts of a security descriptor that `which` names. The kernel takes
/// no length, so the descriptor must be one (`model::descriptor` checks that).
pub(crate) fn set_security(file: &OwnedHandle, which: u32, descriptor: &[u8]) -> io::Result<()> {
    let mut buffer = Aligned::new(descriptor.len());
    buffer.fill(descriptor);
    // SAFETY: the caller has checked that the descriptor lies within its bytes;
    // the call only reads it.
    check(unsafe { wdk::NtSetSecurityObject(file.as_raw_handle(), which, buffer.as_mut_ptr()) })
}

/// The extended attributes, as `FILE_FULL_EA_INFORMATION`; `None` if it has none.
pub(crate) fn extended_attributes(file: &OwnedHandle) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = Aligned::new(128 << 10);
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: the buffer is as long as said.
    let result = unsafe {
        wdk::NtQueryEaFile(
            file.as_raw_handle(),
            &raw mut io,
            buffer.as_mut_ptr(),
            buffer.length(),
            false,
            null(),
            0,
            null(),
            true,
        )
    };
    match result {
        status::STATUS_NO_EAS_ON_FILE | status::STATUS_NO_MORE_EAS => return Ok(None),
        other => check(other)?,
    }
    let bytes = buffer.bytes(io.Information);
    Ok((!bytes.is_empty()).then(|| bytes.to_vec()))
}

/// Sets extended attributes.
pub(crate) fn set_extended_attributes(file: &OwnedHandle, list: &[u8]) -> io::Result<()> {
    let mut buffer = Aligned::new(list.len());
    buffer.fill(list);
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: the buffer holds `list`, aligned to 8 bytes, and is only read.
    check(unsafe {
        wdk::NtSetEaFile(
            file.as_raw_handle(),
            &raw mut io,
            buffer.as_mut_ptr(),
            u32::try_from(list.len()).unwrap_or(0),
        )
    })
}

/// Gives a file a further name in an open folder; fails if the name is taken.
pub(crate) fn link(file: &OwnedHandle, folder: &OwnedHandle, name: &[u16]) -> io::Result<()> {
    // FILE_LINK_INFORMATION (MS-FSCC, FileLinkInformation).
    name_in(file, wdk::FileLinkInformation, folder, name)
}

/// Gives an open file or folder another name, which must be free.
pub(crate) fn rename(file: &OwnedHandle, folder: &OwnedHandle, name: &[u16]) -> io::Result<()> {
    // FILE_RENAME_INFORMATION (MS-FSCC, FileRenameInformation) has the same fields.
    name_in(file, wdk::FileRenameInformation, folder, name)
}

fn name_in(
    file: &OwnedHandle,
    class: wdk::FILE_INFORMATION_CLASS,
    folder: &OwnedHandle,
    name: &[u16],
) -> io::Result<()> {
    let folder = folder.as_raw_handle().addr() as u64;
    set(file, class, &layouts::name_information(size_of::<usize>(), folder, name))
}

/// An error of Win32 by its number.
pub(crate) fn win32(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// Whether the file system knows no such thing.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(i32::cast_unsigned),
        Some(
            status::ERROR_INVALID_FUNCTION
                | status::ERROR_NOT_SUPPORTED
                | status::ERROR_CALL_NOT_IMPLEMENTED
                | status::ERROR_EAS_NOT_SUPPORTED
                | status::ERROR_SHORT_NAMES_NOT_ENABLED_ON_VOLUME
        )
    )
}

/// A status of NT as an error of Win32.
pub(super) fn check(result: NTSTATUS) -> io::Result<()> {
    if result >= 0 {
        return Ok(());
    }
    // SAFETY: takes and returns numbers.
    Err(win32(unsafe { RtlNtStatusToDosError(result) }))
}

/// Memory aligned to 8 bytes, as NT wants its structures.
pub(super) struct Aligned {
    words: Vec<u64>,
    length: usize,
}

impl Aligned {
    pub(super) fn new(bytes: usize) -> Self {
        Self { words: vec![0; bytes.div_ceil(8).max(1)], length: bytes }
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut c_void {
        self.words.as_mut_ptr().cast()
    }

    pub(super) fn length(&self) -> u32 {
        u32::try_from(self.length).unwrap_or(u32::MAX)
    }

    /// The first bytes, as many as the kernel says that it wrote.
    pub(super) fn bytes(&self, written: usize) -> &[u8] {
        // SAFETY: the words are that many initialised bytes, and live as long.
        let all = unsafe {
            std::slice::from_raw_parts(self.words.as_ptr().cast::<u8>(), self.words.len() * 8)
        };
        &all[..written.min(self.length)]
    }

    pub(super) fn fill(&mut self, bytes: &[u8]) {
        for (word, chunk) in self.words.iter_mut().zip(bytes.chunks(8)) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_ne_bytes(eight);
        }
    }
}
