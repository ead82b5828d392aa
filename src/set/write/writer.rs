//! The pipeline: one thread reads, hashes and makes the tar; others compress; one
//! writes in order. The bytes do not depend on the number of threads.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::append_file::AppendFile;
use super::beside::{self, ReadBackBeside, Verified};
use super::commit::{self, SetNames};
use super::lock::{Lock, LockMonitor, with_heartbeat};
use super::observer::MemberObserver;
pub use super::options::{OffloadOptions, Outcome, Report, Resume};
use super::plan::{Plan, PlanPart};
use super::producer::{FullFrame, Producer};
use super::resume::validate_partial;
use super::resume::{self, State, Unfinished};
use super::sample::Sample;
use super::sink::{PackedFrame, Proofs, Sink, Start, append_line};
use crate::destination::guard::{GuardedDestination, Inner};
use crate::destination::preflight::no_room;
use crate::destination::{Destination, ErrorKind};
use crate::model::metadata::FileTime;
use crate::model::monitor::{Monitor, Stage};
use crate::model::threads;
use crate::model::units;
use crate::set::crypt::SetKey;
use crate::set::error::SetError;
use crate::set::format::digest::xxh128_hex;
use crate::set::format::frames::Packer;
use crate::set::format::journal::{self, Begin, Position, Written};
use crate::set::format::names::{self, DELETED, PROGRAM};
use crate::set::format::rescue::{
    Encrypted, EndState, FORMAT, FORMAT_ENCRYPTED, Options, Rescue, Timings,
};

/// Saves a plan to a set at the destination and publishes it.
///
/// Unreadable data is a loss, never an error. If the offload fails or is cancelled, a
/// folder `….partial` with its journal stays.
///
/// # Errors
/// The destination fails for good; the user cancels; an option is not valid.
pub fn offload(
    plan: &Plan,
    target: &dyn Destination,
    options: &OffloadOptions,
    monitor: &dyn Monitor,
) -> Result<Outcome, SetError> {
    offload_with(plan, target, options, None, monitor)
}

/// Like [`offload`], with a comparison to the source's earlier state.
///
/// # Errors
/// Those of [`offload`].
pub(crate) fn offload_with(
    plan: &Plan,
    target: &dyn Destination,
    options: &OffloadOptions,
    observer: Option<&dyn MemberObserver>,
    monitor: &dyn Monitor,
) -> Result<Outcome, SetError> {
    options.check()?;
    let max = target.max_file_size();
    let split = match options.split {
        Some(split) => Some(split.min(max)),
        None => (max < u64::MAX).then_some(max),
    };
    let packing = Options {
        level: options.level,
        frame_bytes: options.frame_bytes_for(plan.totals().bytes)?,
        split,
        read_back: options.read_back,
    };
    let run = Run { plan, target, options, observer, monitor, key: None };
    let about = |names: &SetNames, error| name_the_set(error, target, &names.partial(), monitor);
    let unfinished = resume::find(target, plan, options, &packing, monitor)?;
    if let Some(Unfinished { names, state, .. }) = unfinished {
        run.check_room(state.done())?;
        let shown = target.display(&names.partial());
        monitor.note(&format!("resuming {shown}"));
        let resumed = match run.go_on(&names) {
            // Something in it that the next run would meet again.
            Err(SetError::Destination(error))
                if matches!(options.resume, Resume::Auto)
                    && error.kind == ErrorKind::AlreadyExists =>
            {
                Resumed::Not(error.to_string())
            }
            resumed => resumed.map_err(|error| about(&names, error))?,
        };
        match resumed {
            Resumed::Done(outcome) => return Ok(*outcome),
            Resumed::Not(why) if matches!(options.resume, Resume::This(_)) => {
                return Err(SetError::NotASet { path: shown, what: format!("damaged: {why}") });
            }
            Resumed::Not(why) => {
                monitor.note(&format!("{shown}: damaged: {why}; not changed. Starting a new set."));
            }
        }
    }
    run.check_room(0)?;
    let names = resume::new_names(target, plan, options)?;
    let key = options.encryption.as_ref().map(|_| SetKey::generate());
    let result = Run { key: key.as_ref(), ..run }.begin(&names, packing);
    result.map_err(|error| about(&names, error))
}

/// About how many bytes the set of a plan has, by a sample of its files.
pub(crate) fn packed_size(plan: &Plan, level: i32, monitor: &dyn Monitor) -> u64 {
    // Nothing could be read: half is a usual size.
    Sample::of(plan, monitor).packed_size(level).unwrap_or(plan.totals().bytes / 2)
}

