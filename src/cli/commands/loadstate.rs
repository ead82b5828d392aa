//! `lifeboat loadstate`: shows, writes or runs the command that restores a
//! store into Windows.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::cli::args::{Global, Loadstate, WayArg};
use crate::cli::exit::{Exit, Failure, shell_word};
use crate::cli::nothing_found::nothing_found;
use crate::cli::output::Out;
use crate::cli::{sets, sources};
use crate::model::monitor::Monitor;
use crate::model::name::NtPath;
use crate::restore::MARKER;
use crate::restore::loadstate::{Around, Ended, Said, find, is_windows_pe, run as run_it};
use crate::set::read::reader::SetReader;
use crate::sets::record::add_loadstate;
use crate::usmt::loadstate::{Call, LoadstateStore, NEEDS, Way, quoted, return_code, ways};
use crate::usmt::{Store, StoreKind};

/// Faults of a set that are shown; `lifeboat verify` shows all.
const MOST_FAULTS: usize = 5;

/// A store, and its place on this machine.
struct Asked {
    kept: LoadstateStore,
    /// A part of it is missing, for certain.
    lacks_a_part: bool,
    /// The folder above `USMT`, as a path on this machine; `None` for a set.
    here: Option<String>,
    display: String,
    /// Drives of parts whose letter has changed.
    moved: Vec<String>,
    /// The set contradicts itself: what is said of it may be wrong.
    is_doubtful: bool,
    /// The set, if that is what was asked for: it records the outcome.
    set: Option<SetReader>,
}

pub(crate) fn run(args: &Loadstate, global: &Global, out: Out) -> Result<Exit> {
    let asked = ask(args, global, out)?;
    let call = call(args, &asked)?;
    let mut all = ways(&asked.kept);
    if let Some(wanted) = args.way {
        let name = if wanted == WayArg::A { "a" } else { "b" };
        all.retain(|way| way.name == name);
    }
    for way in &mut all {
        way.store = asked.here.clone().or(way.store.take());
    }
    let Some(first) = all.first() else {
        let (what, action) = if ways(&asked.kept).is_empty() {
            (
                "this is a folder, not a store; loadstate cannot use it",
                "Restore its files: lifeboat restore with --to DIR, or --of-user NAME --into FOLDER.",
            )
        } else {
            (
                "this way does not exist for this store",
                "Leave out --way. Way b is only for a hard-link store of one part.",
            )
        };
        let what = format!("{}: {what}", asked.display);
        return Err(Failure::new(Exit::Usage, what, action).into());
    };
    show(&asked, &all, &call, out);
    if let Some(file) = &args.write {
        write_script(file, first, &call, args, out)?;
    }
    let exit = if args.run { start(args, first, call, &asked, out)? } else { Exit::Done };
    if asked.is_doubtful && exit == Exit::Done {
        out.say(
            "The set contradicts itself: lifeboat verify shows how. Do not rely on these steps.",
        );
        return Ok(Exit::Losses);
    }
    Ok(exit)
}

/// Applies `--i`, `--keyfile` and `--decrypt`.
fn call(args: &Loadstate, asked: &Asked) -> Result<Call> {
    let mut call = Call::default();
    if !args.i.is_empty() {
        call.xml.clone_from(&args.i);
    }
    if args.keyfile.is_some() && asked.kept.kind != Some(StoreKind::Compressed) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{}: only a compressed store can be encrypted", asked.display),
            "Leave out --keyfile.",
        )
        .into());
    }
    call.key_file.clone_from(&args.keyfile);
    call.decrypt = args.decrypt.map(|algorithm| algorithm.as_str().to_owned());
    call.renamed.clone_from(&args.mu);
    (call.included, call.excluded) = (args.ui.clone(), args.ue.clone());
    let renamed = args.mu.iter().flat_map(|(old, new)| [old, new]);
    for name in args.ui.iter().chain(&args.ue).chain(renamed) {
        if quoted(name).is_none() {
            let what = format!("{name}: this account cannot be used on a command line");
            let action = "Give DOMAIN\\NAME without quotation marks, %, ! or ^.";
            return Err(Failure::new(Exit::Usage, what, action).into());
        }
    }
    for word in call.xml.iter().chain(&call.key_file) {
        if quoted(word).is_none() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{word}: this name cannot be used on a command line"),
                "Copy the file to a name without quotation marks, %, ! or ^.",
            )
            .into());
        }
    }
    Ok(call)
}

