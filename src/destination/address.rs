//! Parses the argument of `--to`: a folder, `\\server\share\dir`, or
//! `smb://[domain;]user@server[:port]/share/dir`.

use std::fmt;
use std::path::{Component, PathBuf, Prefix};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::advice::{Advice, Ending};

/// A parsed destination, not yet opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dest {
    /// A folder for the host's file API; on Windows also a UNC path.
    Folder(PathBuf),
    /// A folder on a share.
    Smb(SmbPlace),
}

/// A folder on a share, and the account for it. Holds no password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SmbPlace {
    /// The domain, if given.
    pub domain: Option<String>,
    /// The user, if given.
    pub user: Option<String>,
    /// Log on as guest, if the user asked for it and the share lets everyone in.
    pub anonymous: bool,
    /// Name or address; an IPv6 address without its brackets.
    pub server: String,
    /// The port, if it is not SMB's own (445).
    pub port: Option<u16>,
    /// The share.
    pub share: String,
    /// The folder on the share, `/` between names; empty for the share itself.
    pub dir: String,
}

/// Why a text is not a destination. No message repeats a password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DestError {
    /// Nothing at all.
    #[error("the destination is empty")]
    Empty,
    /// A UNC path on a system other than Windows; holds the URL to write.
    #[error("a path like \\\\server\\share works on Windows only")]
    UncOnLinux(String),
    /// `E:\rescue` on a system other than Windows.
    #[error("{0}: drive letters work on Windows only")]
    DriveOnLinux(String),
    /// `user@server/share`.
    #[error("{0}: this looks like a share, but smb:// is missing")]
    NoScheme(String),
    /// `http://` and the like.
    #[error("{0}:// is not a destination")]
    Scheme(String),
    /// `smb://user:password@…`
    #[error("the address contains a password, which logs and other users can see")]
    PasswordInUrl,
    /// No server.
    #[error("the address has no server name")]
    NoServer,
    /// No share.
    #[error("the address has no share name for {0}")]
    NoShare(String),
    /// The port is not a number from 1 to 65535 (it may be a password whose server
    /// was forgotten, so it is not repeated).
    #[error("the port after the server name is not a number from 1 to 65535")]
    BadPort,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the address contains an invalid % code")]
    BadPercent,
    /// `\` in an `smb://` address, or an invalid name.
    #[error("{0:?} is not a valid name in an smb:// address")]
    BadName(String),
    /// `[` without `]`, no valid IPv6 address in them, or an IPv6 address without
    /// them.
    #[error("an IPv6 address must be in [ ]")]
    BadAddress,
    /// The Windows SMB client has no syntax for a port.
    #[error("Windows connects to shares on port 445 only, not {0}")]
    PortOnWindows(u16),
}

impl FromStr for Dest {
    type Err = DestError;

    fn from_str(text: &str) -> Result<Self, DestError> {
        if text.is_empty() {
            return Err(DestError::Empty);
        }
        if let Some((scheme, rest)) = scheme_of(text) {
            if !scheme.eq_ignore_ascii_case("smb") {
                return Err(DestError::Scheme(scheme.to_owned()));
            }
            let place = parse_smb(rest)?;
            return match place.port {
                Some(port) if cfg!(windows) && port != 445 => Err(DestError::PortOnWindows(port)),
                _ => Ok(Self::Smb(place)),
            };
        }
        if !cfg!(windows) && (text.starts_with(r"\\") || text.starts_with("//")) {
            return Err(DestError::UncOnLinux(url_for_unc(text)));
        }
        let first = text.split(['/', '\\']).next().unwrap_or_default();
        if text.eq_ignore_ascii_case("smb:") || (first.contains('@') && !first.starts_with('@')) {
            return Err(DestError::NoScheme(text.to_owned()));
        }
        if !cfg!(windows) && is_on_drive(text) {
            return Err(DestError::DriveOnLinux(text.to_owned()));
        }
        Ok(Self::Folder(PathBuf::from(text)))
    }
}

impl Dest {
    /// Whether it is on a server, where a password may be needed.
    pub(crate) fn is_share(&self) -> bool {
        match self {
            Self::Smb(_) => true,
            Self::Folder(path) => match path.components().next() {
                Some(Component::Prefix(first)) => {
                    matches!(first.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..))
                }
                _ => false,
            },
        }
    }
}

impl fmt::Display for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Smb(place) => f.pad(&place.to_string()),
        }
    }
}

impl SmbPlace {
    /// `smb://server[:port]`, for libsmbclient.
    pub(crate) fn server_url(&self) -> String {
        let mut url = String::from("smb://");
        if self.server.contains(':') {
            url.push('[');
            url.push_str(&self.server);
            url.push(']');
        } else {
            url.push_str(&self.server);
        }
        if let Some(port) = self.port {
            url.push(':');
            url.push_str(&port.to_string());
        }
        url
    }

