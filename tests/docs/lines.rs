//! Every command line in the documents and the help texts is run on a fixture, or at
//! least held to what it would run; what neither can be done with stands in one table
//! with its reason. A line that no rule here covers fails.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use lifeboat::cli::args;
use lifeboat_maker::container::Container;
use lifeboat_maker::content::Content;
use support::doc_lines::{self, Line, words};
use support::program::{Guarded, lifeboat};
use support::wine::{self, Wine};
use support::{exe, need, require, root};

/// Lines of lifeboat that are taken apart by its own rules and not run here.
const ONLY_PARSED: [(&str, &str); 9] = [
    ("lifeboat guide", "wants a terminal: tests/guided/main.rs runs it in one"),
    ("--in-place", "wants mounted volumes: tests/restore/in_place.rs has them"),
    ("Z:\\", "from a share of its own"),
    ("--run", "is for Windows: tests/windows/loadstate.rs runs it under Wine"),
    ("--usmt", "is for Windows: tests/windows/usmtutils.rs runs it under Wine"),
    ("--path", "wants a volume with that folder: tests/cli/folder.rs has one"),
    ("--via host", "as the documents write it, for Windows: tests/windows/two_ways.rs"),
    ("lifeboat prune", "deletes sets: tests/cli/prune.rs has its own"),
    ("...", "stands for more than it says"),
];

/// Programs that are not ours and not for here.
const BY_HAND: &[(&str, &str)] = &[
    ("age", "asks on a terminal, of an encrypted set: tests/set/encrypted.rs has both"),
    ("apt-get", "changes the system"),
    ("build.cmd", "pe-build/build.cmd under another roof: tests/windows/scripts.rs, /dryrun"),
    ("cargo", "what the tests themselves are built and run with"),
    ("copy", "Windows"),
    ("ddrescue", "wants a failing disk"),
    ("demo.sh", "scripts/demo.sh in a table of scripts"),
    ("deny.sh", "scripts/deny.sh in a table of scripts"),
    ("Dism", "Windows"),
    ("drvload", "WinPE"),
    ("fls", "named, not called"),
    ("for", "age over the files of an encrypted set: tests/set/encrypted.rs"),
    ("lifeboat-selftest", "Windows: tests/windows/selftest.rs runs it under Wine"),
    ("lifeboat-maker", "makes 300,000 files and more: minutes"),
    ("manage-bde", "WinPE"),
    ("md", "Windows"),
    ("mount", "wants a disk of its own, and root: tests/restore/mounted.rs mounts images"),
    ("net", "Windows"),
    ("rustup", "changes the toolchain"),
    ("schtasks", "Windows"),
    ("setup.sh", "scripts/setup.sh in a table of scripts"),
    ("stick.sh", "scripts/stick.sh in a table of scripts"),
    ("test.sh", "scripts/test.sh in a table of scripts"),
    ("umount", "as mount"),
    ("usmtutils", "Microsoft's"),
    ("vol", "Windows"),
    ("wpeinit", "WinPE"),
    ("wpeutil", "WinPE"),
    ("xcopy", "Windows"),
];

/// USMT's own programs, which are Microsoft's and were not to be had.
const MICROSOFTS: [&str; 2] = ["loadstate", "scanstate"];

fn all_lines() -> Vec<Line> {
    let mut lines = doc_lines::of_documents();
    let help = doc_lines::of_help(&args::Cli::command());
    assert!(help.len() > 20 && lines.len() > 100, "{} {}", help.len(), lines.len());
    lines.extend(help);
    lines
}

/// What covers a line.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Kind {
    /// lifeboat's own; parsed, and run where it is whole.
    Lifeboat,
    /// A script of the project.
    Script,
    /// A script that `cmd` runs.
    Cmd,
    /// Stock tools on a rescue set.
    Stock,
    /// In the table.
    ByHand,
    /// Words in a sentence that are no command line.
    Prose,
}

/// A path of the project, also as Windows writes it.
fn is_script(word: &str) -> bool {
    ["scripts/", "pe-build/", "benches/"].iter().any(|f| word.replace('\\', "/").starts_with(f))
}