/// Whether so many free bytes are too few for about so many: a sample can be wrong by a fifth.
pub(crate) fn is_too_small(free: u64, needed: u64) -> bool {
    free < needed.saturating_sub(needed / 5)
}

/// Whether so many free bytes may be too few.
pub(crate) fn may_not_fit(free: u64, needed: u64) -> bool {
    free < needed.saturating_add(needed / 5)
}

/// What became of an unfinished set.
enum Resumed {
    Done(Box<Outcome>),
    /// What it has cannot be proved: the reason.
    Not(String),
}

/// What all steps of a run share.
#[derive(Clone, Copy)]
struct Run<'a> {
    plan: &'a Plan,
    target: &'a dyn Destination,
    options: &'a OffloadOptions,
    observer: Option<&'a dyn MemberObserver>,
    monitor: &'a dyn Monitor,
    /// Encrypts the set.
    key: Option<&'a SetKey>,
}

impl Run<'_> {
    /// Refuses a destination that is too small, and warns of one that may be. `done` bytes exist
    /// already. If the files as they are would not fit, a sample shows how well they compress; it
    /// can be wrong by a fifth.
    fn check_room(&self, done: u64) -> Result<(), SetError> {
        let bytes = self.plan.totals().bytes;
        let left = bytes.saturating_sub(done);
        let Some(room) = self.target.space()?.filter(|room| room.free < left) else {
            return Ok(());
        };
        let packed = packed_size(self.plan, self.options.level, self.monitor);
        let share = u128::from(packed) * u128::from(left) / u128::from(bytes.max(1));
        let needed = u64::try_from(share).unwrap_or(left).min(left);
        if is_too_small(room.free, needed) && !self.options.despite_space {
            return Err(no_room(self.target, needed, room).into());
        }
        if may_not_fit(room.free, needed) {
            self.monitor.note(&format!(
                "{}: about {} are needed, and {} are free: the set may not fit",
                self.target.display(""),
                units::bytes(needed),
                units::bytes(room.free)
            ));
        }
        Ok(())
    }

    /// Starts at the first byte.
    fn begin(&self, names: &SetNames, packing: Options) -> Result<Outcome, SetError> {
        let begin = Begin {
            format: if self.key.is_some() { FORMAT_ENCRYPTED } else { FORMAT },
            program: PROGRAM.to_owned(),
            set: names.id.clone(),
            created: names.created.clone(),
            plan: self.plan.digest(),
            source: self.plan.source_id(),
            options: packing,
        };
        let (target, dir) = (self.target, names.partial());
        target.create_dir_all(&dir)?;
        let lock = match Lock::take(target, &dir, self.monitor) {
            // Another run took the empty folder for an abandoned one.
            Err(SetError::Destination(error)) if error.kind == ErrorKind::NotFound => {
                target.create_dir_all(&dir)?;
                Lock::take(target, &dir, self.monitor)?
            }
            taken => taken?,
        };
        self.locked(&lock, |run| {
            let target = run.target;
            if let (Some(key), Some(encryption)) = (run.key, &run.options.encryption) {
                commit::write_key(target, &dir, &begin.set, key, &encryption.locks)?;
            }
            let mut journal = AppendFile::create(target, &dir, names::JOURNAL, None)?;
            let line = journal::Line::Begin(Box::new(begin.clone()));
            append_line(&mut journal, target, &dir, &line, run.key)?;
            let start = (Start::new(journal), Position::default());
            run.copy(names, &begin, start, Timings::default(), &lock)
        })
    }

    /// Resumes an interrupted run.
    fn go_on(&self, names: &SetNames) -> Result<Resumed, SetError> {
        let (target, dir) = (self.target, names.partial());
        let lock = Lock::take(target, &dir, self.monitor)?;
        // Before we had the lock, another run may have resumed it.
        let keys = self.options.encryption.as_ref().map(|encryption| &encryption.keys);
        let found = resume::look(target, &names.folder, keys)?;
        let Some(Unfinished { state, key, .. }) = found else {
            return Err(lock.lost());
        };
        let run = Run { key: key.as_ref(), ..*self };
        run.locked(&lock, |run| run.go_on_from(names, state, &lock))
    }

    fn go_on_from(
        &self,
        names: &SetNames,
        state: State,
        lock: &Lock<'_>,
    ) -> Result<Resumed, SetError> {
        let done = |outcome| Resumed::Done(Box::new(outcome));
        let (target, dir) = (self.target, names.partial());
        let since = Instant::now();
        let mut timings = Timings { resumed: true, ..Timings::default() };
        let (begin, checkpoints) = match state {
            State::Named(rescue) => {
                // No journal says what was written, so the set itself must.
                if let Err(why) = commit::prove(target, &dir, &rescue, self.monitor)? {
                    return Ok(Resumed::Not(why));
                }
                resume::tell_all_losses(target, &dir, &rescue.files, self.key, self.monitor)?;
                commit::finish(target, names, &rescue.files, lock)?;
                let resumed_frames = rescue.totals.frames;
                return Ok(done(outcome(names, *rescue, resumed_frames)));
            }
            State::Written(begin, written, checkpoints) => {
                let nothing = (&Proofs::new(), &Verified::new());
                match commit::read_back(target, &dir, &written, Some(nothing), self.monitor) {
                    Ok(()) => {
                        let (files, key) = (&written.files, self.key);
                        resume::tell_all_losses(target, &dir, files, key, self.monitor)?;
                        timings.read_back_ms = Some(millis(since.elapsed()));
                        let resumed_frames = written.totals.frames;
                        let written = (&*written, resumed_frames);
                        let outcome = self.publish(names, &begin, written, &timings, lock)?;
                        return Ok(done(outcome));
                    }
                    Err(SetError::Destination(error)) if error.kind == ErrorKind::Corrupted => {
                        // Damaged since: what is still good is found below.
                        self.monitor.note(&error.to_string());
                        commit::unname(target, &dir, &written)?;
                        (begin, checkpoints)
                    }
                    Err(error) => return Err(error),
                }
            }
            State::Copying(begin, checkpoints) => match resume::early_file(target, &dir)? {
                Some(why) => return Ok(Resumed::Not(why)),
                None => (begin, checkpoints),
            },
            // Its key was available a moment ago.
            State::Closed(_) => return Err(lock.lost()),
            State::Damaged(why) => return Ok(Resumed::Not(why)),
        };
        let split = begin.options.split.is_some();
        let (key, observer) = (self.key, self.observer);
        let proven = validate_partial::prove(
            target,
            &dir,
            split,
            key,
            &checkpoints,
            observer,
            self.monitor,
        )?;
        timings.prove_ms = Some(millis(since.elapsed()));
        self.copy(names, &begin, (proven.start, proven.position), timings, lock).map(done)
    }

    /// Runs `job` on a locked set, as long as the lock is ours.
    fn locked<T>(
        &self,
        lock: &Lock<'_>,
        job: impl FnOnce(&Run<'_>) -> Result<T, SetError>,
    ) -> Result<T, SetError> {
        let monitor = LockMonitor { monitor: self.monitor, lock };
        let lease = lock.lease();
        let target: Box<dyn Destination + '_> = match self.target.guarded(lease.clone()) {
            Some(guarded) => guarded,
            None => Box::new(GuardedDestination::new(Inner::Borrowed(self.target), lease)),
        };
        let run = Run { monitor: &monitor, target: &*target, ..*self };
        let result = with_heartbeat(lock, || job(&run))?;
        if lock.is_lost() { Err(lock.lost()) } else { result }
    }

    fn copy(
        &self,
        names: &SetNames,
        begin: &Begin,
        (start, position): (Start, Position),
        mut timings: Timings,
        lock: &Lock<'_>,
    ) -> Result<Outcome, SetError> {
        let (target, dir, resumed_frames) = (self.target, names.partial(), start.frames);
        self.monitor.stage(Stage::Copy, &target.display(&names.folder));
        let mut sink = Sink::new(target, &dir, &begin.set, begin.options.split, self.key, start)?;
        let since = Instant::now();
        let reads = if begin.options.read_back { target.beside() } else { None };
        // Without a thread, everything is read afterwards.
        let reader = reads.and_then(|reads| ReadBackBeside::start(reads).ok());
        sink.tell(reader.as_ref().and_then(ReadBackBeside::settled));
        let ((written, proofs), packed) = self.pump(sink, begin, position)?;
        let verified = reader.map(ReadBackBeside::stop).unwrap_or_default();
        timings.copy_ms = Some(millis(since.elapsed()));
        timings.copied_bytes = packed;
        timings.beside_bytes = beside::bytes_of(&verified);
        let since = Instant::now();
        let proofs = begin.options.read_back.then_some((&proofs, &verified));
        commit::read_back(target, &dir, &written, proofs, self.monitor)?;
        timings.read_back_ms = begin.options.read_back.then(|| millis(since.elapsed()));
        self.publish(names, begin, (&written, resumed_frames), &timings, lock)
    }

    fn publish(
        &self,
        names: &SetNames,
        begin: &Begin,
        (written, resumed_frames): (&Written, u64),
        timings: &Timings,
        lock: &Lock<'_>,
    ) -> Result<Outcome, SetError> {
        let mut rescue = describe(self.plan, self.options, begin, written);
        let report = self.options.report.filter(|_| self.key.is_none());
        rescue.timings = report.map(|_| Timings {
            ended: commit::rfc3339(FileTime::now()),
            plan_ms: millis(self.plan.took()),
            ..timings.clone()
        });
        let (place, key) = ((self.target, lock), self.key);
        let rescue = commit::publish(place, names, &rescue, written, key, report, self.monitor)?;
        Ok(outcome(names, rescue, resumed_frames))
    }

    /// Adds to the error of a full destination how much space is missing, estimated from
    /// the compression so far.
    fn how_much(&self, error: SetError, before: u64, sink: &Sink<'_>) -> SetError {
        match error {
            SetError::Destination(mut error) if error.kind == ErrorKind::Full => {
                let (plain, packed) = sink.so_far();
                let left = self.plan.totals().bytes.saturating_sub(before.saturating_add(plain));
                let needed = match u128::from(plain) {
                    0 => left,
                    plain => u64::try_from(u128::from(left) * u128::from(packed) / plain)
                        .unwrap_or(u64::MAX),
                };
                let free = self.target.space().ok().flatten().map_or(0, |room| room.free);
                // A quota, or what a file system keeps for itself, is no free space.
                error.what = match needed.saturating_sub(free) {
                    0 => format!("{}; how much more is needed is not known", error.what),
                    missing => {
                        let missing = units::bytes(missing);
                        format!("{}; about {missing} more are needed", error.what)
                    }
                };
                SetError::Destination(error)
            }
            error => error,
        }
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn outcome(names: &SetNames, rescue: Rescue, resumed_frames: u64) -> Outcome {
    let (set, losses) = (names.folder.clone(), rescue.totals.losses);
    Outcome { set, rescue, losses, resumed_frames }
}

fn name_the_set(
    error: SetError,
    target: &dyn Destination,
    dir: &str,
    monitor: &dyn Monitor,
) -> SetError {
    let stopped = match &error {
        SetError::Cancelled { .. } => true,
        // Waiting for the destination ends if the user stops.
        SetError::Destination(error) => error.is_transient() && monitor.is_cancelled(),
        _ => false,
    };
    if stopped { SetError::Cancelled { set: Some(target.display(dir)) } } else { error }
}

/// The content of `rescue.json`, without the files' hashes.
fn describe(plan: &Plan, options: &OffloadOptions, begin: &Begin, written: &Written) -> Rescue {
    // Recovered files are no part of the store.
    let parts = plan.parts().iter().filter(|part| part.drive != DELETED).map(PlanPart::to_part);
    let end_state = if !options.lacks.is_empty() || !options.damage.is_empty() {
        EndState::Incomplete
    } else if written.totals.losses > 0 {
        EndState::SavedWithLosses
    } else {
        EndState::Saved
    };
    Rescue {
        format: begin.format,
        program: begin.program.clone(),
        set: begin.set.clone(),
        created: begin.created.clone(),
        machine: options.machine.clone(),
        what: options.what,
        kind: options.kind.clone(),
        parts: parts.collect(),
        lacks: options.lacks.clone(),
        damage: options.damage.clone(),
        closed: options.closed.clone(),
        totals: written.totals,
        end_state,
        options: begin.options.clone(),
        plan: begin.plan.clone(),
        encryption: options.encryption.as_ref().map(|encryption| Encrypted {
            files: "age-encryption.org/v1".to_owned(),
            how: encryption.locks.word().to_owned(),
        }),
        seal: written.seal.clone(),
        timings: None,
        files: written.files.clone(),
    }
}

impl Run<'_> {
    /// Runs the pipeline from `position` to the end. Returns what was written, the digests
    /// to compare it with, and how many plain bytes this run compressed.
    fn pump(
        &self,
        mut sink: Sink<'_>,
        begin: &Begin,
        position: Position,
    ) -> Result<((Written, Proofs), u64), SetError> {
        let (plan, monitor, observer) = (self.plan, self.monitor, self.observer);
        let Options { level, frame_bytes: limit, .. } = begin.options;
        let (threads, in_flight) = self.options.pipeline(level, limit);
        let before = position.totals.bytes;
        let first = sink.frames();
        monitor.compressed(0);
        let totals = thread::scope(|scope| -> Result<_, SetError> {
            let (free_to, free) = bounded::<Vec<u8>>(in_flight);
            let (full_to, full) = bounded::<FullFrame>(in_flight);
            let (packed_to, packed) = bounded::<PackedFrame>(in_flight);
            let (spare_to, spare) = bounded::<Vec<u8>>(in_flight);
            // These buffers limit what is in flight: the producer waits for one, and one
            // comes back only after its frame was written.
            for _ in 1..in_flight {
                let _ = free_to.send(Vec::new());
            }
            let producer = threads::start_in(scope, "producer", move || {
                let emit = |frame| {
                    full_to.send(frame).map_err(|_| stopped())?;
                    free.recv().map_err(|_| stopped())
                };
                let watch = (monitor, observer);
                Producer::new(plan, watch, limit, first, position, emit)?.run()
            })?;
            let start = |_| {
                let (full, packed_to, spare) = (full.clone(), packed_to.clone(), spare.clone());
                threads::start_in(scope, "packer", move || {
                    pack(level, &full, &spare, &packed_to, monitor)
                })
            };
            // One is enough. (Without any, the producer ends with the queues.)
            let mut packers = vec![start(0)?];
            packers.extend((1..threads).map_while(|number| start(number).ok()));
            drop((full, packed_to));
            let written = write_in_order(&mut sink, first, &packed, (&free_to, &spare_to));
            // Without these, the others end: the destination may have failed.
            drop((packed, free_to));
            let mut results = Vec::new();
            for packer in packers {
                results.push(packer.join().unwrap_or_else(|_| Err(died())));
            }
            let totals = producer.join().unwrap_or_else(|_| Err(died()));
            // The destination's error is the cause of the others.
            written.map_err(|error| self.how_much(error, before, &sink))?;
            results.into_iter().collect::<Result<(), _>>()?;
            totals
        })?;
        let (packed, _) = sink.so_far();
        Ok((sink.finish(totals, observer)?, packed))
    }
}

