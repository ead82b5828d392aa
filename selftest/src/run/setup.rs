//! Makes the disks, and runs everything on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cases::Store;
use super::child::{Stopped, tool};
use super::{Session, plant, say};
use crate::events::{Forgiven, Ran};
use crate::facts::{Expect, Tree};
use crate::made::Thing;
use crate::outcome::Outcome;
use crate::plan::{self, Disk, FileSystem, Select, Volume};
use crate::report::{COULD_NOT_START, FAILED};
use crate::windows::disks::{self, Attached, VirtDisk};
use crate::windows::{files, machine};

/// A disk that this run has made, and its volumes that are ready.
pub(super) struct Ours {
    plan: Disk,
    file: PathBuf,
    /// `None`: diskpart holds it.
    attached: Option<Attached>,
    number: u32,
    volumes: Vec<(Volume, char, String)>,
}

/// One 2 s step of FAT, one of 10 ms of exFAT, in 100 ns; FAT knows no time zone, so
/// an hour may be lost at the change of summer time, which is not let pass.
const FAT: u64 = 20_000_000;

impl Session {
    /// The letters that its volumes have.
    pub(super) fn letters(&self) -> Vec<char> {
        let volumes = self.disks.iter().flat_map(|disk| &disk.volumes);
        volumes.map(|(_, letter, _)| *letter).collect()
    }

    /// Everything, on disks of our own.
    pub(super) fn on_disks(&mut self) -> Result<(), Stopped> {
        let plans = plan::disks(self.size);
        let virtdisk = VirtDisk::load();
        for plan in &plans {
            let name = plan.name;
            say(&format!("making the disk \"{name}\""));
            match self.make(plan, virtdisk.as_ref())? {
                Ok(ours) => self.disks.push(ours),
                Err(why) => {
                    self.remarks.push(format!("The disk \"{name}\" could not be made: {why}"));
                    // diskpart makes no disks with other sectors: then it is not possible.
                    let is_missing =
                        plan.sector == 512 || (virtdisk.is_some() && !is_before_windows_8());
                    if is_missing {
                        self.unfinished = Some(FAILED);
                    }
                    if name == "sectors4k" {
                        self.ledger.not_possible("sectors-4k", "", why);
                    }
                }
            }
        }
        let Some(source) = self.volume("LBST-SRC") else {
            self.remarks
                .push("Without its disks this run can show nothing. Try --on FOLDER.".into());
            self.unfinished = Some(COULD_NOT_START);
            return Ok(());
        };
        self.small_stores();
        let root = root(source);
        let Some(tree) = self.planted(&root)? else { return Ok(()) };
        self.found(source, &tree)?;
        self.firmware()?;
        let destination = self.volume("LBST-DST");
        if let Some(letter) = destination {
            self.both_ways(source, tree, self::root(letter))?;
        }
        self.small_volumes(destination)?;
        self.share(source)?;
        self.bitlocker()?;
        // Last: it takes the source's letters away.
        self.no_write(virtdisk.as_ref())
    }

    /// The letter of a volume that is ready.
    fn volume(&self, label: &str) -> Option<char> {
        let all = self.disks.iter().flat_map(|disk| &disk.volumes);
        all.into_iter().find(|(volume, _, _)| volume.label == label).map(|(_, letter, _)| *letter)
    }

    fn guid(&self, label: &str) -> Option<String> {
        let all = self.disks.iter().flat_map(|disk| &disk.volumes);
        all.into_iter()
            .find(|(volume, _, _)| volume.label == label)
            .map(|(_, _, guid)| guid.clone())
    }

    fn diskpart(&self, script: Option<String>) -> Result<Result<(), String>, Stopped> {
        let Some(script) = script else {
            return Ok(Err(
                "diskpart cannot be given the path of the work folder; use --work with a plain one"
                    .into(),
            ));
        };
        let folder = self.work().to_owned();
        if let Err(error) = fs::write(folder.join("script.txt"), script) {
            return Ok(Err(error.to_string()));
        }
        // A short name: diskpart takes no quotes here.
        let ran = tool("diskpart.exe", &["/s", "script.txt"], &folder)?;
        Ok(if ran.is_ok() { Ok(()) } else { Err(format!("diskpart: {}", ran.ended())) })
    }

