//! What may be typed. What it means is decided by the commands.
#![allow(missing_docs)] // doc comments here are the help texts; what needs none has none

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::volume_keys::VolumeKeys;
use crate::model::metadata::FileTime;
use crate::model::units;
use crate::set::write::level::{Level, is_level};
use crate::sets::age;

const ABOUT: &str = "Rescues USMT migration stores after a failed re-image";

const AFTER_HELP: &str = "\
Examples:
  lifeboat                               on a terminal: the guided rescue
  lifeboat detect                        find all stores on all attached volumes
  lifeboat detect disk.img               ... in a disk image
  lifeboat verify disk.img --level full  read every byte of the stores
  lifeboat offload --to \\\\server\\rescue  save all stores to a share
  lifeboat restore E:\\PC12-20260101T000000Z-1a2b3c4d --to C=C:\\

Exit codes: 0 done, nothing lost; 1 failed; 2 wrong command line; 3 done with
losses or damage; 4 nothing found; 5 a problem with the destination;
6 interrupted: run the same command to resume; 7 no volume could be read.";

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "lifeboat",
    version,
    about = ABOUT,
    after_help = AFTER_HELP,
    max_term_width = 80,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Output")]
pub struct Global {
    /// One JSON event a line, for scripts
    ///
    /// Print one JSON event per line on standard output, a summary last
    #[arg(long, global = true)]
    pub json: bool,
    /// Also write a log to FILE (CMTrace format)
    ///
    /// Also write a log to FILE, in the format of CMTrace
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Print only results and errors
    #[arg(hide_short_help = true, short, long, global = true)]
    pub quiet: bool,
    /// Print more about each step
    #[arg(hide_short_help = true, short, long, global = true)]
    pub verbose: bool,
    /// Read volumes from the raw device or through the system's file API
    /// [default: raw where possible; the output says which and why]
    #[arg(hide_short_help = true, long, global = true, value_enum, value_name = "WAY")]
    pub via: Option<ViaArg>,
    #[command(flatten)]
    pub bitlocker: BitLockerArgs,
    /// The keys that were read.
    #[arg(skip)]
    pub(crate) volume_keys: Arc<VolumeKeys>,
}

/// What unlocks BitLocker volumes.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "BitLocker")]
pub struct BitLockerArgs {
    /// Text file with recovery keys of BitLocker volumes, such as an export from
    /// Active Directory or Entra ID (may be repeated)
    #[arg(hide_short_help = true, long, global = true, value_name = "FILE")]
    pub recovery_key_file: Vec<PathBuf>,
    /// File whose first line is the password of a BitLocker volume
    #[arg(hide_short_help = true, long, global = true, value_name = "FILE")]
    pub bitlocker_password_file: Option<PathBuf>,
    /// Folder with startup keys (.BEK) of BitLocker volumes
    #[arg(hide_short_help = true, long, global = true, value_name = "FOLDER")]
    pub bitlocker_keys: Option<PathBuf>,
}

/// The two ways to read a volume.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViaArg {
    /// The volume's own structures
    Raw,
    /// The file API
    Host,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Find the stores on all attached volumes, or in the sources given
    #[command(after_long_help = "\
Examples:
  lifeboat detect
  lifeboat detect disk.img
  lifeboat detect /dev/sda --json
  lifeboat detect /mnt/c /mnt/d
  lifeboat --via host detect D:          through the file API, not the disk")]
    Detect(Detect),
    /// Check the stores in a source or a copy, or a rescue set
    #[command(after_long_help = "\
Examples:
  lifeboat verify disk.img
  lifeboat verify disk.img --level full
  lifeboat verify D: --usmt C:\\USMT\\amd64
  lifeboat verify E:\\copy-of-store        a manually copied store
  lifeboat verify smb://tech@server/rescue/PC12-20260101T000000Z-1a2b3c4d
  lifeboat verify E:\\rescue --all            every set in this folder")]
    Verify(Verify),
    /// List the rescue sets of a share or a folder
    #[command(after_long_help = "\
