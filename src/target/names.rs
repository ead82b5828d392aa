//! The paths that the rest of the program hands to a target: names with `/`
//! between them, below the place that was opened, never above it.

use super::{TargetError, Trouble};

/// The names of `path`, from the top. Empty ones are passed over; one that
/// would lead out of the target, or be more than one name, is refused.
pub(super) fn split(path: &str) -> Result<Vec<&str>, TargetError> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    match names.iter().find(|name| is_unfit(name)) {
        None => Ok(names),
        Some(name) => Err(TargetError {
            trouble: Trouble::Unfit,
            path: path.to_owned(),
            what: format!("{name:?} cannot be a name at a destination"),
            action: "use another name".to_owned(),
            source: None,
        }),
    }
}

/// `\` separates names for Windows and for SMB servers, and `:` opens a stream
/// there; on other file systems they are letters like any other.
fn is_unfit(name: &str) -> bool {
    name == "."
        || name == ".."
        || name.contains('\0')
        || (cfg!(windows) && name.contains(['\\', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_target() {
        for path in ["..", "a/../b", "a/.", "a\0b"] {
            assert_eq!(split(path).unwrap_err().trouble, Trouble::Unfit, "{path:?}");
        }
        assert_eq!(split("a//b/c..").unwrap(), ["a", "b", "c.."]);
        assert!(split("").unwrap().is_empty());
    }
}
