//! Privileges that let a backup program read and write what its user may not.
//! WinPE's SYSTEM and Windows' administrators have them, but switched off.
#![allow(unsafe_code)] // calls of advapi32

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, GetLastError, HANDLE, LUID};
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED,
    TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// To read anything; to write anything and set any owner; to read and write audit
/// lists; to take ownership; to make symbolic links.
const WANTED: [&str; 5] = [
    "SeBackupPrivilege",
    "SeRestorePrivilege",
    "SeSecurityPrivilege",
    "SeTakeOwnershipPrivilege",
    "SeCreateSymbolicLinkPrivilege",
];

/// Switches the privileges on, once for the program. Returns the names of those
/// that this user does not hold: without them some files will be refused.
pub fn enable() -> &'static [&'static str] {
    static MISSING: OnceLock<Vec<&'static str>> = OnceLock::new();
    MISSING.get_or_init(|| {
        let Some(token) = own_token() else { return WANTED.to_vec() };
        WANTED.into_iter().filter(|name| !enable_one(&token, name)).collect()
    })
}

fn own_token() -> Option<OwnedHandle> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the process handle is the constant for "this one"; `token` takes
    // the new handle.
    unsafe {
        let wanted = TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY;
        if OpenProcessToken(GetCurrentProcess(), wanted, &raw mut token) == 0 {
            return None;
        }
        Some(OwnedHandle::from_raw_handle(token))
    }
}

fn enable_one(token: &OwnedHandle, name: &str) -> bool {
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let mut luid = LUID::default();
    // SAFETY: the name ends in NUL; `luid` takes the answer.
    if unsafe { LookupPrivilegeValueW(null(), name.as_ptr(), &raw mut luid) } == 0 {
        return false;
    }
    let one = LUID_AND_ATTRIBUTES { Luid: luid, Attributes: SE_PRIVILEGE_ENABLED };
    let wanted = TOKEN_PRIVILEGES { PrivilegeCount: 1, Privileges: [one] };
    // SAFETY: `wanted` holds as many privileges as it says; the former state is
    // not asked for. The call succeeds also when the token lacks the privilege;
    // the thread's last error tells.
    unsafe {
        let result = AdjustTokenPrivileges(
            token.as_raw_handle(),
            0,
            &raw const wanted,
            0,
            null_mut(),
            null_mut(),
        );
        result != 0 && GetLastError() == ERROR_SUCCESS
    }
}
