//! `RESTORE.txt` and `restore.cmd`: how a technician, or the next task sequence,
//! restores a set. Plain ASCII. Nothing in them comes from the source unchecked,
//! since one of them is run.

use std::fmt::Write as _;

use super::rescue::{Part, Rescue, What};
use crate::model::text::visible;
use crate::usmt::StoreKind;
use crate::usmt::loadstate::{Call, unsure, ways};

/// `RESTORE.txt`, with `\n` between lines. `has_script`: whether the set has
/// `restore.cmd`, which a destination may refuse.
pub(crate) fn restore_txt(rescue: &Rescue, has_script: bool) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(&ascii(line));
        text.push('\n');
    };
    line("THIS FOLDER IS A RESCUE SET MADE BY LIFEBOAT");
    line("");
    line(&format!("Computer:  {}", machine(rescue)));
    line(&format!("Made:      {} (clock of the rescuing machine)", rescue.created));
    line(&format!("Contents:  {}", kind_for_people(rescue)));
    for part in &rescue.parts {
        if rescue.encryption.is_some() {
            line(&format!("           the part of drive {}: ({})", part.drive, part.role));
            continue;
        }
        line(&format!(
            "           {} ({}; drive letter: {})",
            place(part),
            part.role,
            part.drive_from
        ));
    }
    for (label, text) in rescue.shortfalls() {
        line(&format!("{label}:   {text}"));
    }
    for volume in &rescue.closed {
        line(&format!("NOT READ:  {volume}: another store may be there."));
    }
    if let Some(encryption) = &rescue.encryption {
        line("Encrypted: yes. Without the key, no user or file name can be read.");
        line(if encryption.how == "passphrase" {
            "           Lifeboat asks for the passphrase (or: --passphrase-file FILE)."
        } else {
            "           Add the secret key to each command below: --identity FILE."
        });
    }
    let totals = rescue.totals;
    line(&format!("Files:     {} ({} bytes)", totals.files, totals.bytes));
    line(&match totals.losses {
        0 if rescue.is_of_whole_store() => "Losses:    none".to_owned(),
        0 => "Losses:    none of what was found; see above for what is not in this set".to_owned(),
        losses => format!("Losses:    {losses}. `lifeboat list` on this folder lists them."),
    });
    if let Some(recovered) = totals.recovered {
        line(&format!(
            "Recovered: {} deleted files below deleted\\: {}",
            recovered.files,
            recovered.words()
        ));
    }
    line("");
    for text in not_whole(rescue) {
        line(text);
    }
    line("1. CHECK THE SET");
    line("     lifeboat verify <this folder>");
    line("");
    for part in steps(rescue, has_script) {
        line(&part);
    }
    if totals.recovered.is_some() {
        line("THE DELETED FILES");
        line("   They are restored only by a command of their own:");
        let to = match rescue.what {
            What::Store => destinations(rescue).0,
            What::Folder => "--to D:\\Recovered".to_owned(),
        };
        line(&format!("     lifeboat restore <this folder> {to} --deleted"));
        line("   A file goes to its old path, or beside what is there under a name with");
        line("   (recovered). Those that are not sure may have the bytes of other files: let");
        line("   their user look at them.");
        line("");
    }
    for part in loadstate_steps(rescue) {
        line(&part);
    }
    line("WITHOUT LIFEBOAT");
    if rescue.encryption.is_some() {
        with_stock_tools(&mut line);
        return text;
    }
    line("   Stock zstd and tar extract the data of every file (owners, permissions and");
    line("   alternate data streams require Lifeboat):");
    let split = rescue.options.split.is_some();
    line(if split {
        "     cat store.tar.zst.* | zstd -dc |"
    } else {
        "     zstd -dc store.tar.zst |"
    });
    line("       tar -x --warning=no-unknown-keyword");
    line("   (GNU tar warns about each file without that option; leave it out with other");
    line("   tar programs)");
    line("   To check the files of the set:  sha256sum -c SHA256SUMS");
    if rescue.what == What::Store && rescue.store_kind() != Some(StoreKind::Compressed) {
        line("   The users' files are below USMT\\File\\<drive>$\\. If you copy them manually,");
        line("   you get the files only: the settings are lost.");
    }
    text
}

