//! This machine: who runs the program, which Windows it is, Ctrl-C.
#![allow(unsafe_code)] // calls of advapi32, kernel32 and ntdll

use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, GetLastError, HANDLE, LUID};
use windows_sys::Win32::Globalization::{CP_OEMCP, MultiByteToWideChar};
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, CheckTokenMembership, CreateWellKnownSid, LUID_AND_ATTRIBUTES,
    LookupAccountSidW, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED, SECURITY_MAX_SID_SIZE,
    TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY, WinBuiltinAdministratorsSid,
    WinWorldSid,
};
use windows_sys::Win32::Storage::FileSystem::{
    GetDiskFreeSpaceExW, GetLogicalDrives, QueryDosDeviceW,
};
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress, LoadLibraryW};
use windows_sys::Win32::System::SystemInformation::{
    GetSystemDirectoryW, GetSystemFirmwareTable, OSVERSIONINFOEXW, OSVERSIONINFOW,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::core::BOOL;

use super::wide;

/// Whether this runs as administrator, or as SYSTEM (who is a member, too).
///
/// <https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-checktokenmembership>
pub fn is_administrator() -> bool {
    let mut sid = [0_u8; SECURITY_MAX_SID_SIZE as usize];
    let mut bytes = SECURITY_MAX_SID_SIZE;
    let mut is_member: BOOL = 0;
    // SAFETY: the buffer is as large as the largest SID; no token means this thread's.
    unsafe {
        let sid = sid.as_mut_ptr().cast();
        CreateWellKnownSid(WinBuiltinAdministratorsSid, null_mut(), sid, &raw mut bytes) != 0
            && CheckTokenMembership(null_mut(), sid, &raw mut is_member) != 0
            && is_member != 0
    }
}

/// Privileges that the tests need; the names of those that are not held.
///
/// <https://learn.microsoft.com/windows/win32/secauthz/enabling-and-disabling-privileges-in-c-->
pub fn enable_privileges() -> Vec<&'static str> {
    const WANTED: [&str; 6] = [
        "SeBackupPrivilege",
        "SeRestorePrivilege",
        "SeSecurityPrivilege",
        "SeTakeOwnershipPrivilege",
        "SeCreateSymbolicLinkPrivilege",
        "SeManageVolumePrivilege",
    ];
    let mut token: HANDLE = null_mut();
    // SAFETY: the process handle is the constant for "this one"; `token` takes the
    // new handle, which is closed by its owner.
    let token = unsafe {
        let rights = TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY;
        if OpenProcessToken(GetCurrentProcess(), rights, &raw mut token) == 0 {
            return WANTED.to_vec();
        }
        OwnedHandle::from_raw_handle(token)
    };
    WANTED.into_iter().filter(|name| !enable(&token, name)).collect()
}

fn enable(token: &OwnedHandle, name: &str) -> bool {
    let name = wide(name);
    let mut luid = LUID::default();
    // SAFETY: the name ends in NUL; `luid` takes the answer.
    if unsafe { LookupPrivilegeValueW(null(), name.as_ptr(), &raw mut luid) } == 0 {
        return false;
    }
    let one = LUID_AND_ATTRIBUTES { Luid: luid, Attributes: SE_PRIVILEGE_ENABLED };
    let wanted = TOKEN_PRIVILEGES { PrivilegeCount: 1, Privileges: [one] };
    let token = token.as_raw_handle();
    // SAFETY: `wanted` has as many privileges as it says; the former state is not asked
    // for. The call succeeds also without the privilege: the last error tells.
    unsafe {
        let wanted = &raw const wanted;
        AdjustTokenPrivileges(token, 0, wanted, 0, null_mut(), null_mut()) != 0
            && GetLastError() == ERROR_SUCCESS
    }
}

