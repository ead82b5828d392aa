//! What is done with a store, whatever it lies on.

use std::fs;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::child::{Kill, Stopped, kill_in, start};
use super::{Session, part, say};
use crate::events::{Ran, stage_of};
use crate::facts::{Expect, Tree};
use crate::windows::files;

/// A store, how lifeboat is told of it, and a folder for what is restored.
pub(super) struct Store {
    pub(super) args: Vec<String>,
    pub(super) tree: Tree,
    pub(super) to: PathBuf,
}

impl Store {
    pub(super) fn args(&self) -> Vec<&str> {
        self.args.iter().map(String::as_str).collect()
    }
}

/// Longer than a restore takes that waits for a file to be closed.
const ENOUGH: Duration = Duration::from_mins(10);

impl Session {
    /// Drive and path of a set's part, and where it was restored.
    pub(super) fn paths_of_the_set(
        &mut self,
        run: &str,
        set: &str,
        to: &Path,
    ) -> Result<(), Stopped> {
        let listed = self.run(&["list", set])?;
        let parts: Vec<&str> = listed
            .of("set")
            .flat_map(|event| event["rescue"]["parts"].as_array().into_iter().flatten())
            .filter_map(|part| part["drive"].as_str())
            .collect();
        let is_there = to.join(&self.at).join("USMT").join("catalog.mig").is_file();
        let seen = format!("drives of the parts: {parts:?}; restored to its path: {is_there}");
        let is_right = is_there && parts.iter().all(|drive| drive.trim_end_matches(':') == "C");
        self.ledger.check("drive", run, is_right, seen);
        Ok(())
    }

    /// Nothing that a junction leads to is in the set.
    pub(super) fn junctions_are_left_alone(
        &mut self,
        run: &str,
        set: &str,
        root: &Path,
    ) -> Result<(), Stopped> {
        if self.is_wine {
            self.ledger.not_possible("not-followed", run, "Wine makes no junctions");
            return Ok(());
        }
        let listed = self.run(&["list", set])?;
        let below = listed.says("must not be copied");
        let has_junction = listed.of("member").any(|member| {
            member["path"].as_str().is_some_and(|path| path.ends_with("/Application Data"))
                && member["reparse"].is_string()
        });
        let still_there = root.join("outside").join("must not be copied.txt").is_file();
        let seen =
            format!("junction with its reparse data: {has_junction}; what it leads to: {below}");
        self.ledger.check("not-followed", run, has_junction && !below && still_there, seen);
        Ok(())
    }

    /// Restores over what was restored: refused first, then beside it.
    pub(super) fn second_restore(
        &mut self,
        run: &str,
        set: &str,
        to: &Path,
        source: &Tree,
    ) -> Result<(), Stopped> {
        const ROW: &str = "second-restore";
        let again = self.run(&["restore", set, "--to", &part(to)])?;
        self.ledger.check(
            ROW,
            run,
            again.code == Some(5),
            format!("over a store: {}", again.ended()),
        );
        let replaced = self.run(&["restore", set, "--to", &part(to), "--replace"])?;
        let kept = to.join(&self.at).with_file_name("StateStore.before-lifeboat");
        let is_kept = kept.join("USMT").join("catalog.mig").is_file();
        // An object id is only once on a volume, and the store that was kept has them.
        let losses = replaced.losses();
        let is_whole = self.is_whole(&replaced)
            || (replaced.code == Some(3) && losses.iter().all(|loss| loss.contains("object id")));
        let seen =
            format!("with --replace: {}; the old store was kept: {is_kept}", replaced.ended());
        self.ledger.check(ROW, run, is_whole && is_kept, seen);
        if let Some(now) = self.look(&to.join(&self.at), "second restore") {
            let differs = |tally: &crate::facts::Tally| !tally.wrong.is_empty();
            let rows = crate::facts::compare(source, &now, Expect::default());
            let wrong: Vec<&str> = rows
                .iter()
                .filter(|(row, tally)| {
                    let is_known = **row == "object-ids" || **row == "case-only";
                    let is_wines = self.is_wine && super::folders::wine_cannot(row).is_some();
                    differs(tally) && !is_known && !is_wines
                })
                .map(|(row, _)| *row)
                .collect();
            self.ledger.check(
                ROW,
                run,
                wrong.is_empty(),
                format!("differs in: [{}]", wrong.join(", ")),
            );
        }
        self.remove(to);
        Ok(())
    }