Examples:
  lifeboat sets E:\\rescue
  lifeboat sets smb://tech@server/rescue --computer PC12
  lifeboat sets E:\\rescue --of-user alice --since 30d
  lifeboat sets E:\\rescue --html sets.html

It reads only a small file of each set: verify checks them. Exit code 3 if a
set is damaged or cannot be read, 4 if no set was found.")]
    Sets(Sets),
    /// Delete rescue sets that were restored; without --yes, list them
    #[command(after_long_help = "\
Examples:
  lifeboat prune E:\\rescue --older-than 90d           only list
  lifeboat prune E:\\rescue --older-than 90d --yes     delete
  lifeboat prune E:\\rescue --older-than 30d --restored
  lifeboat prune E:\\rescue PC12-20260101T000000Z-1a2b3c4d --yes

By age, it deletes only sets that were restored completely. It deletes any
other set only by its name. It never deletes files that are not of the set.")]
    Prune(Prune),
    /// Before the wipe: check that no store would be lost
    #[command(after_long_help = "\
Examples:
  lifeboat gate --set E:\\rescue
  lifeboat gate disk.img --set E:\\rescue\\PC12-20260101T000000Z-1a2b3c4d
  lifeboat gate C: D: --wipes C:           the store on D: is sealed and stays

Exit code 0 only if every store that was found is complete in a verified set,
or is sealed and stays; 3 if not; 4 if no store was found.")]
    Gate(Gate),
    /// Try settings, destination and account, without a store
    #[command(after_long_help = "\
Examples:
  lifeboat check --to E:\\rescue
  lifeboat check --to smb://tech@server/rescue

Run it from the boot image, or at your desk, before you need it. It makes a
folder and a file at DEST, reads the file back, and removes both.")]
    Check(CheckArgs),
    /// Before the wipe: record what a store has, in one file beside it
    #[command(after_long_help = "\
Examples:
  lifeboat seal C:              hash every file of the stores on C:
  lifeboat seal C: D:           a store with parts on two drives
  lifeboat seal C: --quick      only names, sizes and times, in seconds
  lifeboat seal /mnt/c          on Linux, a volume mounted for writing

This is the only command that writes to a source: one file, lifeboat.seal, to
the folder above USMT. The volume must be mounted. Run it after scanstate, in
the running Windows or in WinPE before the wipe. Sealing again replaces it.
verify, offload and restore then list every change since.")]
    Seal(Seal),
    /// Save stores as rescue sets on a share or a disk
    #[command(after_long_help = "\
Examples:
  lifeboat offload --to E:\\rescue
  lifeboat offload disk.img --to smb://tech@server/rescue
  lifeboat offload \\\\.\\PhysicalDrive0 --to \\\\server\\rescue --user tech
  lifeboat offload disk.img --path \\Users\\alice --to E:\\rescue
  lifeboat offload --profiles --to E:\\rescue          no store: save the users
  lifeboat offload disk.img --to E:\\rescue --dry-run  only say what it would do

The password comes from a prompt, --password-file or LIFEBOAT_PASSWORD.
Lifeboat never writes to the source.")]
    Offload(Offload),
    /// List the files of a rescue set or a store
    #[command(after_long_help = "\
Examples:
  lifeboat list disk.img                  the store there
  lifeboat list E:\\copy\\USMT\\USMT.MIG
  lifeboat list SET --inside              inside the USMT.MIG of a set
  lifeboat list E:\\rescue\\PC12-20260101T000000Z-1a2b3c4d
  lifeboat list smb://tech@server/rescue/PC12-20260101T000000Z-1a2b3c4d --json")]
    List(List),
    /// Make a set's report again: one HTML page
    #[command(after_long_help = "\
