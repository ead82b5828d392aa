//! Removes what a run has made: this one, or one that crashed.

use std::path::Path;

use super::child::{Tool, tool};
use super::{Session, refuse, say};
use crate::made::{Made, Thing};
use crate::plan::script_detach;
use crate::windows::{disks, files, verbatim};

/// What `--cleanup` does.
pub(super) fn left_by_another(work: &Path) -> u8 {
    let mut made = match Made::open(work) {
        Ok(made) => made,
        Err(error) => {
            let what =
                format!("{}: this is no work folder of an earlier run: {error}.", work.display());
            return refuse(&what, "Give the --work or --on that the run had.");
        }
    };
    let left = remove_things(&mut made, |_| true);
    let removed = if left.is_empty() { files::remove_all(work) } else { Ok(()) };
    if let Err(error) = &removed {
        return refuse(
            &format!("{}: {error}.", work.display()),
            "Restart the computer, and run it again.",
        );
    }
    if left.is_empty() {
        println!("Removed: {}", work.display());
        return 0;
    }
    refuse(
        &format!("These are still there: {}.", left.join("; ")),
        "Restart the computer, and run it again.",
    )
}

/// Removes those things outside of the work folder that are wanted; gives what could
/// not be.
fn remove_things(made: &mut Made, is_wanted: impl Fn(&Thing) -> bool) -> Vec<String> {
    let mut failed = Vec::new();
    for thing in made.left().into_iter().filter(is_wanted) {
        match remove(&thing, made.folder()) {
            Ok(()) => made.removed(&thing),
            Err(error) => failed.push(format!("{thing:?}: {error}")),
        }
    }
    failed
}

fn remove(thing: &Thing, work: &Path) -> Result<(), String> {
    // Ctrl-C was the reason, perhaps: the clean-up goes on.
    let net = |args: &[&str]| -> Result<Tool, String> {
        tool("net.exe", args, work).map_err(|stopped| stopped.to_string())
    };
    match thing {
        // What is gone already ends with an error, too: what counts is whether it is there.
        Thing::Connection(name) => net(&["use", name, "/delete", "/y"]).map(drop),
        Thing::Share(name) => {
            net(&["share", name, "/delete", "/y"])?;
            if net(&["share", name])?.is_ok() {
                Err("the share is still there".to_owned())
            } else {
                Ok(())
            }
        }
        Thing::User(name) => {
            net(&["user", name, "/delete"])?;
            if net(&["user", name])?.is_ok() {
                Err("the user is still there".to_owned())
            } else {
                Ok(())
            }
        }
        Thing::Mount(folder) => {
            let _ = disks::unmount(folder);
            Ok(())
        }
        Thing::Disk(file) => {
            let path = Path::new(file);
            if !path.exists() {
                return Ok(());
            }
            // A disk of virtdisk's went with its handle; one of diskpart's is attached
            // until it is taken away.
            let mut last = String::new();
            for _ in 0..10 {
                match std::fs::remove_file(verbatim(path)) {
                    Ok(()) => return Ok(()),
                    Err(error) => last = error.to_string(),
                }
                if let Some(script) = script_detach(file) {
                    let name = work.join("detach.txt");
                    if std::fs::write(&name, script).is_ok() {
                        let _ = tool("diskpart.exe", &["/s", "detach.txt"], work);
                    }
                }
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
            Err(last)
        }
    }
}

impl Session {
    /// Removes everything. What could not be removed is a remark.
    pub(super) fn clean_up(&mut self, keep: bool) {
        say("cleaning up");
        crate::windows::machine::forget_ctrl_c();
        // Windows ends a program whose window was closed after five seconds: what others
        // could use goes first. Then letters and mount points, which Windows would keep
        // for a disk that comes back (mountvol /R); then the disks.
        let is_disk = |thing: &Thing| matches!(thing, Thing::Disk(_));
        let is_mount = |thing: &Thing| matches!(thing, Thing::Mount(_));
        let mut failed = remove_things(&mut self.made, |t| !is_disk(t) && !is_mount(t));
        crate::windows::machine::is_clean();
        failed.extend(remove_things(&mut self.made, is_mount));
        for letter in self.letters() {
            let _ = disks::unmount(&format!("{letter}:"));
        }
        self.disks.clear(); // detaches them
        failed.extend(remove_things(&mut self.made, is_disk));
        for what in &failed {
            self.remarks.push(format!("Not removed: {what}"));
        }
        if keep {
            self.remarks.push("The work folder was kept.".to_owned());
            return;
        }
        // The marker stays where something is left: `--cleanup` needs it.
        if failed.is_empty()
            && let Err(error) = files::remove_all(self.work())
        {
            self.remarks
                .push(format!("The work folder is still there: {error}. Run it with --cleanup."));
        }
    }
}
