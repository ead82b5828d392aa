//! What may be typed. What it means is decided by the commands.

mod files;
mod find;
mod restore;
mod save;
mod sets;
mod shared;
mod values;
mod wipe;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::files::{Extract, List};
pub(crate) use self::find::{Detect, Verify};
pub(crate) use self::restore::{Loadstate, Restore, WayArg};
pub(crate) use self::save::{CheckArgs, Guide, Offload};
pub(crate) use self::sets::{Prune, Report, Sets};
pub(crate) use self::shared::{
    Algorithm, BitLockerArgs, LevelArg, Logon, Search, Unlock, ViaArg, Within,
};
pub(crate) use self::wipe::{Gate, Seal};
use super::volume_keys::VolumeKeys;

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
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of every command.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// One JSON event a line, for scripts
    ///
    /// Print one JSON event per line on standard output, a summary last
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Also write a log to FILE (CMTrace format)
    ///
    /// Also write a log to FILE, in the format of CMTrace
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Print only results and errors
    #[arg(hide_short_help = true, short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more about each step
    #[arg(hide_short_help = true, short, long, global = true)]
    pub(crate) verbose: bool,
    /// Read volumes from the raw device or through the system's file API
    /// [default: raw where possible; the output says which and why]
    #[arg(hide_short_help = true, long, global = true, value_enum, value_name = "WAY")]
    pub(crate) via: Option<ViaArg>,
    #[command(flatten)]
    pub(crate) bitlocker: BitLockerArgs,
    /// The keys that were read.
    #[arg(skip)]
    pub(crate) volume_keys: Arc<VolumeKeys>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
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
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

impl Offload {
    /// `lifeboat offload --to DEST`, with all its defaults.
    pub(crate) fn to(dest: &str, logon: &Logon) -> Option<Self> {
        let to = format!("--to={dest}");
        let cli = Cli::try_parse_from(["lifeboat", "offload", &to]).ok()?;
        match cli.command {
            Some(Command::Offload(offload)) => Some(Self { logon: logon.clone(), ..offload }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::set::write::level::Level;

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
    fn the_guided_rescue_offloads_with_the_defaults() {
        let made = Offload::to("--odd=E:\\rescue", &Logon::default()).unwrap();
        assert_eq!((made.level, made.fresh, made.no_read_back), (Level::Auto, false, false));
        assert!(made.sources.is_empty() && made.store.is_empty());
    }
}