/// What to know of a set of what was not whole.
fn not_whole(rescue: &Rescue) -> &'static [&'static str] {
    match (rescue.is_of_whole_store(), rescue.what) {
        (true, _) => &[],
        (false, What::Folder) => &[
            "NOT EVERYTHING WAS THERE WHEN THIS WAS SAVED: see above. Keep the disk, and look",
            "for the rest before the disk is wiped.",
            "",
        ],
        (false, What::Store) => &[
            "THE STORE WAS NOT WHOLE WHEN IT WAS SAVED. Keep its disk, and look for the rest",
            "before the disk is wiped. loadstate may refuse the store, or restore only a part",
            "of it. Single files do not need loadstate:",
            "     lifeboat list <this folder>",
            "     lifeboat extract <this folder> <path as listed> --to D:\\Rescued",
            "",
        ],
    }
}

/// The commands of stock tools for an encrypted set.
fn with_stock_tools(line: &mut dyn FnMut(&str)) {
    line("   Stock age, zstd and tar extract the data of every file (owners, permissions");
    line("   and alternate data streams require Lifeboat). If key.age was encrypted to a");
    line("   recipient, the first command is: age -d -i FILE key.age > key.txt");
    line("     age -d key.age > key.txt");
    line("     for f in store.tar.zst.*.age; do age -d -i key.txt $f; done | zstd -dc |");
    line("       tar -x --warning=no-unknown-keyword");
    line("   key.txt decrypts the set: delete it afterwards.");
    line("   To check the files of the set:  sha256sum -c SHA256SUMS");
}

/// In place of the script.
const NO_SCRIPT: &str = "   (The destination did not accept restore.cmd.)";

/// The second step: restoring.
fn steps(rescue: &Rescue, has_script: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |text: &str| lines.push(text.to_owned());
    match rescue.what {
        What::Store => {
            line("2. RESTORE, as administrator, in WinPE or in the new Windows");
            if has_script {
                line("     restore.cmd");
                line("   or manually:");
            } else {
                line(NO_SCRIPT);
            }
            line(&format!("     lifeboat restore <this folder> {}", destinations(rescue).0));
            line("   Each part goes to its original drive and path. Drive letters may differ in");
            line("   WinPE: then run the command manually, with the current root of each drive");
            line("   (--to C=E:\\ restores the part of C: to the drive that is E: now).");
        }
        What::Folder => {
            line("2. RESTORE THE FILES YOU NEED, as administrator");
            line("   This is a folder, not a USMT store: loadstate cannot use it.");
            if rescue.parts.iter().any(|part| part.user.is_some()) {
                line(
                    "   Into the profile of a user who has logged on to the new Windows once, with",
                );
                line("   the permissions of that account:");
                line("     lifeboat restore <this folder> --of-user NAME --into C:\\Users\\NAME");
                line("   Or all of it, as it was:");
            }
            if has_script {
                line("     restore.cmd D:\\Rescued            everything, into that folder");
                line("   or manually:");
            } else {
                line(NO_SCRIPT);
            }
            line("     lifeboat restore <this folder> --to D:\\Rescued");
            line("     lifeboat list <this folder>");
            line("     lifeboat extract <this folder> <path as listed> --to D:\\Rescued");
            line("   Restore it to a separate folder. At its original path it would mix with the");
            line("   new Windows and its users.");
        }
    }
    line("");
    lines
}

