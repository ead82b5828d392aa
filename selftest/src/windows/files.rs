//! Everything that is known of a file, read and set by handle.
#![allow(unsafe_code)] // calls of advapi32, kernel32 and ntdll

use std::collections::BTreeMap;
use std::ffi::{OsString, c_void};
use std::fs::{File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Read};
use std::mem::size_of;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Foundation as w;
use windows_sys::Win32::Security as sec;
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::IO::{DeviceIoControl, IO_STATUS_BLOCK};
use windows_sys::Win32::System::Ioctl as ioctl;

use super::{wide, win32};
use crate::facts::{Content, Facts, Tree, bits, parse_extended_attributes, settled};

/// Opens a file, folder or link itself, with backup rights, whoever else has it open.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew>
pub fn open(path: &Path, access: u32) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(access | fs::SYNCHRONIZE)
        .share_mode(fs::FILE_SHARE_READ | fs::FILE_SHARE_WRITE | fs::FILE_SHARE_DELETE)
        .custom_flags(fs::FILE_FLAG_BACKUP_SEMANTICS | fs::FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

/// A file system control; up to `most` bytes of its answer.
///
/// <https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-deviceiocontrol>
pub(crate) fn control(file: &File, code: u32, input: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut answer = vec![0_u64; most.div_ceil(8).max(1)]; // aligned
    let mut got = 0;
    // SAFETY: both buffers are as long as said, and the input is only read; the handle
    // waits, so no overlapped structure is needed.
    let result = unsafe {
        DeviceIoControl(
            file.as_raw_handle(),
            code,
            input.as_ptr().cast(),
            u32::try_from(input.len()).unwrap_or(0),
            answer.as_mut_ptr().cast(),
            u32::try_from(most).unwrap_or(0),
            &raw mut got,
            null_mut(),
        )
    };
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    let bytes: Vec<u8> = answer.iter().flat_map(|word| word.to_ne_bytes()).collect();
    Ok(bytes.get(..got as usize).unwrap_or_default().to_vec())
}

fn check(status: w::NTSTATUS) -> io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    // SAFETY: takes and gives numbers.
    Err(win32(unsafe { w::RtlNtStatusToDosError(status) }))
}

/// One class of information about an open file, as kernel32 gives it.
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getfileinformationbyhandleex>
fn query(file: &File, class: fs::FILE_INFO_BY_HANDLE_CLASS, bytes: usize) -> io::Result<Vec<u8>> {
    let mut answer = vec![0_u64; bytes.div_ceil(8)]; // aligned
    let room = u32::try_from(answer.len() * 8).unwrap_or(0);
    let to = answer.as_mut_ptr().cast();
    // SAFETY: the buffer is as long as said, and aligned to 8 bytes.
    if unsafe { fs::GetFileInformationByHandleEx(file.as_raw_handle(), class, to, room) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer.iter().flat_map(|word| word.to_ne_bytes()).collect())
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    u64::from_le_bytes(eight.unwrap_or_default())
}

fn short(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}

fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// A name for a key: halves of surrogates as their number.
fn key(name: &[u16]) -> String {
    let chars = char::decode_utf16(name.iter().copied());
    chars
        .map(|c| match c {
            Ok(c) => c.to_string(),
            Err(half) => format!("<{:04X}>", half.unpaired_surrogate()),
        })
        .collect()
}

/// A name in a folder, with the 8.3 name that it has besides.
struct Entry {
    name: Vec<u16>,
    short: Option<String>,
}

/// The names in a folder, by its handle, so that backup rights count
/// (`FILE_ID_BOTH_DIR_INFO`).
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/ns-winbase-file_id_both_dir_info>
fn list(folder: &File) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    loop {
        let answer = match query(folder, fs::FileIdBothDirectoryInfo, 64 << 10) {
            Ok(answer) => answer,
            Err(e) if e.raw_os_error() == Some(w::ERROR_NO_MORE_FILES.cast_signed()) => break,
            Err(e) => return Err(e),
        };
        let mut at = 0;
        loop {
            let length = short(&answer, at + 60) as usize;
            let name = units(answer.get(at + 104..at + 104 + length).unwrap_or_default());
            let short_length = usize::from(answer.get(at + 68).copied().unwrap_or(0)).min(24);
            let short_name = units(answer.get(at + 70..at + 70 + short_length).unwrap_or_default());
            if name != [u16::from(b'.')] && name != [u16::from(b'.'); 2] {
                let short = (!short_name.is_empty()).then(|| key(&short_name));
                entries.push(Entry { name, short });
            }
            match short(&answer, at) {
                0 => break,
                next => at += next as usize,
            }
        }
    }
    Ok(entries)
}