    /// Makes a disk with its volumes: by virtdisk, or else by diskpart.
    fn make(
        &mut self,
        plan: &Disk,
        virtdisk: Option<&VirtDisk>,
    ) -> Result<Result<Ours, String>, Stopped> {
        let mut file = self.work().join(plan.name).with_extension("vhdx");
        if let Err(error) = self.made.will_make(Thing::Disk(file.display().to_string())) {
            return Ok(Err(error.to_string()));
        }
        let by_virtdisk = virtdisk.map(|virtdisk| {
            virtdisk.create(&file, plan.bytes(), plan.sector)?;
            virtdisk.attach(&file, false)
        });
        let (attached, select) = match by_virtdisk {
            Some(Ok(attached)) => {
                let number = attached.number;
                // Nothing is written to a disk that could be another.
                let facts = disks::disk_facts(number).map_err(|error| error.to_string());
                if let Err(why) = facts.and_then(|facts| facts.is_ours(plan)) {
                    return Ok(Err(format!("disk {number} may not be ours: {why}")));
                }
                (Some(attached), Select::Number(number))
            }
            other => {
                let refusal = other.map_or_else(
                    || "there is no virtdisk.dll".to_owned(),
                    |result| {
                        result
                            .err()
                            .map_or_else(String::new, |error| format!("virtdisk: {}", hint(&error)))
                    },
                );
                if plan.sector != 512 {
                    return Ok(Err(format!("{refusal}; diskpart makes no such sectors")));
                }
                let _ = fs::remove_file(&file);
                if is_before_windows_8() {
                    // No VHDX before Windows 8.
                    file.set_extension("vhd");
                    if let Err(error) = self.made.will_make(Thing::Disk(file.display().to_string()))
                    {
                        return Ok(Err(error.to_string()));
                    }
                }
                let text = file.display().to_string();
                if let Err(why) = self.diskpart(plan::script_make(&text, plan.bytes()))? {
                    return Ok(Err(format!("{refusal}; {why}")));
                }
                (None, Select::File(text))
            }
        };
        // A disk that was just attached may not be known to diskpart yet.
        let mut prepared = Err(String::new());
        for _ in 0..3 {
            prepared = self.diskpart(plan::script_prepare(&select))?;
            if prepared.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_secs(2));
        }
        if let Err(why) = prepared {
            return Ok(Err(why));
        }
        let number = attached.as_ref().map(|attached| attached.number);
        let mut ours = Ours {
            plan: plan.clone(),
            file,
            attached,
            number: number.unwrap_or(u32::MAX),
            volumes: Vec::new(),
        };
        for (index, volume) in plan.volumes.iter().enumerate() {
            let partition = u32::try_from(index).unwrap_or(0) + 1;
            match self.make_volume(&select, &mut ours, volume, partition)? {
                Ok(()) => {}
                Err(why) => {
                    let remark = format!("The volume {} could not be made: {why}", volume.label);
                    self.remarks.push(remark);
                    // Its rows say that they were not reached: the run is not a whole one.
                    self.unfinished = Some(FAILED);
                }
            }
        }
        Ok(if ours.volumes.is_empty() {
            Err("none of its volumes could be made".into())
        } else {
            Ok(ours)
        })
    }

    fn make_volume(
        &self,
        select: &Select,
        ours: &mut Ours,
        volume: &Volume,
        partition: u32,
    ) -> Result<Result<(), String>, Stopped> {
        let taken: Vec<char> = self
            .disks
            .iter()
            .flat_map(|disk| &disk.volumes)
            .chain(&ours.volumes)
            .map(|(_, letter, _)| *letter)
            .collect();
        let free = plan::free_letters(machine::drives(), machine::is_defined);
        let Some(letter) = free.into_iter().find(|letter| !taken.contains(letter)) else {
            return Ok(Err("no drive letter is free".into()));
        };
        // A volume may not be there yet when diskpart wants to format it: the second
        // try takes the partition that the first has made.
        let mut why = String::new();
        for existing in [None, Some(partition), Some(partition)] {
            let made = self.diskpart(plan::script_volume(select, volume, letter, existing))?;
            for _ in 0..20 {
                if let Ok(facts) = disks::volume_facts(letter) {
                    if ours.number == u32::MAX {
                        // diskpart's own disk, by its file: the volume tells the number.
                        ours.number = facts.disk.unwrap_or(u32::MAX);
                    }
                    match facts.is_ours(volume, ours.number) {
                        Ok(()) => {
                            self.set_short_names(volume, letter)?;
                            ours.volumes.push((*volume, letter, facts.guid));
                            return Ok(Ok(()));
                        }
                        Err(error) => why = error,
                    }
                }
                std::thread::sleep(Duration::from_millis(250));
                if made.is_err() {
                    break;
                }
            }
            if let Err(error) = made {
                why = error;
            }
            std::thread::sleep(Duration::from_secs(2));
        }
        Ok(Err(why))
    }

    /// On or off for this volume alone; refused where the machine's setting is for all.
    fn set_short_names(&self, volume: &Volume, letter: char) -> Result<(), Stopped> {
        if let Some(on) = volume.short_names {
            let value = if on { "0" } else { "1" };
            tool("fsutil.exe", &["8dot3name", "set", &format!("{letter}:"), value], self.work())?;
            // The driver reads the flag when it mounts the volume.
            let _ = disks::remount(letter);
        }
        Ok(())
    }

    fn small_stores(&mut self) {
        for (number, label) in (1..).zip(["LBST-CMP", "LBST-F32", "LBST-EXF", "LBST-4KN"]) {
            let Some(letter) = self.volume(label) else { continue };
            // One is saved as a set of two pieces: they have at least 16 MiB.
            let largest = if label == "LBST-CMP" { 20 << 20 } else { 300_000 };
            if let Err(error) = plant::small(&root(letter), number, largest) {
                self.remarks.push(format!("{label}: the store could not be made: {error}"));
            }
            let _ = disks::flush(letter);
        }
    }

    /// The store is found by the disk, the letter and the GUID; all say the same.
    fn found(&mut self, letter: char, tree: &Tree) -> Result<(), Stopped> {
        let _ = disks::flush(letter);
        let files = tree
            .values()
            .filter(|facts| facts.content.is_some() || facts.reparse.is_some())
            .count();
        let by_letter = self.run(&["detect", &format!("{letter}:"), "--via", "raw"])?;
        let has_one = by_letter.code == Some(0) && by_letter.stores().len() == 1;
        let seen =
            format!("{letter}: {:?} ({files} files), {}", by_letter.stores(), by_letter.ended());
        self.ledger.check("raw-volume", "letter", has_one, seen);
        if let Some(guid) = self.guid("LBST-SRC") {
            let by_guid = self.run(&["detect", guid.trim_end_matches('\\'), "--via", "raw"])?;
            let is_same = by_guid.code == Some(0) && by_guid.stores() == by_letter.stores();
            self.ledger.check("raw-volume", "GUID", is_same, by_guid.ended());
        }
        let Some(disk) = self.disks.iter().find(|disk| disk.plan.name == "source") else {
            return Ok(());
        };
        let (number, wanted) = (disk.number, disk.volumes.len());
        let by_disk = self.run(&["detect", &format!(r"\\.\PhysicalDrive{number}")])?;
        let stores = by_disk.stores();
        let has_all =
            stores.len() == wanted && by_letter.stores().iter().all(|store| stores.contains(store));
        let volumes = by_disk.of("volume").count();
        let seen = format!(
            "{} stores on {volumes} volumes of {wanted}, {}",
            stores.len(),
            by_disk.ended()
        );
        self.ledger.check("raw-disk", "", has_all && by_disk.code == Some(0), seen);

        // Metadata that is in the driver's cache only: it is read, or said so. The files
        // stay: deleted ones of a store are found by whoever reads the volume raw.
        if let Some(letter) = self.volume("LBST-CMP") {
            const LATE: usize = 200;
            let _ = disks::flush(letter);
            let before = self.run(&["detect", &format!("{letter}:"), "--via", "raw"])?;
            let late = root(letter).join(r"StateStore\USMT\File\C$\late");
            let made = fs::create_dir(&late).and_then(|()| {
                (0..LATE).try_for_each(|n| fs::write(late.join(format!("{n}.txt")), "late"))
            });
            let ran = self.run(&["detect", &format!("{letter}:"), "--via", "raw"])?;
            let says = ran.says("not flushed");
            let new =
                ran.files().zip(before.files()).map_or(0, |(now, then)| now.saturating_sub(then));
            let has_all = new == LATE as u64;
            let is_right =
                made.is_ok() && ran.code == Some(0) && ran.stores().len() == 1 && (says || has_all);
            let seen = format!(
                "{new} of {LATE} new files; says that it was not flushed: {says}; {}",
                ran.ended()
            );
            self.ledger.check("in-use", "", is_right, seen);
            let _ = disks::flush(letter);
        }
        Ok(())
    }

    fn firmware(&mut self) -> Result<(), Stopped> {
        let Some(disk) = self.disks.iter().find(|disk| disk.plan.name == "source") else {
            return Ok(());
        };
        let ran = self.run(&["detect", &format!(r"\\.\PhysicalDrive{}", disk.number)])?;
        let machine =
            ran.of("machine").last().and_then(|m| m["serial"].as_str()).map(str::to_owned);
        let ours = machine::firmware_serial();
        let outcome = match (&machine, &ours) {
            (Some(found), Some(ours)) if found.trim() == ours.trim() => {
                Outcome::Pass("the same as SMBIOS says".into())
            }
            (None, None) => Outcome::NotPossible("the firmware has none".into()),
            (None, Some(_)) => Outcome::NotPossible(
                "lifeboat gives none, the firmware has one: perhaps a filler, please look".into(),
            ),
            _ => Outcome::Fail("another one than SMBIOS has".into()),
        };
        self.ledger.note("firmware-serial", "", outcome);
        Ok(())
    }

    /// Raw and through the file API, onto a fresh volume.
    fn both_ways(&mut self, source: char, tree: Tree, to: PathBuf) -> Result<(), Stopped> {
        let source_root = root(source);
        let drive = format!("{source}:");
        let mut store = Store { args: Vec::new(), tree, to };
        for via in ["raw", "host"] {
            say(&format!("saving and restoring: {via}"));
            let _ = disks::flush(source);
            store.args = vec![drive.clone(), "--via".into(), via.into()];
            let row = if via == "host" { "host-metadata" } else { "bytes" };
            let args = store.args();
            let Some(set) = self.offload(via, row, &args)? else { continue };
            if via == "host" {
                self.ledger.pass("host-metadata", via, "saved; losses would be failures here");
            }
            let to = store.to.join(via);
            self.restore(via, &set, &to, &store.tree, Expect::default())?;
            self.change_times(via, &set, &store.tree)?;
            self.paths_of_the_set(via, &set, &to)?;
            self.denied_is_there(via, &to);
            self.junctions_are_left_alone(via, &set, &source_root)?;
            self.second_restore(via, &set, &to, &store.tree)?;
            if via == "raw" {
                self.killed_restores(&set, &store)?;
                self.open_handle(&set, &store)?;
                self.in_a_folder(&set, &store)?;
                self.without_short_names(&set, &store.tree)?;
            }
        }
        self.killed_offloads(&store)?;
        self.two_runs(&store)
    }

    /// A volume that is mounted in a folder is judged by itself.
    fn in_a_folder(&mut self, set: &str, store: &Store) -> Result<(), Stopped> {
        const ROW: &str = "mounted-folder";
        let Some(guid) = self.guid("LBST-DST") else { return Ok(()) };
        let mounts = self.work().join("mounted");
        let folder = mounts.join("C");
        let made = fs::create_dir_all(&folder)
            .and_then(|()| self.made.will_make(Thing::Mount(folder.display().to_string())))
            .and_then(|()| disks::mount(&folder, &guid));
        if let Err(error) = made {
            self.ledger.not_possible(ROW, "", error.to_string());
            return Ok(());
        }
        let ran = self.run(&["restore", set, "--to", &mounts.display().to_string()])?;
        let wrong = self.differs(&store.tree, &folder, ROW, &ran.losses());
        let is_right = self.is_whole(&ran) && wrong.as_deref() == Some("");
        let wrong = wrong.unwrap_or_else(|| "everything".to_owned());
        self.ledger.check(ROW, "", is_right, format!("{}; differs: [{wrong}]", ran.ended()));
        self.remove(&folder.join(plant::STORE));
        if disks::unmount(&folder.display().to_string()).is_ok() {
            self.made.removed(&Thing::Mount(folder.display().to_string()));
        }
        Ok(())
    }

    fn without_short_names(&mut self, set: &str, tree: &Tree) -> Result<(), Stopped> {
        const ROW: &str = "no-short-names";
        let Some(letter) = self.volume("LBST-NO8") else { return Ok(()) };
        let probe = root(letter).join("a name longer than 8.3.txt");
        let refused =
            fs::write(&probe, "x").and_then(|()| files::set_short_name(&probe, "LBST~1.TXT"));
        let _ = fs::remove_file(&probe);
        if refused.is_ok() {
            self.ledger.not_possible(
                ROW,
                "",
                "this volume makes 8.3 names all the same: the machine's setting is for all",
            );
            return Ok(());
        }
        let to = root(letter).join("restored");
        let _ = fs::create_dir_all(&to);
        let ran = self.run(&["restore", set, "--to", &super::part(&to)])?;
        // One for all of them, besides what no volume takes.
        let losses = ran.unforgiven(Forgiven { facts: false, ..self.forgiven });
        let names = losses.iter().filter(|loss| loss.to_lowercase().contains("dos name")).count();
        let is_right = ran.code == Some(3) && names == 1 && losses.len() == 1;
        self.ledger.check(ROW, "", is_right, ran.ended());
        let expect = Expect { no_short_names: true, ..Expect::default() };
        if let Some(now) = self.look(&to.join(plant::STORE), ROW) {
            self.note("without 8.3 names", tree, &now, expect, &ran);
        }
        self.remove(&to);
        Ok(())
    }

    /// Volumes that keep less, are compressed, or have other sectors.
    fn small_volumes(&mut self, destination: Option<char>) -> Result<(), Stopped> {
        say("FAT32, exFAT, a compressed volume, sectors of 4 KiB");
        for (label, row) in [("LBST-CMP", "compressed-volume"), ("LBST-4KN", "sectors-4k")] {
            let (Some(letter), Some(to)) = (self.volume(label), destination) else {
                self.ledger.not_possible(row, "", "the volume could not be made");
                continue;
            };
            let _ = disks::flush(letter);
            let Some(tree) = self.look(&root(letter).join(plant::STORE), label) else { continue };
            let args = [&format!("{letter}:"), "--via", "raw"];
            let Some(set) = self.offload(row, row, &args)? else {
                self.ledger.fail(row, "", "no set");
                continue;
            };
            // For the one, the way back; for the other, the volume itself is the way back.
            let to = if row == "sectors-4k" {
                root(letter).join("restored")
            } else {
                root(to).join("compressed")
            };
            let made = fs::create_dir_all(&to);
            let ran = self.run(&["restore", &set, "--to", &super::part(&to)])?;
            let wrong = self.look(&to.join(plant::STORE), row).map(|now| {
                let rows = crate::facts::compare(&tree, &now, Expect::default());
                let wrong = rows.into_iter().filter(|(_, tally)| !tally.wrong.is_empty());
                wrong.map(|(row, tally)| format!("{row}: {}", tally.wrong[0])).collect::<Vec<_>>()
            });
            let is_right =
                made.is_ok() && ran.code == Some(0) && wrong.as_ref().is_some_and(Vec::is_empty);
            self.ledger.check(row, "", is_right, format!("{}; differs: {wrong:?}", ran.ended()));
            self.remove(&to);
        }
        for label in ["LBST-F32", "LBST-EXF"] {
            if let Some(letter) = self.volume(label) {
                self.fat(label, letter)?;
            } else {
                for row in ["fat-volumes", "fat-restore", "fat-destination"] {
                    self.ledger.not_possible(row, label, "the volume could not be made");
                }
            }
        }
        self.pagefile()
    }

    fn fat(&mut self, label: &'static str, letter: char) -> Result<(), Stopped> {
        let run =
            if label == "LBST-F32" { FileSystem::Fat32.name() } else { FileSystem::ExFat.name() };
        let drive = format!("{letter}:");
        let has_one = |ran: &Ran| ran.code == Some(0) && ran.stores().len() == 1;
        let by_letter = self.run(&["detect", &drive])?;
        self.ledger.check(
            "fat-volumes",
            run,
            has_one(&by_letter),
            format!("by letter: {}", by_letter.ended()),
        );
        if let Some(guid) = self.guid(label) {
            let gone = disks::unmount(&drive);
            let ran = self.run(&["detect", guid.trim_end_matches('\\')])?;
            let back = disks::mount(Path::new(&drive), &guid);
            match gone.and(back) {
                Ok(()) => self.ledger.check(
                    "fat-volumes",
                    run,
                    has_one(&ran),
                    format!("without a letter: {}", ran.ended()),
                ),
                Err(error) => self.ledger.not_possible(
                    "fat-volumes",
                    run,
                    format!("the letter could not be taken away: {error}"),
                ),
            }
        }
        // As a destination of sets, and of a restore.
        let source = self.volume("LBST-CMP").unwrap_or(letter);
        let sets = format!("{letter}:\\sets");
        let _ = fs::create_dir(&sets);
        let ran = self.run(&[
            "offload",
            &format!("{source}:"),
            "--to",
            &sets,
            "--name",
            "SELFTEST",
            "--split",
            "16M",
        ])?;
        let Some(set) = ran.set().map(str::to_owned) else {
            self.ledger.fail("fat-destination", run, ran.ended());
            return Ok(());
        };
        let verified = self.run(&["verify", &set, "--level", "full"])?;
        let is_right = ran.code == Some(0) && verified.code == Some(0);
        let seen = format!("a set split at 16 MiB: {}; verify: {}", ran.ended(), verified.ended());
        self.ledger.check("fat-destination", run, is_right, seen);
        if label == "LBST-EXF" {
            let to = root(letter).join("restored");
            let _ = fs::create_dir(&to);
            let Some(tree) = self.look(&root(source).join(plant::STORE), "exFAT") else {
                return Ok(());
            };
            let ran = self.run(&["restore", &set, "--to", &super::part(&to)])?;
            let only_facts = ran.losses().iter().all(|loss| loss.starts_with("fact "));
            let expect = Expect { time_slack: FAT, plain: true, no_short_names: true };
            let wrong = self.look(&to.join(plant::STORE), "exFAT").map(|now| {
                let rows = crate::facts::compare(&tree, &now, expect);
                rows.into_values().flat_map(|tally| tally.wrong).collect::<Vec<_>>()
            });
            let is_right = matches!(ran.code, Some(0 | 3))
                && only_facts
                && wrong.as_ref().is_some_and(Vec::is_empty);
            self.ledger.check(
                "fat-restore",
                "",
                is_right,
                format!("{}; differs: {wrong:?}", ran.ended()),
            );
            self.remove(&to);
        }
        Ok(())
    }

    /// `--path \` leaves the page file and the like out, and says so.
    fn pagefile(&mut self) -> Result<(), Stopped> {
        let Some(letter) = self.volume("LBST-CMP") else { return Ok(()) };
        let made = fs::write(root(letter).join("pagefile.sys"), "not a real one");
        let sets = self.sets();
        let drive = format!("{letter}:");
        let ran =
            self.run(&["offload", &drive, "--path", r"\", "--to", &sets, "--name", "SELFTEST"])?;
        let Some(set) = ran.set().map(str::to_owned) else {
            self.ledger.fail("pagefile", "", ran.ended());
            return Ok(());
        };
        let listed = self.run(&["list", &set])?;
        let is_member = listed
            .of("member")
            .any(|m| m["path"].as_str().is_some_and(|p| p.ends_with("pagefile.sys")));
        let says = listed.of("set").any(|set| set.to_string().contains("pagefile.sys"))
            || ran.says("pagefile.sys");
        let seen = format!("listed as left out: {says}; in the set: {is_member}; {}", ran.ended());
        self.ledger.check("pagefile", "", made.is_ok() && says && !is_member, seen);
        self.last_sector(letter)
    }

    /// Where the first sector of a volume is overwritten, NTFS has a copy in the last
    /// one, which a mounted volume shows only to who asks for it. Windows lets the boot
    /// sector of a mounted volume be written.
    fn last_sector(&mut self, letter: char) -> Result<(), Stopped> {
        const ROW: &str = "raw-volume";
        const RUN: &str = "last sector";
        let _ = disks::flush(letter);
        let first = match disks::first_sector(letter, None) {
            Ok(first) => first,
            Err(error) => {
                self.ledger.not_possible(ROW, RUN, error.to_string());
                return Ok(());
            }
        };
        if let Err(error) = disks::first_sector(letter, Some(&vec![0; first.len()])) {
            self.ledger.not_possible(ROW, RUN, format!("the first is not written: {error}"));
            return Ok(());
        }
        let ran = self.run(&["detect", &format!("{letter}:"), "--via", "raw"]);
        let back = disks::first_sector(letter, Some(&first));
        let ran = ran?;
        let is_right = matches!(ran.code, Some(0 | 3)) && ran.stores().len() == 1;
        let seen = format!("the first is overwritten: {:?}, {}", ran.stores(), ran.ended());
        self.ledger.check(ROW, RUN, is_right, seen);
        if let Err(error) = back {
            self.remarks.push(format!("The first sector of {letter}: is not back: {error}"));
        }
        Ok(())
    }

    /// A volume that BitLocker has locked is said to be locked; unlocked, it is read.
    fn bitlocker(&mut self) -> Result<(), Stopped> {
        const ROW: &str = "bitlocker";
        if self.no_bitlocker {
            self.ledger.not_possible(ROW, "", "--no-bitlocker");
            return Ok(());
        }
        let Some(letter) = self.volume("LBST-NO8") else {
            self.ledger.not_possible(ROW, "", "the volume could not be made");
            return Ok(());
        };
        if !machine::system_program("manage-bde.exe").is_file() {
            self.ledger.not_possible(
                ROW,
                "",
                "there is no manage-bde (on a server, BitLocker is a feature to add)",
            );
            return Ok(());
        }
        let _ = plant::small(&root(letter), 9, 300_000);
        let drive = format!("{letter}:");
        let work = self.work().to_owned();
        let on = tool(
            "manage-bde.exe",
            &["-on", &drive, "-RecoveryPassword", "-UsedSpaceOnly", "-SkipHardwareTest"],
            &work,
        )?;
        let Some(key) = plan::recovery_password(&on.text).filter(|_| on.is_ok()) else {
            self.ledger.not_possible(
                ROW,
                "",
                format!("manage-bde -on: {}", on.ended().replace('-', " ")),
            );
            return Ok(());
        };
        let mut locked = None;
        for _ in 0..60 {
            let lock = tool("manage-bde.exe", &["-lock", &drive, "-ForceDismount"], &work)?;
            if lock.is_ok() {
                locked = Some(());
                break;
            }
            std::thread::sleep(Duration::from_secs(2)); // it still encrypts
        }
        if locked.is_none() {
            self.ledger.not_possible(ROW, "", "the volume could not be locked within two minutes");
            return Ok(());
        }
        let ran = self.run(&["detect", &drive])?;
        let says = ran.says("BitLocker") || ran.says("locked");
        self.ledger.check(
            ROW,
            "locked",
            ran.code == Some(3) && says,
            format!("{}; says so: {says}", ran.ended()),
        );
        let unlock =
            tool("manage-bde.exe", &["-unlock", &drive, "-RecoveryPassword", &key], &work)?;
        if unlock.is_ok() {
            let ran = self.run(&["detect", &drive])?;
            let is_found = ran.code == Some(0) && ran.stores().len() == 1;
            self.ledger.check(ROW, "unlocked", is_found, ran.ended());
        }
        Ok(())
    }

    /// The disk is attached as read-only: whoever wrote to it would fail. Its file is
    /// the same before and after.
    fn no_write(&mut self, virtdisk: Option<&VirtDisk>) -> Result<(), Stopped> {
        const ROW: &str = "no-write";
        say("a source that cannot be written to");
        let Some(at) = self.disks.iter().position(|disk| disk.plan.name == "source") else {
            return Ok(());
        };
        let Some(virtdisk) = virtdisk.filter(|_| self.disks[at].attached.is_some()) else {
            self.ledger.not_possible(ROW, "", "there is no virtdisk.dll");
            return Ok(());
        };
        for (_, letter, _) in &self.disks[at].volumes {
            let _ = disks::unmount(&format!("{letter}:"));
        }
        let file = self.disks.remove(at).file; // detached here
        let mut before = Err(std::io::Error::other("not read"));
        for _ in 0..20 {
            before = files::content(&file);
            if before.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        let attached = virtdisk.attach(&file, true);
        let (Ok(before), Ok(attached)) = (&before, attached) else {
            self.ledger.not_possible(
                ROW,
                "",
                format!("the disk could not be attached again: {before:?}"),
            );
            return Ok(());
        };
        let disk = format!(r"\\.\PhysicalDrive{}", attached.number);
        let detected = self.run(&["detect", &disk])?;
        let sets = self.sets();
        let saved = self.run(&["offload", &disk, "--to", &sets, "--name", "SELFTEST"])?;
        drop(attached);
        let mut after = Err(std::io::Error::other("not read"));
        for _ in 0..20 {
            after = files::content(&file);
            if after.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        let is_same = after.as_ref().is_ok_and(|after| after == before);
        let is_right = is_same && detected.code == Some(0) && saved.code == Some(0);
        let seen = format!(
            "detect: {}; offload: {}; the disk is the same: {is_same}",
            detected.ended(),
            saved.ended()
        );
        self.ledger.check(ROW, "", is_right, seen);
        Ok(())
    }
}

fn is_before_windows_8() -> bool {
    let system = machine::describe();
    system.starts_with("Windows 6.1") || system.starts_with("Windows 6.0")
}

fn root(letter: char) -> PathBuf {
    PathBuf::from(format!("{letter}:\\"))
}

/// What virtdisk's numbers mean that have no words.
fn hint(error: &std::io::Error) -> String {
    const LIMITATION: i32 = 0xC03A_001A_u32.cast_signed();
    const NO_PROVIDER: i32 = 0xC03A_0014_u32.cast_signed();
    match error.raw_os_error() {
        Some(LIMITATION) => {
            "the work folder is compressed, encrypted or sparse: use --work with another".to_owned()
        }
        Some(NO_PROVIDER) => "this Windows has no driver for disks in files".to_owned(),
        _ => error.to_string(),
    }
}