    /// `\\server\share`. An IPv6 address becomes an ipv6-literal.net name.
    pub fn unc_share(&self) -> String {
        let server = if self.server.contains(':') {
            // A UNC path cannot hold `:` or `%`.
            format!("{}.ipv6-literal.net", self.server.replace(':', "-").replace('%', "s"))
        } else {
            self.server.clone()
        };
        format!(r"\\{server}\{}", self.share)
    }

    /// `\\server\share\dir`.
    pub fn unc_path(&self) -> PathBuf {
        let mut path = self.unc_share();
        for name in self.dir.split('/').filter(|name| !name.is_empty()) {
            path.push('\\');
            path.push_str(name);
        }
        PathBuf::from(path)
    }

    /// `DOMAIN\user`, or only the user; `None` without a user and as guest.
    pub fn account(&self) -> Option<String> {
        let user = self.user.as_deref().filter(|_| !self.anonymous)?;
        Some(match &self.domain {
            Some(domain) => format!(r"{domain}\{user}"),
            None => user.to_owned(),
        })
    }
}

impl fmt::Display for SmbPlace {
    /// `smb://server:port/share/dir`, without the account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server_url(), self.share)?;
        if !self.dir.is_empty() {
            write!(f, "/{}", self.dir)?;
        }
        Ok(())
    }
}

/// `E:`, `E:\rescue` or `E:/rescue`. (A folder of such a name is `./E:`.)
fn is_on_drive(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && letters.next() == Some(':')
        && letters.next().is_none_or(|next| matches!(next, '/' | '\\'))
}

/// `smb` and the rest of `smb://rest`. A single letter is a drive, not a scheme.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let letters = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (scheme.len() > 1 && letters).then_some((scheme, rest))
}

/// Parses what follows `smb://`.
fn parse_smb(rest: &str) -> Result<SmbPlace, DestError> {
    let (authority, path) = split_authority(rest);
    // The last @ ends the user: user@domain.example@server is one.
    let (who, host) = match authority.rsplit_once('@') {
        Some((who, host)) => (Some(who), host),
        None => (None, authority),
    };
    let (domain, user) = match who {
        Some(who) => parse_user(who)?,
        None => (None, None),
    };
    let (server, port) = parse_host(host)?;

    let mut names = Vec::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let decoded = decode(name)?;
        if decoded == "." || decoded == ".." || decoded.contains(['/', '\\', '\0']) {
            return Err(DestError::BadName(decoded));
        }
        names.push(decoded);
    }
    let Some((share, dir)) = names.split_first() else {
        return Err(DestError::NoShare(server));
    };
    let (share, dir) = (share.clone(), dir.join("/"));
    Ok(SmbPlace { domain, user, anonymous: false, server, port, share, dir })
}

/// `user@server:port` and `share/dir`. A `/` in a user or password (not allowed)
/// does not end the server if an @ follows before a name could have begun. So
/// the address is refused without showing the password.
fn split_authority(rest: &str) -> (&str, &str) {
    let slash = rest.find('/').unwrap_or(rest.len());
    let (head, tail) = rest.split_at(slash);
    if head.contains(':') && !head.contains('@') && tail.contains('@') {
        // user:pass/word@server/share
        let at = rest.rfind('@').unwrap_or(slash);
        let end = rest[at..].find('/').map_or(rest.len(), |slash| at + slash);
        return rest.split_at(end);
    }
    (head, tail)
}

/// Domain and user of `domain;user` or `domain\user`.
fn parse_user(who: &str) -> Result<(Option<String>, Option<String>), DestError> {
    if who.contains(':') {
        return Err(DestError::PasswordInUrl);
    }
    let (domain, user) = match who.split_once([';', '\\']) {
        Some((domain, user)) => (decode(domain)?, decode(user)?),
        None => (String::new(), decode(who)?),
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok((some(domain), some(user)))
}

/// Server and port of `server:port` or `[address]:port`.
fn parse_host(host: &str) -> Result<(String, Option<u16>), DestError> {
    let (server, port) = if let Some(inner) = host.strip_prefix('[') {
        let bad = || DestError::BadAddress;
        let (address, after) = inner.split_once(']').ok_or_else(bad)?;
        // A link-local address may carry its interface: fe80::1%eth0.
        let bare = address.split('%').next().unwrap_or(address);
        bare.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
        match after.strip_prefix(':') {
            Some(port) => (address.to_owned(), Some(port)),
            None if after.is_empty() => (address.to_owned(), None),
            None => return Err(bad()),
        }
    } else if host.matches(':').count() > 1 {
        return Err(DestError::BadAddress);
    } else {
        match host.split_once(':') {
            Some((server, port)) => (decode(server)?, Some(port)),
            None => (decode(host)?, None),
        }
    };
    if server.is_empty() {
        return Err(DestError::NoServer);
    }
    if server.contains(['/', '\\', '@', '\0']) {
        return Err(DestError::BadName(server));
    }
    let port = match port {
        None => None,
        Some(text) => match text.parse::<u16>() {
            Ok(number) if number > 0 => Some(number),
            _ => return Err(DestError::BadPort),
        },
    };
    Ok((server, port))
}

/// Decodes percent signs.
fn decode(text: &str) -> Result<String, DestError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            let digits = code.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
            bytes.push(byte.ok_or(DestError::BadPercent)?);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).map_err(|_| DestError::BadPercent)
}

