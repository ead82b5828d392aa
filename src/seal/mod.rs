//! A store's seal: what it held before the wipe, written down by `lifeboat seal`
//! in one file beside the `USMT` folder, and compared by `verify`, `offload` and
//! `restore` with what is there later. `docs/reference/format.md` specifies it.
//!
//! A seal is a manifest of its own: the lines are those of a rescue set's, by
//! the same plan, with the same facts and hashes. It proves that the store is
//! what it was *when it was sealed*, not that `scanstate` did its work well.
//! Anybody who may write to the store may write a seal as well: it guards
//! against accidents, not against forgers.
//!
//! Making one: `write`. Reading: `read` proves it whole before a line of it is
//! believed; `compare` holds present files against it, wherever these come from.

mod compare;
mod hashing;
mod index;
mod parts;
mod read;
mod set;
mod store;
mod words;
mod write;

use serde::{Deserialize, Serialize};

pub use read::{Seal, Unsound};
pub use set::check_set;
pub use store::{Guard, StoreCheck};
pub use words::{Looked, verdict};
pub use write::{Made, SealError, SealOptions, seal_store};

use crate::set::format::manifest::{Member, Totals};
use crate::set::format::rescue::{Machine, Part};

/// The file's name, in the folder above `USMT`.
pub const NAME: &str = crate::model::name::SEAL;

/// The version of the format that this program writes.
pub const FORMAT: u32 = 1;

/// One line of a seal.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    /// The first.
    Seal(Header),
    /// A file, a folder or a further link, as in a set's manifest.
    Member(Box<Member>),
    /// The last.
    End(End),
    /// Written by a later program; passed over.
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
    /// When it was begun, UTC by the machine's clock (RFC 3339).
    pub created: String,
    /// Without hashes.
    #[serde(default)]
    pub quick: bool,
    /// The machine that the store is of.
    #[serde(default)]
    pub machine: Machine,
    /// The kind of store, as in `rescue.json`.
    pub kind: String,
    /// The store's parts, the one that the seal lies beside first.
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