    pub(super) fn remove(&mut self, folder: &Path) {
        if let Err(error) = files::remove_all(folder) {
            self.remarks.push(format!("{} could not be removed: {error}", folder.display()));
        }
    }

    /// Kills an offload in each stage; the same command finishes it.
    pub(super) fn killed_offloads(&mut self, store: &Store) -> Result<(), Stopped> {
        const ROW: &str = "killed-offload";
        for stage in ["plan", "copy", "read-back"] {
            say(&format!("killing an offload: {stage}"));
            let sets = self.sets();
            let args = store.args();
            let args =
                [&["offload"], &args[..], &["--to", &sets, "--name", "SELFTEST", "--level", "9"]]
                    .concat();
            if let Kill::Ended(ran) = kill_in(&self.lifeboat, &args, stage)? {
                self.ledger.not_possible(
                    ROW,
                    stage,
                    format!("it had ended before: {}", ran.ended()),
                );
                continue;
            }
            let again = self.run(&args)?;
            let verified = match again.set() {
                Some(set) => self.run(&["verify", set, "--level", "full"])?,
                None => Ran::default(),
            };
            let left: Vec<String> = names(Path::new(&sets));
            let is_right = self.is_whole(&again) && verified.code == Some(0) && left.len() == 1;
            let frames =
                again.of("set").last().map_or(0, |set| set["resumed_frames"].as_u64().unwrap_or(0));
            let seen = format!(
                "again: {}, {frames} frames resumed; verify: {}",
                again.ended(),
                verified.ended()
            );
            self.ledger.check(ROW, stage, is_right, seen);
        }
        Ok(())
    }

    /// Kills a restore in each stage; the same command finishes it.
    pub(super) fn killed_restores(&mut self, set: &str, store: &Store) -> Result<(), Stopped> {
        const ROW: &str = "killed-restore";
        for stage in ["restore", "read-back", "facts"] {
            say(&format!("killing a restore: {stage}"));
            let to = store.to.join(format!("killed-{stage}"));
            if fs::create_dir_all(&to).is_err() {
                continue;
            }
            let to_part = part(&to);
            let args = ["restore", set, "--to", &to_part];
            match kill_in(&self.lifeboat, &args, stage)? {
                Kill::Ended(ran) => {
                    self.ledger.not_possible(
                        ROW,
                        stage,
                        format!("it had ended before: {}", ran.ended()),
                    );
                }
                Kill::Done => {
                    let is_half = !to.join(&self.at).exists();
                    let again = self.run(&args)?;
                    let differs = self.differs(&store.tree, &to, "killed restore");
                    let is_right =
                        is_half && self.is_whole(&again) && differs.as_deref() == Some("");
                    let seen = format!(
                        "looked whole before it was: {}; again: {}; differs in: [{}]",
                        !is_half,
                        again.ended(),
                        differs.as_deref().unwrap_or("everything")
                    );
                    self.ledger.check(ROW, stage, is_right, seen);
                }
            }
            self.remove(&to);
        }
        Ok(())
    }

    /// The rows in which a restored store differs; `None` if it is not there.
    fn differs(&mut self, source: &Tree, to: &Path, what: &str) -> Option<String> {
        let now = self.look(&to.join(&self.at), what)?;
        let rows = crate::facts::compare(source, &now, Expect::default());
        let wrong = rows.into_iter().filter(|(row, tally)| {
            let is_wines = self.is_wine && super::folders::wine_cannot(row).is_some();
            !tally.wrong.is_empty() && *row != "case-only" && !is_wines
        });
        let wrong = wrong.map(|(row, tally)| format!("{row}: {}", tally.wrong[0]));
        Some(wrong.collect::<Vec<_>>().join("; "))
    }