/// The version of Wine, if this is Wine: its ntdll has a function that says so
/// (the developer's FAQ of `WineHQ`).
pub fn wine() -> Option<String> {
    let ntdll = wide("ntdll.dll");
    // SAFETY: ntdll is in every process; the function takes nothing and gives a text
    // that lasts.
    unsafe {
        let module = GetModuleHandleW(ntdll.as_ptr());
        let function = GetProcAddress(module, c"wine_get_version".as_ptr().cast())?;
        let function: unsafe extern "C" fn() -> *const std::ffi::c_char =
            std::mem::transmute(function);
        let version = function();
        if version.is_null() {
            return None;
        }
        Some(std::ffi::CStr::from_ptr(version).to_string_lossy().into_owned())
    }
}

/// `Windows 10.0.20348 (server), x86_64`; also whether it is WinPE, or Wine.
///
/// `RtlGetVersion` tells the truth without a manifest:
/// <https://learn.microsoft.com/windows/win32/devnotes/rtlgetversion>
pub fn describe() -> String {
    type Get = unsafe extern "system" fn(*mut OSVERSIONINFOW) -> i32;
    let ntdll = wide("ntdll.dll");
    let mut version = OSVERSIONINFOEXW {
        dwOSVersionInfoSize: u32::try_from(size_of::<OSVERSIONINFOEXW>()).unwrap_or(0),
        ..OSVERSIONINFOEXW::default()
    };
    // SAFETY: the structure says how large it is; the type of the function is that of
    // its page.
    unsafe {
        let module = GetModuleHandleW(ntdll.as_ptr());
        if let Some(function) = GetProcAddress(module, c"RtlGetVersion".as_ptr().cast()) {
            let function: Get = std::mem::transmute(function);
            function((&raw mut version).cast());
        }
    }
    let kind = if is_winpe() {
        "WinPE"
    } else if version.wProductType == 1 {
        "client"
    } else {
        "server"
    };
    let wine = wine().map_or_else(String::new, |wine| format!(", Wine {wine}"));
    format!(
        "Windows {}.{}.{} ({kind}), {}{wine}",
        version.dwMajorVersion,
        version.dwMinorVersion,
        version.dwBuildNumber,
        std::env::consts::ARCH
    )
}

/// Whether this is WinPE: it has a key that no other Windows has
/// (WinPE: Create Apps, "to detect Windows PE").
pub fn is_winpe() -> bool {
    let mut reg = std::process::Command::new(system_program("reg.exe"));
    let reg = reg.args(["query", r"HKLM\SYSTEM\CurrentControlSet\Control\MiniNT"]);
    let reg = reg.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    reg.status().is_ok_and(|status| status.success())
}

/// A program of Windows by its full path, so that none of the same name is started.
///
/// <https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsystemdirectoryw>
pub fn system_program(name: &str) -> PathBuf {
    let mut path = [0_u16; 300];
    // SAFETY: the buffer is as long as said.
    let length = unsafe { GetSystemDirectoryW(path.as_mut_ptr(), 300) } as usize;
    let folder = String::from_utf16_lossy(path.get(..length).unwrap_or_default());
    PathBuf::from(folder).join(name)
}

/// A function of a DLL in Windows' own folder, if both are there: WinPE lacks some.
///
/// <https://learn.microsoft.com/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryw>
pub(crate) fn function(
    dll: &str,
    name: &std::ffi::CStr,
) -> Option<unsafe extern "system" fn() -> isize> {
    let path = wide(system_program(dll));
    // SAFETY: the path and the name end in NUL; the DLL is never unloaded.
    unsafe {
        let module = LoadLibraryW(path.as_ptr());
        if module.is_null() { None } else { GetProcAddress(module, name.as_ptr().cast()) }
    }
}

/// Letters in use, a bit each.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getlogicaldrives>
pub fn drives() -> u32 {
    // SAFETY: takes nothing.
    unsafe { GetLogicalDrives() }
}

/// Whether a letter leads anywhere, also to what is no drive at this moment.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-querydosdevicew>
pub fn is_defined(letter: char) -> bool {
    let name = wide(format!("{letter}:"));
    let mut target = [0_u16; 600];
    // SAFETY: the name ends in NUL; the buffer is as long as said.
    unsafe { QueryDosDeviceW(name.as_ptr(), target.as_mut_ptr(), 600) != 0 }
}

