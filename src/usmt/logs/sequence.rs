//! Reads the logs of a task sequence (`smsts.log`) and of MDT (`BDD.log`,
//! `ZTIUserState.log`): what the wipe did, and the computer's name.

use super::lines::Line;
use super::text::clean;
use super::time::LogTime;
use super::usmt::{behind, computer_name};

/// A line about the wipe, verbatim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WipeLine {
    /// When.
    pub time: Option<LogTime>,
    /// The text.
    pub text: String,
    /// The log, for display.
    pub log: String,
}

/// ConfigMgr's lines about a wipe: `Unable to delete directory C:\Users
/// (0x80070091). Continuing.`, `Successfully wiped C:\`. Others are not known.
pub(super) fn about_the_wipe(line: Line<'_>) -> bool {
    behind(line.text, "Unable to delete").is_some()
        || behind(line.text, "Successfully wiped").is_some()
}

/// Converts such a line.
pub(super) fn wipe_line(line: Line<'_>, log: &str) -> WipeLine {
    WipeLine { time: line.time, text: clean(line.text), log: log.to_owned() }
}

/// The computer's name: from variables of ConfigMgr and MDT, as both log them
/// (`Property OSDComputerName is now = PC-1`). Inferred.
pub(super) fn computer(line: Line<'_>) -> Option<String> {
    ["OSDComputerName", "_SMSTSMachineName"].iter().find_map(|variable| {
        let rest = behind(line.text, variable)?.trim_start();
        let rest = behind(rest, "is now").filter(|_| rest.starts_with("is now")).unwrap_or(rest);
        let value = rest.trim_start().strip_prefix('=')?;
        // Ignores empty values and variables of scripts.
        computer_name(value).filter(|_| !value.contains('%'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line<'_> {
        Line { time: None, text }
    }

    #[test]
    fn what_the_wipe_said_is_known() {
        for text in [
            "Unable to delete directory C:\\a (0x80070091). Continuing.",
            "successfully wiped C:\\",
        ] {
            assert!(about_the_wipe(line(text)), "{text}");
        }
        assert!(!about_the_wipe(line("Start executing an instruction. Wipe disk")));
    }

    #[test]
    fn the_name_is_what_the_variable_was_set_to() {
        let name = |text: &str| computer(line(text));
        let pc = Some("PC-1".to_owned());
        assert_eq!(name("Property OSDComputerName is now = PC-1"), pc);
        assert_eq!(name("Set variable '_SMSTSMachineName'"), None);
        assert_eq!(name("_SMSTSMachineName=PC-1"), pc);
        assert_eq!(name("OSDComputerName = \"PC-1\""), pc);
        assert_eq!(name("OSDComputerName = %SerialNumber%"), None);
        assert_eq!(name("OSDComputerName = "), None);
    }
}