/// The address to use on Linux for a UNC path.
fn url_for_unc(unc: &str) -> String {
    let names: Vec<&str> = unc.split(['\\', '/']).filter(|name| !name.is_empty()).collect();
    match names.as_slice() {
        [] | [_] => "smb://user@server/share/folder".to_owned(),
        names => format!("smb://user@{}", names.join("/").replace('%', "%25")),
    }
}

impl Advice for DestError {
    fn advice(&self) -> String {
        const FORM: &str = "write smb://user@server/share/folder";
        match self {
            Self::Empty | Self::Scheme(_) if cfg!(windows) => {
                r"write a folder, \\server\share\folder or smb://user@server/share/folder".into()
            }
            Self::Empty | Self::Scheme(_) => {
                "write a folder or smb://user@server/share/folder".into()
            }
            Self::UncOnLinux(url) => format!("write {url}"),
            Self::DriveOnLinux(_) => {
                "mount the disk, and write its folder, such as /mnt/usb/rescue".into()
            }
            Self::PasswordInUrl => {
                "leave it out: Lifeboat asks for it, or reads it from --password-file or \
                 LIFEBOAT_PASSWORD; change the password if others may have seen it"
                    .into()
            }
            Self::NoScheme(_) => format!("{FORM}; for a folder of that name, write ./ before it"),
            Self::NoServer | Self::NoShare(_) | Self::BadName(_) => FORM.into(),
            Self::BadPort => format!("{FORM}; write the port as in server:1445"),
            Self::BadPercent => "write %25 for a %".into(),
            Self::BadAddress => "write smb://user@[2001:db8::1]/share/folder".into(),
            Self::PortOnWindows(_) => "leave out the port, or run this on Linux".into(),
        }
    }