/// Looks at everything below a folder; the folder itself has the key "". What could
/// not be read is in the second value.
pub fn walk(root: &Path, is_wine: bool) -> io::Result<(Tree, Vec<String>)> {
    let mut walk = Walk { tree: Tree::new(), unread: Vec::new(), is_wine };
    walk.enter(&super::verbatim(root), "", None)?;
    Ok((walk.tree, walk.unread))
}

struct Walk {
    tree: Tree,
    unread: Vec<String>,
    /// Wine's 8.3 names come from the long ones, and it knows no way to keep the time
    /// of the last access.
    is_wine: bool,
}

impl Walk {
    fn enter(&mut self, path: &Path, at: &str, short_name: Option<String>) -> io::Result<()> {
        let mut facts = self.look(path, at)?;
        facts.short_name = short_name.filter(|_| !self.is_wine);
        let is_folder = facts.has(bits::DIRECTORY) && facts.reparse.is_none();
        self.tree.insert(at.to_owned(), facts);
        if !is_folder {
            return Ok(());
        }
        let entries = open(path, fs::FILE_LIST_DIRECTORY).and_then(|folder| list(&folder));
        let entries = entries.unwrap_or_else(|error| {
            self.unread.push(format!("{at}: names: {error}"));
            Vec::new()
        });
        for entry in entries {
            let mut below = path.as_os_str().to_owned();
            if !below.to_string_lossy().ends_with('\\') {
                below.push("\\");
            }
            below.push(OsString::from_wide(&entry.name));
            let name = key(&entry.name);
            let below_at = if at.is_empty() { name } else { format!("{at}\\{name}") };
            if let Err(error) = self.enter(&PathBuf::from(below), &below_at, entry.short) {
                self.unread.push(format!("{below_at}: {error}"));
            }
        }
        Ok(())
    }

    fn look(&mut self, path: &Path, at: &str) -> io::Result<Facts> {
        let basic = fs::FILE_READ_ATTRIBUTES | fs::READ_CONTROL | fs::FILE_READ_EA;
        // As many rights as are granted.
        let file = open(path, basic | ACCESS_SYSTEM_SECURITY)
            .or_else(|_| open(path, basic))
            .or_else(|_| open(path, fs::FILE_READ_ATTRIBUTES))?;
        let mut facts = look_basic(&file)?;
        if facts.has(bits::REPARSE) {
            facts.reparse = control(&file, ioctl::FSCTL_GET_REPARSE_POINT, &[], 16 << 10).ok();
        }
        facts.object_id = object_id(&file);
        facts.extended_attributes = extended_attributes(&file).unwrap_or_default();
        let which = sec::OWNER_SECURITY_INFORMATION
            | sec::GROUP_SECURITY_INFORMATION
            | sec::DACL_SECURITY_INFORMATION;
        facts.access = security(&file, which).ok();
        // Windows 7 knows labels alone besides.
        let audit = sec::SACL_SECURITY_INFORMATION | sec::LABEL_SECURITY_INFORMATION;
        let newer = sec::ATTRIBUTE_SECURITY_INFORMATION | sec::SCOPE_SECURITY_INFORMATION;
        facts.audit = security(&file, audit | newer).or_else(|_| security(&file, audit)).ok();
        if facts.has(bits::SPARSE | bits::COMPRESSED) {
            facts.allocated = compressed_size(path).unwrap_or(facts.allocated);
        }
        drop(file);
        if facts.reparse.is_some() {
            return Ok(facts);
        }
        // Times come first: reading may count as an access.
        let mut failed = |what: &str, error: &io::Error| {
            self.unread.push(format!("{at}: {what}: {error}"));
        };
        if !facts.has(bits::DIRECTORY) {
            match self_content(path, self.is_wine) {
                Ok(content) => facts.content = Some(content),
                Err(error) => failed("bytes", &error),
            }
        }
        let streams = open(path, fs::FILE_READ_ATTRIBUTES).and_then(|f| stream_names(&f));
        let Ok(streams) = streams else { return Ok(facts) };
        let mut all = BTreeMap::new();
        for name in streams {
            let mut stream = path.as_os_str().to_owned();
            stream.push(OsString::from_wide(&name));
            match self_content(&PathBuf::from(stream), self.is_wine) {
                Ok(content) => {
                    all.insert(key(&name), content);
                }
                Err(error) => failed(&key(&name), &error),
            }
        }
        facts.streams = Some(all);
        // Telling a handle to keep the time of the last access may count as a change.
        if let Ok(now) = open(path, fs::FILE_READ_ATTRIBUTES).and_then(|f| look_basic(&f)) {
            facts.changed = now.changed;
        }
        Ok(facts)
    }
}