/// The store on the command line: that of a set, or a restored one.
fn ask(args: &Loadstate, global: &Global, out: Out) -> Result<Asked> {
    if let [set] = args.what.as_slice()
        && sets::looks_like_set(set)
    {
        let set = sets::open_set(set, &args.logon, out)?;
        let gate = set.gate(&out)?;
        for fault in gate.faults.iter().take(MOST_FAULTS) {
            out.result(&format!("  DAMAGED  {}: {}", set.place_of(fault), fault.what));
        }
        return Ok(Asked {
            is_doubtful: !gate.is_sound(),
            kept: set.rescue().kept(),
            lacks_a_part: set.rescue().lacks_a_part(),
            here: None,
            display: set.display(),
            moved: Vec::new(),
            set: Some(set),
        });
    }
    let mut found = sources::find(&args.what, global, out)?;
    let wanted: Vec<String> = args.store.iter().cloned().collect();
    let mut stores = sources::choose(std::mem::take(&mut found.stores), &wanted)?;
    stores.retain(|store| store.kind.holds_data());
    out.clear();
    match stores.as_slice() {
        [] => Err(nothing_found(&found).into()),
        [store] => Ok(of_store(store, &args.what, &found)),
        several => {
            let ids: Vec<&str> = several.iter().map(|store| store.id.as_str()).collect();
            Err(Failure::new(
                Exit::Usage,
                format!("{} stores found: {}", several.len(), ids.join(", ")),
                "Choose one: --store ID. lifeboat detect lists them.",
            )
            .into())
        }
    }
}

fn of_store(store: &Store, what: &[String], found: &sources::Found) -> Asked {
    let letter = |volume: usize| {
        let searched = found.volumes.iter().filter(|v| v.tree.is_ok());
        searched.map(|v| v.letter).nth(volume).flatten()
    };
    let moved = store.parts.iter().filter_map(|part| {
        let (now, then) = (letter(part.volume)?, part.drive.letter?);
        (now != then).then(|| format!("{then}: is {now}: now"))
    });
    let first = store.first();
    let named = what.iter().find(|dir| Path::new(dir).join("USMT").is_dir());
    let here = named.and_then(|dir| std::path::absolute(dir).ok()?.to_str().map(str::to_owned));
    let here = here.or_else(|| {
        let part = first?;
        let volume = found.volumes.iter().filter(|v| v.tree.is_ok()).nth(part.volume)?;
        place_of(&part.store_path(), volume.mount.as_deref(), volume.letter)
    });
    Asked {
        kept: store.kept(),
        lacks_a_part: !store.lacks(&[]).is_empty(),
        here: here.filter(|_| cfg!(windows)),
        display: store.display(),
        moved: moved.collect(),
        is_doubtful: false,
        set: None,
    }
}

/// The path of a store in Windows. A volume may be mounted in a folder instead
/// of at a drive letter.
fn place_of(store: &NtPath, mount: Option<&Path>, letter: Option<char>) -> Option<String> {
    // loadstate cannot use a volume GUID path.
    let mount = mount.and_then(Path::to_str).filter(|mount| mount.get(1..2) == Some(":"));
    let Some(mount) = mount else {
        return Some(store.on_drive(&letter?.to_string()));
    };
    let on_drive = store.on_drive("C");
    Some(format!(r"{}\{}", mount.trim_end_matches('\\'), on_drive.get(3..)?))
}

