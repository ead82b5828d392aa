//! Maps the system's error codes to the kind of error and to messages for the
//! technician. One row per code.
//!
//! Linux codes are those of asm-generic `errno.h` and `errno-base.h`; Windows
//! codes those of `winerror.h` (MS-ERREF 2.2; Microsoft, "System Error Codes") and of `lmerr.h`
//! (from 2100 on; Microsoft, "Network Management Error Codes").

use std::io;

use super::{DestinationError, ErrorKind};

/// What one code means.
#[derive(Debug)]
pub struct Row {
    /// The system's number.
    pub code: i32,
    /// The kind of error while a destination is being opened.
    pub kind: ErrorKind,
    /// The kind of error once the destination has answered: a server that did answer and
    /// is now unreachable may come back.
    pub later: ErrorKind,
    /// What happened.
    pub what: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// Which system a code is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    /// `errno` of Linux; libsmbclient uses it too.
    Errno,
    /// Win32's `GetLastError`.
    Win32,
}

impl Numbers {
    /// The numbers of the system that this program runs on.
    pub const HERE: Self = if cfg!(windows) { Self::Win32 } else { Self::Errno };
}

/// The row of a code, if there is one.
pub fn row(numbers: Numbers, code: i32) -> Option<&'static Row> {
    let table = match numbers {
        Numbers::Errno => ERRNO,
        Numbers::Win32 => WIN32,
    };
    table.iter().find(|row| row.code == code)
}

/// Converts an error of the host's file API. `opened` says whether the
/// destination has already answered once.
pub(crate) fn from_io(error: io::Error, path: String, opened: bool) -> DestinationError {
    let found = error.raw_os_error().and_then(|code| row(Numbers::HERE, code));
    let Some(row) = found else { return unnamed(error, path) };
    DestinationError {
        kind: if opened { row.later } else { row.kind },
        path,
        what: row.what.to_owned(),
        action: row.action.to_owned(),
        source: Some(error),
    }
}

/// An error without a row: classified by its `io::ErrorKind`.
fn unnamed(error: io::Error, path: String) -> DestinationError {
    let (kind, action) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, CHECK_PATH),
        io::ErrorKind::PermissionDenied => (ErrorKind::Denied, MAY_WRITE),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (ErrorKind::Full, MAKE_ROOM),
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => (ErrorKind::Transient, NETWORK),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => {
            (ErrorKind::Unfit, BAD_NAME)
        }
        _ => (ErrorKind::Other, "check the destination, or use another one"),
    };
    let what = error.to_string();
    DestinationError { kind, path, what, action: action.to_owned(), source: Some(error) }
}

/// Something else is at `path`; `what` describes it.
pub(super) fn in_the_way(path: String, what: &str) -> DestinationError {
    let (what, action) = (what.to_owned(), REMOVE.to_owned());
    DestinationError { kind: AlreadyExists, path, what, action, source: None }
}

/// A folder cannot be made because its parent does not exist.
pub(super) fn no_folder_above(error: DestinationError) -> DestinationError {
    let action = "check the path; its parent folder must exist".to_owned();
    DestinationError { action, ..error }
}

/// Bytes that the destination accepted are no longer at `path`.
pub(super) fn bytes_are_missing(path: String) -> DestinationError {
    DestinationError {
        kind: ErrorKind::Corrupted,
        path,
        what: "the destination lost bytes that it had accepted (a failed flush, a crash)"
            .to_owned(),
        action: "run the same command again: Lifeboat checks the set and resumes".to_owned(),
        source: None,
    }
}

/// A row with the same kind at any time.
const fn always(code: i32, kind: ErrorKind, what: &'static str, action: &'static str) -> Row {
    Row { code, kind, later: kind, what, action }
}

/// A network row: unreachable at first, transient once it has worked.
const fn network(code: i32, what: &'static str, action: &'static str) -> Row {
    Row { code, kind: ErrorKind::Unreachable, later: ErrorKind::Transient, what, action }
}

const CHECK_PATH: &str = "check the path";
const MAY_WRITE: &str = "use an account that can write there, or change the folder's permissions";
const MAKE_ROOM: &str =
    "free some space there or use another destination, then run the same command again";