/// The third step: `loadstate`, by kind of store.
fn loadstate_steps(rescue: &Rescue) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |text: &str| lines.push(text.to_owned());
    if rescue.what == What::Folder {
        return lines;
    }
    if rescue.lacks_a_part() {
        line("3. BEFORE LOADSTATE, FIND THE PART THAT IS MISSING");
        line("   loadstate refuses a store without all its parts (code 38). Connect the disk");
        line("   that has the part, or unlock its volume, and save the store again:");
        line("     lifeboat offload --to <folder above this one>");
        line("   If the part is gone, extract the files of this set, as above.");
        line("");
        return lines;
    }
    line("3. RUN LOADSTATE, as administrator, in the new Windows (not in WinPE)");
    if rescue.encryption.is_some() {
        line("     lifeboat loadstate <this folder> --run");
        line("   Without --run, it only shows the command. Give the same /i: files as at the");
        line("   capture: --i FILE.");
        line("");
        return lines;
    }
    let [Some(command), other] = loadstate(rescue) else {
        line("   The set has no primary part, or its path has characters that are not safe in");
        line("   a script: give loadstate the store path listed above.");
        line("");
        return lines;
    };
    line(&format!("     {command}"));
    line("   Give the same /i: files as at the capture. Lifeboat can run the command and");
    line("   show its progress:");
    line("     lifeboat loadstate <this folder> --run");
    match rescue.store_kind() {
        Some(StoreKind::HardLink) => {
            line("   All parts must be back at their own drives and paths, on fixed NTFS");
            line("   volumes.");
            if let Some(command) = other {
                let tried = unsure::answer("B").words("It is UNTESTED.");
                line("   If loadstate refuses the store (code 27 or 38), this may help. Work");
                line("   on a copy: remove hardlink.main from the copy's USMT folder, then run");
                line(&format!("   the following. {tried}"));
                line(&format!("     {command}"));
            }
        }
        Some(StoreKind::Compressed) => {
            line("   An encrypted store also needs /decrypt, and /key or /keyfile. The key is not");
            line("   in the store.");
        }
        _ => {}
    }
    line("");
    lines
}

/// The commands for the best and the second way; `None` if there is none, or if
/// its path is not safe in a script.
fn loadstate(rescue: &Rescue) -> [Option<String>; 2] {
    if rescue.encryption.is_some() {
        return [None, None]; // the path must not be visible
    }
    let mut lines = ways(&rescue.kept()).into_iter().map(|way| way.line(&Call::default()));
    [lines.next().flatten(), lines.next().flatten()]
}

/// The arguments that restore each part to its own drive, and whether they can be
/// used as they are: an unknown drive has to be filled in.
pub(crate) fn destinations(rescue: &Rescue) -> (String, bool) {
    let mut known = true;
    let arguments: Vec<String> = rescue
        .parts
        .iter()
        .map(|part| match part.drive.as_bytes() {
            [letter] if letter.is_ascii_alphabetic() => {
                format!("--to {0}={0}:\\", part.drive.to_ascii_uppercase())
            }
            _ => {
                known = false;
                format!("--to {}=<its drive>", ascii(&part.drive))
            }
        })
        .collect();
    (arguments.join(" "), known)
}

/// `restore.cmd`, with `\n` between lines.
pub(crate) fn restore_cmd(rescue: &Rescue) -> String {
    let (to, known) = destinations(rescue);
    let restore = if known {
        format!("\"%LIFEBOAT%\" restore \"%~dp0.\" {to}")
    } else {
        "echo The drive of a part of this set is unknown. RESTORE.txt explains how to\n\
         echo give it.\n\
         exit /b 1"
            .to_owned()
    };
    let mut script = SCRIPT_HEAD.to_owned();
    let (ask, restore) = match rescue.what {
        What::Store => (ASK_STORE, restore.as_str()),
        // A backslash before the closing quotation mark would escape it.
        What::Folder => (
            ASK_FOLDER,
            "set \"DEST=%DEST:\"=%\"\n\
             if \"%DEST:~-1%\"==\"\\\" set \"DEST=%DEST%.\"\n\
             \"%LIFEBOAT%\" restore \"%~dp0.\" --to \"%DEST%\"",
        ),
    };
    script.push_str(ask);
    script.push_str(&SCRIPT_GO.replace("@RESTORE@", restore));
    if rescue.lacks_a_part() {
        script.push_str(
            "echo.\necho A part of this store is missing, so loadstate refuses it. RESTORE.txt says\n\
             echo what to do.\n",
        );
    } else if rescue.what == What::Store {
        script.push_str(
            "echo.\nif defined WINPE echo Start the new Windows. There, as administrator, run:\n",
        );
        script.push_str("if not defined WINPE echo Now, as administrator, run:\n");
        match loadstate(rescue) {
            [Some(command), _] => {
                let _ = writeln!(script, "echo   {command}");
            }
            [None, _] => script.push_str("echo   loadstate, as described in RESTORE.txt\n"),
        }
        script.push_str("echo with the same /i: files as at the capture. See RESTORE.txt.\n");
    }
    script.push_str(SCRIPT_TAIL);
    script
}