Examples:
  lifeboat report E:\\rescue\\PC12-20260101T000000Z-1a2b3c4d
  lifeboat report SET --to D:\\for-the-director.html

Every set that is not encrypted already has this page, report.html. It lists
users and files: keep it as safe as the set.")]
    Report(Report),
    /// Extract single files or folders from a rescue set or a store
    #[command(after_long_help = "\
Examples:
  lifeboat extract disk.img C:\\Users\\alice\\Documents --to out
  lifeboat extract USMT.MIG *.docx --to out
  lifeboat extract SET --inside --of-user alice --to out
  lifeboat extract SET --to out
  lifeboat extract SET C/StateStore/USMT/catalog.mig --to out
  lifeboat extract SET --of-user alice --to out   to out/C/Users/alice")]
    Extract(Extract),
    /// Restore a rescue set, so that loadstate can use the store
    #[command(after_long_help = "\
Examples:
  lifeboat restore SET --in-place                 each part to where it was
  lifeboat restore SET --in-place --to D=E:\\      but the D: part to E:
  lifeboat restore SET --to C=C:\\ --to D=D:\\      each part to its own drive
  lifeboat restore SET --to /mnt/restore          parts to restore/C, restore/D
  lifeboat restore SET --of-user alice --into C:\\Users\\alice.new

Until a store is complete and read back, its name ends in .lifeboat-partial.
After an interruption, run the same command to resume.")]
    Restore(Restore),
    /// Show, write or run the loadstate command for a set or a store
    #[command(after_long_help = "\
Examples:
  lifeboat loadstate SET                 show the command
  lifeboat loadstate C:\\ --run          run it, as administrator in Windows
  lifeboat loadstate SET --write migrate.cmd --i own.xml --i migapp.xml

loadstate.exe is not part of Windows. Lifeboat looks for it beside itself
(and in a folder USMT there), in the ADK's default folders, and in PATH.
--run ends with 0 if loadstate returns 0, 3 if it restored with errors,
6 if it was stopped, and 1 otherwise.")]
    Loadstate(Loadstate),
    /// Guide you through a rescue; lifeboat alone on a terminal does the same
    #[command(after_long_help = "\
Examples:
  lifeboat guide
  lifeboat guide disk.img
  lifeboat guide --to \\\\server\\rescue --user DOMAIN\\tech

It requires a terminal of 80x24 or more, without colors. LIFEBOAT_ASCII=1 draws
lines in plain ASCII; on consoles without VT sequences, it always does.")]
    Guide(Guide),
    /// Print the completions for a shell
    #[command(after_long_help = "\
Examples:
  lifeboat completions bash
  lifeboat completions powershell")]
    Completions(Completions),
}

#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub struct Detect {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub search: Search,
}

/// How to read a source.
#[derive(Args, Debug, Clone, Default)]
pub struct Search {
    /// Search each disk completely for volumes from before it was repartitioned
    /// (slow: every sector outside partitions is read)
    #[arg(hide_short_help = true, long)]
    pub deep: bool,
    /// The mapfile that ddrescue wrote with the image: parts that it did not read
    /// are losses, not zeros [default: the one beside the image]
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub mapfile: Option<PathBuf>,
}

/// How thorough to check.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelArg {
    /// Only metadata, in seconds
    Quick,
    /// Every byte
    Full,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// Sources with stores, or rescue sets (folder or URL)
    #[arg(value_name = "WHAT", required = true)]
    pub what: Vec<String>,
    /// How thorough to check
    #[arg(long, value_enum, default_value = "quick")]
    pub level: LevelArg,
    /// Every rescue set in the folders or URLs; the result is recorded beside
    /// each set
    #[arg(long, conflicts_with_all = ["store", "usmt", "deep", "mapfile"])]
    pub all: bool,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub store: Option<String>,
    /// Folder with usmtutils, to check compressed stores with it too (Windows)
    /// [default: the folder of lifeboat.exe, then PATH]
    #[arg(long, value_name = "DIR")]
    pub usmt: Option<PathBuf>,
    #[command(flatten)]
    pub search: Search,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