const NETWORK: &str = "check the cable and the server; run the same command to resume";
const SERVER: &str = "check the server name, the cable and the PC's IP address";
const SHARE: &str = "check the share name in the server's list of shares";
const BAD_NAME: &str = "use a destination with a shorter path and plain characters";
const SPLIT: &str = "use --split 4000M, or a destination with NTFS or exFAT";
const REMOVE: &str = "use another name, or another destination";
const OPEN_ELSEWHERE: &str = "close the program that has it open (a virus scanner, a viewer)";
const READ_ONLY: &str = "remove the write protection or use another destination";
/// Linux makes a damaged file system read-only while it is written to.
const MADE_READ_ONLY: &str = "remove the write protection; if there is none, the file system is \
                              damaged and Linux protects it: check it with fsck, or use another \
                              destination";
const DISK: &str = "check the disk and its cable, or use another destination";
const PLUG: &str = "plug the disk in again, then run the same command again";
const PASSWORD: &str =
    "check the user, domain, password and keyboard layout (WinPE starts with the US layout)";
const ACCOUNT: &str = "ask the administrator of the server, or use another account";
const SIGNING: &str = "log on as a user, not as guest; or turn on SMB signing on the server";
const RAISE: &str =
    "close other programs, or raise the limit (ulimit -n); then run the same command again";
const TWO_USERS: &str =
    "leave out the user to use the existing connection (`net use` lists all of them)";

use ErrorKind::{
    AlreadyExists, Denied, Full, Logon, NotFound, Other, Transient, Unfit, Unreachable,
};

const NO_HANDLES: &str = "this PC cannot open more files";
const NO_MEMORY: &str = "this PC has no more memory";
const FULL: &str = "the disk is full";
const QUOTA: &str = "the user's disk quota is used up";
const DENIED: &str = "access is denied";
const IS_READ_ONLY: &str = "it is read-only";
const NOT_FOUND: &str = "not found";
const EXISTS: &str = "a file or folder with that name already exists";
const NOT_A_FOLDER: &str = "there is a file where a folder is needed";
const NOT_EMPTY: &str = "the folder is not empty";
const TOO_LONG: &str = "the name or the path is too long";
const TOO_LARGE: &str = "the file is too large for the destination's file system";
const TOO_LARGE_OR_LIMIT: &str =
    "the file is too large for the destination's file system, or for this session (ulimit -f)";
const BAD_CHARS: &str = "the destination's file system does not allow the name";
const IN_USE: &str = "another program has it open";
const MEDIA: &str = "the disk failed to read or write";
const GONE: &str = "the disk is no longer connected";
const LOST: &str = "the connection to the server was lost";
const SILENT: &str = "the server did not answer in time";
const NO_SERVER: &str = "the server cannot be reached";
const REFUSED: &str = "the server refuses the connection (no file sharing on that port)";
const NO_SHARE: &str = "the server has no such share";
const BUSY: &str = "the server is busy";
const BAD_PASSWORD: &str = "the user name or the password is wrong";

