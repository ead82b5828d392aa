//! A source that goes away in the middle of a rescue (a cable, a dock) ends it
//! and is no loss of the files on it: the same command goes on once it is back.
//! And one that somebody writes to meanwhile.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, SystemTime};

use lifeboat::destination::Missing;
use lifeboat::destination::directory::DirectoryDestination;
use lifeboat::disk::Device;
use lifeboat::model::monitor::{Collect, Monitor, Progress, Silent};
use lifeboat::set::error::SetError;
use lifeboat::set::format::kinds::SetKind;
use lifeboat::set::format::rescue::What;
use lifeboat::set::write::plan::Plan;
use lifeboat::set::write::writer::{OffloadOptions, Resume, offload};
use lifeboat::tree::host::HostTree;
use support::sets::{self, contents, scratch, store_through};

/// A device that is unplugged after so many reads.
struct Cable {
    device: Arc<dyn Device>,
    /// Reads that are still answered.
    left: AtomicU64,
}

impl Device for Cable {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let answer = |left: u64| left.checked_sub(1);
        if self.left.fetch_update(SeqCst, SeqCst, answer).is_err() {
            // ENODEV, ERROR_DEVICE_NOT_CONNECTED
            return Err(io::Error::from_raw_os_error(if cfg!(windows) { 1167 } else { 19 }));
        }
        self.device.read_exact_at(offset, buf)
    }
    fn len(&self) -> u64 {
        self.device.len()
    }
    fn sector_size(&self) -> u32 {
        self.device.sector_size()
    }
}

/// The fixture's store, and the cable that it hangs on.
fn store() -> (Arc<Cable>, Plan) {
    store_through(|device| Cable { device, left: AtomicU64::new(u64::MAX) })
}

#[test]
fn an_unplugged_source_is_no_loss_and_the_run_resumes_when_it_is_back() {
    let options = OffloadOptions { frame_bytes: 4096, resume: Resume::Auto, ..sets::options() };
    let save = |plan: &Plan, dir: &std::path::Path, monitor: &Collect| {
        let target = DirectoryDestination::open(dir, Missing::Make).unwrap();
        offload(plan, &target, &options, monitor)
    };
    let whole = scratch();
    let (cable, plan) = store();
    let before = cable.left.load(SeqCst);
    save(&plan, whole.path(), &Collect::default()).unwrap();
    let reads = before - cable.left.load(SeqCst);
    let whole = contents(whole.path());
    assert!(reads > 20, "{reads} reads are too few for this test");

    let step = usize::try_from(reads / 12).unwrap();
    let mut went_on = 0;
    for left in (0..reads).step_by(step) {
        let dir = scratch();
        // What was read before is in no cache of this one.
        let (cable, plan) = store();
        cable.left.store(left, SeqCst);
        let monitor = Collect::default();
        match save(&plan, dir.path(), &monitor) {
            Err(SetError::SourceGone(error)) => {
                assert!(error.is_gone(), "{error}");
            }
            other => panic!("after {left} reads: {other:?}"),
        }
        assert!(monitor.losses.lock().unwrap().is_empty(), "after {left} reads");
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name.ends_with(".partial"), "after {left} reads: {name}");
        }
        // Plugged in again.
        cable.left.store(u64::MAX, SeqCst);
        let outcome = save(&plan, dir.path(), &Collect::default()).unwrap();
        went_on += u32::from(outcome.resumed_frames > 0);
        assert!(contents(dir.path()) == whole, "after {left} reads");
    }
    assert!(went_on > 0, "none had anything to go on with");
}

/// Writes to a file once so many bytes were read.
struct Writer {
    path: PathBuf,
    at: u64,
    is_done: AtomicBool,
}

impl Monitor for Writer {
    fn progress(&self, progress: Progress) {
        if progress.bytes >= self.at && !self.is_done.swap(true, SeqCst) {
            let size = usize::try_from(std::fs::metadata(&self.path).unwrap().len()).unwrap();
            std::fs::write(&self.path, vec![9; size]).unwrap();
            let file = std::fs::File::options().write(true).open(&self.path).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(7)).unwrap();
        }
    }
}

#[test]
fn a_file_that_is_written_while_it_is_read_is_a_loss() {
    let source = scratch();
    std::fs::create_dir_all(source.path().join("StateStore/USMT/File")).unwrap();
    let path = source.path().join("StateStore/USMT/File/mail.pst");
    std::fs::write(&path, vec![1; 4_000_000]).unwrap();
    let tree = HostTree::open(source.path()).unwrap();
    let part = sets::store_part(Arc::new(tree));
    let plan = Plan::make(vec![part], &Silent).unwrap();
    let (what, kind) = (What::Folder, SetKind::Folder);
    let options = OffloadOptions { what, kind, ..sets::options() };
    let losses = |at: u64| {
        let dir = scratch();
        let target = DirectoryDestination::open(dir.path(), Missing::Make).unwrap();
        let writer = Writer { path: path.clone(), at, is_done: AtomicBool::new(false) };
        offload(&plan, &target, &options, &writer).unwrap().rescue.totals.losses
    };
    let without = losses(u64::MAX);
    assert_eq!(losses(1_000_000), without + 1);
}
