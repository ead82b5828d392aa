//! A store's seal: the record of its contents before the wipe. `lifeboat seal`
//! writes it to one file beside the `USMT` folder, and `verify`, `offload` and
//! `restore` compare it later. `docs/reference/format.md` specifies it.
//!
//! A seal is a manifest: the same lines as in a rescue set, with the same
//! metadata and hashes. It proves that the store is what it was *when it was
//! sealed*, not that `scanstate` worked correctly. A person who can write to
//! the store can also write a seal: it protects against accidents, not against
//! forgers.
//!
//! `write` makes a seal. `read` validates it before a line is used. `compare`
//! compares files from any source with it.

mod compare;
pub(crate) mod hashing;
mod index;
mod parts;
mod read;
mod set;
mod store;
mod words;
mod write;

use serde::{Deserialize, Serialize};

pub use read::{Seal, Unsound};
pub(crate) use set::check_set;
pub(crate) use store::{Guard, StoreCheck};
pub use words::{Looked, verdict};
pub use write::{Made, SealError, SealOptions, seal_store};

use crate::set::format::manifest::{Member, Totals};
use crate::set::format::rescue::{Machine, Part};

/// The file's name, in the folder above `USMT`.
pub const NAME: &str = crate::model::name::SEAL;

/// The version of the format that this program writes.
pub(crate) const FORMAT: u32 = 1;

/// One line of a seal.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    /// The first.
    Seal(Header),
    /// A file, a folder or another hard link, as in a set's manifest.
    Member(Box<Member>),
    /// The last.
    End(End),
    /// Written by a later program; skipped.
    #[serde(other)]
    Other,
}

/// The first line: what was sealed, when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The program that wrote it: `lifeboat 0.1.0`.
    pub program: String,
    /// When it was begun, UTC by the clock of that PC (RFC 3339).
    pub created: String,
    /// Without hashes.
    #[serde(default)]
    pub quick: bool,
    /// The computer that the store is from.
    #[serde(default)]
    pub machine: Machine,
    /// The kind of store, as in `rescue.json`.
    pub kind: String,
    /// The parts of the store, first the one beside the seal.
    pub parts: Vec<SealPart>,
}

/// A part of a store, as it was when it was sealed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealPart {
    /// As in `rescue.json`.
    #[serde(flatten)]
    pub part: Part,
    /// The store's folder in [`Part::path`]: `USMT`.
    pub folder: String,
}

/// The last line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct End {
    #[serde(flatten)]
    totals: Totals,
    /// SHA-256 of all lines before this one, line ends included, hex.
    sha256: String,
}
