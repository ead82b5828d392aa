//! Accounts by name, as Windows knows them.
#![allow(unsafe_code)] // one call of the Win32 API

use std::io;

use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::Security::LookupAccountNameW;

use crate::model::sid::Sid;

/// `SECURITY_MAX_SID_SIZE` (winnt.h).
const MAX_SID: usize = 68;
/// A domain's name has 255 characters at most ("Naming conventions in Active Directory").
const MAX_DOMAIN: usize = 1024;

/// The SID of an account. In a domain, this asks a domain controller.
pub(super) fn sid_of(name: &str) -> io::Result<Sid> {
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let mut sid = [0_u8; MAX_SID];
    let mut domain = [0_u16; MAX_DOMAIN];
    // Both lengths are fixed and small.
    let mut sid_bytes = u32::try_from(MAX_SID).unwrap_or(0);
    let mut domain_units = u32::try_from(MAX_DOMAIN).unwrap_or(0);
    let mut kind = 0;
    // SAFETY: `wide` ends in a zero; `sid` and `domain` are writable for the lengths that are
    // passed; without a name of a system, this machine is asked (LookupAccountNameW, Microsoft).
    let is_found = unsafe {
        LookupAccountNameW(
            std::ptr::null(),
            wide.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut sid_bytes,
            domain.as_mut_ptr(),
            &raw mut domain_units,
            &raw mut kind,
        )
    };
    if is_found == 0 {
        return Err(io::Error::last_os_error());
    }
    let too_large = || io::Error::from_raw_os_error(ERROR_INSUFFICIENT_BUFFER.cast_signed());
    Sid::from_bytes(&sid).ok_or_else(too_large)
}
