//! A PC that has little of something: open files, memory, the size of a file. That ends with words,
//! or works; it is never the loss of a file that is sound.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::program::{Guarded, Run, lifeboat, path};
use support::{need, same_set, text};

/// Runs the program under `ulimit`.
fn limited(limit: &str, args: &[&str]) -> Run {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]).arg(path()).args(args);
    let out = shell.stdin(Stdio::null()).output().unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = out.status.code().unwrap_or(-1);
    Run { code, stdout: shown(&out.stdout), stderr: shown(&out.stderr) }
}

fn only_set(dest: &Path) -> std::path::PathBuf {
    let sets: Vec<_> = fs::read_dir(dest).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(sets.len(), 1, "{sets:?}");
    sets[0].clone()
}

#[test]
fn too_few_open_files_are_never_the_loss_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let source = Guarded::fixture("hardlink-two");
    let made = dir.path().join("made");
    lifeboat(&["offload", source.arg(), "--to", text(&made)]).expect(0);
    let set = only_set(&made);
    let to = dir.path().join("plain");
    let plain = lifeboat(&["restore", text(&set), "--to", text(&to), "--json"]);
    let losses = plain.events("loss").len();
    let (mut stopped, mut done) = (0, 0);
    for files in (8..110).step_by(7) {
        let limit = format!("-n {files}");
        let to = dir.path().join(format!("to-{files}"));
        let args = ["restore", text(&set), "--to", text(&to), "--json"];
        let run = limited(&limit, &args);
        if run.code == plain.code {
            assert_eq!(run.events("loss").len(), losses, "{limit}: {}", run.stdout);
            done += 1;
        } else {
            assert!(matches!(run.code, 1 | 5 | 127 | -1), "{limit}: {} {}", run.code, run.stderr);
            stopped += 1;
            let again = lifeboat(&args).expect(plain.code);
            assert_eq!(again.events("loss").len(), losses, "{limit}: {}", again.stdout);
        }
        let dest = dir.path().join(format!("dest-{files}"));
        let args = ["offload", source.arg(), "--to", text(&dest)];
        let run = limited(&limit, &args);
        if run.code != 0 {
            assert!(matches!(run.code, 1 | 5 | 127 | -1), "{limit}: {} {}", run.code, run.stderr);
            assert!(run.code < 0 || run.code == 127 || run.stderr.contains("rror"), "{limit}");
            lifeboat(&args).expect(0);
        }
    }
    assert!(stopped > 2 && done > 2, "{stopped} stopped, {done} done");
}

#[test]
fn files_of_a_mounted_source_are_not_lost_either() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    let deep = source.join("StateStore/USMT/File/a/b/c/d/e/f/g/h");
    fs::create_dir_all(&deep).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT"] {
        fs::write(source.join("StateStore/USMT").join(name), "x").unwrap();
    }
    for number in 0..50 {
        fs::write(deep.join(number.to_string()), vec![7; 3000]).unwrap();
    }
    for files in 8..40 {
        let dest = dir.path().join(format!("dest-{files}"));
        let args = ["offload", text(&source), "--to", text(&dest), "--folder", "/StateStore"];
        let run = limited(&format!("-n {files}"), &args);
        assert_ne!(run.code, 3, "{files}: {}{}", run.stdout, run.stderr);
    }
}

#[test]
fn more_memory_never_makes_it_fail() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 20, 4_000_000, 100));
    let mut worked = None;
    let mut ends = Vec::new();
    for kib in [60, 100, 130, 150, 180, 220, 280, 350, 400, 500, 700, 1000, 2000] {
        let dest = dir.path().join(kib.to_string());
        let to = dir.path().join(format!("to-{kib}"));
        let limit = format!("-v {kib}000");
        let mut run = limited(&limit, &["offload", text(&source), "--to", text(&dest)]);
        if run.code == 0 {
            let set = only_set(&dest);
            for args in [
                vec!["verify", text(&set), "--level", "full"],
                vec!["extract", text(&set), "--to", text(&to)],
            ] {
                let next = limited(&limit, &args);
                if !matches!(next.code, 0 | 3) {
                    run = next;
                }
            }
        }
        ends.push((kib, run.code));
        if run.code == 0 {
            worked = worked.or(Some(kib));
        } else {
            assert!(worked.is_none(), "{worked:?} worked: {ends:?}: {}", run.stderr);
            let has_words = run.stderr.contains("error") || run.stderr.contains("rror:");
            assert!(has_words || run.code == 127, "{kib}: {} {}", run.code, run.stderr);
        }
    }
    println!("{ends:?}");
    assert!(worked.is_some_and(|kib| kib <= 280), "{ends:?}");
}

