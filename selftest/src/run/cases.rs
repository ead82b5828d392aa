//! What is done with a store, whatever it lies on.

use std::fs;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::child::{Kill, Stopped, kill_in, start};
use super::{Session, part, say};
use crate::events::{Forgiven, Ran, stage_of};
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

/// How often a run is started that ends before it is killed.
const ATTEMPTS: u32 = 3;

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
        let is_right = is_there
            && !parts.is_empty()
            && parts.iter().all(|drive| drive.trim_end_matches(':') == "C");
        self.ledger.check("drive", run, is_right, seen);
        Ok(())
    }

    /// The change time is in the set; NTFS keeps it from no restore.
    pub(super) fn change_times(
        &mut self,
        run: &str,
        set: &str,
        source: &Tree,
    ) -> Result<(), Stopped> {
        const ROW: &str = "changed";
        if let Some(why) = self.is_wine.then(|| super::folders::wine_cannot(ROW)).flatten() {
            self.ledger.not_possible(ROW, run, why);
            return Ok(());
        }
        let listed = self.run(&["list", set])?;
        let root = Path::new("C").join(&self.at).display().to_string().replace('\\', "/");
        let files = listed.of("member").filter(|member| member["kind"] != "link");
        let times = files.filter_map(|member| {
            Some((member["path"].as_str()?, member["times"]["changed"].as_u64()?))
        });
        let tally = crate::facts::compare_changed(source, &root, times);
        let is_right = tally.compared > 0 && tally.wrong.is_empty();
        let first = tally.wrong.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        let seen = format!(
            "{} compared with the set, {} differ {first}",
            tally.compared,
            tally.wrong.len()
        );
        self.ledger.check(ROW, run, is_right, seen.trim_end());
        Ok(())
    }

    /// A file that denies everyone came back.
    pub(super) fn denied_is_there(&mut self, run: &str, to: &Path) {
        if !self.may.deny || self.is_wine {
            if self.is_wine {
                self.ledger.not_possible("privileges", run, "Wine denies an owner nothing");
            }
            return;
        }
        let denied = to.join(&self.at).join(r"USMT\File\C$\Users\alice\Metadata\denied");
        let is_there = files::open(&denied.join("read with privileges.txt"), 1).is_ok();
        let seen = format!("a file that denies everyone was saved and restored: {is_there}");
        self.ledger.check("privileges", run, is_there, seen);
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
            // A store that is there is refused, or recognised as this one.
            again.code == Some(5) || again.is_whole(self.forgiven),
            format!("over a store: {}", again.ended()),
        );
        let replaced = self.run(&["restore", set, "--to", &part(to), "--replace"])?;
        let kept = to.join(&self.at).with_file_name("StateStore.before-lifeboat");
        let is_kept = kept.join("USMT").join("catalog.mig").is_file();
        // An object id is only once on a volume, and the store that was kept has them.
        let is_whole = replaced.is_whole(Forgiven { object_ids: true, ..self.forgiven });
        let seen =
            format!("with --replace: {}; the old store was kept: {is_kept}", replaced.ended());
        self.ledger.check(ROW, run, is_whole && is_kept, seen);
        let wrong = self.differs(source, to, "second restore", &replaced.losses());
        let wrong = wrong.unwrap_or_else(|| "everything".to_owned());
        self.ledger.check(ROW, run, wrong.is_empty(), format!("differs in: [{wrong}]"));
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
            let mut ended = Ran::default();
            for _ in 0..ATTEMPTS {
                let sets = self.sets();
                let args = store.args();
                let to = ["--to", &sets, "--name", "SELFTEST", "--level", "9"];
                let args = [&["offload"], &args[..], &to].concat();
                if let Kill::Ended(ran) = kill_in(&self.lifeboat, &args, stage)? {
                    ended = ran;
                    self.remove(Path::new(&sets));
                    continue;
                }
                ended = Ran::default();
                let again = self.run(&args)?;
                let verified = self.verify(again.set())?;
                let left: Vec<String> = names(Path::new(&sets));
                let is_right = self.is_saved(&again) && verified.is_ok() && left.len() == 1;
                let frames = again.of("set").last();
                let frames = frames.map_or(0, |set| set["resumed_frames"].as_u64().unwrap_or(0));
                let verified = verified.unwrap_or_else(|why| why);
                let seen = format!(
                    "again: {}, {frames} frames resumed; verify: {verified}",
                    again.ended(),
                );
                self.ledger.check(ROW, stage, is_right, seen);
                break;
            }
            if ended.code.is_some() {
                let why = format!("each run had ended before: {}", ended.ended());
                self.ledger.not_possible(ROW, stage, why);
            }
        }
        Ok(())
    }

    /// Verifies a set; an error says what is wrong, or that there is none.
    pub(super) fn verify(&self, set: Option<&str>) -> Result<Result<String, String>, Stopped> {
        let Some(set) = set else { return Ok(Err("not run: there is no set".to_owned())) };
        let ran = self.run(&["verify", set, "--level", "full"])?;
        Ok(if ran.code == Some(0) { Ok(ran.ended()) } else { Err(ran.ended()) })
    }

    /// Kills a restore in each stage; the same command finishes it.
    pub(super) fn killed_restores(&mut self, set: &str, store: &Store) -> Result<(), Stopped> {
        const ROW: &str = "killed-restore";
        for stage in ["restore", "read-back", "facts"] {
            say(&format!("killing a restore: {stage}"));
            let to = store.to.join(format!("killed-{stage}"));
            let mut why = None;
            for _ in 0..ATTEMPTS {
                if let Err(error) = fs::create_dir_all(&to) {
                    why = Some(error.to_string());
                    break;
                }
                let to_part = part(&to);
                let args = ["restore", set, "--to", &to_part];
                match kill_in(&self.lifeboat, &args, stage)? {
                    Kill::Ended(ran) => {
                        why = Some(format!("each run had ended before: {}", ran.ended()));
                        self.remove(&to);
                    }
                    Kill::Done => {
                        let is_half = !to.join(&self.at).exists();
                        let again = self.run(&args)?;
                        let losses = again.losses();
                        let differs = self.differs(&store.tree, &to, "killed restore", &losses);
                        let is_right =
                            is_half && self.is_whole(&again) && differs.as_deref() == Some("");
                        let seen = format!(
                            "looked whole before it was: {}; again: {}; differs in: [{}]",
                            !is_half,
                            again.ended(),
                            differs.as_deref().unwrap_or("everything")
                        );
                        self.ledger.check(ROW, stage, is_right, seen);
                        why = None;
                        break;
                    }
                }
            }
            if let Some(why) = why {
                self.ledger.not_possible(ROW, stage, why);
            }
            self.remove(&to);
        }
        Ok(())
    }

    /// The rows in which a restored store differs, but for what is listed as a loss
    /// where losses are right; `None` if it is not there.
    pub(super) fn differs(
        &mut self,
        source: &Tree,
        to: &Path,
        what: &str,
        losses: &[String],
    ) -> Option<String> {
        let now = self.look(&to.join(&self.at), what)?;
        let rows = crate::facts::compare(source, &now, Expect::default());
        let wrong = rows.into_iter().filter_map(|(row, tally)| {
            let is_wines = self.is_wine && super::folders::wine_cannot(row).is_some();
            let is_listed = self.forgiven.facts || ["case-only", "object-ids"].contains(&row);
            let wrong = match tally.wrong {
                wrong if is_listed => crate::facts::without_listed(row, wrong, losses),
                wrong => wrong,
            };
            let first = wrong.into_iter().next().filter(|_| !is_wines)?;
            Some(format!("{row}: {first}"))
        });
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
