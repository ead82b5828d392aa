//! Security identifiers (MS-DTYP 2.4.2): they say whose a file is, whatever the account is called.

use std::fmt;
use std::str::FromStr;

/// A security identifier, in its binary form (MS-DTYP 2.4.2.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(Vec<u8>);

/// What kind of account a SID stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountKind {
    /// A person's account: local, in a domain, or in Entra ID.
    Person,
    /// An account that Windows, IIS or a service runs under.
    Service,
    /// A group such as Administrators, or an account that stands for others.
    WellKnown,
}

impl Sid {
    /// The SID at the start of these bytes; `None` if there is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            // Revision 1; 15 subauthorities at most.
            [1, count @ 0..=15, ..] => {
                bytes.get(..8 + 4 * usize::from(*count)).map(|sid| Self(sid.to_vec()))
            }
            _ => None,
        }
    }

    /// Its binary form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The identifier authority, of 48 bits.
    pub fn authority(&self) -> u64 {
        self.0.get(2..8).unwrap_or_default().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// The subauthorities, in order.
    pub(crate) fn subauthorities(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.0.get(8..).unwrap_or_default().chunks_exact(4);
        words.map(|word| word.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// Whether it is SYSTEM, LOCAL SERVICE or NETWORK SERVICE.
    pub(crate) fn is_of_system(&self) -> bool {
        self.authority() == 5 && matches!(self.subauthorities().next(), Some(18..=20))
    }

    /// The kind of account, by the ranges that Windows gives SIDs from ("Security
    /// identifiers", Microsoft; S-1-12-1 is Entra ID's).
    pub fn account(&self) -> AccountKind {
        let mut numbers = self.subauthorities();
        let first = numbers.next();
        match (self.authority(), first) {
            // The domain's own SID has four numbers; an account one more.
            (5, Some(21)) if self.subauthorities().count() == 5 => {
                match self.subauthorities().last() {
                    // DefaultAccount and the account of Application Guard.
                    Some(503 | 504) => AccountKind::Service,
                    // Groups of a domain: 512 to 572, and 498.
                    Some(498 | 512..=572) => AccountKind::WellKnown,
                    _ => AccountKind::Person,
                }
            }
            (12, Some(1)) if self.subauthorities().count() == 5 => AccountKind::Person,
            // SYSTEM, LOCAL SERVICE, NETWORK SERVICE; services, application pools, virtual
            // machines, the window manager, the font driver and other virtual accounts.
            (5, Some(18..=20 | 80..=111)) => AccountKind::Service,
            _ => AccountKind::WellKnown,
        }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authority() {
            // MS-DTYP 2.4.2.1: in hexadecimal from 32 bits on.
            large @ 0x1_0000_0000.. => write!(f, "S-1-{large:#x}")?,
            small => write!(f, "S-1-{small}")?,
        }
        self.subauthorities().try_for_each(|number| write!(f, "-{number}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no SID.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a SID such as S-1-5-21-1-2-3-1001")]
pub struct NotASid;

impl FromStr for Sid {
    type Err = NotASid;

    /// Reads `S-1-5-21-...`, in either letter case.
    fn from_str(text: &str) -> Result<Self, NotASid> {
        let mut numbers = text.trim().split('-');
        let is_sid = numbers.next().is_some_and(|s| s.eq_ignore_ascii_case("S"));
        if !is_sid || numbers.next() != Some("1") {
            return Err(NotASid);
        }
        let authority = numbers.next().ok_or(NotASid)?;
        let authority = match authority.strip_prefix("0x").or(authority.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => authority.parse(),
        };
        let authority = authority.map_err(|_| NotASid)?.to_be_bytes();
        let [0, 0, authority @ ..] = authority else { return Err(NotASid) };
        let numbers: Result<Vec<u32>, _> = numbers.map(str::parse).collect();
        let numbers = numbers.map_err(|_| NotASid)?;
        let count = u8::try_from(numbers.len()).ok().filter(|n| *n <= 15).ok_or(NotASid)?;
        let mut sid = vec![1, count];
        sid.extend(authority);
        sid.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
        Ok(Self(sid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    #[test]
    fn a_sid_is_the_same_in_text_and_in_bytes() {
        let administrators = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0];
        assert_eq!(Sid::from_bytes(&administrators).unwrap(), sid("S-1-5-32-544"));
        assert_eq!(sid("s-1-5-32-544 ").as_bytes(), administrators);
        for text in ["S-1-5-21-1-2-3-1001", "S-1-0x123456789abc-1", "S-1-1-0", "S-1-5"] {
            assert_eq!(sid(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_sid_is_refused() {
        for text in ["", "S", "S-1", "S-2-5-18", "alice", "S-1-5-", "S-1-5--1", "S-1-5-4294967296"]
        {
            assert!(text.parse::<Sid>().is_err(), "{text}");
        }
        let long = format!("S-1-5{}", "-1".repeat(16));
        assert!(long.parse::<Sid>().is_err());
        assert_eq!(Sid::from_bytes(&[1, 16, 0, 0, 0, 0, 0, 5]), None);
        assert_eq!(Sid::from_bytes(&[2, 0, 0, 0, 0, 0, 0, 5]), None);
        assert_eq!(Sid::from_bytes(&[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0]), None);
    }

    #[test]
    fn people_are_told_from_services_and_groups() {
        use AccountKind::{Person, Service, WellKnown};
        for (text, kind) in [
            ("S-1-5-21-1-2-3-1001", Person),
            ("S-1-5-21-1-2-3-500", Person),
            ("S-1-12-1-1-2-3-4", Person),
            ("S-1-5-18", Service),
            ("S-1-5-20", Service),
            ("S-1-5-80-1-2-3-4-5", Service),
            ("S-1-5-82-1-2-3-4-5", Service),
            ("S-1-5-96-0-1", Service),
            ("S-1-5-21-1-2-3-503", Service),
            ("S-1-5-21-1-2-3-513", WellKnown),
            ("S-1-5-21-1-2-3", WellKnown),
            ("S-1-5-32-544", WellKnown),
            ("S-1-1-0", WellKnown),
        ] {
            assert_eq!(sid(text).account(), kind, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            if let Some(sid) = Sid::from_bytes(&bytes) {
                prop_assert_eq!(sid.to_string().parse::<Sid>().unwrap(), sid);
            }
        }

        #[test]
        fn any_text_is_read(text: String) {
            let _ = text.parse::<Sid>();
        }
    }
}
