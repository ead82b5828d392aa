//! What very many files cost: time and memory of `lifeboat verify --level quick`
//! on stores of 10,000, 100,000 … files, and of `lifeboat seal`, in full and
//! `--quick`.
//!
//! `cargo bench --bench many [-- FILES|IMAGE...]` (10000 100000 if none is
//! given). A number makes the image in a scratch folder first, by mkntfs and
//! ntfs-3g: a million files take some minutes and 2.3 GB. An image may also be
//! one that `lifeboat-maker many OUT --files N --in-store` made; it is only
//! verified. To be sealed, the volume is mounted by ntfs-3g and read through it,
//! which is most of that time.
#![allow(clippy::unwrap_used)] // a bench that cannot run has no result

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("skipped: NTFS images are made on Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    real::main();
}

#[cfg(target_os = "linux")]
mod real {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use lifeboat_maker::many::{Where, many};
    use lifeboat_maker::mount::{Mount, MountOptions};

    const ROUNDS: usize = 3;

    /// More files than this are not sealed here: a million take ten minutes through
    /// ntfs-3g.
    const MOST_SEALED: u64 = 100_000;

    pub(super) fn main() {
        // cargo adds `--bench`.
        let words: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
        let words = if words.is_empty() { vec!["10000".into(), "100000".into()] } else { words };
        println!("{:>24} {:>14} {:>9} {:>10} {:>12}", "store", "", "seconds", "MiB", "us a file");
        for word in words {
            let dir = tempfile::tempdir().unwrap();
            let (image, files) = match word.parse::<u64>() {
                Ok(files) => {
                    let image = dir.path().join("many.img");
                    many(&image, files, Where::Store, |_| ()).unwrap();
                    (image, Some(files))
                }
                Err(_) => (PathBuf::from(&word), None),
            };
            let show = |what: &str, args: &[&str], on: &Path, rounds: usize| {
                // The first round brings the image into memory; the best one counts.
                let runs: Vec<(Duration, u64)> = (0..rounds).map(|_| run(args, on)).collect();
                let best = runs.iter().map(|run| run.0).min().unwrap();
                let memory = runs.iter().map(|run| run.1).max().unwrap() >> 10;
                let each = files.map_or(String::new(), |files| {
                    format!("{}", best.as_micros() / u128::from(files.max(1)))
                });
                let seconds = best.as_secs_f64();
                println!("{word:>24} {what:>14} {seconds:>9.2} {memory:>10} {each:>12}");
            };
            show("verify quick", &["verify", "--level", "quick"], &image, ROUNDS);
            if files.is_some_and(|files| files <= MOST_SEALED) {
                let mount = Mount::new(&image, MountOptions::default()).unwrap();
                show("seal --quick", &["seal", "--quick"], mount.path(), 1);
                show("seal", &["seal"], mount.path(), 1);
                mount.unmount().unwrap();
            }
        }
    }

    /// Wall time, and the most memory in KiB.
    fn run(args: &[&str], on: &Path) -> (Duration, u64) {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
            .args(args)
            .arg(on)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let now = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
            peak = peak.max(now.unwrap_or(0));
            if let Some(status) = child.try_wait().unwrap() {
                // 3: such a mount does not tell one fact of one file.
                assert!(matches!(status.code(), Some(0 | 3)), "lifeboat {args:?}: {status}");
                return (start.elapsed(), peak);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