fn show(asked: &Asked, all: &[Way], call: &Call, out: Out) {
    let kind = asked.kept.kind.map_or("unknown", StoreKind::as_str);
    out.say(&format!("{}: {kind} store", asked.display));
    out.say(NEEDS);
    for way in all {
        let command = way.command(call);
        out.event(
            "loadstate",
            &json!({
                "store": asked.display,
                "kind": kind,
                "way": way.name,
                "command": command,
                "when": way.when,
                "before": way.before,
                "can_run": way.line(call).is_some(),
                "tried": way.answer.map(crate::usmt::loadstate::unsure::Answer::as_str),
            }),
        );
        out.say("");
        out.say(&format!("Way {}: {}", way.name, way.when));
        for step in &way.before {
            out.say(&format!("  {step}"));
        }
        out.result(&format!("  {command}"));
    }
    let is_entra = |name: &str| name.to_ascii_lowercase().starts_with("azuread\\");
    if call.renamed.iter().any(|(_, new)| is_entra(new)) {
        out.note(
            "an Entra account as the new account: people report that it works when that user has \
             logged on before; Microsoft does not support it",
        );
    }
    if asked.lacks_a_part {
        out.note(
            "a part of this store is missing: loadstate refuses it (code 38). Find the part first \
             (lifeboat detect says which), or extract single files",
        );
    }
    for moved in &asked.moved {
        out.note(&format!("drive {moved}; loadstate requires every part at its original drive"));
    }
}

/// Writes a script that runs the command without Lifeboat.
fn write_script(file: &Path, way: &Way, call: &Call, args: &Loadstate, out: Out) -> Result<()> {
    let program = "%LOADSTATE%".to_owned();
    let line = way.line(&Call { program: "loadstate".to_owned(), ..call.clone() });
    let usmt = match &args.usmt {
        Some(dir) => dir.to_str().and_then(|dir| quoted(&format!("USMT={dir}"))),
        None => Some("\"USMT=\"".to_owned()),
    };
    let (Some(line), Some(usmt)) = (line, usmt) else {
        return Err(Failure::new(
            Exit::Failed,
            "the command cannot be written to a script: see above",
            "Restore the store first, then run this command with the restored store.",
        )
        .into());
    };
    let usmt = if usmt.starts_with('"') { usmt } else { format!("\"{usmt}\"") };
    let arguments = line.strip_prefix("loadstate").unwrap_or(&line);
    let script = SCRIPT
        .replace("@USMT@", &usmt)
        .replace("@COMMAND@", &format!("\"{program}\"{arguments}"))
        .replace('\n', "\r\n");
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut to| to.write_all(script.as_bytes()));
    written.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("{}: the script cannot be written: {error}", file.display()),
            "Give a file that does not exist, in a folder where you can write.",
        )
    })?;
    out.say("");
    out.say(&format!("Written: {}", file.display()));
    Ok(())
}

/// No parentheses around blocks: a path with `)` in it would end one.
const SCRIPT: &str = r#"@echo off
rem Runs loadstate in the new Windows. Its exit code is that of loadstate.
setlocal DisableDelayedExpansion
set @USMT@
set "ARCH=amd64"
if /i "%PROCESSOR_ARCHITECTURE%"=="ARM64" set "ARCH=arm64"
if /i "%PROCESSOR_ARCHITECTURE%"=="x86" if not defined PROCESSOR_ARCHITEW6432 set "ARCH=x86"
set "KIT=Windows Kits\10\Assessment and Deployment Kit\User State Migration Tool"
set "LOADSTATE="
for %%I in (loadstate.exe) do set "LOADSTATE=%%~$PATH:I"
if exist "%ProgramFiles%\%KIT%\%ARCH%\loadstate.exe" set "LOADSTATE=%ProgramFiles%\%KIT%\%ARCH%\loadstate.exe"
if exist "%ProgramFiles(x86)%\%KIT%\%ARCH%\loadstate.exe" set "LOADSTATE=%ProgramFiles(x86)%\%KIT%\%ARCH%\loadstate.exe"
if exist "%~dp0USMT\%ARCH%\loadstate.exe" set "LOADSTATE=%~dp0USMT\%ARCH%\loadstate.exe"
if exist "%~dp0loadstate.exe" set "LOADSTATE=%~dp0loadstate.exe"
if not defined USMT goto look
set "LOADSTATE="
if exist "%USMT%\%ARCH%\loadstate.exe" set "LOADSTATE=%USMT%\%ARCH%\loadstate.exe"
if exist "%USMT%\loadstate.exe" set "LOADSTATE=%USMT%\loadstate.exe"
:look
if not defined LOADSTATE goto none
for %%I in ("%LOADSTATE%") do pushd "%%~dpI"
reg query HKLM\SYSTEM\CurrentControlSet\Control\MiniNT >nul 2>&1
if not errorlevel 1 goto winpe
@COMMAND@
set "CODE=%ERRORLEVEL%"
popd
echo loadstate ended with return code %CODE%.
exit /b %CODE%
:winpe
echo This is WinPE, where loadstate does not run. Start the new Windows.
exit /b 36
:none
echo loadstate.exe was not found: put this script beside it.
exit /b 9009
"#;