/// Not in the features that we ask for; `winnt.h`.
const ACCESS_SYSTEM_SECURITY: u32 = 0x0100_0000;

fn look_basic(file: &File) -> io::Result<Facts> {
    // FILE_BASIC_INFO: creation, access, write, change, attributes.
    let basic = query(file, fs::FileBasicInfo, 40)?;
    // FILE_STANDARD_INFO: allocated, size, links.
    let standard = query(file, fs::FileStandardInfo, 24)?;
    let mut by_handle = fs::BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: `by_handle` takes the answer.
    // https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getfileinformationbyhandle
    unsafe { fs::GetFileInformationByHandle(file.as_raw_handle(), &raw mut by_handle) };
    Ok(Facts {
        created: number(&basic, 0),
        accessed: number(&basic, 8),
        written: number(&basic, 16),
        changed: number(&basic, 24),
        attributes: short(&basic, 32),
        allocated: number(&standard, 0),
        size: number(&standard, 8),
        links: short(&standard, 16),
        id: u64::from(by_handle.nFileIndexHigh) << 32 | u64::from(by_handle.nFileIndexLow),
        ..Facts::default()
    })
}

/// The object id (MS-FSCC 2.1.3.1: the id, then 48 birth bytes).
fn object_id(file: &File) -> Option<Vec<u8>> {
    let answer = control(file, ioctl::FSCTL_GET_OBJECT_ID, &[], 64).ok()?;
    let id = answer.get(..16)?;
    id.iter().any(|byte| *byte != 0).then(|| id.to_vec())
}

/// Extended attributes.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-ntqueryeafile>
fn extended_attributes(file: &File) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut buffer = vec![0_u64; (128 << 10) / 8]; // aligned
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: the buffer is as long as said; no list of names means all of them.
    check(unsafe {
        wdk::NtQueryEaFile(
            file.as_raw_handle(),
            &raw mut io,
            buffer.as_mut_ptr().cast(),
            128 << 10,
            false,
            null(),
            0,
            null(),
            true,
        )
    })?;
    let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_ne_bytes()).collect();
    Ok(parse_extended_attributes(bytes.get(..io.Information).unwrap_or_default()))
}

/// Parts of the security descriptor in SDDL.
///
/// <https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-getkernelobjectsecurity>
/// <https://learn.microsoft.com/windows/win32/api/sddl/nf-sddl-convertsecuritydescriptortostringsecuritydescriptorw>
fn security(file: &File, which: u32) -> io::Result<String> {
    let mut buffer = vec![0_u64; (64 << 10) / 8]; // aligned; the largest there can be
    let mut needed = 0;
    let mut text: *mut u16 = null_mut();
    let mut length = 0;
    let descriptor = buffer.as_mut_ptr().cast();
    let file = file.as_raw_handle();
    // SAFETY: the buffer is as long as said and takes a descriptor; the text is
    // Windows' own, is as long as Windows says, and is freed as its page demands.
    unsafe {
        if sec::GetKernelObjectSecurity(file, which, descriptor, 64 << 10, &raw mut needed) == 0 {
            return Err(io::Error::last_os_error());
        }
        let converted = ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor,
            SDDL_REVISION_1,
            which,
            &raw mut text,
            &raw mut length,
        );
        if converted == 0 || text.is_null() {
            return Err(io::Error::last_os_error());
        }
        let units = std::slice::from_raw_parts(text, length as usize);
        let sddl = String::from_utf16_lossy(units);
        w::LocalFree(text.cast());
        Ok(settled(sddl.trim_end_matches('\0')))
    }
}

