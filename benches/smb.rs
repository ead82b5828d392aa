//! How fast a file gets onto a share: ours beside `smbclient put`, on a real
//! smbd on loopback.
//!
//! `cargo bench --bench smb [-- MIB [ROUNDS]]` (1024 and 3 if not given). With
//! `TMPDIR=/dev/shm` the server's disk takes no part either.
#![allow(clippy::unwrap_used, clippy::panic)] // a bench that cannot run has no result
#![allow(clippy::cast_precision_loss)] // figures for people

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
    use std::process::Command;
    use std::time::{Duration, Instant};

    use lifeboat::destination::Destination;
    use lifeboat::destination::Missing;
    use lifeboat::destination::address::Dest;
    use lifeboat::destination::smb::{SmbDestination, TIMEOUT};
    use lifeboat::model::secret::Secret;

    use support::smbd::Smbd;

    /// How many bytes each call hands over.
    const STEPS: [usize; 4] = [64 << 10, 1 << 20, 4 << 20, 16 << 20];

    pub(super) fn main() {
        // cargo adds `--bench`.
        let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
        let bytes = numbers.next().unwrap_or(1024) << 20;
        let rounds = numbers.next().unwrap_or(3);

        let server = support::need!(Smbd::start());
        let Ok(Dest::Smb(place)) = server.url("").parse() else { panic!("not an address") };
        let password = Secret::new(server.password());
        let target = SmbDestination::open(&place, &password, TIMEOUT, Missing::Make).unwrap();
        // Bytes that nobody could compress or leave out, in memory for both.
        let file = tempfile::NamedTempFile::new_in(memory()).unwrap();
        let mut state = 1_u64;
        let data: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()
        })
        .take(bytes / 8)
        .flatten()
        .collect();
        std::fs::write(file.path(), &data).unwrap();

        // Rounds of all in turn, so that what else the machine does hits all.
        let mut best = [Duration::MAX; 7];
        for _ in 0..rounds {
            best[0] = best[0].min(put(&server, file.path()));
            for (best, step) in best[1..].iter_mut().zip(STEPS) {
                *best = (*best).min(write(&target, &data, step));
            }
            best[5] = best[5].min(get(&server));
            best[6] = best[6].min(read(&target, &data));
        }
        println!("{} MiB, the best of {rounds} rounds, smbd on loopback", bytes >> 20);
        let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e6;
        println!("smbclient put                {:7.0} MB/s", speed(best[0]));
        for (took, step) in best[1..].iter().zip(STEPS) {
            let (rate, share) = (speed(*took), speed(*took) / speed(best[0]));
            println!(
                "write_all_at of {:>5} KiB     {rate:7.0} MB/s   {share:.2} of put",
                step >> 10
            );
        }
        println!("smbclient get                {:7.0} MB/s", speed(best[5]));
        let (rate, share) = (speed(best[6]), speed(best[6]) / speed(best[5]));
        println!("read_at of      4096 KiB     {rate:7.0} MB/s   {share:.2} of get");
    }

    /// A folder in memory, so that no disk takes part on our side.
    fn memory() -> &'static Path {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() { shm } else { Path::new("/tmp") }
    }

    fn write(target: &dyn Destination, data: &[u8], step: usize) -> Duration {
        let start = Instant::now();
        let mut file = target.create("ours").unwrap();
        for (i, part) in data.chunks(step).enumerate() {
            file.write_all_at((i * step) as u64, part).unwrap();
        }
        file.close().unwrap();
        start.elapsed()
    }

    fn read(target: &dyn Destination, data: &[u8]) -> Duration {
        let mut buffer = vec![0; 4 << 20];
        let start = Instant::now();
        let mut file = target.open("ours").unwrap();
        let mut at = 0;
        loop {
            let read = file.read_at(at as u64, &mut buffer).unwrap();
            if read == 0 {
                break;
            }
            assert!(buffer[..read] == data[at..at + read]);
            at += read;
        }
        assert_eq!(at, data.len());
        start.elapsed()
    }

    fn put(server: &Smbd, file: &Path) -> Duration {
        smbclient(server, &format!("put {} theirs", file.display()))
    }

    fn get(server: &Smbd) -> Duration {
        smbclient(server, "get theirs /dev/null")
    }

    /// Runs one command; logging on, which takes a few milliseconds, is in it.
    fn smbclient(server: &Smbd, command: &str) -> Duration {
        let start = Instant::now();
        let done = Command::new("smbclient")
            .args(["-p", &server.port().to_string(), "//127.0.0.1/share", "-c", command])
            .args(["-U", &format!("{}%{}", server.user(), server.password())])
            .output()
            .unwrap();
        let took = start.elapsed();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        took
    }
}
