//! Files and folders that a cloud looks after, shown as what they are.
#![allow(unsafe_code)] // a call of ntdll that not every Windows has

use std::sync::Once;

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

/// `PHCM_EXPOSE_PLACEHOLDERS` of `ntifs.h`: reparse data, and the attributes that
/// tell that a file's data is elsewhere, can be seen.
const EXPOSE: i8 = 2;

/// `RtlSetProcessPlaceholderCompatibilityMode` of `ntifs.h`. It is looked for at
/// run time: ntdll has it since Windows 10 1803, and the program starts on 7.
type SetMode = unsafe extern "system" fn(mode: i8) -> i8;

/// Has Windows show placeholders as such, once for the program: from some
/// programs it hides them. Where it has none there is nothing to be done.
pub(crate) fn expose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ntdll: Vec<u16> = "ntdll.dll\0".encode_utf16().collect();
        // SAFETY: the name ends in NUL; ntdll is in every process, and stays.
        let module = unsafe { GetModuleHandleW(ntdll.as_ptr()) };
        if module.is_null() {
            return;
        }
        let name = c"RtlSetProcessPlaceholderCompatibilityMode";
        // SAFETY: the module is loaded; the name ends in NUL.
        if let Some(found) = unsafe { GetProcAddress(module, name.as_ptr().cast()) } {
            // SAFETY: the function of that name has this type, by `ntifs.h`.
            let set_mode: SetMode = unsafe { std::mem::transmute(found) };
            // SAFETY: it takes a number; one that it does not know is an error.
            unsafe { set_mode(EXPOSE) };
        }
    });
}
