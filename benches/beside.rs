//! What the read-back costs on a network that carries as much each way: the program saves to a
//! real smbd through a relay that is throttled both ways, with and without it, in turn.
//!
//! `cargo bench --bench beside [-- MIB [MB_A_SECOND [ROUNDS]]]` (512, 110 and 3 if not given).
#![allow(clippy::unwrap_used, clippy::panic)] // a bench that cannot run has no result

#[cfg(not(all(feature = "smb", target_os = "linux")))]
fn main() {
    eprintln!("skipped: this build has no SMB");
}

#[cfg(all(feature = "smb", target_os = "linux"))]
fn main() {
    real::main();
}

#[cfg(all(feature = "smb", target_os = "linux"))]
mod real {
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use support::made::noise;
    use support::ntfs3g::Image;
    use support::relay::Relay;
    use support::smbd::Smbd;

    pub(super) fn main() {
        // cargo adds `--bench`.
        let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
        let mib = numbers.next().unwrap_or(512);
        let rate = numbers.next().unwrap_or(110) * 1_000_000;
        let rounds = numbers.next().unwrap_or(3);
        let server = support::need!(Smbd::start());
        let network = Relay::to(server.port());
        network.slow_down_both_ways(rate);
        let image = Image::make((mib + 64) << 20, &[]);
        image.fill("rw", |root| {
            for i in 0..mib {
                std::fs::write(root.join(format!("{i}")), noise(i, 1 << 20)).unwrap();
            }
        });
        let url = server.url("sets");
        let url = url.replace(&server.port().to_string(), &network.port().to_string());
        let save = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
            command.arg("offload").arg(image.path()).args(["--path", "\\", "--to", &url]);
            command.args(["--level", "-7", "--quiet"]).args(more);
            command.env("LIFEBOAT_PASSWORD", server.password()).stdout(Stdio::null());
            let since = Instant::now();
            assert!(command.status().unwrap().success());
            let took = since.elapsed();
            clear(&server.share_path().join("sets"));
            took
        };
        let mut best = [Duration::MAX; 2];
        for _ in 0..rounds {
            for (best, more) in best.iter_mut().zip([&["--no-read-back"][..], &[]]) {
                *best = (*best).min(save(more));
            }
        }
        let [without, with] = best.map(|best| best.as_secs_f64());
        println!(
            "| {mib} MiB at {} MB/s each way, best of {rounds} | s | ratio |",
            rate / 1_000_000
        );
        println!("|---|---|---|");
        println!("| nothing read back | {without:.2} | 1 |");
        println!("| every byte read back | {with:.2} | {:.2} |", with / without);
    }

    fn clear(folder: &Path) {
        let _ = std::fs::remove_dir_all(folder);
    }
}
