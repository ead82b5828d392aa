//! The account behind a name.

#[cfg(windows)]
mod windows;

use crate::model::sid::Sid;

/// The SID of an account: `alice`, `DOMAIN\\alice`, `AzureAD\\alice@example.com`.
///
/// # Errors
/// Why there is none, for people. Only Windows knows accounts.
pub(crate) fn lookup_account(name: &str) -> Result<Sid, String> {
    #[cfg(windows)]
    return windows::sid_of(name).map_err(|error| error.to_string());
    #[cfg(not(windows))]
    Err(format!("only Windows knows the accounts behind names such as {name}"))
}