fn kind(line: &Line) -> Option<Kind> {
    let words = words(&line.text);
    let first = words.first().map_or("", String::as_str);
    // `LIFEBOAT_SEEDS=1..301 cargo test`
    let first = if first.contains('=') && first.to_uppercase().starts_with("LIFEBOAT_") {
        words.get(1).map_or("", String::as_str)
    } else {
        first
    };
    let is_command = |name: &str| args::Cli::command().find_subcommand(name).is_some();
    let file = first.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_version = words.get(1).is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()));
    Some(match first {
        "lifeboat" if is_version && !line.shown => Kind::Prose,
        "lifeboat" => Kind::Lifeboat,
        _ if file == "lifeboat.exe" => Kind::Lifeboat,
        // A sentence may leave the program's name out.
        _ if !line.shown && is_command(first) && !MICROSOFTS.contains(&first) => Kind::Lifeboat,
        "loadstate" if !line.shown && !line.text.contains('/') => Kind::Lifeboat,
        _ if is_script(first) => Kind::Script,
        "inject.sh" => Kind::Script,
        "cmd" | "call" => Kind::Cmd,
        _ if Path::new(file).extension().is_some_and(|e| e == "cmd") && file != "build.cmd" => {
            Kind::Cmd
        }
        "zstd" | "sha256sum" | "cat" | "tar" => Kind::Stock,
        _ if BY_HAND.iter().any(|(name, _why)| *name == first) => Kind::ByHand,
        _ if MICROSOFTS.contains(&file) => Kind::ByHand,
        _ if !line.shown => Kind::Prose,
        _ => return None,
    })
}

#[test]
fn every_line_is_covered_and_every_exception_is_used() {
    let lines = all_lines();
    let strange: Vec<_> = lines.iter().filter(|line| kind(line).is_none()).collect();
    assert!(
        strange.is_empty(),
        "not covered by tests/docs/lines.rs (a block that shows no commands \
        is marked ```text): {strange:#?}"
    );
    for (name, why) in BY_HAND {
        let is_used = lines.iter().any(|line| words(&line.text).iter().any(|w| w == name));
        assert!(is_used, "no document says {name} any more ({why})");
    }
    for (what, why) in ONLY_PARSED {
        assert!(lines.iter().any(|l| l.text.contains(what)), "no line has {what} ({why})");
    }
}

/// The forms that a synopsis stands for: `SET --in-place | --to DIR` is two.
fn forms(line: &Line) -> Vec<Vec<String>> {
    let is_option = |word: &str| word.starts_with('-');
    let mut all = words(&line.text.replace(r"Z:\lifeboat.exe", "lifeboat"));
    if all.first().is_none_or(|word| word != "lifeboat") {
        all.insert(0, "lifeboat".into());
    }
    // A synopsis has what it does behind it, two spaces away, and no comment sign.
    if line.place.starts_with("docs/reference/commands.md") && line.shown {
        let body = line.text.trim_start_matches("lifeboat").trim_start();
        let (command, rest) = body.split_once(' ').unwrap_or((body, ""));
        let rest = rest.trim_start().split("  ").next().unwrap_or_default();
        all = words(&format!("lifeboat {command} {rest}"));
    }
    let plain = |word: &String| {
        let word = word.trim_start_matches('[').trim_end_matches("...").trim_end_matches(']');
        // `quick|full`, `SET|STORE`: the first of them stands for all.
        word.split('|').next().unwrap_or_default().to_owned()
    };
    let mut forms: Vec<Vec<String>> = Vec::new();
    for part in all.split(|word| word == "|") {
        let part: Vec<String> = part.iter().map(plain).filter(|word| !word.is_empty()).collect();
        match forms.first() {
            None => forms.push(part),
            Some(first) => {
                let head = first.iter().take_while(|word| !is_option(word)).cloned();
                forms.push(head.chain(part).collect());
            }
        }
    }
    forms
}