/// Runs the command on this machine.
fn start(args: &Loadstate, way: &Way, mut call: Call, asked: &Asked, out: Out) -> Result<Exit> {
    let refuse = |what: String, action: &str| -> Result<Exit> {
        Err(Failure::new(Exit::Failed, what, action).into())
    };
    if !cfg!(windows) {
        return Err(Failure::new(
            Exit::Usage,
            "--run: loadstate runs only in Windows",
            "Run it there, or use the command above. --write FILE makes a script.",
        )
        .into());
    }
    let variable = |name: &str| std::env::var_os(name);
    let program = std::env::current_exe().ok();
    let program = program.and_then(|exe| exe.parent().map(Path::to_owned));
    let around = Around { variable: &variable, program };
    if is_windows_pe(&around) {
        let what = "--run: this is WinPE, where loadstate does not run".to_owned();
        return refuse(what, "Start the new Windows and run the same command there.");
    }
    let Some(store) = way.store.clone() else {
        return refuse(
            format!("{}: the place of the store is not known", asked.display),
            "Restore the set, then give the restored store instead of the set.",
        );
    };
    if !Path::new(&store).join("USMT").is_dir() {
        let what = format!("{store}: there is no store (it has no folder USMT)");
        let set = args.what.first().map_or("SET".to_owned(), |set| shell_word(set));
        return refuse(what, &format!("Restore it first: lifeboat restore {set} --in-place"));
    }
    if Path::new(&store).parent().is_some_and(|above| above.join(MARKER).exists()) {
        let what = format!("{store}: a restore of this store is not complete");
        return refuse(what, "Run the same restore again: it resumes.");
    }
    if way.flags.contains(&"/hardlink") && !asked.moved.is_empty() {
        let what = format!(
            "drive {}; a hard-link store must be at its original drive",
            asked.moved.join(", ")
        );
        return refuse(what, "Assign the original drive letters with diskmgmt.msc or diskpart.");
    }
    let (exe, looked) = find(args.usmt.as_deref(), &around);
    let Some(exe) = exe else {
        let places: Vec<String> = looked.iter().map(|dir| dir.display().to_string()).collect();
        out.note(&format!("searched for loadstate.exe in: {}", places.join("; ")));
        let what = "loadstate.exe was not found".to_owned();
        return refuse(what, "Install the ADK (USMT is enough), or give its folder: --usmt DIR.");
    };
    for xml in &mut call.xml {
        *xml = settle(xml, &exe).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("--i {xml}: not found, here or beside {}", exe.display()),
                "Give the files that were used at the capture, each with its path.",
            )
        })?;
    }
    if let Some(key) = &mut call.key_file {
        *key = settle(key, &exe).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("--keyfile {key}: this file does not exist"),
                "Give the path of the key file.",
            )
        })?;
    }
    let scratch = Scratch::new()?;
    let progress_log = scratch.0.join("progress.log");
    call.progress = Some(progress_log.display().to_string());
    call.program = exe.display().to_string();
    let arguments = way.arguments(&store, &call);
    out.say("");
    out.say(&format!("Running {}", exe.display()));
    let mut phase = "loadstate".to_owned();
    let mut percent = 0;
    let ended = run_it(&exe, &arguments, &progress_log, &scratch.0, &mut |said| {
        follow(said, &mut phase, &mut percent, out);
    });
    out.clear();
    let ended = ended.map_err(|error| {
        let what = format!("{}: loadstate cannot be started: {error}", exe.display());
        Failure::new(
            Exit::Failed,
            what,
            "Run as administrator. Check that loadstate has the architecture of this Windows.",
        )
    })?;
    if let (Some(set), Some(code)) = (&asked.set, ended.code)
        && let Err(error) = add_loadstate(&**set.target(), set.dir(), code)
    {
        out.detail(&format!("the set does not record this: {error}"));
    }
    Ok(finish(&ended, &call, out))
}

