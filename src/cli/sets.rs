//! Rescue sets as the user names them.

/// Whether `what` names a rescue set rather than a source.
pub(crate) fn looks_like_set(what: &str) -> bool {
    what.starts_with("smb://")
        || std::path::Path::new(what).join("rescue.json").exists()
        || what.trim_end_matches(['/', '\\']).ends_with(".partial")
}
