//! The two functions that pavao does not wrap: truncating a file, and redirecting
//! libsmbclient's own log.
#![allow(unsafe_code)] // calls into libsmbclient
#![allow(clippy::multiple_unsafe_ops_per_block)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::sync::Once;

use pavao::SmbClient;
use pavao_sys as sys;

/// Linux's `O_RDWR`, as libsmbclient takes it.
const O_RDWR: c_int = 2;

/// Discards libsmbclient's log, once for the process. Otherwise it prints to
/// standard output, where scripts read our events, as soon as an `smb.conf` on the
/// machine has a line that it does not accept.
///
/// The caller holds [`super::session::library`].
pub(super) fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the context is made, used and freed here, and not used if it
        // could not be made; the callback is a static function and uses no data. The
        // caller keeps other threads out of the library.
        unsafe {
            let context = sys::smbc_new_context();
            if !context.is_null() {
                sys::smbc_setLogCallback(context, std::ptr::null_mut(), Some(ignore));
                sys::smbc_free_context(context, 1);
            }
        }
    });
}

extern "C" fn ignore(_data: *mut c_void, _level: c_int, _text: *const c_char) {}

/// Truncates or extends the file at `url` to `bytes`.
///
/// The caller holds [`super::session::library`].
pub(super) fn truncate(client: &SmbClient, url: &str, bytes: u64) -> io::Result<()> {
    let url = CString::new(url)?;
    let size = i64::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(27))?; // EFBIG
    let context = client.ctx().map_err(io::Error::other)?;
    // SAFETY: the context is alive as long as `client`, which outlives this
    // call; the functions are that context's own; `url` is NUL-terminated; the
    // handle is used only if it was opened, and closed once. The caller keeps
    // other threads out of the library.
    unsafe {
        let missing = || io::Error::from_raw_os_error(38); // ENOSYS
        let open = sys::smbc_getFunctionOpen(context).ok_or_else(missing)?;
        let ftruncate = sys::smbc_getFunctionFtruncate(context).ok_or_else(missing)?;
        let close = sys::smbc_getFunctionClose(context).ok_or_else(missing)?;
        let file = open(context, url.as_ptr(), O_RDWR, 0o644);
        if file.is_null() {
            return Err(io::Error::last_os_error());
        }
        let done = match ftruncate(context, file, size) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        };
        close(context, file);
        done
    }
}
