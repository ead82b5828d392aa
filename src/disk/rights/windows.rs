//! What this process may do, by its token.
#![allow(unsafe_code)] // a platform file: std has no words for tokens

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Security::{
    GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Whether this process has all rights of an administrator.
pub(super) fn is_elevated() -> bool {
    let mut token: HANDLE = null_mut();
    // SAFETY: the process handle is the constant for "this one"; `token` takes the new handle,
    // which nobody else closes.
    let token = unsafe {
        if OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) == 0 {
            return false;
        }
        OwnedHandle::from_raw_handle(token)
    };
    let mut elevation = TOKEN_ELEVATION { TokenIsElevated: 0 };
    let (size, mut len) = (u32::try_from(size_of::<TOKEN_ELEVATION>()).unwrap_or(0), 0);
    // SAFETY: `elevation` has `size` bytes, the whole answer of this class.
    let told = unsafe {
        let place = (&raw mut elevation).cast();
        GetTokenInformation(token.as_raw_handle(), TokenElevation, place, size, &raw mut len)
    };
    told != 0 && elevation.TokenIsElevated != 0
}