pub struct Seal {
    /// Drive, mounted folder, or device of a mounted volume
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<String>,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub store: Vec<String>,
    /// No hashes: only names, sizes and times
    #[arg(long)]
    pub quick: bool,
}

#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools)] // independent switches
pub struct Offload {
    /// Disk image, device, volume, folder [default: all]
    ///
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Folder or share to save to
    ///
    /// Folder, \\server\share\folder or smb://user@server/share/folder
    /// [default: from lifeboat.toml beside the program]
    #[arg(long, value_name = "DEST", aliases = ["dest", "destination"])]
    pub to: Option<String>,
    /// Only this store: id or path
    ///
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub store: Vec<String>,
    /// Save this folder instead of a store
    ///
    /// Save this folder instead of a store (may be repeated): \Users\alice; \
    /// is the whole volume
    #[arg(long, value_name = "FOLDER", conflicts_with = "store")]
    pub path: Vec<String>,
    /// Save this user's files instead of a store
    ///
    /// Save the files of this user of an offline Windows instead of a store (may
    /// be repeated): a name or SID, as detect shows them
    #[arg(long, value_name = "NAME|SID", conflicts_with_all = ["store", "path"])]
    pub of_user: Vec<String>,
    /// Save all users' files instead of a store
    ///
    /// Save the files of all users, without the accounts of services
    #[arg(long, conflicts_with_all = ["store", "path", "of_user"])]
    pub profiles: bool,
    /// With --of-user or --profiles: also save caches and temporary files
    #[arg(hide_short_help = true, long)]
    pub everything: bool,
    /// Recover deleted files too: below deleted in the set, each with how sure it is.
    /// Without a store: the files of deleted stores
    #[arg(hide_short_help = true, long)]
    pub deleted: bool,
    #[command(flatten)]
    pub search: Search,
    /// zstd level: -7 (fast) to 19, or auto
    ///
    /// zstd level, -7 (fast) to 19 (small); auto: the one that is finished first,
    /// by the speed of DEST and a sample of the files
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = parse_level, allow_negative_numbers = true)]
    pub level: Level,
    /// Split the store into files of at most SIZE: 2G, 700M (of 1024), 700MB
    /// (of 1000)
    #[arg(hide_short_help = true, long, value_name = "SIZE", value_parser = parse_size)]
    pub split: Option<u64>,
    /// First part of the set's name
    ///
    /// First part of the set's name [default: the computer's name]
    #[arg(hide_short_help = true, long, value_name = "NAME")]
    pub name: Option<String>,
    /// Start over instead of resuming an interrupted set
    #[arg(hide_short_help = true, long)]
    pub fresh: bool,
    /// Do not read the written set back (the set records this)
    #[arg(hide_short_help = true, long)]
    pub no_read_back: bool,
    /// Encrypt the set with a passphrase (from a prompt)
    #[arg(long)]
    pub encrypt: bool,
    /// Encrypt the set to this age recipient (may be repeated): age1...
    #[arg(hide_short_help = true, long, value_name = "AGE1", conflicts_with = "passphrase_file")]
    pub recipient: Vec<String>,
    /// File with recipients, one per line
    #[arg(hide_short_help = true, long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub recipients_file: Vec<PathBuf>,
    /// How long to retry while DEST is away: 30s, 10m, 2h
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "10m", value_parser = parse_time)]
    pub retry_for: Duration,
    /// Only say what would be saved, where, how large and how long; save nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Begin although DEST seems too small
    #[arg(hide_short_help = true, long)]
    pub despite_space: bool,
    /// Save to a folder in memory too (X: of WinPE, tmpfs), which is lost when the
    /// PC restarts
    #[arg(hide_short_help = true, long)]
    pub allow_memory: bool,
    /// Uncompressed size of a frame, in bytes; small ones are for tests
    #[arg(long, value_name = "BYTES", hide = true, value_parser = parse_bytes)]
    pub frame_bytes: Option<u64>,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