    fn ending(&self) -> Ending {
        Ending::Usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn smb(text: &str) -> SmbPlace {
        match text.parse() {
            Ok(Dest::Smb(place)) => place,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn refused(text: &str) -> DestError {
        text.parse::<Dest>().unwrap_err()
    }

    #[test]
    fn an_address_has_all_its_parts() {
        let place = smb("smb://CORP;alice@files.example/rescue/a b/c%20d");
        assert_eq!(place.domain.as_deref(), Some("CORP"));
        assert_eq!(place.user.as_deref(), Some("alice"));
        assert_eq!(place.server, "files.example");
        assert_eq!(place.port, None);
        assert_eq!((place.share.as_str(), place.dir.as_str()), ("rescue", "a b/c d"));
        assert_eq!(place.to_string(), "smb://files.example/rescue/a b/c d");
        assert_eq!(place.account().as_deref(), Some(r"CORP\alice"));
    }

    #[test]
    fn users_come_in_many_forms() {
        for (text, domain, user) in [
            ("smb://alice@s/x", None, Some("alice")),
            (r"smb://CORP\alice@s/x", Some("CORP"), Some("alice")),
            ("SMB://alice@corp.example@s/x", None, Some("alice@corp.example")),
            ("smb://a%3Blice@s/x", None, Some("a;lice")),
            ("smb://s/x", None, None),
            ("smb://@s/x", None, None),
        ] {
            let place = smb(text);
            assert_eq!((place.domain.as_deref(), place.user.as_deref()), (domain, user), "{text}");
            assert_eq!(place.server, "s");
        }
    }

    #[test]
    fn shares_and_folders_keep_their_letters() {
        assert_eq!(smb("smb://u@s/C$").share, "C$");
        assert_eq!(smb("smb://u@s/x//a/?b/#c/").dir, "a/?b/#c");
        assert_eq!(smb("smb://u@s/x/%2541").dir, "%41");
        assert_eq!(smb("smb://u@s/x/%C3%BC/\u{1F600}").dir, "\u{FC}/\u{1F600}");
        assert_eq!(smb("smb://u@s/x/a@b:c").dir, "a@b:c");
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let place = smb("smb://u@[2001:db8::1]/x/y");
        assert_eq!(place.server, "2001:db8::1");
        assert_eq!(place.server_url(), "smb://[2001:db8::1]");
        assert_eq!(place.unc_path(), PathBuf::from(r"\\2001-db8--1.ipv6-literal.net\x\y"));
        for text in ["smb://u@[2001:db8::1/x", "smb://u@[nonsense]/x", "smb://u@2001:db8::1/x"] {
            assert_eq!(refused(text), DestError::BadAddress, "{text}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for text in [
            "smb://alice:hunter2@s/x",
            "smb://CORP;alice:hunter2@s/x",
            "smb://alice:hunter2@s:1445/x",
            "smb://alice:hun@hunter2@s/x",
            "smb://alice:hunter2/hunter2@s/x",
        ] {
            let error = refused(text);
            assert_eq!(error, DestError::PasswordInUrl, "{text}");
            assert!(!format!("{error} {error:?} {}", error.advice()).contains("hunter2"));
        }
    }

    #[test]
    fn a_password_without_a_server_is_not_repeated_either() {
        for text in ["smb://alice:hunter2", "smb://alice:hunter2:x/y", "smb://[hunter2]/x"] {
            let error = refused(text);
            assert!(!format!("{error} {error:?} {}", error.advice()).contains("hunter2"));
        }
    }

    #[test]
    fn a_share_without_its_scheme_is_no_folder() {
        for text in ["bob@srv/x", "bob@srv", "smb:"] {
            assert_eq!(refused(text), DestError::NoScheme(text.to_owned()));
        }
        for text in ["./bob@srv/x", "a/b@c", "@home"] {
            assert_eq!(text.parse(), Ok(Dest::Folder(text.into())), "{text}");
        }
    }

    #[test]
    #[cfg(not(windows))]
    fn a_drive_letter_is_no_folder_here() {
        for text in ["E:", r"E:\rescue", "e:/rescue"] {
            assert_eq!(refused(text), DestError::DriveOnLinux(text.to_owned()));
        }
        for text in ["./E:", "E:rescue", "rescue/E:", "EE:/x"] {
            assert_eq!(text.parse(), Ok(Dest::Folder(text.into())), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        assert_eq!(refused(""), DestError::Empty);
        assert_eq!(refused("smb://"), DestError::NoServer);
        assert_eq!(refused("smb:///share"), DestError::NoServer);
        assert_eq!(refused("smb://u@s"), DestError::NoShare("s".into()));
        assert_eq!(refused("smb://u@s/"), DestError::NoShare("s".into()));
        assert_eq!(refused("smb://u@s/x/%zz"), DestError::BadPercent);
        assert_eq!(refused("smb://u@s/x/%+1"), DestError::BadPercent);
        assert_eq!(refused("smb://u@s/x/%FF"), DestError::BadPercent);
        assert_eq!(refused("smb://u@s/x/../y"), DestError::BadName("..".into()));
        assert_eq!(refused("smb://u@s/x/a%2Fb"), DestError::BadName("a/b".into()));
        assert_eq!(refused("smb://u@s:0/x"), DestError::BadPort);
        assert_eq!(refused("https://s/x"), DestError::Scheme("https".into()));
        assert!(matches!(refused(r"smb://u@s\share\x"), DestError::BadName(_)));
    }

    #[cfg(not(windows))]
    #[test]
    fn on_linux_a_port_is_fine_and_a_unc_path_is_translated() {
        let place = smb("smb://u@127.0.0.1:1445/x");
        assert_eq!(place.port, Some(1445));
        assert_eq!(place.server_url(), "smb://127.0.0.1:1445");
        for text in [r"\\server\share\a dir", "//server/share/a dir"] {
            let error = refused(text);
            assert_eq!(error.advice(), "write smb://user@server/share/a dir", "{error}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn on_windows_a_unc_path_is_a_folder_and_a_port_is_not_possible() {
        assert_eq!(r"\\s\x\y".parse(), Ok(Dest::Folder(r"\\s\x\y".into())));
        assert_eq!(r"C:\x".parse(), Ok(Dest::Folder(r"C:\x".into())));
        assert_eq!(refused("smb://u@s:1445/x"), DestError::PortOnWindows(1445));
        assert_eq!(smb("smb://u@s:445/x").unc_path(), PathBuf::from(r"\\s\x"));
    }

    #[test]
    fn everything_else_is_a_folder() {
        for text in ["/mnt/usb", "rescue", "./x y", "a:b"] {
            assert_eq!(text.parse(), Ok(Dest::Folder(text.into())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(smb://)?[a-z@:;/%\\[\\]\\\\0-9.?#é ]{0,40}") {
            if let Ok(dest) = text.parse::<Dest>() {
                prop_assert!(!dest.to_string().is_empty());
            }
        }

        #[test]
        fn a_password_never_passes(password in "[^@]{1,20}") {
            let text = format!("smb://alice:{password}@server/share");
            prop_assert!(text.parse::<Dest>().is_err());
        }
    }
}
