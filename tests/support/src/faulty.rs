//! A folder that shows another one and counts the calls that change something. At one of them,
//! or from it on, it fails, lies, stalls, or kills the program that made the call.
//!
//! A FUSE file system: the program under test is the real one, and so are its calls.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};

/// What happens at a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It fails, once, and is not done.
    Error,
    /// It and all later ones fail.
    ErrorsFrom,
    /// It and all later ones find a full disk.
    FullFrom,
    /// It reports success and is not done.
    Lie,
    /// The program is killed before it is done.
    Kill,
    /// The program is killed when it is done.
    KillAfter,
    /// It takes long.
    Stall,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Error,
        Self::ErrorsFrom,
        Self::FullFrom,
        Self::Lie,
        Self::Kill,
        Self::KillAfter,
        Self::Stall,
    ];
}

/// A mounted folder.
pub struct Faulty {
    plan: Arc<Plan>,
    at: PathBuf,
    session: Option<BackgroundSession>,
}

struct Plan {
    calls: AtomicU64,
    fault: Mutex<Option<(Fault, u64)>>,
    /// What [`Fault::Error`] says.
    error: Mutex<Errno>,
    /// What flushing a file, and a folder, always says.
    flushes: Mutex<[Option<Errno>; 2]>,
}

impl Faulty {
    /// Shows `below` at `at`; both exist.
    pub fn mount(below: &Path, at: &Path) -> io::Result<Self> {
        let plan = Arc::new(Plan {
            calls: AtomicU64::new(0),
            fault: Mutex::new(None),
            error: Mutex::new(Errno::EIO),
            flushes: Mutex::new([None, None]),
        });
        let show = Show {
            below: below.to_owned(),
            plan: Arc::clone(&plan),
            state: Mutex::new(State { paths: HashMap::new(), files: HashMap::new(), next: 1 }),
        };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("faulty".to_owned())];
        let session = fuser::spawn_mount(show, at, &config)?;
        Ok(Self { plan, at: at.to_owned(), session: Some(session) })
    }

    /// From now on: calls are counted from 0, and this happens at one of them.
    pub fn set(&self, fault: Option<(Fault, u64)>) {
        *self.plan.fault.lock().unwrap() = fault;
        self.plan.calls.store(0, SeqCst);
    }

    /// The number of the error that [`Fault::Error`] and [`Fault::ErrorsFrom`] give.
    pub fn set_error(&self, code: i32) {
        *self.plan.error.lock().unwrap() = Errno::from_i32(code);
    }

    /// From now on, flushing files and folders always fails so.
    pub fn refuse_flushes(&self, file: Option<i32>, folder: Option<i32>) {
        *self.plan.flushes.lock().unwrap() = [file, folder].map(|code| code.map(Errno::from_i32));
    }

    /// The calls since then.
    pub fn calls(&self) -> u64 {
        self.plan.calls.load(SeqCst)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        // What still has a file open must not keep the test from ending.
        let _ = std::process::Command::new("fusermount3").arg("-uz").arg(&self.at).status();
        drop(self.session.take().map(BackgroundSession::umount_and_join));
    }
}

/// What a call is to do.
enum Turn {
    Do,
    DoThenKill(u32),
    Pretend,
    Fail(Errno),
}

impl Plan {
    fn turn(&self, request: &Request) -> Turn {
        let call = self.calls.fetch_add(1, SeqCst);
        let Some((fault, at)) = *self.fault.lock().unwrap() else { return Turn::Do };
        let is_now = match fault {
            Fault::ErrorsFrom | Fault::FullFrom => call >= at,
            _ => call == at,
        };
        if !is_now {
            return Turn::Do;
        }
        match fault {
            Fault::Error | Fault::ErrorsFrom => Turn::Fail(*self.error.lock().unwrap()),
            Fault::FullFrom => Turn::Fail(Errno::ENOSPC),
            Fault::Lie => Turn::Pretend,
            Fault::Kill => {
                kill(request.pid());
                Turn::Fail(Errno::EIO)
            }
            Fault::KillAfter => Turn::DoThenKill(request.pid()),
            Fault::Stall => {
                std::thread::sleep(Duration::from_millis(700));
                Turn::Do
            }
        }
    }

    /// Flushes a file (0) or a folder (1).
    fn flush(&self, request: &Request, what: usize) -> Result<(), Errno> {
        match self.flushes.lock().unwrap()[what] {
            Some(error) => Err(error),
            None => self.call(request, Some(()), || Ok(())),
        }
    }

