//! Without disks of its own: a store in a folder. So it runs under Wine, too.

use std::fs;
use std::path::PathBuf;

use super::cases::Store;
use super::child::Stopped;
use super::{Session, plant, say};
use crate::facts::Expect;
use crate::report::COULD_NOT_START;
use crate::rows::{Page, ROWS, Row};

/// Rows of metadata where Wine says "done" and does nothing, or shows the Unix file's
/// instead, and why.
pub(super) fn wine_cannot(row: &str) -> Option<&'static str> {
    Some(match row {
        "object-ids" => "Wine makes an id up for every file",
        "accessed" => "a Unix file system counts every reading as an access",
        "owner" | "sacl" => "Wine makes owners and lists up from the Unix file's",
        "written" | "changed" => {
            "Wine has no creation and change time of its own: it shows the Unix file's"
        }
        "attributes" => "Wine keeps only some attributes",
        "case-only" => "Wine's folders are as the Unix file system",
        _ => return None,
    })
}

/// Rows that need a disk or a volume of one's own.
const NEED_DISKS: [&str; 18] = [
    "raw-disk",
    "raw-volume",
    "sectors-4k",
    "firmware-serial",
    "in-use",
    "bitlocker",
    "no-write",
    "fat-volumes",
    "mounted-folder",
    "fat-restore",
    "no-short-names",
    "compressed-volume",
    "pagefile",
    "fat-destination",
    "share-long-paths",
    "share-disappears",
    "share-beside",
    "share-closed",
];

impl Session {
    /// Everything that can be shown with folders alone.
    pub(super) fn on_folders(&mut self) -> Result<(), Stopped> {
        for row in NEED_DISKS.into_iter().chain(["share-password", "share-wrong-password"]) {
            self.ledger.not_possible(
                row,
                "",
                "this run makes no disks and no shares, and is no administrator's (--on)",
            );
        }
        if !self.may.deny {
            self.ledger.not_possible("privileges", "", "this user has no backup rights");
        }
        let root = self.work().join("source");
        // Without its drive.
        self.at = root.components().skip(2).collect::<PathBuf>().join(plant::STORE);
        let to = self.work().join("restored");
        if let Err(error) = fs::create_dir(&root).and_then(|()| fs::create_dir(&to)) {
            self.remarks.push(format!("{}: {error}", root.display()));
            self.unfinished = Some(COULD_NOT_START);
            return Ok(());
        }
        let Some(store) = self.planted(&root)? else { return Ok(()) };
        let args =
            vec![root.join(plant::STORE).display().to_string(), "--via".into(), "host".into()];
        let store = Store { args, tree: store, to };
        say("saving and restoring through the file API");
        let args = store.args();
        if let Some(set) = self.offload("host", "host-metadata", &args)? {
            if self.forgiven.facts {
                let why = if self.is_wine { "Wine refuses some" } else { "not an administrator" };
                self.ledger.not_possible("host-metadata", "host", why);
            } else {
                self.ledger.pass("host-metadata", "host", "saved; losses would be failures here");
            }
            let to = store.to.join("host");
            self.restore("host", &set, &to, &store.tree, Expect::default())?;
            self.change_times("host", &set, &store.tree)?;
            self.denied_is_there("host", &to);
            self.paths_of_the_set("host", &set, &to)?;
            self.second_restore("host", &set, &to, &store.tree)?;
            self.junctions_are_left_alone("host", &set, &root)?;
            self.killed_restores(&set, &store)?;
            self.open_handle(&set, &store)?;
        }
        self.killed_offloads(&store)?;
        self.two_runs(&store)
    }

    /// A store with everything below `root`, and what is there.
    pub(super) fn planted(
        &mut self,
        root: &std::path::Path,
    ) -> Result<Option<crate::facts::Tree>, Stopped> {
        say("filling a store");
        let size = self.size;
        match plant::full(root, size, self.may, &mut self.ledger) {
            Ok(planted) => {
                let planted = planted?;
                self.forgiven.case_only = planted.case_only;
                self.forgiven.encrypted_folder = planted.encrypted_folder;
            }
            Err(error) => {
                self.remarks.push(format!("The store could not be made: {error}"));
                self.unfinished = Some(COULD_NOT_START);
                return Ok(None);
            }
        }
        let tree = self.look(&root.join(plant::STORE), "source");
        if let Some(tree) = &tree {
            // What was set without an error, but is not there: nothing to compare.
            let there = crate::facts::compare(tree, tree, Expect::default());
            // The change time is compared with the set, not with what was restored.
            let compared =
                |row: &&Row| row.page == Page::Kept && !["drive", "changed"].contains(&row.id);
            for row in ROWS.iter().filter(compared) {
                // What was refused has been said.
                if !there.contains_key(row.id) && !self.ledger.has(row.id) {
                    self.ledger.not_possible(
                        row.id,
                        "",
                        "there is none in the store: it was set, and is not there when it is read",
                    );
                }
            }
        }
        Ok(tree)
    }
}
