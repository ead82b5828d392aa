//! How fast BitLocker volumes are read, beside what OpenSSL does with the same cipher, and how long
//! a recovery key takes.
//!
//! `cargo bench --bench bitlocker`. The ratio is of decrypting reads of 16 KiB, one thread, to
//! `openssl speed -evp aes-128-xts -bytes 16384 -decrypt`; both over bytes that are in the
//! processor's caches, the best of many rounds. It should be at least 0.7.

// Not part of the program: what fails here may end it.
#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the volumes are made on Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::Command;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use lifeboat::disk::bitlocker::{Locked, RecoveryKey, VolumeKey};
    use lifeboat::disk::{Device, MemoryDevice};
    use lifeboat_maker::bitlocker::{Cipher, Protector, RECOVERY, Wrap, wrap};

    const READ: usize = 16 << 10;
    /// Small, so that it stays in the processor's caches.
    const REGION: usize = 128 << 10;

    fn best(mut run: impl FnMut()) -> Duration {
        let begun = Instant::now();
        let mut best = Duration::MAX;
        while begun.elapsed() < Duration::from_secs(3) {
            let round = Instant::now();
            run();
            best = best.min(round.elapsed());
        }
        best
    }

    /// Megabytes (10^6) a second.
    fn speed(device: &dyn Device, at: u64) -> f64 {
        let mut buf = vec![0; READ];
        let took = best(|| {
            for offset in (0..REGION).step_by(READ) {
                device.read_exact_at(at + offset as u64, &mut buf).unwrap();
            }
        });
        f64::from(u32::try_from(REGION).unwrap()) / 1e6 / took.as_secs_f64()
    }

    /// What `openssl speed` says, in megabytes a second.
    fn openssl() -> Option<f64> {
        let run = Command::new("openssl")
            .args(["speed", "-evp", "aes-128-xts", "-bytes", "16384", "-seconds", "3", "-decrypt"])
            .output()
            .ok()?;
        let said = String::from_utf8(run.stdout).ok()?;
        let thousands = said.split_whitespace().next_back()?.strip_suffix('k')?;
        Some(thousands.parse::<f64>().ok()? / 1e3)
    }

    pub(super) fn main() {
        let plain = vec![0; 8 << 20];
        let open = |how: &Wrap| -> Arc<dyn Device> {
            let made = wrap(&plain, how).unwrap();
            Arc::new(MemoryDevice::new(made.image))
        };
        let witness = openssl();
        for cipher in Cipher::ALL {
            for sector_bytes in [512, 4096] {
                let how = Wrap { sector_bytes, ..Wrap::new(cipher) };
                let locked = Locked::read(&open(&how.opened_by(&[Protector::Clear]))).unwrap();
                let view = locked.unlock_suspended().unwrap().unwrap().device;
                let speed = speed(&*view, 7 << 20);
                let ratio = match witness {
                    Some(witness) if cipher == Cipher::XtsAes128 => {
                        format!(", {:.2} of openssl's {witness:.0}", speed / witness)
                    }
                    _ => String::new(),
                };
                println!("{cipher:?}, sectors of {sector_bytes}: {speed:.0} MB/s{ratio}");
            }
        }
        let locked = Locked::read(&open(&Wrap::new(Cipher::XtsAes128))).unwrap();
        let key = VolumeKey::Recovery(RecoveryKey::parse(RECOVERY).unwrap());
        let took = best(|| drop(locked.unlock(&key).unwrap()));
        println!("recovery key: {:.2} s", took.as_secs_f64());
    }
}