/// Compresses frames until there are no more.
fn pack(
    level: i32,
    full: &Receiver<FullFrame>,
    spare: &Receiver<Vec<u8>>,
    packed_to: &Sender<PackedFrame>,
    monitor: &dyn Monitor,
) -> Result<(), SetError> {
    let mut packer = Packer::new(level)?;
    // A large frame takes minutes at a high level: whoever stops does not wait for it.
    let mut watch = |bytes: usize| {
        monitor.compressed(bytes as u64);
        if monitor.is_cancelled() { Err(SetError::Cancelled { set: None }) } else { Ok(()) }
    };
    for frame in full {
        let mut bytes = spare.try_recv().unwrap_or_default();
        packer.pack_watched(&frame.plain, &mut bytes, &mut watch)?;
        let frame = PackedFrame {
            number: frame.number,
            plain_size: frame.plain.len() as u64,
            xxh128: xxh128_hex(&bytes),
            bytes,
            plain: frame.plain,
            lines: frame.lines,
            checkpoint: frame.checkpoint,
        };
        if packed_to.send(frame).is_err() {
            break; // the writer has failed and reports why
        }
    }
    Ok(())
}

fn write_in_order(
    sink: &mut Sink<'_>,
    first: u64,
    packed: &Receiver<PackedFrame>,
    (free_to, spare_to): (&Sender<Vec<u8>>, &Sender<Vec<u8>>),
) -> Result<(), SetError> {
    let mut waiting = BTreeMap::new();
    let mut next = first;
    for frame in packed {
        waiting.insert(frame.number, frame);
        while let Some(mut frame) = waiting.remove(&next) {
            sink.frame(&mut frame)?;
            next += 1;
            // The producer and the compressors may have ended.
            let _ = free_to.send(frame.plain);
            let _ = spare_to.try_send(frame.bytes);
        }
    }
    Ok(())
}

fn stopped() -> SetError {
    SetError::Internal { what: "the writer stopped".to_owned() }
}

fn died() -> SetError {
    SetError::Internal { what: "a thread failed".to_owned() }
}