/// No parentheses around blocks: a path with `)` in it would end one.
const SCRIPT_HEAD: &str = r#"@echo off
rem Restores this rescue set: see RESTORE.txt. /y skips the question.
rem Exit codes are those of lifeboat restore: 0 done, 3 done with losses,
rem 6 stopped, all others failed.
setlocal DisableDelayedExpansion
set "LIFEBOAT="
if exist "%~dp0lifeboat.exe" set "LIFEBOAT=%~dp0lifeboat.exe"
if not defined LIFEBOAT if exist "%~dp0..\lifeboat.exe" set "LIFEBOAT=%~dp0..\lifeboat.exe"
if not defined LIFEBOAT for %%I in (lifeboat.exe) do set "LIFEBOAT=%%~$PATH:I"
if not defined LIFEBOAT goto nolifeboat
set "WINPE="
reg query HKLM\SYSTEM\CurrentControlSet\Control\MiniNT >nul 2>&1
if not errorlevel 1 set "WINPE=1"
rem WinPE runs as SYSTEM. In Windows, only an administrator can read this key.
if defined WINPE goto allowed
reg query HKU\S-1-5-19 >nul 2>&1
if errorlevel 1 goto noadmin
:allowed
if not exist "%~dp0rescue.json" goto notwhole
"#;

/// A store goes back to its original drives.
const ASK_STORE: &str = r#"if /i "%~1"=="/y" goto go
echo This restores the files of this set to their original drives and paths on
echo THIS computer.
set "ANSWER="
set /p "ANSWER=Continue? Type y for yes: "
if /i not "%ANSWER:~0,1%"=="y" goto stopped
"#;

/// A folder goes to the path that the user gives.
const ASK_FOLDER: &str = r#"set "DEST=%~1"
if /i "%~1"=="/y" set "DEST=%~2"
if defined DEST goto go
echo This set is a folder, not a USMT store: loadstate cannot use it.
set /p "DEST=Restore it to which folder, such as D:\Rescued? "
if not defined DEST goto stopped
"#;

/// The restore and its exit code.
const SCRIPT_GO: &str = r#":go
@RESTORE@
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="0" goto done
if "%CODE%"=="3" goto losses
echo.
echo The restore failed with exit code %CODE%. See the messages above.
exit /b %CODE%
:losses
echo.
echo Restored with losses. The messages above list what is missing.
:done
"#;

const SCRIPT_TAIL: &str = r"exit /b %CODE%
:nolifeboat
echo lifeboat.exe was not found. Copy it beside this script or to a folder in PATH.
exit /b 1
:noadmin
echo Administrator rights are required. Run this script as administrator.
exit /b 1
:notwhole
echo rescue.json is missing: this set is incomplete. Finish the rescue first.
exit /b 1
:stopped
echo Nothing was done.
exit /b 6
";

fn place(part: &Part) -> String {
    format!("{}:\\{}", part.drive, part.path.replace('/', "\\"))
}

