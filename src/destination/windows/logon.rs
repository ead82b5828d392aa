//! A logon to a server, for as long as it is held.
#![allow(unsafe_code)] // a platform file: WNet calls

use std::io;

use windows_sys::Win32::NetworkManagement::WNet::{
    CONNECT_TEMPORARY, NETRESOURCEW, RESOURCETYPE_DISK, WNetAddConnection2W,
    WNetCancelConnection2W, WNetGetUserW,
};

use crate::model::secret::Secret;

/// A connection to `\\server\share`, without a drive letter. Ended on drop, unless
/// it existed before.
#[derive(Debug)]
pub(crate) struct Logon {
    /// NUL-terminated.
    share: Vec<u16>,
    /// Whether we made it and must end it.
    ours: bool,
}

impl Logon {
    /// Logs `account` (`DOMAIN\user`, `user@domain` or `user`) on to `share`
    /// (`\\server\share`). Not remembered beyond this Windows session.
    pub(crate) fn at(share: &str, account: &str, password: &Secret) -> io::Result<Self> {
        let mut share = wide(share);
        let ours = !is_connected(&share);
        let account = wide(account);
        let mut password = wide(password.expose());
        let resource = NETRESOURCEW {
            dwType: RESOURCETYPE_DISK,
            lpRemoteName: share.as_mut_ptr(),
            ..NETRESOURCEW::default()
        };
        // SAFETY: the texts are NUL-terminated; they and the structure outlive
        // the call; its other pointers are null, which stands for "none".
        let code = unsafe {
            WNetAddConnection2W(
                &raw const resource,
                password.as_ptr(),
                account.as_ptr(),
                CONNECT_TEMPORARY,
            )
        };
        password.fill(0);
        std::hint::black_box(&password);
        match code {
            0 => Ok(Self { share, ours }),
            code => Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
}

impl Drop for Logon {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: `share` is NUL-terminated and outlives the call.
            let _ = unsafe { WNetCancelConnection2W(self.share.as_ptr(), 0, 0) };
        }
    }
}

/// Whether there already is a connection to `share`.
fn is_connected(share: &[u16]) -> bool {
    let mut name = [0_u16; 512];
    let mut room = 512;
    // SAFETY: `share` is NUL-terminated; `name` has `room` units; all outlive
    // the call.
    unsafe { WNetGetUserW(share.as_ptr(), name.as_mut_ptr(), &raw mut room) == 0 }
}

/// NUL-terminated, for Win32.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::errors::{Numbers, row};
    use super::*;

    /// Wine has no network client (1222), Windows finds no such server (53, 67).
    #[test]
    fn a_logon_that_cannot_be_says_why() {
        let secret = Secret::new("hunter2");
        let error = Logon::at(r"\\no-such-host.invalid\share", "alice", &secret).unwrap_err();
        let row = row(Numbers::Win32, error.raw_os_error().unwrap()).unwrap();
        assert_eq!(row.kind, super::super::super::ErrorKind::Unreachable, "{error}");
    }
}