pub struct Sets {
    /// Folder or URL with rescue sets, up to three folders below it
    /// [default: from lifeboat.toml beside the program]
    #[arg(value_name = "DEST")]
    pub dest: Option<String>,
    /// Only sets of computers with this in their name or serial number
    #[arg(long, value_name = "NAME")]
    pub computer: Option<String>,
    /// Only sets with files of this user (the name of the profile folder)
    #[arg(long, value_name = "NAME")]
    pub of_user: Option<String>,
    /// Only sets made since: 30d, 12h, 4w, or 2026-01-31
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<FileTime>,
    /// Write the list as a page to FILE; replaces an earlier one
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["names", "older_than"])))]
pub struct Prune {
    /// Folder or URL with rescue sets
    #[arg(value_name = "DEST")]
    pub dest: String,
    /// Sets to delete, by the names of their folders
    #[arg(value_name = "NAME", conflicts_with = "older_than")]
    pub names: Vec<String>,
    /// Delete sets that were restored completely and are older: 90d, 12w
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub older_than: Option<FileTime>,
    /// Count the age from the last restore, not from when the set was made
    #[arg(long, requires = "older_than")]
    pub restored: bool,
    /// Delete; without it, only list what would be deleted
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
pub struct Gate {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Rescue set, or a folder with sets (may be repeated)
    /// [default: the destination in lifeboat.toml]
    #[arg(long, value_name = "SET|DEST")]
    pub set: Vec<String>,
    /// Only this drive will be wiped, such as C: (may be repeated): a store on
    /// others may stay, if it is sealed [default: all will be wiped]
    #[arg(long, value_name = "DRIVE", value_parser = parse_drive)]
    pub wipes: Vec<char>,
    /// How thorough to check sets, and stores that stay
    #[arg(long, value_enum, default_value = "quick")]
    pub level: LevelArg,
    #[command(flatten)]
    pub search: Search,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Folder, \\server\share\folder or smb://user@server/share/folder
    /// [default: from lifeboat.toml beside the program]
    #[arg(long, value_name = "DEST")]
    pub to: Option<String>,
    /// How long to retry while DEST is away: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub retry_for: Duration,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
pub struct List {
    /// A rescue set (folder or URL); or a disk image, device or folder with a
    /// store, or a USMT.MIG
    #[arg(value_name = "SET|STORE")]
    pub set: String,
    #[command(flatten)]
    pub inside: Inside,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
pub struct Report {
    /// The rescue set: folder or URL
    #[arg(value_name = "SET")]
    pub set: String,
    /// Page to write; must not exist [default: NAME-OF-SET.html here]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub logon: Logon,
}

#[derive(Args, Debug)]
pub struct Extract {
    /// Rescue set, or disk image or folder with a store
    ///
    /// A rescue set (folder or URL); or a disk image, device or folder with a
    /// store, or a USMT.MIG
    #[arg(value_name = "SET|STORE")]
    pub set: String,
    /// Files or folders, as list shows them [default: all]
    ///
    /// Files or folders, as list shows them; of a store also with * and ?
    /// [default: all]
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Only this user's files
    ///
    /// Only this user's files, at their own paths: DIR/C/Users/NAME
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    pub of_user: Option<String>,
    /// Folder to extract to
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub inside: Inside,
    /// Folder with usmtutils, to extract from a compressed store with it (Windows)
    #[arg(hide_short_help = true, long, value_name = "DIR", conflicts_with = "of_user")]
    pub usmt: Option<PathBuf>,
    /// File with the key of an encrypted store, for usmtutils
    #[arg(hide_short_help = true, long, value_name = "FILE", requires = "usmt")]
    pub keyfile: Option<PathBuf>,
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Its algorithm, such as AES_256 [default: usmtutils' own]
    #[arg(hide_short_help = true, long, value_name = "ALG", requires = "keyfile")]
    pub decrypt: Option<Algorithm>,
    #[command(flatten)]
    pub logon: Logon,
}

/// Which store to look into.
#[derive(Args, Debug, Clone, Default)]
pub struct Inside {
    /// Of a set: the files inside its USMT.MIG, not those of the set
    #[arg(long)]
    pub inside: bool,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub store: Option<String>,
    #[command(flatten)]
    pub search: Search,
}

#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools)] // flags of the command line
pub struct Restore {
    /// The rescue set: folder or URL
    #[arg(value_name = "SET")]
    pub set: String,
    /// Restore into DIR; or C=ROOT: the C: part below ROOT
    ///
    /// DIR: parts to DIR/C, DIR/D ...; C=ROOT: the C: part below ROOT
    #[arg(long, value_name = "DIR|X=ROOT")]
    pub to: Vec<String>,
    /// Restore each part onto the volume it came from
    ///
    /// Find each part's volume, and restore the part to its original path
    #[arg(long)]
    pub in_place: bool,
    /// Only the part of this drive, such as C
    #[arg(hide_short_help = true, long, value_name = "DRIVE")]
    pub part: Option<String>,
    /// Only this user's files, with --into
    ///
    /// Only this user's files, into the profile that --into names: no settings,
    /// and no loadstate
    #[arg(long, value_name = "NAME", requires = "into")]
    pub of_user: Option<String>,
    /// Existing profile folder for those files
    ///
    /// Existing profile folder for the files of --of-user: C:\Users\alice.new.
    /// Its account owns them; what is there stays
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "of_user",
        conflicts_with_all = ["to", "in_place", "part"]
    )]
    pub into: Option<PathBuf>,
    /// Account that gets those files: SID or NAME
    ///
    /// The account that gets the files of --of-user [default: the one that the
    /// permissions of the folder show]
    #[arg(long = "as", value_name = "SID|NAME", requires = "into")]
    pub account: Option<String>,
    /// Replace existing data
    ///
    /// Replace an existing store, and keep it under another name. From a set of a
    /// folder, and into a profile: replace existing files (never those of a store)
    #[arg(long)]
    pub replace: bool,
    /// Begin even if the destination seems too small
    #[arg(hide_short_help = true, long)]
    pub despite_space: bool,
    /// Restore recovered deleted files too
    ///
    /// Restore the recovered deleted files too: to their old paths, or beside what
    /// is there. If the store is there already, only they are restored
    #[arg(long, conflicts_with_all = ["part", "replace", "into"])]
    pub deleted: bool,
    #[command(flatten)]
    pub logon: Logon,
}

/// `auto`, or a level of zstd.
fn parse_level(text: &str) -> Result<Level, String> {
    match text.parse() {
        Ok(level) if is_level(level) => Ok(Level::Fixed(level)),
        _ if text.eq_ignore_ascii_case("auto") => Ok(Level::Auto),
        _ => Err(format!("'{text}' is not auto or a level from -7 to 19")),
    }
}

/// `30s`, `10m`, `2h`, or seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time such as 30s, 10m or 2h");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    // A week is long enough, and sums cannot overflow.
    let seconds = number.checked_mul(seconds).filter(|secs| *secs <= 7 * 24 * 3600);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{text} is too long: at most 168h"))
}

/// `30d`, or a date: see [`age::before`].
fn parse_since(text: &str) -> Result<FileTime, String> {
    let wrong = || format!("'{text}' is not an age such as 30d, 12h or 4w, or a date: 2026-01-31");
    age::before(text, FileTime::now()).ok_or_else(wrong)
}

/// `C:`, also `c` and `C:\`.
fn parse_drive(text: &str) -> Result<char, String> {
    let mut letters = text.chars();
    match (letters.next(), letters.as_str()) {
        (Some(letter), "" | ":" | ":\\" | ":/") if letter.is_ascii_alphabetic() => {
            Ok(letter.to_ascii_uppercase())
        }
        _ => Err(format!("'{text}' is not a drive such as C:")),
    }
}

#[derive(Args, Debug)]
pub struct Loadstate {
    /// A rescue set, or the restored store: its folder or drives
    #[arg(value_name = "SET|STORE", required = true)]
    pub what: Vec<String>,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub store: Option<String>,
    /// a: as Microsoft documents it; b: what may help if a fails
    #[arg(hide_short_help = true, long, value_enum, value_name = "WAY")]
    pub way: Option<WayArg>,
    /// Migration file of the capture [default: migdocs.xml migapp.xml]
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub i: Vec<String>,
    /// File with the key of an encrypted store
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub keyfile: Option<String>,
    // Help text: shown without Markdown's brackets.
    #[allow(clippy::doc_markdown)]
    /// Its algorithm, such as AES_256 [default: loadstate's own]
    #[arg(hide_short_help = true, long, value_name = "ALG", requires = "keyfile")]
    pub decrypt: Option<Algorithm>,
    /// Restore the old account as another: CORP\alice:NEW\anna (may be repeated)
    #[arg(long, value_name = "OLD:NEW", value_parser = parse_renamed)]
    pub mu: Vec<(String, String)>,
    /// Restore only this account: CORP\alice (may be repeated; * is a wildcard)
    #[arg(hide_short_help = true, long, value_name = "DOMAIN\\USER")]
    pub ui: Vec<String>,
    /// Do not restore this account (may be repeated; * is a wildcard)
    #[arg(hide_short_help = true, long, value_name = "DOMAIN\\USER")]
    pub ue: Vec<String>,
    /// Folder with loadstate.exe
    #[arg(hide_short_help = true, long, value_name = "DIR")]
    pub usmt: Option<PathBuf>,
    /// Also write the command as a script to FILE, which must not exist
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Run it and follow its progress
    #[arg(long)]
    pub run: bool,
    #[command(flatten)]
    pub logon: Logon,
}

/// `OLD:NEW` of `--mu`.
fn parse_renamed(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() && !new.contains(':') => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err(format!("'{text}' is not two accounts, such as CORP\\alice:NEW\\anna")),
    }
}