/// Linux, and libsmbclient.
static ERRNO: &[Row] = &[
    always(1, Denied, DENIED, MAY_WRITE),       // EPERM
    always(2, NotFound, NOT_FOUND, CHECK_PATH), // ENOENT
    always(4, Transient, "the call was interrupted", "wait: Lifeboat retries"), // EINTR
    always(5, Other, MEDIA, DISK),              // EIO
    always(6, Unreachable, GONE, PLUG),         // ENXIO
    always(11, Transient, BUSY, NETWORK),       // EAGAIN
    always(12, Transient, "the server is short of memory", NETWORK), // ENOMEM
    always(13, Denied, DENIED, MAY_WRITE),      // EACCES
    always(16, Transient, IN_USE, OPEN_ELSEWHERE), // EBUSY
    always(17, AlreadyExists, EXISTS, REMOVE),  // EEXIST
    always(19, Unreachable, GONE, PLUG),        // ENODEV
    always(20, AlreadyExists, NOT_A_FOLDER, REMOVE), // ENOTDIR
    always(21, AlreadyExists, "there is a folder where a file is needed", REMOVE), // EISDIR
    always(22, Unfit, BAD_CHARS, BAD_NAME),     // EINVAL
    always(23, Other, NO_HANDLES, RAISE),       // ENFILE
    always(24, Other, NO_HANDLES, RAISE),       // EMFILE
    always(26, Transient, IN_USE, OPEN_ELSEWHERE), // ETXTBSY
    always(27, Unfit, TOO_LARGE_OR_LIMIT, SPLIT), // EFBIG
    always(28, Full, FULL, MAKE_ROOM),          // ENOSPC
    always(30, Denied, IS_READ_ONLY, MADE_READ_ONLY), // EROFS
    always(32, Transient, LOST, NETWORK),       // EPIPE
    always(36, Unfit, TOO_LONG, BAD_NAME),      // ENAMETOOLONG
    always(39, AlreadyExists, NOT_EMPTY, REMOVE), // ENOTEMPTY
    always(40, Unfit, "the symbolic links form a loop", CHECK_PATH), // ELOOP
    network(64, "this PC has no network", SERVER), // ENONET
    always(70, Transient, LOST, NETWORK),       // ECOMM
    always(84, Unfit, BAD_CHARS, BAD_NAME),     // EILSEQ
    network(100, "the network is down", SERVER), // ENETDOWN
    network(101, NO_SERVER, SERVER),            // ENETUNREACH
    always(102, Transient, LOST, NETWORK),      // ENETRESET
    always(103, Transient, LOST, NETWORK),      // ECONNABORTED
    always(104, Transient, LOST, NETWORK),      // ECONNRESET
    always(107, Transient, LOST, NETWORK),      // ENOTCONN
    always(108, Transient, LOST, NETWORK),      // ESHUTDOWN
    always(110, Transient, SILENT, NETWORK),    // ETIMEDOUT
    network(111, REFUSED, SERVER),              // ECONNREFUSED
    network(112, NO_SERVER, SERVER),            // EHOSTDOWN
    network(113, NO_SERVER, SERVER),            // EHOSTUNREACH
    always(116, Transient, LOST, NETWORK),      // ESTALE
    always(121, Other, MEDIA, DISK),            // EREMOTEIO
    always(122, Full, QUOTA, MAKE_ROOM),        // EDQUOT
    always(123, Unreachable, GONE, PLUG),       // ENOMEDIUM
    always(126, Logon, BAD_PASSWORD, PASSWORD), // ENOKEY (a kernel mount)
    always(129, Logon, BAD_PASSWORD, PASSWORD), // EKEYREJECTED (a kernel mount)
];