    /// Does a call, or what is to be done in its place; `pretended` is the result of a lie.
    fn call<T>(
        &self,
        request: &Request,
        pretended: Option<T>,
        job: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, Errno> {
        match (self.turn(request), pretended) {
            (Turn::Fail(error), _) => Err(error),
            (Turn::Pretend, Some(pretended)) => Ok(pretended),
            (Turn::DoThenKill(pid), _) => {
                let done = job();
                kill(pid);
                done.map_err(Errno::from)
            }
            _ => job().map_err(Errno::from),
        }
    }
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // (Never this test itself, whose threads have the ids above its own.)
    if let Some(pid) = pid.filter(|pid| *pid != rustix::process::getpid()) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

struct Show {
    below: PathBuf,
    plan: Arc<Plan>,
    state: Mutex<State>,
}

struct State {
    /// Where a file was last seen.
    paths: HashMap<u64, PathBuf>,
    files: HashMap<u64, Arc<File>>,
    next: u64,
}

impl Show {
    fn path(&self, ino: INodeNo) -> PathBuf {
        match ino {
            INodeNo::ROOT => self.below.clone(),
            INodeNo(ino) => self.state.lock().unwrap().paths.get(&ino).cloned().unwrap_or_default(),
        }
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> PathBuf {
        self.path(parent).join(name)
    }

    fn seen(&self, path: &Path) -> io::Result<FileAttr> {
        let meta = fs::symlink_metadata(path)?;
        self.state.lock().unwrap().paths.insert(meta.ino(), path.to_owned());
        Ok(self.attr(&meta))
    }

    fn attr(&self, meta: &Metadata) -> FileAttr {
        let kind = match meta.file_type() {
            kind if kind.is_dir() => FileType::Directory,
            kind if kind.is_symlink() => FileType::Symlink,
            _ => FileType::RegularFile,
        };
        let is_root = fs::symlink_metadata(&self.below).is_ok_and(|root| root.ino() == meta.ino());
        FileAttr {
            ino: if is_root { INodeNo::ROOT } else { INodeNo(meta.ino()) },
            size: meta.size(),
            blocks: meta.blocks(),
            atime: meta.accessed().unwrap_or(SystemTime::UNIX_EPOCH),
            mtime: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind,
            perm: u16::try_from(meta.mode() & 0o7777).unwrap_or(0o644),
            nlink: u32::try_from(meta.nlink()).unwrap_or(1),
            uid: meta.uid(),
            gid: meta.gid(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    fn keep(&self, file: File) -> FileHandle {
        let mut state = self.state.lock().unwrap();
        state.next += 1;
        let number = state.next;
        state.files.insert(number, Arc::new(file));
        FileHandle(number)
    }

    fn file(&self, handle: FileHandle) -> io::Result<Arc<File>> {
        let files = &self.state.lock().unwrap().files;
        files.get(&handle.0).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn metadata(&self, ino: INodeNo, handle: Option<FileHandle>) -> io::Result<Metadata> {
        match handle.and_then(|handle| self.file(handle).ok()) {
            Some(file) => file.metadata(),
            None => fs::symlink_metadata(self.path(ino)),
        }
    }
}

const NO_TIME: Duration = Duration::ZERO;

fn entry(made: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match made {
        Ok(attr) => reply.entry(&NO_TIME, &attr, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    Ok(File::from(rustix::fs::open(path, flags | OFlags::CLOEXEC, mode)?))
}

impl Filesystem for Show {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.seen(&self.child(parent, name)).map_err(Errno::from), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.metadata(ino, fh) {
            Ok(meta) => reply.attr(&NO_TIME, &self.attr(&meta)),
            Err(error) => reply.error(error.into()),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let path = self.path(ino);
        let done = self.plan.call(request, Some(()), || {
            if let Some(size) = size {
                match fh.and_then(|fh| self.file(fh).ok()) {
                    Some(file) => file.set_len(size)?,
                    None => File::options().write(true).open(&path)?.set_len(size)?,
                }
            }
            if let Some(mode) = mode {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
            let time = |time: TimeOrNow| match time {
                TimeOrNow::SpecificTime(time) => time,
                TimeOrNow::Now => SystemTime::now(),
            };
            let mut times = FileTimes::new();
            if let Some(atime) = atime {
                times = times.set_accessed(time(atime));
            }
            if let Some(mtime) = mtime {
                times = times.set_modified(time(mtime));
            }
            if (atime.is_some() || mtime.is_some()) && !path.is_symlink() {
                File::open(&path)?.set_times(times)?;
            }
            Ok(())
        });
        let done = done.and_then(|()| self.metadata(ino, fh).map_err(Errno::from));
        match done {
            Ok(meta) => reply.attr(&NO_TIME, &self.attr(&meta)),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match fs::read_link(self.path(ino)) {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(error) => reply.error(error.into()),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let path = self.child(parent, name);
        let made = self.plan.call(request, None, || fs::create_dir(&path));
        entry(made.and_then(|()| self.seen(&path).map_err(Errno::from)), reply);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let path = self.child(parent, name);
        empty(self.plan.call(request, Some(()), || fs::remove_file(path)), reply);
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let path = self.child(parent, name);
        empty(self.plan.call(request, Some(()), || fs::remove_dir(path)), reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let path = self.child(parent, name);
        let made = self.plan.call(request, None, || std::os::unix::fs::symlink(target, &path));
        entry(made.and_then(|()| self.seen(&path).map_err(Errno::from)), reply);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (from, to) = (self.child(parent, name), self.child(newparent, newname));
        if flags != RenameFlags::empty() {
            return reply.error(Errno::EINVAL); // as ntfs-3g, CIFS and NFS
        }
        let done = self.plan.call(request, Some(()), || {
            fs::rename(&from, &to)?;
            for path in self.state.lock().unwrap().paths.values_mut() {
                if let Ok(below) = path.strip_prefix(&from) {
                    *path = to.join(below);
                    // (Joining nothing would add a slash.)
                    *path = path.components().collect();
                }
            }
            Ok(())
        });
        empty(done, reply);
    }

    fn link(
        &self,
        request: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        let (from, to) = (self.path(ino), self.child(newparent, newname));
        let made = self.plan.call(request, None, || fs::hard_link(from, &to));
        entry(made.and_then(|()| self.seen(&to).map_err(Errno::from)), reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let kept = OFlags::from_bits_retain(flags.0.cast_unsigned());
        let kept = kept & (OFlags::RDONLY | OFlags::WRONLY | OFlags::RDWR);
        match open(&self.path(ino), kept) {
            Ok(file) => reply.opened(self.keep(file), FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(error.into()),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let path = self.child(parent, name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let made = self.plan.call(request, None, || open(&path, flags));
        match made.and_then(|file| Ok((self.seen(&path)?, file))) {
            Ok((attr, file)) => {
                let handle = self.keep(file);
                let flags = FopenFlags::FOPEN_DIRECT_IO;
                reply.created(&NO_TIME, &attr, Generation(0), handle, flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut bytes = vec![0; size as usize];
        let read = self.file(fh).and_then(|file| {
            let mut done = 0;
            while done < bytes.len() {
                match file.read_at(&mut bytes[done..], offset + done as u64)? {
                    0 => break,
                    read => done += read,
                }
            }
            Ok(done)
        });
        match read {
            Ok(read) => reply.data(&bytes[..read]),
            Err(error) => reply.error(error.into()),
        }
    }

    fn write(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let done = self.plan.call(request, Some(()), || self.file(fh)?.write_all_at(data, offset));
        match done {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(0)),
            Err(error) => reply.error(error),
        }
    }

    fn flush(
        &self,
        _: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.state.lock().unwrap().files.remove(&fh.0);
        reply.ok();
    }

    fn fsync(
        &self,
        request: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        empty(self.plan.flush(request, 0), reply);
    }

    fn opendir(&self, _: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut entries = vec![
            (ino, FileType::Directory, OsStr::new(".").to_owned()),
            (ino, FileType::Directory, OsStr::new("..").to_owned()),
        ];
        let Ok(all) = fs::read_dir(self.path(ino)) else { return reply.error(Errno::EIO) };
        for entry in all.flatten() {
            let Ok(attr) = self.seen(&entry.path()) else { continue };
            entries.push((attr.ino, attr.kind, entry.file_name()));
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (number, (ino, kind, name)) in entries.into_iter().enumerate().skip(from) {
            if reply.add(ino, number as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn fsyncdir(
        &self,
        request: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        empty(self.plan.flush(request, 1), reply);
    }

    fn statfs(&self, _: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        reply.statfs(1 << 24, 1 << 23, 1 << 23, 1 << 20, 1 << 19, 4096, 255, 4096);
    }
}