/// The serial number of the system in SMBIOS (DMTF DSP0134, 7.2: structure type 1,
/// string at offset 7).
///
/// <https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsystemfirmwaretable>
pub fn firmware_serial() -> Option<String> {
    const RSMB: u32 = u32::from_be_bytes(*b"RSMB");
    let mut table = vec![0_u8; 256 << 10];
    let room = u32::try_from(table.len()).unwrap_or(0);
    // SAFETY: the buffer is as long as said.
    let length = unsafe { GetSystemFirmwareTable(RSMB, 0, table.as_mut_ptr(), room) } as usize;
    crate::plan::serial_in_smbios(table.get(8..length)?)
}

static STOPPED: AtomicBool = AtomicBool::new(false);
/// What others could use is gone: the share and the user.
static IS_CLEAN: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C was pressed, or the window closed.
pub fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Lets Ctrl-C end the run in order. The disks go with the process in any case.
///
/// When the window is closed, Windows ends the process as soon as the handler returns,
/// or after five seconds: until then it waits for the share and the user to be gone.
///
/// <https://learn.microsoft.com/windows/console/setconsolectrlhandler>
/// <https://learn.microsoft.com/windows/console/handlerroutine>
pub fn catch_ctrl_c() {
    unsafe extern "system" fn stop(kind: u32) -> BOOL {
        STOPPED.store(true, Ordering::Relaxed);
        if kind != CTRL_C_EVENT && kind != CTRL_BREAK_EVENT {
            while !IS_CLEAN.load(Ordering::Relaxed) {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        1
    }
    // SAFETY: the handler only stores a flag, and waits for one.
    unsafe { SetConsoleCtrlHandler(Some(stop), 1) };
}

/// Says that nothing is left that others could use.
pub fn is_clean() {
    IS_CLEAN.store(true, Ordering::Relaxed);
}

/// Bytes that this user may still write below a folder.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getdiskfreespaceexw>:
/// the name of a share ends with a backslash.
pub fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let folder = wide(folder.join(""));
    let mut free = 0;
    // SAFETY: the path ends in NUL; the other numbers are not asked for.
    let told =
        unsafe { GetDiskFreeSpaceExW(folder.as_ptr(), &raw mut free, null_mut(), null_mut()) };
    (told != 0).then_some(free)
}

/// What a program printed: UTF-8, as lifeboat, or the console's code page, as `net` and
/// diskpart.
///
/// <https://learn.microsoft.com/windows/win32/api/stringapiset/nf-stringapiset-multibytetowidechar>
pub fn printed(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut units = vec![0_u16; bytes.len()]; // never more units than bytes
    let length = i32::try_from(bytes.len()).unwrap_or(0);
    // SAFETY: both buffers are as long as said.
    let count = unsafe {
        MultiByteToWideChar(CP_OEMCP, 0, bytes.as_ptr(), length, units.as_mut_ptr(), length)
    };
    match usize::try_from(count) {
        Ok(count) if count > 0 => String::from_utf16_lossy(units.get(..count).unwrap_or_default()),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Lets programs run again, to clean up.
pub fn forget_ctrl_c() {
    STOPPED.store(false, Ordering::Relaxed);
}

/// The name of the group of everyone, in the language of this Windows.
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountsidw>
pub fn everyone() -> Option<String> {
    let mut sid = [0_u8; SECURITY_MAX_SID_SIZE as usize];
    let mut bytes = SECURITY_MAX_SID_SIZE;
    let (mut name, mut domain) = ([0_u16; 256], [0_u16; 256]);
    let (mut name_length, mut domain_length, mut kind) = (256, 256, 0);
    // SAFETY: the buffers are as large as said; no name of a server means this one.
    let found = unsafe {
        let sid = sid.as_mut_ptr().cast();
        CreateWellKnownSid(WinWorldSid, null_mut(), sid, &raw mut bytes) != 0
            && LookupAccountSidW(
                null(),
                sid,
                name.as_mut_ptr(),
                &raw mut name_length,
                domain.as_mut_ptr(),
                &raw mut domain_length,
                &raw mut kind,
            ) != 0
    };
    found.then(|| String::from_utf16_lossy(name.get(..name_length as usize).unwrap_or_default()))
}
