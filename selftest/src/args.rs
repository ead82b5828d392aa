//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Show on this Windows what lifeboat.exe finds, saves and restores.
///
/// Makes virtual disks of its own in files, fills them, runs lifeboat.exe over them and
/// compares what came back. Formats and writes nothing else, and removes what it made.
/// Run it as administrator, or in WinPE. Ends with two files to send in:
/// lifeboat-selftest.txt and lifeboat-selftest.json.
///
/// What stays: names of the removed volumes in the registry (mountvol /R removes them);
/// a certificate for EFS if this user had none (not with --no-efs); in a domain that
/// stores BitLocker keys, the key of a removed volume (not with --no-bitlocker).
///
/// Exit codes: 0 every row passed or was not possible here, 1 a row failed, a disk could
/// not be made or the run was stopped (Ctrl-C), 2 the command line is wrong, 3 it could
/// not start.
#[derive(Parser, Debug, Clone)]
#[command(name = "lifeboat-selftest", version)]
#[allow(clippy::struct_excessive_bools)] // switches of a command line
pub struct Args {
    /// The program to test [default: lifeboat.exe beside this program]
    #[arg(long, value_name = "FILE")]
    pub lifeboat: Option<PathBuf>,

    /// Folder to make and work in; it must not exist, the one above it must. Needs 3 GiB
    /// on a volume that is neither compressed nor encrypted
    /// [default: lifeboat-selftest in %TEMP%]
    #[arg(long, value_name = "FOLDER")]
    pub work: Option<PathBuf>,

    /// Folder for the two files to send in [default: that of this program]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,

    /// Make no disks: work in a new folder below FOLDER alone. Needs no administrator;
    /// rows about disks and volumes are then not possible
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["work", "make_user"])]
    pub on: Option<PathBuf>,

    /// Also make a local user for the time of the test, to log on to a share of this
    /// machine with a right password
    #[arg(long)]
    pub make_user: bool,

    /// Encrypt no file by EFS, for which Windows makes a certificate
    #[arg(long)]
    pub no_efs: bool,

    /// Encrypt no volume by BitLocker
    #[arg(long)]
    pub no_bitlocker: bool,

    /// MiB of files that are large enough for a kill to come between two of them; each
    /// needs 20 MiB of room
    #[arg(long, value_name = "MIB", default_value_t = 96, value_parser = clap::value_parser!(u32).range(8..=4096))]
    pub size: u32,

    /// Keep the work folder and what is in it, except disks, shares and users
    #[arg(long)]
    pub keep: bool,

    /// Remove what an interrupted run left, and do nothing else; with the same --work or
    /// --on
    #[arg(long, conflicts_with_all = ["make_user", "keep", "out", "no_efs", "no_bitlocker"])]
    pub cleanup: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_as_documented() {
        Args::command().debug_assert();
        let parse = |words: &[&str]| Args::try_parse_from([&["x"], words].concat());
        assert_eq!(parse(&[]).unwrap().size, 96);
        assert!(parse(&["--cleanup", "--on", "d"]).unwrap().cleanup);
        assert!(parse(&["--cleanup", "--keep"]).is_err());
        // Neither would have an effect.
        assert!(parse(&["--on", "d", "--work", "e"]).is_err());
        assert!(parse(&["--on", "d", "--make-user"]).is_err());
        assert!(parse(&["--size", "1"]).is_err());
        assert!(parse(&["--cleanup", "--work", "d"]).unwrap().cleanup);
    }
}