/// The ways to restore a store.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayArg {
    /// As Microsoft documents it
    A,
    /// What may help if a fails
    B,
}

/// What `loadstate` can decrypt ("Migration store encryption").
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Algorithm {
    Aes,
    #[value(name = "AES_128")]
    Aes128,
    #[value(name = "AES_192")]
    Aes192,
    #[value(name = "AES_256")]
    Aes256,
    #[value(name = "3DES")]
    TripleDes,
    #[value(name = "3DES_112")]
    TripleDes112,
}

impl Algorithm {
    /// As USMT's programs take it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes => "AES",
            Self::Aes128 => "AES_128",
            Self::Aes192 => "AES_192",
            Self::Aes256 => "AES_256",
            Self::TripleDes => "3DES",
            Self::TripleDes112 => "3DES_112",
        }
    }
}

#[derive(Args, Debug, Clone, Default)]
pub struct Guide {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Destination to fill in; you can change it on the screen
    #[arg(long, value_name = "DEST")]
    pub to: Option<String>,
    /// First part of the names of the sets [default: the computer's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// zstd level, -7 (fast) to 19 (small); auto: what is finished first
    #[arg(hide_short_help = true, long, value_name = "N|auto", default_value = "auto", value_parser = parse_level, allow_negative_numbers = true)]
    pub level: Level,
    /// Save to a folder in memory too (X: of WinPE, tmpfs), which is lost when the
    /// PC restarts
    #[arg(hide_short_help = true, long)]
    pub allow_memory: bool,
    #[command(flatten)]
    pub logon: Logon,
}

