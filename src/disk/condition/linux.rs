//! Linux: smartctl where it is at hand, and the kernel's own questions to disks.
#![allow(unsafe_code)] // a platform file: rustix has no words for these two questions

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::ioctl::{Getter, Opcode, Updater, ioctl};

use super::{Condition, Lock, ata, opal, smartctl};
use crate::model::threads;

/// A disk that fails may answer late, or never.
const PATIENCE: Duration = Duration::from_secs(15);
/// Where smartctl is, also if the `PATH` of a plain user lacks it.
const SMARTCTL: [&str; 4] =
    ["/usr/sbin/smartctl", "/sbin/smartctl", "/usr/bin/smartctl", "/usr/local/sbin/smartctl"];

/// `HDIO_GET_IDENTITY` (`linux/hdreg.h`): the identify data that the kernel read when it found the
/// disk.
const HDIO_GET_IDENTITY: Opcode = 0x030D;
/// `NVME_IOCTL_ADMIN_CMD` (`linux/nvme_ioctl.h`): `_IOWR('N', 0x41, struct nvme_admin_cmd)`.
const NVME_ADMIN: Opcode = 0xC048_4E41;

pub(super) fn ask(path: &Path, transport: &str) -> Condition {
    let mut condition = match transport {
        "sata" | "usb" | "scsi" | "nvme" => by_smartctl(path).unwrap_or_default(),
        _ => Condition::default(),
    };
    if transport == "sata" && condition.lock.is_none() {
        condition.lock = identify(path).and_then(|data| ata::lock(&data));
    }
    condition
}

/// Whether an NVMe disk that encrypts by itself is locked. A disk that does not know the question
/// notes that as an error: only what shows no volume is asked.
pub(super) fn opal_lock(path: &Path) -> Option<Lock> {
    /// `struct nvme_passthru_cmd`.
    #[repr(C)]
    #[derive(Default)]
    struct AdminCommand {
        opcode: u8,
        flags: u8,
        reserved: u16,
        namespace: u32,
        words_2_3: [u32; 2],
        metadata: u64,
        data: u64,
        metadata_len: u32,
        data_len: u32,
        words_10_15: [u32; 6],
        timeout_ms: u32,
        result: u32,
    }
    let file = File::open(path).ok()?;
    let mut answer = vec![0_u8; 2048];
    let mut command = AdminCommand {
        opcode: 0x82, // Security Receive: reads
        data: answer.as_mut_ptr() as u64,
        data_len: 2048,
        // Security protocol 1, ComID 0001: the discovery, which needs no session.
        words_10_15: [0x01 << 24 | 0x0001 << 8, 2048, 0, 0, 0, 0],
        timeout_ms: 5000,
        ..AdminCommand::default()
    };
    // SAFETY: the command is 72 bytes, as the kernel's structure and the opcode say; the kernel
    // writes at most `data_len` bytes to `answer`, which outlives the call.
    let done = unsafe { ioctl(&file, Updater::<NVME_ADMIN, _>::new(&mut command)) };
    done.ok().and_then(|()| opal::lock(&answer))
}

/// The 512 bytes of identify data of an ATA disk.
fn identify(path: &Path) -> Option<[u8; 512]> {
    let file = File::open(path).ok()?;
    // SAFETY: the kernel writes 512 bytes (`struct hd_driveid`), or fails.
    unsafe { ioctl(&file, Getter::<HDIO_GET_IDENTITY, [u8; 512]>::new()) }.ok()
}

fn by_smartctl(path: &Path) -> Option<Condition> {
    let program = SMARTCTL.into_iter().find(|program| Path::new(program).is_file())?;
    let mut child = Command::new(program)
        .args(["--json=c", "-i", "-H", "-A", "-g", "security"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let reader = child.stdout.take().and_then(|mut out| {
        let read = move || {
            let mut text = Vec::new();
            let _ = out.read_to_end(&mut text);
            text
        };
        threads::start("smartctl", read).ok()
    });
    let end = Instant::now() + PATIENCE;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(_)) => break true,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => break false,
        }
    };
    if !ended {
        // It hangs in the kernel with the disk, and may stay there: nobody waits for it.
        let _ = child.kill();
        return None;
    }
    smartctl::condition(&reader?.join().ok()?)
}
