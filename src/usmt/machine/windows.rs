//! The firmware's tables, from Windows (7 and newer, WinPE too).
#![allow(unsafe_code)] // one call of the Win32 API

use windows_sys::Win32::System::SystemInformation::GetSystemFirmwareTable;

/// `RSMB`: the raw SMBIOS tables.
const RSMB: u32 = u32::from_be_bytes(*b"RSMB");
/// They are a few KiB.
const MAX_BYTES: u32 = 1 << 20;

/// The tables, after eight bytes of Windows' own; `None` if there are none.
pub(super) fn smbios() -> Option<Vec<u8>> {
    // SAFETY: with a size of 0 nothing is written; the call returns the size.
    let size = unsafe { GetSystemFirmwareTable(RSMB, 0, std::ptr::null_mut(), 0) };
    if size == 0 || size > MAX_BYTES {
        return None;
    }
    let mut table = vec![0_u8; size as usize];
    // SAFETY: `table` is writable for the `size` bytes that are passed.
    let got = unsafe { GetSystemFirmwareTable(RSMB, 0, table.as_mut_ptr(), size) };
    (got > 0 && got <= size).then(|| {
        table.truncate(got as usize);
        table
    })
}