/// How to log on to a share.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Logon to a share")]
pub struct Logon {
    /// User: NAME or DOMAIN\NAME
    ///
    /// User for a \\server\share destination: NAME or DOMAIN\NAME
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// File whose first line is the password
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Log on without an account, to a share where everyone may write
    #[arg(hide_short_help = true, long, conflicts_with_all = ["user", "password_file"])]
    pub anonymous: bool,
    /// Whether the user, or `--anonymous`, is from the command line.
    #[arg(skip)]
    pub is_typed: bool,
    #[command(flatten)]
    pub unlock: Unlock,
}

/// What decrypts a set.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Encryption")]
pub struct Unlock {
    /// File whose first line is the passphrase of an encrypted set
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// File with the secret key of a recipient of an encrypted set
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Recipients from the settings.
    #[arg(skip)]
    pub recipients: Vec<String>,
}

impl Offload {
    /// `lifeboat offload --to DEST`, with all its defaults.
    pub fn to(dest: &str, logon: &Logon) -> Option<Self> {
        let to = format!("--to={dest}");
        let cli = Cli::try_parse_from(["lifeboat", "offload", &to]).ok()?;
        match cli.command {
            Some(Command::Offload(offload)) => Some(Self { logon: logon.clone(), ..offload }),
            _ => None,
        }
    }
}