#[test]
fn the_program_takes_every_line() {
    let mut seen = 0;
    for line in all_lines().iter().filter(|line| kind(line) == Some(Kind::Lifeboat)) {
        for form in forms(line) {
            seen += 1;
            let Err(error) = args::Cli::try_parse_from(&form) else { continue };
            let is_help =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A sentence may speak of a command without all that it wants.
            let is_mention = !line.shown
                && (error.kind() == ErrorKind::MissingRequiredArgument
                    || form.last().is_some_and(|word| word.starts_with("--")));
            assert!(is_help || is_mention, "{}: {form:?}\n{error}", line.place);
        }
    }
    assert!(seen > 60, "{seen}");
}

/// Options that stand alone in a sentence are some command's, but for those of others.
#[test]
fn every_option_in_a_sentence_is_there() {
    const OTHERS: [&str; 3] = ["--xattrs", "--add", "--no-default-features"];
    let mut command = args::Cli::command();
    command.build();
    let all = std::iter::once(&command).chain(command.get_subcommands());
    let selftest = lifeboat_selftest::args::Args::command();
    let known: BTreeSet<String> = all
        .chain([&selftest])
        .flat_map(clap::Command::get_arguments)
        .filter_map(|arg| arg.get_long().map(|long| format!("--{long}")))
        .collect();
    let scripts = [
        "pe-build/README.md",
        "docs/development/building.md",
        "docs/guide/rescue-stick.md",
        "fuzz/README.md",
        "CONTRIBUTING.md",
    ];
    let mut seen = 0;
    for line in doc_lines::of_documents().iter().filter(|line| line.text.starts_with("--")) {
        let option = line.text.split([' ', '=', ':', ',']).next().unwrap_or_default();
        if scripts.iter().any(|file| line.place.starts_with(file)) || OTHERS.contains(&option) {
            continue;
        }
        seen += 1;
        assert!(known.contains(option), "{}: there is no {option}", line.place);
    }
    assert!(seen > 20, "{seen}");
}