/// Windows.
static WIN32: &[Row] = &[
    always(2, NotFound, NOT_FOUND, CHECK_PATH), // ERROR_FILE_NOT_FOUND
    always(3, NotFound, NOT_FOUND, CHECK_PATH), // ERROR_PATH_NOT_FOUND
    always(4, Other, NO_HANDLES, RAISE),        // ERROR_TOO_MANY_OPEN_FILES
    always(5, Denied, DENIED, MAY_WRITE),       // ERROR_ACCESS_DENIED
    always(8, Other, NO_MEMORY, RAISE),         // ERROR_NOT_ENOUGH_MEMORY
    always(14, Other, NO_MEMORY, RAISE),        // ERROR_OUTOFMEMORY
    always(15, Unreachable, "there is no such drive", CHECK_PATH), // ERROR_INVALID_DRIVE
    always(19, Denied, "the disk is write-protected", READ_ONLY), // ERROR_WRITE_PROTECT
    always(20, Unreachable, GONE, PLUG),        // ERROR_BAD_UNIT
    always(21, Unreachable, "the drive is not ready", PLUG), // ERROR_NOT_READY
    always(23, Other, MEDIA, DISK),             // ERROR_CRC
    always(29, Other, MEDIA, DISK),             // ERROR_WRITE_FAULT
    always(30, Other, MEDIA, DISK),             // ERROR_READ_FAULT
    always(31, Other, MEDIA, DISK),             // ERROR_GEN_FAILURE
    always(32, Transient, IN_USE, OPEN_ELSEWHERE), // ERROR_SHARING_VIOLATION
    always(33, Transient, "another program has locked part of it", OPEN_ELSEWHERE), // ERROR_LOCK_VIOLATION
    always(39, Full, FULL, MAKE_ROOM), // ERROR_HANDLE_DISK_FULL
    network(51, NO_SERVER, SERVER),    // ERROR_REM_NOT_LIST
    network(53, NO_SERVER, SERVER),    // ERROR_BAD_NETPATH
    always(54, Transient, "the network is busy", NETWORK), // ERROR_NETWORK_BUSY
    network(55, "the share is no longer there", SHARE), // ERROR_DEV_NOT_EXIST
    always(58, Transient, LOST, NETWORK), // ERROR_BAD_NET_RESP
    always(59, Transient, "an unexpected network error occurred", NETWORK), // ERROR_UNEXP_NET_ERR
    always(64, Transient, LOST, NETWORK), // ERROR_NETNAME_DELETED
    always(65, Denied, DENIED, MAY_WRITE), // ERROR_NETWORK_ACCESS_DENIED
    network(67, NO_SHARE, SHARE),      // ERROR_BAD_NET_NAME
    always(68, Transient, "this PC has too many network names in use", NETWORK), // ERROR_TOO_MANY_NAMES
    always(69, Transient, "the server or this PC has too many connections open", NETWORK), // ERROR_TOO_MANY_SESS
    always(70, Transient, "the server has been paused", NETWORK), // ERROR_SHARING_PAUSED
    always(71, Transient, "the server does not accept more connections at the moment", NETWORK), // ERROR_REQ_NOT_ACCEP
    always(80, AlreadyExists, EXISTS, REMOVE), // ERROR_FILE_EXISTS
    always(86, Logon, BAD_PASSWORD, PASSWORD), // ERROR_INVALID_PASSWORD
    always(112, Full, FULL, MAKE_ROOM),        // ERROR_DISK_FULL
    always(121, Transient, SILENT, NETWORK),   // ERROR_SEM_TIMEOUT
    always(123, Unfit, BAD_CHARS, BAD_NAME),   // ERROR_INVALID_NAME
    always(145, AlreadyExists, NOT_EMPTY, REMOVE), // ERROR_DIR_NOT_EMPTY
    always(161, Unfit, BAD_CHARS, BAD_NAME),   // ERROR_BAD_PATHNAME
    always(170, Transient, IN_USE, OPEN_ELSEWHERE), // ERROR_BUSY
    always(183, AlreadyExists, EXISTS, REMOVE), // ERROR_ALREADY_EXISTS
    always(206, Unfit, TOO_LONG, BAD_NAME),    // ERROR_FILENAME_EXCED_RANGE
    always(223, Unfit, TOO_LARGE, SPLIT),      // ERROR_FILE_TOO_LARGE
    always(240, Transient, LOST, NETWORK),     // ERROR_VC_DISCONNECTED
    always(267, AlreadyExists, NOT_A_FOLDER, REMOVE), // ERROR_DIRECTORY
    always(
        384,
        Unreachable,
        "the server supports only SMB1, which this Windows does not support",
        "turn on SMB2 on the server, or use another server or a USB disk",
    ), // ERROR_SMB1_NOT_AVAILABLE
    always(433, Unreachable, GONE, PLUG),      // ERROR_NO_SUCH_DEVICE
    always(1006, Unreachable, GONE, PLUG),     // ERROR_FILE_INVALID: dismounted under the handle
    always(1110, Unreachable, "a different disk is in the drive", PLUG), // ERROR_MEDIA_CHANGED
    always(1117, Other, MEDIA, DISK),          // ERROR_IO_DEVICE
    always(1130, Transient, "the server is short of memory", NETWORK), // ERROR_NOT_ENOUGH_SERVER_MEMORY
    always(1167, Unreachable, GONE, PLUG),                             // ERROR_DEVICE_NOT_CONNECTED
    network(1201, NO_SERVER, SERVER),                                  // ERROR_CONNECTION_UNAVAIL
    network(1203, NO_SERVER, SERVER),                                  // ERROR_NO_NET_OR_BAD_PATH
    network(1208, "the Windows network client failed without a reason", SERVER), // ERROR_EXTENDED_ERROR
    always(1219, Logon, "Windows is already connected to that server as another user", TWO_USERS), // ERROR_SESSION_CREDENTIAL_CONFLICT
    always(
        1222,
        Unreachable,
        "this Windows has no network client",
        "in WinPE, run wpeinit first; add the network driver to the boot image",
    ), // ERROR_NO_NETWORK
    always(1224, Transient, "another program has part of it open in memory", OPEN_ELSEWHERE), // ERROR_USER_MAPPED_FILE
    network(1225, REFUSED, SERVER),         // ERROR_CONNECTION_REFUSED
    network(1231, NO_SERVER, SERVER),       // ERROR_NETWORK_UNREACHABLE
    network(1232, NO_SERVER, SERVER),       // ERROR_HOST_UNREACHABLE
    network(1234, REFUSED, SERVER),         // ERROR_PORT_UNREACHABLE
    always(1236, Transient, LOST, NETWORK), // ERROR_CONNECTION_ABORTED
    always(1240, Logon, "the user is not allowed to log on from this PC", ACCOUNT), // ERROR_LOGIN_WKSTA_RESTRICTION
    always(1244, Logon, "the server has not checked the user and password", PASSWORD), // ERROR_NOT_AUTHENTICATED
    network(1256, NO_SERVER, SERVER), // ERROR_HOST_DOWN
    // Since Windows 10 its words are that no domain controller can be reached.
    always(
        1265,
        Logon,
        "Windows cannot check the logon securely: no domain controller answers",
        "check the network and the PC's clock, or use an account of the server itself",
    ), // ERROR_DOWNGRADE_DETECTED
    always(1272, Logon, "this Windows blocks guest logons to servers", SIGNING), // ERROR_SMB_GUEST_LOGON_BLOCKED
    always(1295, Full, QUOTA, MAKE_ROOM), // ERROR_DISK_QUOTA_EXCEEDED
    network(1311, "no domain controller can be reached to check the password", SERVER), // ERROR_NO_LOGON_SERVERS
    always(1312, Logon, "this Windows session cannot log on to servers", ACCOUNT), // ERROR_NO_SUCH_LOGON_SESSION
    always(1326, Logon, BAD_PASSWORD, PASSWORD), // ERROR_LOGON_FAILURE
    always(1327, Logon, "an account restriction prevents the logon (a blank password?)", ACCOUNT), // ERROR_ACCOUNT_RESTRICTION
    always(1328, Logon, "the user is not allowed to log on at this hour", ACCOUNT), // ERROR_INVALID_LOGON_HOURS
    always(1329, Logon, "the user is not allowed to log on from this PC", ACCOUNT), // ERROR_INVALID_WORKSTATION
    always(1330, Logon, "the password has expired", ACCOUNT), // ERROR_PASSWORD_EXPIRED
    always(1331, Logon, "the account is disabled", ACCOUNT),  // ERROR_ACCOUNT_DISABLED
    network(1355, "the domain is unknown or cannot be reached", SERVER), // ERROR_NO_SUCH_DOMAIN
    always(1385, Logon, "the user is not allowed to log on over the network", ACCOUNT), // ERROR_LOGON_TYPE_NOT_GRANTED
    always(
        1396,
        Logon,
        "the server's own name differs from the one given",
        "give the server's full name or its address",
    ), // ERROR_WRONG_TARGET_NAME
    always(
        1398,
        Logon,
        "the clocks of this PC and the server are too far apart",
        "set this PC's clock (date, time; check the time zone)",
    ), // ERROR_TIME_SKEW
    always(1450, Transient, "the system is short of resources", NETWORK), // ERROR_NO_SYSTEM_RESOURCES
    always(1455, Other, NO_MEMORY, RAISE),                                // ERROR_COMMITMENT_LIMIT
    always(1460, Transient, SILENT, NETWORK),                             // ERROR_TIMEOUT
    always(1617, Unreachable, GONE, PLUG),                                // ERROR_DEVICE_REMOVED
    always(1793, Logon, "the account has expired", ACCOUNT),              // ERROR_ACCOUNT_EXPIRED
    always(1907, Logon, "the password must be changed first", ACCOUNT), // ERROR_PASSWORD_MUST_CHANGE
    always(1909, Logon, "the account is locked out", ACCOUNT),          // ERROR_ACCOUNT_LOCKED_OUT
    always(1935, Logon, "the server does not allow users of that domain to log on", ACCOUNT), // ERROR_AUTHENTICATION_FIREWALL_FAILED
    always(
        1937,
        Logon,
        "NTLM logons are turned off, and Kerberos did not work",
        "give the server's full name, not its address; use a domain account",
    ), // ERROR_NTLM_BLOCKED
    always(2242, Logon, "the password has expired", ACCOUNT), // NERR_PasswordExpired
    always(2250, Transient, LOST, NETWORK),                   // ERROR_NOT_CONNECTED
    always(2202, Logon, "the user name is not valid", PASSWORD), // ERROR_BAD_USERNAME
    // STATUS_INVALID_SIGNATURE, which Windows 11 24H2 shows as it is when a
    // server does not sign.
    always(
        0xC000_A000_u32.cast_signed(),
        Logon,
        "this Windows requires signed SMB, and the server does not sign",
        SIGNING,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: Numbers, code: i32) -> (ErrorKind, ErrorKind) {
        let row = row(numbers, code).unwrap_or_else(|| panic!("{numbers:?} {code} has no row"));
        (row.kind, row.later)
    }

    #[test]
    fn every_code_has_one_row_and_plain_words() {
        for (numbers, table) in [(Numbers::Errno, ERRNO), (Numbers::Win32, WIN32)] {
            for row in table {
                let same = table.iter().filter(|other| other.code == row.code).count();
                assert_eq!(same, 1, "{numbers:?} {}", row.code);
                assert!(row.what.is_ascii() && !row.what.is_empty(), "{}", row.code);
                assert!(row.action.is_ascii() && !row.action.is_empty(), "{}", row.code);
            }
        }
    }

    #[test]
    fn a_full_disk_is_full_by_every_name_it_has() {
        for (numbers, code) in [
            (Numbers::Errno, 28),
            (Numbers::Errno, 122),
            (Numbers::Win32, 39),
            (Numbers::Win32, 112),
            (Numbers::Win32, 1295),
        ] {
            assert_eq!(of(numbers, code), (ErrorKind::Full, ErrorKind::Full));
        }
    }

    #[test]
    fn what_may_go_away_is_passing_and_the_rest_is_not() {
        for code in [32, 33, 59, 64, 121, 1236, 2250] {
            assert_eq!(of(Numbers::Win32, code).0, ErrorKind::Transient, "{code}");
        }
        for code in [102, 104, 107, 110] {
            assert_eq!(of(Numbers::Errno, code).0, ErrorKind::Transient, "{code}");
        }
        for code in [
            5,
            19,
            86,
            384,
            1006,
            1110,
            1219,
            1222,
            1272,
            1312,
            1326,
            1396,
            1793,
            0xC000_A000_u32.cast_signed(),
        ] {
            assert_ne!(of(Numbers::Win32, code).1, ErrorKind::Transient, "{code}");
        }
        for code in [1, 5, 13, 28, 30] {
            assert_ne!(of(Numbers::Errno, code).1, ErrorKind::Transient, "{code}");
        }
    }

    #[test]
    fn logons_and_limits_have_words_of_their_own() {
        for code in [1244, 1265, 1935, 1937, 2242] {
            assert_eq!(of(Numbers::Win32, code), (ErrorKind::Logon, ErrorKind::Logon), "{code}");
        }
        for code in [68, 69, 1224] {
            let kinds = (ErrorKind::Transient, ErrorKind::Transient);
            assert_eq!(of(Numbers::Win32, code), kinds, "{code}");
        }
        let what = |code| row(Numbers::Win32, code).unwrap().what;
        assert!(what(1937).contains("NTLM"));
        assert_eq!(what(2242), what(1330));
    }

    #[test]
    fn a_server_that_once_answered_may_come_back() {
        for (numbers, code) in [
            (Numbers::Win32, 53),
            (Numbers::Win32, 67),
            (Numbers::Win32, 1208),
            (Numbers::Win32, 1256),
            (Numbers::Win32, 1355),
            (Numbers::Errno, 111),
            (Numbers::Errno, 113),
        ] {
            assert_eq!(of(numbers, code), (ErrorKind::Unreachable, ErrorKind::Transient));
        }
    }

    #[test]
    fn an_unknown_code_keeps_what_the_system_says() {
        let error = from_io(io::Error::from_raw_os_error(99_999), "X".into(), false);
        assert_eq!(error.kind, ErrorKind::Other);
        assert!(error.what.contains("99999"), "{}", error.what);
    }
}