fn machine(rescue: &Rescue) -> String {
    let machine = &rescue.machine;
    match (&machine.name, &machine.serial) {
        (Some(name), Some(serial)) => format!("{name} (serial number {serial})"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "unknown".to_owned(),
    }
}

fn kind_for_people(rescue: &Rescue) -> String {
    match (rescue.what, &rescue.kind) {
        (What::Folder, _) => "a folder (not a USMT store)".to_owned(),
        (What::Store, kind) => format!("a USMT migration store ({kind})"),
    }
}

/// Control characters become their number, non-ASCII ones `?`; `rescue.json` has
/// the exact names.
fn ascii(text: &str) -> String {
    visible(text).chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::format::manifest::Totals;
    use crate::set::format::rescue::{EndState, Machine, Options};
    use crate::usmt::Lack;

    fn rescue(kind: &str, path: &str) -> Rescue {
        let part = Part {
            drive: "C".to_owned(),
            drive_from: "the store's own folder names".to_owned(),
            path: path.to_owned(),
            role: crate::usmt::Role::Primary.into(),
            volume_serial: None,
            volume_label: String::new(),
            skipped: Vec::new(),
            file_system: "NTFS".to_owned(),
            via: "raw".to_owned(),
            user: None,
        };
        Rescue {
            format: 1,
            program: "lifeboat".to_owned(),
            set: "00000000".to_owned(),
            created: "2026-11-22T15:04:05Z".to_owned(),
            machine: Machine::default(),
            what: What::Store,
            kind: kind.to_owned().into(),
            parts: vec![part],
            lacks: Vec::new(),
            damage: Vec::new(),
            closed: Vec::new(),
            totals: Totals::default(),
            end_state: EndState::Saved,
            options: Options { level: 3, frame_bytes: 1, split: None, read_back: true },
            plan: String::new(),
            encryption: None,
            seal: None,
            timings: None,
            files: Vec::new(),
        }
    }

    #[test]
    fn no_loadstate_for_a_store_of_which_a_part_is_missing() {
        let lacks = [Lack::Primary, Lack::Drive("D".to_owned())].map(|lack| lack.to_string());
        for lack in lacks {
            let rescue = Rescue { lacks: vec![lack.clone()], ..rescue("hard-link", "S") };
            assert!(rescue.lacks_a_part(), "{lack}");
            let text = restore_txt(&rescue, true);
            assert!(!text.contains("loadstate C:") && text.contains("code 38"), "{text}");
            assert!(!restore_cmd(&rescue).contains("loadstate C:"), "{lack}");
        }
        // What may be missing, or is not of the store, does not stop loadstate.
        for lack in [Lack::Unknown(vec!["disk 0".to_owned()]).to_string(), "deleted".to_owned()] {
            let rescue = Rescue { lacks: vec![lack], ..rescue("hard-link", "S") };
            assert!(restore_txt(&rescue, true).contains("loadstate C:"));
        }
    }

    #[test]
    fn every_kind_gets_its_loadstate() {
        let command = |kind| loadstate(&rescue(kind, "StateStore"))[0].clone().unwrap();
        assert!(
            command("hard-link").starts_with(r"loadstate C:\StateStore /hardlink /nocompress /i:")
        );
        assert!(command("uncompressed").starts_with(r"loadstate C:\StateStore /nocompress /i:"));
        assert!(command("compressed").starts_with(r"loadstate C:\StateStore /i:"));
        assert!(restore_txt(&rescue("hard-link", "StateStore"), true).contains("UNTESTED"));
        assert!(!restore_txt(&rescue("uncompressed", "StateStore"), true).contains("UNTESTED"));
        let mut two = rescue("hard-link", "StateStore");
        two.parts.push(Part {
            drive: "D".to_owned(),
            role: crate::usmt::Role::Secondary.into(),
            ..two.parts[0].clone()
        });
        assert!(
            !restore_txt(&two, true).contains("UNTESTED"),
            "never offered where a part is elsewhere"
        );
    }

    #[test]
    fn a_set_without_the_script_does_not_mention_it_as_a_way() {
        for what in [What::Store, What::Folder] {
            let rescue = Rescue { what, ..rescue("hard-link", "StateStore") };
            assert!(restore_txt(&rescue, true).contains("     restore.cmd"));
            let text = restore_txt(&rescue, false);
            assert!(!text.contains("     restore.cmd") && text.contains(NO_SCRIPT), "{text}");
        }
    }

    #[test]
    fn nothing_from_the_source_is_run() {
        for path in [
            "a&calc",
            "a|b",
            "a%PATH%",
            "a\"b",
            "a^b",
            "a\nb",
            "a\u{202E}b",
            "a>b",
            "ä",
            "a!b",
            "a)b",
        ] {
            let rescue = rescue("hard-link", path);
            assert_eq!(loadstate(&rescue), [None, None], "{path}");
            let script = restore_cmd(&rescue);
            assert!(script.contains("echo   loadstate, as described in RESTORE.txt\n"), "{path}");
            let text = restore_txt(&rescue, true);
            assert!(text.bytes().all(|b| b == b'\n' || (0x20..0x7F).contains(&b)), "{path}");
        }
        let spaced = loadstate(&rescue("compressed", "State Store"))[0].clone().unwrap();
        assert!(spaced.starts_with("loadstate \"C:\\State Store\" /i:"));
        assert!(restore_cmd(&rescue("hard-link", "S")).is_ascii());
    }
}