/// A fixture, a set of it, and the store in a folder.
struct Scene {
    dir: tempfile::TempDir,
    image: Guarded,
    /// A disk with users and no store.
    users: Guarded,
    /// Of a store with parts of C: and D:.
    set: PathBuf,
    /// Of one that was on C: alone.
    set_of_c: PathBuf,
    store: PathBuf,
    /// A copy of a compressed store, and a set of it.
    compressed: PathBuf,
    set_of_compressed: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = Guarded::fixture("hardlink-two");
        let users = Guarded::fixture("users");
        let path = |name: &str| dir.path().join(name);
        let save = |image: &str, to: &str| {
            lifeboat(&["offload", image, "--to", path(to).to_str().unwrap()]).expect(0);
            fs::read_dir(path(to)).unwrap().next().unwrap().unwrap().path()
        };
        let set = save(image.arg(), "sets");
        let set_of_c = save(Guarded::fixture("hardlink-one").arg(), "more");
        let store = path("store");
        // 3: a Linux file system has no owners and streams of Windows.
        let out = ["extract", set.to_str().unwrap(), "--to", store.to_str().unwrap()];
        lifeboat(&out).expect(3);
        let compressed = path("compressed");
        fs::create_dir_all(compressed.join("USMT")).unwrap();
        let mut container = Container::new(false, 1);
        for name in ["Documents\\Plan.docx", "mail.pst"] {
            let name = format!("File\\C:\\Users\\alice\\{name}");
            container.add(&name, &Content::text(1, 500)).unwrap();
        }
        let bytes = container.finish(&Content::text(2, 500)).unwrap();
        fs::write(compressed.join("USMT/USMT.MIG"), bytes).unwrap();
        let set_of_compressed = save(compressed.to_str().unwrap(), "others");
        Self { dir, image, users, set, set_of_c, store, compressed, set_of_compressed }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// The line with things of this machine in place of those that it names.
    fn real(&self, at: usize, form: &[String]) -> Vec<String> {
        let command = form.iter().find(|w| args::Cli::command().find_subcommand(w).is_some());
        let command = command.expect("a command").clone();
        let names = |drive: &str| form.iter().any(|word| word.starts_with(drive));
        let set = if names("C=") && !names("D=") { &self.set_of_c } else { &self.set };
        let is_inside = form.iter().any(|word| word == "--inside");
        let set = if is_inside { &self.set_of_compressed } else { set };
        let has_users = command == "offload" && (names("--profiles") || names("--of-user"));
        let image = if has_users { self.users.arg() } else { self.image.arg() };
        let set = set.to_str().unwrap();
        let compressed = self.compressed.to_str().unwrap();
        let store = self.store.to_str().unwrap();
        let source = match command.as_str() {
            "seal" => store,
            "list" | "extract" => compressed,
            _ => image,
        };
        let scratch = |name: &str| {
            let path = self.path(&format!("{at}-{name}"));
            fs::create_dir_all(&path).unwrap();
            path
        };
        let mut real = Vec::new();
        let (mut option, mut is_named) = ("", false);
        for word in &form[1..] {
            let word = word.as_str();
            // The share is a folder here, which needs no user.
            if ["--user", "--anonymous"].contains(&word) || option == "--user" {
                option = if word == "--user" { word } else { "" };
                continue;
            }
            let is_source = word.starts_with("/dev/")
                || word.starts_with(r"\\.\")
                || (word.len() <= 3 && word.ends_with([':', '\\']))
                || ["disk.img", "SOURCE"].contains(&word);
            real.push(match (option, word) {
                ("--recovery-key-file", _) => {
                    let path = self.path(&format!("{at}-keys.txt"));
                    fs::write(&path, lifeboat_maker::bitlocker::RECOVERY).unwrap();
                    path
                }
                ("--to", word) if word.get(1..2) == Some("=") => {
                    format!("{}={}", &word[..1], scratch(&word[..1]))
                }
                // A file, which must not be there.
                ("--to", _) if command == "report" => self.path(&format!("{at}-report.html")),
                ("--to", _) => scratch("to"),
                ("--write" | "--log" | "--html", word) => self.path(&format!("{at}-{word}")),
                ("--into", _) => scratch("profile"),
                // The fixture's computer has no name.
                ("--computer", _) => "volume".to_owned(),
                ("--set", word) if !word.contains("PC12-") => self.path("sets"),
                ("--i" | "--level" | "--of-user" | "--store" | "--since" | "--wipes", word) => {
                    word.to_owned()
                }
                (_, word) if word.starts_with('-') || word == command => word.to_owned(),
                (_, word) if word.ends_with("USMT.MIG") => format!("{compressed}/USMT/USMT.MIG"),
                (_, word) if word.starts_with(r"C:\Users") || word.starts_with('*') => {
                    word.to_owned()
                }
                (_, r"E:\copy-of-store") => store.to_owned(),
                (_, word) if word.starts_with("/mnt/") => store.to_owned(),
                // Of a shell.
                (_, "bash" | "powershell") => word.to_owned(),
                (_, "SET" | "WHAT") => set.to_owned(),
                (_, "DEST" | r"E:\rescue" | "smb://tech@server/rescue") => self.path("sets"),
                (_, word) if word.contains("PC12-") || word.ends_with(r"\SET") => set.to_owned(),
                _ if is_source => {
                    is_named = true;
                    source.to_owned()
                }
                (_, "C/StateStore/USMT/catalog.mig") => word.to_owned(),
                (_, word) => panic!("{form:?}: what would {word} be here?"),
            });
            is_named |= real.last().is_some_and(|w| w == store);
            option = if word.starts_with("--") { word } else { "" };
        }
        // By itself it would write the page into the folder that the tests run in.
        if command == "report" && !form.iter().any(|word| word == "--to") {
            real.extend(["--to".to_owned(), self.path(&format!("{at}-report.html"))]);
        }
        // These take it from the settings.
        if command == "sets" && form.len() == 2 {
            real.push(self.path("sets"));
        }
        if command == "check" && form.len() == 2 {
            real.extend(["--to".to_owned(), scratch("to")]);
        }
        real.dedup_by(|a, b| a == b && *a == source);
        // Without a source it looks at every disk of the machine: at the image here.
        if !is_named && ["detect", "offload", "gate"].contains(&command.as_str()) {
            real.push(image.to_owned());
        }
        real
    }
}

#[test]
fn lines_of_lifeboat_do_what_they_promise() {
    let scene = Scene::new();
    let mut seen = BTreeSet::new();
    for (at, line) in all_lines().iter().enumerate() {
        let is_ours = kind(line) == Some(Kind::Lifeboat) && line.text.starts_with("lifeboat ");
        // A synopsis says what may be typed, not what is.
        let is_synopsis = line.shown && line.place.starts_with("docs/reference/commands.md");
        let form = forms(line).swap_remove(0);
        let whole = args::Cli::command()
            .try_get_matches_from(&form)
            .is_ok_and(|found| found.subcommand().is_some());
        let skipped = ONLY_PARSED.iter().any(|(what, _why)| line.text.contains(what));
        if !is_ours || is_synopsis || !whole || skipped || !seen.insert(form.clone()) {
            continue;
        }
        let real = scene.real(at, &form);
        let run = lifeboat(&real);
        // 3: the facts of Windows that a folder on Linux cannot hold.
        assert!(
            [0, 3].contains(&run.code),
            "{}: {}\n{real:?} ended with {}\n{}{}",
            line.place,
            line.text,
            run.code,
            run.stdout,
            run.stderr
        );
    }
    assert!(seen.len() > 20, "{seen:?}");
}

/// What a script may be told is in its own text; that it works, its own tests tell.
#[test]
fn scripts_are_there_and_know_their_options() {
    let mut seen = 0;
    for line in all_lines().iter().filter(|line| kind(line) == Some(Kind::Script)) {
        let words = words(&line.text);
        let name = words[0].replace('\\', "/").replace("inject.sh", "pe-build/inject.sh");
        let file = root().join(name.replace("pe-build/pe-build", "pe-build"));
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", line.place));
        if file.extension().is_some_and(|e| e == "sh") {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{} cannot be run", file.display());
        }
        for option in words.iter().filter(|w| w.starts_with("--") || w.starts_with('/')) {
            assert!(text.contains(option.as_str()), "{}: {option}", line.place);
        }
        if name == "scripts/test.sh" {
            for step in &words[1..] {
                assert!(text.contains(&format!("step_{step}()")), "{}: {step}", line.place);
            }
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn inject_sh_lines_put_it_into_a_boot_image() {
    let wim = || require::program("wimlib-imagex");
    let wim = need!("wimtools", wim);
    let exe = need!("lifeboat.exe", exe::find);
    let lines: Vec<Line> = all_lines()
        .into_iter()
        .filter(|line| line.text.contains("inject.sh ") && !line.text.starts_with("inject.sh"))
        .collect();
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree/Windows/System32");
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("startnet.cmd"), "wpeinit\r\n").unwrap();
        fs::write(dir.path().join("lifeboat.toml"), "to = '\\\\server\\rescue'\n").unwrap();
        fs::create_dir(dir.path().join("files")).unwrap();
        let words = words(&line.text);
        let capture = ["capture", "tree", &words[1], "PE", "--boot"];
        let made = Command::new(&wim).args(capture).current_dir(&dir).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut inject = Command::new(root().join(&words[0]));
        // The image does not say what it is for, since wimlib found no kernel in it.
        let more = ["--arch", "x64", "--exe", exe.to_str().unwrap()];
        let done = inject.args(&words[1..]).args(more).current_dir(&dir).output().unwrap();
        assert!(done.status.success(), "{}: {done:?}", line.place);
    }
}

/// Stock tools, in a folder with the set's files and the store's seal.
#[test]
fn stock_tools_do_what_is_said_of_them() {
    const ELSEWHERE: [(&str, &str); 4] = [
        ("sha256sum -b", "said of a format"),
        ("sha256sum /dev/sda", "wants a disk of its own"),
        ("cat store.tar.zst.*", "of a set in several files: tests/set/stock_tools.rs"),
        ("tar -x", "named in a table of figures"),
    ];
    let scene = Scene::new();
    lifeboat(&["seal", scene.store.to_str().unwrap()]).expect(0);
    let seal = scene.store.join("C/StateStore/lifeboat.seal");
    let mut seen = 0;
    for line in all_lines().iter().filter(|line| kind(line) == Some(Kind::Stock)) {
        if ELSEWHERE.iter().any(|(what, _why)| line.text == *what) || line.text == "zstd -d" {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&scene.set).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        fs::copy(&seal, dir.path().join("lifeboat.seal")).unwrap();
        let mut text = line.text.replace("| less", "| cat");
        if text == "sha256sum -c" {
            text += " SHA256SUMS";
        }
        // The fixture's store lost nothing: grep finds nothing, and says so.
        let codes: &[i32] = if text.contains("| grep") { &[0, 1] } else { &[0] };
        let mut shell = Command::new("bash");
        let done = shell.args(["-o", "pipefail", "-c", &text]).current_dir(&dir).output().unwrap();
        let code = done.status.code().unwrap_or(-1);
        assert!(codes.contains(&code), "{}: {text}: {done:?}", line.place);
        if text.contains("tar -x") {
            assert!(dir.path().join("C/StateStore/USMT/catalog.mig").is_file(), "{}", line.place);
        }
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
    // What format.md says of the two lines about a seal.
    let both = "zstd -dc \"$0\" | tail -n 1 | grep -q $(zstd -dc \"$0\" | head -n -1 | sha256sum | cut -d' ' -f1)";
    let done = Command::new("bash").args(["-c", both]).arg(&seal).status().unwrap();
    assert!(done.success());
}

/// `cmd` runs each from the drive that it names; a source stands in for the PC's disks.
#[test]
fn lines_of_cmd_run_under_wine() {
    const ELSEWHERE: [(&str, &str); 5] = [
        ("before-wipe.cmd", "tests/windows/scripts.rs has an old Windows, and a scanstate"),
        ("stage.cmd", "tests/windows/scripts.rs has a new Windows"),
        ("start.cmd", "the guided rescue: tests/windows/pe_image.rs boots it"),
        ("restore.cmd", "puts a store onto the PC's own volumes: by hand, docs/guide/windows.md"),
        ("exit 1", "cmd's own"),
    ];
    let exe = need!("lifeboat.exe", exe::find);
    let wine = need!("wine", wine::find);
    let scene = Scene::new();
    let drive = tempfile::tempdir().unwrap();
    let folder = drive.path().join("Lifeboat");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(root().join("scripts/task-sequence")).unwrap() {
        let from = entry.unwrap().path();
        let text = fs::read_to_string(&from).unwrap().replace('\n', "\r\n");
        fs::write(folder.join(from.file_name().unwrap()), text).unwrap();
    }
    fs::copy(exe, folder.join("lifeboat.exe")).unwrap();
    let _letter = wine.letter('t', drive.path());
    let mut ran = BTreeSet::new();
    // README.md is the first, with rescue.cmd: the gate finds its set.
    for line in all_lines().iter().filter(|line| kind(line) == Some(Kind::Cmd)) {
        if ELSEWHERE.iter().any(|(what, _why)| line.text.contains(what)) {
            continue;
        }
        let text = line.text.trim_start_matches("cmd /c ");
        let script = text.rsplit('\\').next().unwrap_or_default();
        assert!(folder.join(script).is_file(), "{}: no {script}", line.place);
        if !ran.insert(script.to_owned()) {
            continue; // the same script from another drive
        }
        let path = format!(r"T:\Lifeboat\{script}");
        let source = match script {
            "seal.cmd" => Wine::path(&scene.store),
            _ => Wine::path(scene.image.path()),
        };
        let to = [("LIFEBOAT_TO", r"T:\sets"), ("LOGS", r"T:\")];
        let done = wine.run_with(Path::new("cmd"), &["/c", &path, &source], &to);
        assert_eq!(done.code, 0, "{}: {}\n{}", line.place, done.stdout, done.stderr);
    }
    let expected = ["gate.cmd", "rescue.cmd", "seal.cmd", "usb.cmd"];
    assert!(ran.iter().map(String::as_str).eq(expected), "{ran:?}");
}