    /// Two runs at one destination: the second says so and leaves the first alone.
    pub(super) fn two_runs(&mut self, store: &Store) -> Result<(), Stopped> {
        const ROW: &str = "two-runs";
        say("two runs at one destination");
        let sets = self.sets();
        let args = store.args();
        let args =
            [&["offload"], &args[..], &["--to", &sets, "--name", "SELFTEST", "--level", "19"]]
                .concat();
        let Ok(mut first) = start(&self.lifeboat, &args) else { return Ok(()) };
        let copies = first.wait_for(|line| stage_of(line).as_deref() == Some("copy"))?;
        if !copies || first.has_ended() {
            self.ledger.not_possible(ROW, "", "the first run had ended before");
            return Ok(());
        }
        let second = self.run(&args)?;
        let still_runs = !first.has_ended();
        let is_right = second.code == Some(5) && second.says("another run");
        if is_right || still_runs {
            self.ledger.check(ROW, "", is_right, format!("the second: {}", second.ended()));
        } else {
            self.ledger.not_possible(ROW, "", "the first run ended before the second began");
        }
        Ok(())
    }

    /// A program has a file of the new store open while the store is to be renamed.
    pub(super) fn open_handle(&mut self, set: &str, store: &Store) -> Result<(), Stopped> {
        const ROW: &str = "open-handle";
        if self.is_wine {
            self.ledger.not_possible(ROW, "", "Wine renames a folder with an open file in it");
            return Ok(());
        }
        for (hold, name) in
            [(Some(Duration::from_secs(8)), "closed after 8 s"), (None, "kept open")]
        {
            say(&format!("a file of the new store is open: {name}"));
            let to = store.to.join("open");
            if fs::create_dir_all(&to).is_err() {
                return Ok(());
            }
            let to_part = part(&to);
            let args = ["restore", set, "--to", &to_part];
            let Ok(mut restore) = start(&self.lifeboat, &args) else { return Ok(()) };
            let file = to
                .join(&self.at)
                .with_file_name("StateStore.lifeboat-partial")
                .join(r"USMT\MIGSTATE.DAT");
            let mut held = None;
            while held.is_none() && !restore.has_ended() {
                // As Notepad: others may read, and no more.
                held = fs::OpenOptions::new().read(true).share_mode(1).open(&file).ok();
                std::thread::sleep(Duration::from_millis(1));
            }
            let Some(held) = held else {
                self.ledger.not_possible(
                    ROW,
                    name,
                    "the restore ended before the file could be opened",
                );
                self.remove(&to);
                continue;
            };
            if let Some(hold) = hold {
                restore.wait_for(|line| stage_of(line).as_deref() == Some("read-back"))?;
                let start = Instant::now();
                while start.elapsed() < hold && !restore.has_ended() {
                    std::thread::sleep(Duration::from_millis(50));
                }
                drop(held);
                let ended = restore.wait(ENOUGH)?;
                let is_whole = self.is_whole(&ended) && to.join(&self.at).exists();
                self.ledger.check(ROW, name, is_whole, ended.ended());
            } else {
                let ended = restore.wait(ENOUGH)?;
                let is_half = !to.join(&self.at).exists() && file.exists();
                drop(held);
                let again = self.run(&args)?;
                let is_right = ended.code == Some(5) && is_half && self.is_whole(&again);
                let seen = format!(
                    "{}; kept its partial name: {is_half}; after it was closed: {}",
                    ended.ended(),
                    again.ended()
                );
                self.ledger.check(ROW, name, is_right, seen);
            }
            self.remove(&to);
        }
        Ok(())
    }
}

/// Names in a folder of ours.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