/// Bytes on the disk of a sparse or compressed file.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getcompressedfilesizew>
pub fn compressed_size(path: &Path) -> Option<u64> {
    let path = wide(path);
    let mut high = 0;
    // SAFETY: the path ends in NUL; `high` takes the upper half.
    let low = unsafe { fs::GetCompressedFileSizeW(path.as_ptr(), &raw mut high) };
    (low != u32::MAX).then_some(u64::from(high) << 32 | u64::from(low))
}

/// Alternate data streams, as `:name:$DATA` (`FILE_STREAM_INFO`).
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/ns-winbase-file_stream_info>
fn stream_names(file: &File) -> io::Result<Vec<Vec<u16>>> {
    let answer = match query(file, fs::FileStreamInfo, 64 << 10) {
        Ok(answer) => answer,
        Err(e) if e.raw_os_error() == Some(w::ERROR_HANDLE_EOF.cast_signed()) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    let mut at = 0;
    loop {
        let length = short(&answer, at + 4) as usize;
        let name = units(answer.get(at + 24..at + 24 + length).unwrap_or_default());
        if !name.is_empty() && key(&name) != "::$DATA" {
            names.push(name);
        }
        match short(&answer, at) {
            0 => return Ok(names),
            next => at += next as usize,
        }
    }
}

/// Size and hash of a stream. A handle can be told not to change the time of the last
/// access.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-setfiletime>
fn self_content(path: &Path, is_wine: bool) -> io::Result<Content> {
    let rights = fs::FILE_READ_DATA | fs::FILE_READ_ATTRIBUTES;
    let keeps = (!is_wine).then(|| open(path, rights | fs::FILE_WRITE_ATTRIBUTES).ok()).flatten();
    let mut file = match keeps {
        Some(file) => {
            let never = w::FILETIME { dwLowDateTime: u32::MAX, dwHighDateTime: u32::MAX };
            // SAFETY: the time is read only; the others are left as they are.
            unsafe { fs::SetFileTime(file.as_raw_handle(), null(), &raw const never, null()) };
            file
        }
        None => open(path, rights)?,
    };
    let mut hasher = std::hash::DefaultHasher::new();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(Content { size, hash: hasher.finish() });
        }
        hasher.write(&buffer[..n]);
        size += n as u64;
    }
}

/// Size and hash of a file.
pub fn content(path: &Path) -> io::Result<Content> {
    self_content(path, true)
}