fn follow(said: Said, phase: &mut String, percent: &mut u8, out: Out) {
    match said {
        Said::Phase(name) | Said::User(name) => *phase = format!("loadstate: {name}"),
        Said::MinutesLeft(minutes) => {
            let start = phase.split(", about").next().unwrap_or_default();
            *phase = format!("{start}, about {minutes} min left");
        }
        Said::Percent(done) => *percent = done,
        Said::ErrorKind { error, object, action } => {
            out.note(&format!("loadstate: {error}: {object} ({action})"));
            return;
        }
        Said::Ignored(_) | Said::Code { .. } => return,
    }
    out.percent(phase, *percent);
}

/// Shows what the return code means; returns Lifeboat's exit code.
fn finish(ended: &Ended, call: &Call, out: Out) -> Exit {
    let meaning = ended.code.and_then(return_code);
    let exit = match ended.code {
        Some(0) if ended.troubles == 0 => Exit::Done,
        Some(0 | 3) => Exit::Losses,
        Some(2) => Exit::Interrupted,
        _ => Exit::Failed,
    };
    let what = meaning.map_or("Microsoft does not document this return code.", |m| m.what);
    let action = meaning.map_or("Check the log.", |m| m.action);
    out.event(
        "loadstate-end",
        &json!({
            "code": ended.code,
            "meaning": what,
            "action": action,
            "errors": ended.troubles,
            "log": call.log,
        }),
    );
    let code = ended.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    if exit == Exit::Done {
        out.result(&format!("loadstate ended with return code {code}: {what}"));
        return exit;
    }
    for line in &ended.last_words {
        out.note(&format!("loadstate said: {line}"));
    }
    out.error(
        &format!("loadstate ended with return code {code}: {what}"),
        &format!("{action} Log: {}", call.log),
        exit.code(),
    );
    exit
}

/// The path of a file: as given, or beside `loadstate.exe`.
fn settle(name: &str, exe: &Path) -> Option<String> {
    let beside = exe.parent().map(|folder| folder.join(name));
    let found = [Some(PathBuf::from(name)), beside].into_iter().flatten().find(|f| f.is_file())?;
    std::path::absolute(found).ok()?.to_str().map(str::to_owned)
}

/// A folder for the progress log, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("lifeboat-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| {
            let what = format!("{}: this folder cannot be made: {error}", folder.display());
            Failure::new(Exit::Failed, what, "Set TEMP to a folder where you can write.")
        })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_where_its_volume_is_mounted() {
        let place = |mount: &str, letter| {
            place_of(&"Stores/pc1".into(), Some(Path::new(mount)), letter).unwrap_or_default()
        };
        assert_eq!(place(r"D:\", Some('D')), r"D:\Stores\pc1");
        assert_eq!(place(r"C:\mnt\old", Some('C')), r"C:\mnt\old\Stores\pc1");
        assert_eq!(place(r"C:\mnt\old\", None), r"C:\mnt\old\Stores\pc1");
        assert_eq!(place(r"\\?\Volume{1-2}\", Some('E')), r"E:\Stores\pc1");
        assert_eq!(place(r"\\?\Volume{1-2}\", None), "");
        assert_eq!(place_of(&"S".into(), None, Some('F')).unwrap(), r"F:\S");
    }
}
