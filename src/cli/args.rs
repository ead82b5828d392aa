//! What may be typed. What it means is decided by the commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const ABOUT: &str = "Rescues USMT migration stores after a failed re-image";

const AFTER_HELP: &str = "\
Examples:
  lifeboat                               on a terminal: guides through a rescue
  lifeboat detect                        every store on every attached volume
  lifeboat detect disk.img               ... in a disk image
  lifeboat verify disk.img --level full  read every byte of the stores
  lifeboat offload --to \\\\server\\rescue  save all stores to a share
  lifeboat restore E:\\PC12-20260101T000000Z-1a2b3c4d --to C=C:\\

Exit codes: 0 done, nothing lost; 1 failed; 2 wrong command line; 3 done with
losses or damage; 4 nothing found; 5 trouble at the destination;
6 interrupted: the same command goes on where it stopped.";

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
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command takes.
#[derive(Args, Debug, Clone)]
pub(crate) struct Global {
    /// One JSON event a line on standard output, a summary last
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Also write what happens to FILE, in the format that CMTrace reads
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Print only results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more about what is being done
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Read volumes from the raw device or through the system's file API
    /// [default: raw where it can be]
    #[arg(long, global = true, value_enum, value_name = "WAY")]
    pub(crate) via: Option<ViaArg>,
}

/// The two ways in.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViaArg {
    /// The volume's own structures
    Raw,
    /// The file API
    Host,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Find the stores on all attached volumes, or in the sources named
    #[command(after_help = "\
Examples:
  lifeboat detect
  lifeboat detect disk.img
  lifeboat detect /dev/sda --json
  lifeboat detect /mnt/c /mnt/d")]
    Detect(Detect),
    /// Check the stores in a source, or a rescue set
    #[command(after_help = "\
Examples:
  lifeboat verify disk.img
  lifeboat verify disk.img --level full
  lifeboat verify smb://tech@server/rescue/PC12-20260101T000000Z-1a2b3c4d")]
    Verify(Verify),
    /// Save stores as rescue sets on a share or a disk
    #[command(after_help = "\
Examples:
  lifeboat offload --to E:\\rescue
  lifeboat offload disk.img --to smb://tech@server/rescue
  lifeboat offload \\\\.\\PhysicalDrive0 --to \\\\server\\rescue --user tech

The password comes from a prompt, --password-file or LIFEBOAT_PASSWORD.
Nothing is ever written to the source.")]
    Offload(Offload),
    /// List what is in a rescue set
    #[command(after_help = "\
Examples:
  lifeboat list E:\\rescue\\PC12-20260101T000000Z-1a2b3c4d
  lifeboat list smb://tech@server/rescue/PC12-20260101T000000Z-1a2b3c4d --json")]
    List(List),
    /// Take single files or folders out of a rescue set
    #[command(after_help = "\
Examples:
  lifeboat extract SET --to out
  lifeboat extract SET C/StateStore/USMT/catalog.mig --to out")]
    Extract(Extract),
    /// Put a rescue set back, so that loadstate restores it
    #[command(after_help = "\
Examples:
  lifeboat restore SET --to /mnt/restore          parts at restore/C, restore/D
  lifeboat restore SET --to C=C:\\ --to D=D:\\      each part on its own drive")]
    Restore(Restore),
    /// Be guided through a rescue, by keys; lifeboat alone does the same
    #[command(after_help = "\
Examples:
  lifeboat guide
  lifeboat guide disk.img
  lifeboat guide --to \\\\server\\rescue --user DOMAIN\\tech

It wants a terminal of 80x24 or more and no colours. LIFEBOAT_ASCII=1 draws
with plain characters; consoles without VT sequences get those anyway.")]
    Guide(Guide),
}

#[derive(Args, Debug)]
pub(crate) struct Detect {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
}

/// How closely to check.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LevelArg {
    /// Metadata alone, in seconds
    Quick,
    /// Every byte
    Full,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// Sources with stores in them, or rescue sets (folder or URL)
    #[arg(value_name = "WHAT", required = true)]
    pub(crate) what: Vec<String>,
    /// How closely to check
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) level: LevelArg,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct Offload {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    // Shown as it stands, so without the brackets of Markdown.
    #[allow(clippy::doc_markdown)]
    /// Folder, \\server\share\folder or smb://user@server/share/folder
    #[arg(long, value_name = "DEST")]
    pub(crate) to: String,
    /// Only this store: its id or its path, as detect shows them
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) store: Vec<String>,
    /// zstd level, 1 (fast) to 19 (small)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(crate) level: i32,
    /// Cut the store into files of at most SIZE bytes (such as 2G, 700M)
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) split: Option<u64>,
    /// First part of the set's name [default: the computer's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Start over instead of going on with an interrupted set
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Do not read the written set back (the set says so)
    #[arg(long)]
    pub(crate) no_read_back: bool,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// The rescue set: folder or URL
    #[arg(value_name = "SET")]
    pub(crate) set: String,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct Extract {
    /// The rescue set: folder or URL
    #[arg(value_name = "SET")]
    pub(crate) set: String,
    /// Files or folders in the set, as list shows them [default: all]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Folder to put them into
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Overwrite files that are there
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The rescue set: folder or URL
    #[arg(value_name = "SET")]
    pub(crate) set: String,
    /// DIR: parts go to DIR/C, DIR/D ...; C=ROOT: the C: part goes below ROOT
    #[arg(long, value_name = "DIR|X=ROOT", required = true)]
    pub(crate) to: Vec<String>,
    /// Overwrite a store that is there
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Guide {
    /// Disk image, device, volume or mounted folder [default: all attached]
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Destination to begin with: it can be changed on the screen
    #[arg(long, value_name = "DEST")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) logon: Logon,
}

/// How to log on to a share.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Logon {
    /// User for a \\server\share destination: NAME or DOMAIN\NAME
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

impl Offload {
    /// What `lifeboat offload --to DEST` means: every default as it is there.
    pub(crate) fn to(dest: &str, logon: &Logon) -> Option<Self> {
        let to = format!("--to={dest}");
        let cli = Cli::try_parse_from(["lifeboat", "offload", &to]).ok()?;
        match cli.command {
            Some(Command::Offload(offload)) => Some(Self { logon: logon.clone(), ..offload }),
            _ => None,
        }
    }
}

/// `700M`, `2G`, `4294967295`: powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size such as 700M or 2G");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let shift = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
    if bytes < 16 << 20 {
        return Err(format!("{text} is too small: at least 16M"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
        assert_eq!((made.level, made.fresh, made.no_read_back), (3, false, false));
        assert!(made.sources.is_empty() && made.store.is_empty());
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size("16M"), Ok(16 << 20));
        assert_eq!(parse_size("2g"), Ok(2 << 30));
        assert_eq!(parse_size("4294967295"), Ok(u64::from(u32::MAX)));
        for bad in ["", "G", "1X", "15M", "-1G", "99999999T"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