/// Sets times and attributes; zeros are left as they are (`FILE_BASIC_INFO`).
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-setfileinformationbyhandle>
pub fn set_basic(
    path: &Path,
    created: u64,
    accessed: u64,
    written: u64,
    attributes: u32,
) -> io::Result<()> {
    let file = open(path, fs::FILE_WRITE_ATTRIBUTES)?;
    let basic = fs::FILE_BASIC_INFO {
        CreationTime: created.cast_signed(),
        LastAccessTime: accessed.cast_signed(),
        LastWriteTime: written.cast_signed(),
        ChangeTime: 0,
        FileAttributes: attributes,
    };
    let size = u32::try_from(size_of::<fs::FILE_BASIC_INFO>()).unwrap_or(0);
    let file = file.as_raw_handle();
    // SAFETY: the structure is that of the class, and is only read.
    let set = unsafe {
        fs::SetFileInformationByHandle(file, fs::FileBasicInfo, (&raw const basic).cast(), size)
    };
    if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives a file an object id.
///
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-fsctl_set_object_id>
pub fn set_object_id(path: &Path, id: [u8; 16]) -> io::Result<()> {
    let mut whole = [0; 64];
    whole[..16].copy_from_slice(&id);
    let file = open(path, fs::FILE_WRITE_DATA | fs::FILE_WRITE_ATTRIBUTES)?;
    control(&file, ioctl::FSCTL_SET_OBJECT_ID, &whole, 0).map(drop)
}

/// Gives a file an extended attribute.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-ntseteafile>
pub fn set_extended_attribute(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    let entry = crate::facts::extended_attribute(name, value);
    let file = open(path, fs::FILE_WRITE_EA)?;
    let mut words = vec![0_u64; entry.len().div_ceil(8)]; // aligned
    for (word, chunk) in words.iter_mut().zip(entry.chunks(8)) {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_ne_bytes(eight);
    }
    let mut io = IO_STATUS_BLOCK::default();
    let length = u32::try_from(entry.len()).unwrap_or(0);
    // SAFETY: the words are the entry, aligned, and only read.
    check(unsafe {
        let words = words.as_ptr().cast();
        wdk::NtSetEaFile(file.as_raw_handle(), &raw mut io, words, length)
    })
}

/// Sets parts of a security descriptor as they are, without inheritance.
///
/// What the SACL has besides audit entries are parts of their own, with rights of their
/// own: <https://learn.microsoft.com/windows/win32/secauthz/security-information>
///
/// <https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-setkernelobjectsecurity>
pub fn set_security(path: &Path, sddl: &str) -> io::Result<()> {
    let (part_of_sacl, right_of_sacl) = match sddl {
        sddl if sddl.contains("(ML;") => (sec::LABEL_SECURITY_INFORMATION, fs::WRITE_OWNER),
        sddl if sddl.contains("(RA;") => (sec::ATTRIBUTE_SECURITY_INFORMATION, fs::WRITE_DAC),
        sddl if sddl.contains("(SP;") => (sec::SCOPE_SECURITY_INFORMATION, ACCESS_SYSTEM_SECURITY),
        _ => (sec::SACL_SECURITY_INFORMATION, ACCESS_SYSTEM_SECURITY),
    };
    let mut which = 0;
    let mut access = 0;
    for (mark, part, right) in [
        ("O:", sec::OWNER_SECURITY_INFORMATION, fs::WRITE_OWNER),
        ("G:", sec::GROUP_SECURITY_INFORMATION, fs::WRITE_OWNER),
        ("D:", sec::DACL_SECURITY_INFORMATION, fs::WRITE_DAC),
        ("S:", part_of_sacl, right_of_sacl),
    ] {
        if sddl.contains(mark) {
            which |= part;
            access |= right;
        }
    }
    let file = open(path, access)?;
    let text = wide(sddl);
    let mut descriptor: *mut c_void = null_mut();
    // SAFETY: the text ends in NUL; the descriptor is Windows' own and is freed as its
    // page demands.
    unsafe {
        let converted = ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            null_mut(),
        );
        if converted == 0 {
            return Err(io::Error::last_os_error());
        }
        let set = sec::SetKernelObjectSecurity(file.as_raw_handle(), which, descriptor);
        let error = io::Error::last_os_error();
        w::LocalFree(descriptor);
        if set == 0 { Err(error) } else { Ok(()) }
    }
}

/// Gives a file an 8.3 name (`FILE_NAME_INFORMATION`).
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-ntsetinformationfile>
pub fn set_short_name(path: &Path, name: &str) -> io::Result<()> {
    let file = open(path, fs::DELETE | fs::FILE_WRITE_ATTRIBUTES)?;
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut info = u32::try_from(name.len()).unwrap_or(0).to_le_bytes().to_vec();
    info.extend(&name);
    set_information(&file, wdk::FileShortNameInformation, &info)
}

/// Makes names in a folder differ by case (`FILE_CASE_SENSITIVE_INFORMATION`). Windows
/// 10 demands that the Linux subsystem is there; later ones do not.
///
/// <https://learn.microsoft.com/windows/wsl/case-sensitivity>
pub fn make_case_sensitive(folder: &Path) -> io::Result<()> {
    let file = open(folder, fs::FILE_WRITE_ATTRIBUTES | fs::FILE_ADD_FILE | fs::FILE_DELETE_CHILD)?;
    set_information(&file, wdk::FileCaseSensitiveInformation, &1_u32.to_le_bytes())
}

fn set_information(file: &File, class: wdk::FILE_INFORMATION_CLASS, info: &[u8]) -> io::Result<()> {
    let mut words = vec![0_u64; info.len().div_ceil(8)]; // aligned
    for (word, chunk) in words.iter_mut().zip(info.chunks(8)) {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_ne_bytes(eight);
    }
    let mut io = IO_STATUS_BLOCK::default();
    let length = u32::try_from(info.len()).unwrap_or(0);
    let words = words.as_ptr().cast();
    // SAFETY: the words are the information, aligned, and only read.
    check(unsafe {
        wdk::NtSetInformationFile(file.as_raw_handle(), &raw mut io, words, length, class)
    })
}

