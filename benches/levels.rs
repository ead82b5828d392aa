//! Does `--level auto` take the level with the smallest end time? Saves a folder of a volume to a
//! destination in memory that is made as slow as a USB stick, a gigabit share or a disk, at each
//! level and at `auto`.
//!
//! `cargo bench --bench levels -- IMAGE [ROUNDS]` (1 round if not given), IMAGE as
//! `benches/offload.sh` makes it. Destinations are in `TMPDIR`: `/dev/shm` for memory.
#![allow(clippy::unwrap_used)] // a bench that cannot run has no result

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::destination::preflight::preflight;
use lifeboat::destination::{
    Destination, DestinationEntry, DestinationError, DestinationFile, Missing,
};
use lifeboat::model::monitor::Silent;
use lifeboat::offload::OffloadRequest;
use lifeboat::set::write::level::Level;
use lifeboat::set::write::parts::{FolderPath, folders};
use lifeboat::tree::source::Source;
use lifeboat::usmt::{Machine, StoreVolume};

const LEVELS: [i32; 11] = [-7, -4, -2, 1, 3, 5, 7, 9, 12, 15, 19];
/// MB a second; 0 is as fast as it goes.
const SPEEDS: [u64; 4] = [0, 400, 110, 30];

fn main() {
    // cargo adds `--bench`.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let Some(image) = args.next() else {
        println!("levels: left out, no IMAGE is given");
        return;
    };
    let rounds = args.next().map_or(1, |rounds| rounds.parse().unwrap());
    println!("| MB/s | best level | s | auto took | s | of the best |\n|---|---|---|---|---|---|");
    for speed in SPEEDS {
        let mut best: Option<(i32, Duration)> = None;
        for level in LEVELS {
            let (_, took) = save(&image, Level::Fixed(level), speed, rounds);
            eprintln!("{speed} MB/s, level {level}: {:.2} s", took.as_secs_f64());
            if best.is_none_or(|(_, least)| took < least) {
                best = Some((level, took));
            }
            // Stronger levels only take longer.
            if best.is_some_and(|(_, least)| took > least.mul_f64(1.5)) {
                break;
            }
        }
        let (chosen, took) = save(&image, Level::Auto, speed, rounds);
        let (level, least) = best.unwrap();
        println!(
            "| {speed} | {level} | {:.2} | {chosen} | {:.2} | {:.2} |",
            least.as_secs_f64(),
            took.as_secs_f64(),
            took.as_secs_f64() / least.as_secs_f64()
        );
    }
}

/// The level, and the least time of some rounds.
fn save(image: &str, level: Level, speed: u64, rounds: u32) -> (i32, Duration) {
    let mut least = Duration::MAX;
    let mut chosen = 0;
    for _ in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let inner = DirectoryDestination::open(folder.path(), Missing::Fail).unwrap();
        let free_at = Mutex::new(Instant::now());
        let pace = Arc::new(Pace { speed: speed * 1_000_000, free_at });
        let slow = Slow { inner, pace };
        let since = Instant::now();
        let source = Source::open(image, None, &Silent).unwrap();
        let volumes: Vec<StoreVolume> = source.volumes.iter().filter_map(StoreVolume::of).collect();
        let root = FolderPath::parse("\\").unwrap();
        let set = folders(&[root], &volumes).0.remove(0);
        let write_speed = preflight(&slow, None).unwrap().write_speed;
        let request = OffloadRequest { level, write_speed, ..OffloadRequest::default() };
        let machine = Machine::default();
        let saved = request.save_folders(set, &[], &[], &machine, &slow, &Silent).unwrap();
        least = least.min(since.elapsed());
        chosen = saved.rescue.options.level;
    }
    (chosen, least)
}

/// A destination with a limited speed, for writing and reading together.
struct Slow {
    inner: DirectoryDestination,
    pace: Arc<Pace>,
}

/// Waits as long as the link would take.
struct Pace {
    /// Bytes a second; 0 is no limit.
    speed: u64,
    free_at: Mutex<Instant>,
}

impl Pace {
    fn carry(&self, bytes: usize) {
        if self.speed == 0 {
            return;
        }
        let takes = Duration::from_nanos(bytes as u64 * 1_000_000_000 / self.speed);
        let until = {
            let mut free_at = self.free_at.lock().unwrap();
            *free_at = (*free_at).max(Instant::now()) + takes;
            *free_at
        };
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

struct SlowFile {
    file: Box<dyn DestinationFile>,
    pace: Arc<Pace>,
}

impl Slow {
    fn file(&self, file: Box<dyn DestinationFile>) -> Box<dyn DestinationFile> {
        Box::new(SlowFile { file, pace: Arc::clone(&self.pace) })
    }
}

impl Destination for Slow {
    fn display(&self, path: &str) -> String {
        self.inner.display(path)
    }
    fn list(&self, dir: &str) -> Result<Vec<DestinationEntry>, DestinationError> {
        self.inner.list(dir)
    }
    fn stat(&self, path: &str) -> Result<Option<DestinationEntry>, DestinationError> {
        self.inner.stat(path)
    }
    fn create_dir_all(&self, dir: &str) -> Result<(), DestinationError> {
        self.inner.create_dir_all(dir)
    }
    fn create(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(self.inner.create(path)?))
    }
    fn open_rw(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(self.inner.open_rw(path)?))
    }
    fn open(&self, path: &str) -> Result<Box<dyn DestinationFile>, DestinationError> {
        Ok(self.file(self.inner.open(path)?))
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.inner.rename(from, to)
    }
    fn remove_file(&self, path: &str) -> Result<(), DestinationError> {
        self.inner.remove_file(path)
    }
    fn remove_dir(&self, path: &str) -> Result<(), DestinationError> {
        self.inner.remove_dir(path)
    }
    fn below(&self) -> Option<&dyn Destination> {
        Some(&self.inner)
    }
}

impl DestinationFile for SlowFile {
    fn write_all_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DestinationError> {
        self.pace.carry(data.len());
        self.file.write_all_at(offset, data)
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, DestinationError> {
        let read = self.file.read_at(offset, buf)?;
        self.pace.carry(read);
        Ok(read)
    }
    fn size(&mut self) -> Result<u64, DestinationError> {
        self.file.size()
    }
    fn set_size(&mut self, bytes: u64) -> Result<(), DestinationError> {
        self.file.set_size(bytes)
    }
    fn sync(&mut self) -> Result<(), DestinationError> {
        self.file.sync()
    }
    fn close(self: Box<Self>) -> Result<(), DestinationError> {
        self.file.close()
    }
}
