//! A real Samba server for one test: on a free loopback port, in a scratch
//! folder, with one user, gone when it is dropped. Works as root and not.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{need, require};

/// What the server is to be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name to log on with.
    pub user: String,
    /// The password.
    pub password: String,
    /// Whether the share may only be read.
    pub read_only: bool,
    /// Bytes of a memory disk to put under the share, so that it runs full.
    /// Needs root.
    pub disk_bytes: Option<u64>,
    /// More lines for `[global]`: `server signing = mandatory`,
    /// `smb encrypt = required`.
    pub global: Vec<String>,
    /// More lines for `[share]`.
    pub share: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user: "technician".into(),
            // Letters that a URL, a shell or a config file would stumble over.
            password: "Geheim %41 p@ss:w?rd#1".into(),
            read_only: false,
            disk_bytes: None,
            global: Vec::new(),
            share: Vec::new(),
        }
    }
}

/// A running server with a share named `share`.
#[derive(Debug)]
pub struct Smbd {
    options: Options,
    port: u16,
    daemon: Option<Child>,
    mounted: bool,
    folder: TempDir,
}

impl Smbd {
    /// A plain server; see [`Smbd::with`].
    pub fn start() -> Option<Self> {
        Self::with(Options::default())
    }

    /// Starts a server. `None`, and a line that says so, when this machine
    /// lacks what it takes: the calling test counts as skipped.
    pub fn with(options: Options) -> Option<Self> {
        need!("samba");
        let folder = TempDir::with_prefix("lifeboat-smbd-").unwrap();
        for name in ["private", "state", "cache", "lock", "pid", "ncalrpc", "log", "share"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut server = Self { options, port: 0, daemon: None, mounted: false, folder };
        if let Some(bytes) = server.options.disk_bytes {
            let size = format!("size={bytes}");
            let mount = Command::new("mount")
                .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
                .arg(server.share_path())
                .stderr(Stdio::null())
                .status();
            if !mount.is_ok_and(|status| status.success()) {
                // Only root may mount the memory disk that is to run full.
                return require::require("root", || None);
            }
            server.mounted = true;
        }
        // Another process may take a port between our look and smbd's.
        for _ in 0..3 {
            server.port = free_port();
            server.configure();
            if server.resume() {
                return Some(server);
            }
            server.stop();
        }
        panic!("smbd does not start:\n{}", server.log());
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name to log on with.
    pub fn user(&self) -> &str {
        &self.options.user
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.options.password
    }

    /// `smb://user@127.0.0.1:port/share/dir`.
    pub fn url(&self, dir: &str) -> String {
        format!("smb://{}@127.0.0.1:{}/share/{dir}", self.options.user, self.port)
    }

    /// The folder that the share shows.
    pub fn share_path(&self) -> PathBuf {
        self.folder.path().join("share")
    }

    /// Its `smb.conf`.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("smb.conf")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path().join("log")).unwrap().flatten() {
            text += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default());
        }
        text
    }

    /// Starts it again on the same port after [`Smbd::stop`]; whether it came up.
    pub fn resume(&mut self) -> bool {
        let daemon = Command::new(find("smbd").unwrap())
            .arg("-s")
            .arg(self.config_path())
            .args(["-F", "--no-process-group", "-l"])
            .arg(self.folder.path().join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = self.daemon.insert(daemon);
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if daemon.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Ends it at once, connections and all, as when the power fails.
    pub fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        // The daemon first, so that it forks no more children.
        let pids = descendants(daemon.id());
        let _ = daemon.kill();
        let _ = daemon.wait();
        signal("KILL", &pids);
        let end = Instant::now() + Duration::from_secs(5);
        while pids.iter().any(|pid| is_alive(*pid)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the processes behind the connections that are open; new ones are
    /// taken at once. Returns how many there were.
    pub fn kill_connections(&self) -> usize {
        let pids = self.connections();
        signal("KILL", &pids);
        pids.len()
    }

    /// Gives the user another password.
    pub fn set_password(&mut self, password: &str) {
        self.options.password = password.into();
        self.configure();
    }

    /// Changes the memory disk under the share while it is used: `ro`, `rw`,
    /// `size=…`. Whether it worked: not to `ro` while files are open to write.
    pub fn remount(&self, options: &str) -> bool {
        assert!(self.mounted, "the share has no disk of its own");
        let options = format!("remount,{options}");
        let mut mount = Command::new("mount");
        mount.args(["-o", &options]).arg(self.share_path()).stderr(Stdio::null());
        mount.status().unwrap().success()
    }

    /// Ends every use of the share, as an administrator may; the connections
    /// stay, and what is open on them is not known any more. Whether it worked.
    pub fn close_share(&self) -> bool {
        let Some(smbcontrol) = find("smbcontrol") else { return false };
        let mut command = Command::new(smbcontrol);
        command.arg("-s").arg(self.config_path()).args(["smbd", "close-share", "share"]);
        command.status().is_ok_and(|status| status.success())
    }

    /// Freezes everything: connections stay open and nobody answers.
    pub fn freeze(&self) {
        signal("STOP", &self.all());
    }

    /// Thaws it after [`Smbd::freeze`].
    pub fn thaw(&self) {
        signal("CONT", &self.all());
    }

    fn all(&self) -> Vec<u32> {
        let Some(daemon) = &self.daemon else { return Vec::new() };
        let mut pids = vec![daemon.id()];
        pids.extend(descendants(daemon.id()));
        pids
    }

    /// The children that serve a client. smbd's helpers call themselves
    /// `smbd-notifyd`, `cleanupd` and the like.
    fn connections(&self) -> Vec<u32> {
        let Some(daemon) = &self.daemon else { return Vec::new() };
        let mut pids = children(daemon.id());
        pids.retain(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = name.trim();
            name == "smbd" || name.starts_with("smbd[")
        });
        pids
    }

    fn configure(&self) {
        let dir = self.folder.path().display();
        let mut text = format!(
            "[global]
  workgroup = WORKGROUP
  server role = standalone server
  interfaces = lo 127.0.0.1
  bind interfaces only = yes
  smb ports = {}
  disable netbios = yes
  disable spoolss = yes
  load printers = no
  printcap name = /dev/null
  map to guest = Never
  passdb backend = tdbsam:{dir}/private/passdb.tdb
  username map = {dir}/users.map
  private dir = {dir}/private
  state directory = {dir}/state
  cache directory = {dir}/cache
  lock directory = {dir}/lock
  pid directory = {dir}/pid
  ncalrpc dir = {dir}/ncalrpc
  log file = {dir}/log/smbd.log
  server min protocol = SMB2_02
",
            self.port
        );
        for line in &self.options.global {
            writeln!(text, "  {line}").unwrap();
        }
        let read_only = if self.options.read_only { "yes" } else { "no" };
        write!(text, "[share]\n  path = {dir}/share\n  read only = {read_only}\n").unwrap();
        for line in &self.options.share {
            writeln!(text, "  {line}").unwrap();
        }
        std::fs::write(self.config_path(), text).unwrap();

        // Samba wants a Unix user behind every login: the one that we are.
        let id = Command::new("id").arg("-un").output().unwrap();
        let unix_user = String::from_utf8_lossy(&id.stdout).trim().to_owned();
        let map = format!("!{unix_user} = \"{}\"\n", self.options.user);
        std::fs::write(self.folder.path().join("users.map"), map).unwrap();

        let mut pdbedit = Command::new(find("pdbedit").unwrap())
            .arg("-s")
            .arg(self.config_path())
            .args(["-t", "-a", "-u", &unix_user])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let twice = format!("{0}\n{0}\n", self.options.password);
        pdbedit.stdin.take().unwrap().write_all(twice.as_bytes()).unwrap();
        let done = pdbedit.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "pdbedit: {complaint}");
    }
}

impl Drop for Smbd {
    fn drop(&mut self) {
        self.thaw(); // a frozen process dies all the same, but its parent must reap
        self.stop();
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.share_path()).status();
        }
    }
}

/// A port of 127.0.0.1 on which nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A program, also where only root's PATH looks.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn signal(name: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let pids = pids.iter().map(u32::to_string);
    // Some may have ended by themselves meanwhile: kill then complains.
    let _ = Command::new("kill").arg("-s").arg(name).args(pids).stderr(Stdio::null()).status();
}

/// Whether a process still runs; one that only waits to be reaped does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

/// The children of every thread of a process.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().map(|thread| thread.path().join("children"));
    let text: String =
        lists.map(|list| std::fs::read_to_string(list).unwrap_or_default() + " ").collect();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Children, grandchildren and so on.
fn descendants(pid: u32) -> Vec<u32> {
    let mut all = children(pid);
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        all.extend(children(pid));
        next += 1;
    }
    all
}