/// Lets a file have holes.
///
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-fsctl_set_sparse>
pub fn make_sparse(file: &File) -> io::Result<()> {
    control(file, ioctl::FSCTL_SET_SPARSE, &[], 0).map(drop)
}

/// Compresses a file, or in a folder what is made from now on
/// (`COMPRESSION_FORMAT_DEFAULT` is 1).
///
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-fsctl_set_compression>
pub fn compress(path: &Path) -> io::Result<()> {
    let file = open(path, fs::FILE_READ_DATA | fs::FILE_WRITE_DATA)?;
    control(&file, ioctl::FSCTL_SET_COMPRESSION, &1_u16.to_le_bytes(), 0).map(drop)
}

/// Encrypts a file for this user; Windows makes a key if there is none.
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-encryptfilew>
pub fn encrypt(path: &Path) -> io::Result<()> {
    let path = wide(super::plain(path));
    // SAFETY: the path ends in NUL.
    if unsafe { fs::EncryptFileW(path.as_ptr()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes a file or folder, which must be empty, a reparse point.
///
/// <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-fsctl_set_reparse_point>
pub fn set_reparse(path: &Path, buffer: &[u8]) -> io::Result<()> {
    let file = open(path, fs::FILE_WRITE_DATA | fs::FILE_WRITE_ATTRIBUTES)?;
    control(&file, ioctl::FSCTL_SET_REPARSE_POINT, buffer, 0).map(drop)
}

/// Removes a folder and everything in it, without following a link. A scanner may
/// still look at what was just written: it is tried for some seconds.
pub fn remove_all(folder: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..20 {
        result = remove_once(&super::verbatim(folder));
        match &result {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(std::time::Duration::from_millis(500));
            }
            _ => return Ok(()),
        }
    }
    result
}

fn remove_once(path: &Path) -> io::Result<()> {
    let facts = look_basic(&open(path, fs::FILE_READ_ATTRIBUTES)?)?;
    if facts.has(bits::DIRECTORY) && !facts.has(bits::REPARSE) {
        let folder = open(path, fs::FILE_LIST_DIRECTORY).or_else(|error| {
            // Ours, and denied to everyone: its owner may change that.
            set_security(path, "D:(A;OICI;FA;;;WD)").map_err(|_| error)?;
            open(path, fs::FILE_LIST_DIRECTORY)
        })?;
        let entries = list(&folder)?;
        drop(folder);
        for entry in entries {
            let mut below = path.as_os_str().to_owned();
            below.push("\\");
            below.push(OsString::from_wide(&entry.name));
            remove_once(&PathBuf::from(below))?;
        }
    }
    if facts.has(bits::READONLY) {
        set_basic(path, 0, 0, 0, 0x80)?;
    }
    // By handle: backup rights count, whatever the DACL says.
    let file = OpenOptions::new()
        .access_mode(fs::DELETE | fs::SYNCHRONIZE)
        .share_mode(fs::FILE_SHARE_READ | fs::FILE_SHARE_WRITE | fs::FILE_SHARE_DELETE)
        .custom_flags(fs::FILE_FLAG_BACKUP_SEMANTICS | fs::FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    let delete = fs::FILE_DISPOSITION_INFO { DeleteFile: true };
    let size = u32::try_from(size_of::<fs::FILE_DISPOSITION_INFO>()).unwrap_or(0);
    let handle = file.as_raw_handle();
    // SAFETY: the structure is that of the class, and is only read.
    let set = unsafe {
        let delete = (&raw const delete).cast();
        fs::SetFileInformationByHandle(handle, fs::FileDispositionInfo, delete, size)
    };
    if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A path of units, for names that are not valid Unicode.
pub fn join_units(folder: &Path, name: &[u16]) -> PathBuf {
    let mut path: Vec<u16> = folder.as_os_str().encode_wide().collect();
    path.push(u16::from(b'\\'));
    path.extend(name);
    PathBuf::from(OsString::from_wide(&path))
}