/// The size of a part of a set: at least 16 MiB.
fn parse_size(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if bytes < 16 << 20 {
        return Err(format!("{text} is too small: at least 16M"));
    }
    Ok(bytes)
}

/// See [`units::parse_bytes`].
fn parse_bytes(text: &str) -> Result<u64, String> {
    units::parse_bytes(text).ok_or_else(|| format!("'{text}' is not a size such as 700M or 2G"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn short_help_fits_a_screen_and_long_help_has_examples() {
        let mut all = Cli::command();
        all.build(); // hands the options of every command down
        for command in all.get_subcommands().cloned() {
            let mut command = command.term_width(80);
            let short = command.render_help().to_string();
            assert!(short.lines().count() <= 25, "{short}");
            assert!(short.lines().all(|line| line.len() <= 80), "{short}");
            let long = command.render_long_help().to_string();
            assert!(long.contains("Examples:"), "{long}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_eighty_columns() {
        let mut command = Cli::command();
        command.build();
        let mut texts = vec![command.render_long_help().to_string()];
        texts.extend(command.get_subcommands_mut().map(|c| c.render_long_help().to_string()));
        for line in texts.iter().flat_map(|t| t.lines()) {
            assert!(line.len() <= 80 && line.is_ascii(), "{line}");
        }
    }

    #[test]
    fn levels_and_times_are_read() {
        assert_eq!(parse_level("auto"), Ok(Level::Auto));
        assert_eq!(parse_level("19"), Ok(Level::Fixed(19)));
        assert_eq!(parse_level("-7"), Ok(Level::Fixed(-7)));
        for bad in ["0", "20", "-8", "fast", ""] {
            assert!(parse_level(bad).is_err(), "{bad}");
        }
        let seconds = |text| parse_time(text).map(|time| time.as_secs());
        assert_eq!(seconds("45"), Ok(45));
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("2H"), Ok(7200));
        for bad in ["", "m", "1d", "-1s", "169h", "99999999999999999999m"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_guided_rescue_offloads_with_the_defaults() {
        let made = Offload::to("--odd=E:\\rescue", &Logon::default()).unwrap();
        assert_eq!((made.level, made.fresh, made.no_read_back), (Level::Auto, false, false));
        assert!(made.sources.is_empty() && made.store.is_empty());
    }

    #[test]
    fn a_part_has_at_least_16_mib() {
        assert_eq!(parse_size("16M"), Ok(16 << 20));
        assert_eq!(parse_size("20MB"), Ok(20_000_000));
        for bad in ["", "15M", "16MB", "1X"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