#[test]
fn a_limit_of_the_size_of_files_ends_it_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("disk.img");
    need!(same_set::make_image(&source, 5, 4_000_000, 10));
    let dest = dir.path().join("dest");
    let args = ["offload", text(&source), "--to", text(&dest), "--level", "1"];
    let run = limited("-f 2000", &args);
    assert_eq!(run.code, 5, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("too large"), "{}", run.stderr);
    lifeboat(&args).expect(0);
}

/// The time that a program took for itself.
fn cpu_of(args: &[&str], codes: &[i32]) -> f64 {
    let before = children();
    let run = lifeboat(args);
    assert!(codes.contains(&run.code), "{args:?}: {}{}", run.stdout, run.stderr);
    children() - before
}

/// Seconds of processor that ended children took, from `/proc/self/stat`.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap();
    ticks / 100.0
}

/// A file with thousands of names, and one with thousands of streams: four times as many cost four
/// times as much, not sixteen times.
#[test]
fn many_names_and_streams_of_a_file_cost_linear_time() {
    need!("mkntfs");
    need!("ntfs-3g");
    need!("fuse");
    let dir = tempfile::tempdir().unwrap();
    let mut took = Vec::new();
    // (ntfs-3g takes minutes to make thousands.)
    let sizes =
        if std::env::var_os("LIFEBOAT_SWEEP").is_some() { [2000, 8000] } else { [250, 1000] };
    for many in sizes {
        let mut volume = support::ntfs_mount::Mounted::fresh(64);
        let usmt = volume.path().join("StateStore/USMT");
        fs::create_dir_all(usmt.join("File")).unwrap();
        for name in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main"] {
            fs::write(usmt.join(name), "x").unwrap();
        }
        fs::write(usmt.join("File/first"), "its bytes").unwrap();
        for number in 1..many {
            fs::hard_link(usmt.join("File/first"), usmt.join(format!("File/n{number:05}")))
                .unwrap();
        }
        fs::write(usmt.join("File/streams"), "its bytes").unwrap();
        let mut names = Command::new("python3");
        names.args([
            "-c",
            "import os, sys\nfor i in range(int(sys.argv[2])):\n \
            os.setxattr(sys.argv[1], 'user.s%05d' % i, b'x')",
        ]);
        names.arg(usmt.join("File/streams")).arg((many / 2).to_string());
        assert!(names.status().unwrap().success());
        volume.unmount();
        let image = volume.image().to_owned();
        let dest = dir.path().join(format!("dest-{many}"));
        let detect = cpu_of(&["detect", text(&image)], &[0, 3]);
        let offload = ["offload", text(&image), "--to", text(&dest), "--level", "1"];
        let offload = cpu_of(&offload, &[0, 3]);
        let set = only_set(&dest);
        let listed = lifeboat(&["list", text(&set)]).stdout;
        let names = listed.lines().filter(|line| line.contains("/File/n")).count();
        assert_eq!(names, many - 1, "{listed}");
        let verify = cpu_of(&["verify", text(&set), "--level", "full"], &[0, 3]);
        let to = dir.path().join(format!("to-{many}"));
        let restore = cpu_of(&["restore", text(&set), "--to", text(&to)], &[0, 3]);
        took.push([detect, offload, verify, restore]);
    }
    println!("detect, offload, verify, restore: {took:?}");
    for (few, many) in took[0].iter().zip(took[1]) {
        assert!(many < 8.0 * few + 1.0, "{took:?}");
    }
}

/// A list on a full disk is not all of it.
#[test]
fn output_that_cannot_be_written_is_no_success() {
    let image = Guarded::fixture("hardlink-one");
    for more in [&[][..], &["--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(path());
        let ended = command.args(["detect", image.arg()]).args(more).stdout(full).output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{more:?}");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(said.contains("standard output"), "{said}");
    }
}
