//! How people name disks and volumes on Windows.
#![cfg_attr(not(windows), allow(dead_code))] // plain text, so it is tested everywhere

/// A disk or a volume, as named on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum DeviceName {
    /// By its letter: `C:`, `C:\`, `\\.\C:`.
    Letter(char),
    /// By its GUID, as `\\?\Volume{…}` without a backslash at the end.
    Volume(String),
    /// `\\.\PhysicalDrive0`, by the number.
    Disk(u32),
    /// Any other device: `\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy1`.
    Other(String),
}

impl DeviceName {
    /// `None` for what is a file or a folder.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let slashes = text.replace('/', "\\");
        let text = slashes.as_str();
        let bare = text.strip_prefix(r"\\.\").or_else(|| text.strip_prefix(r"\\?\"));
        let name = bare.unwrap_or(text);
        let name = name.strip_suffix('\\').unwrap_or(name);
        if let [letter, b':'] = name.as_bytes()
            && letter.is_ascii_alphabetic()
        {
            return Some(Self::Letter(char::from(letter.to_ascii_uppercase())));
        }
        if let Some(number) = strip_start(name, "PhysicalDrive") {
            return number.parse().ok().map(Self::Disk);
        }
        // The others need the prefix: they could be names of files.
        bare?;
        if let Some(guid) = strip_start(name, "Volume{") {
            let whole = guid.ends_with('}') && !guid.contains('\\');
            return whole.then(|| Self::Volume(format!(r"\\?\Volume{{{guid}")));
        }
        let is_device = strip_start(name, r"GLOBALROOT\Device\").is_some()
            || strip_start(name, "HarddiskVolume").is_some()
            || strip_start(name, "Harddisk").is_some();
        let levels = name.matches('\\').count();
        (is_device && levels <= 3).then(|| Self::Other(format!(r"\\?\{name}")))
    }
}

/// What follows `start`, whatever its case.
fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let head = text.get(..start.len())?;
    head.eq_ignore_ascii_case(start).then(|| &text[start.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_from_files() {
        let volume = r"\\?\Volume{0f2b1c3d-0000-0000-0000-100000000000}";
        for (text, name) in [
            ("C:", Some(DeviceName::Letter('C'))),
            (r"c:\", Some(DeviceName::Letter('C'))),
            ("d:/", Some(DeviceName::Letter('D'))),
            (r"\\.\C:", Some(DeviceName::Letter('C'))),
            (r"\\?\C:\", Some(DeviceName::Letter('C'))),
            (volume, Some(DeviceName::Volume(volume.to_owned()))),
            (&format!(r"{volume}\"), Some(DeviceName::Volume(volume.to_owned()))),
            (r"\\.\PhysicalDrive0", Some(DeviceName::Disk(0))),
            (r"\\.\PHYSICALDRIVE12", Some(DeviceName::Disk(12))),
            ("physicaldrive3", Some(DeviceName::Disk(3))),
            (
                r"\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy7",
                Some(DeviceName::Other(
                    r"\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy7".to_owned(),
                )),
            ),
            (r"\\.\HarddiskVolume3", Some(DeviceName::Other(r"\\?\HarddiskVolume3".to_owned()))),
            (r"C:\disk.img", None),
            (r"\\?\C:\disk.img", None),
            (r"\\server\share", None),
            (&format!(r"{volume}\folder"), None),
            ("HarddiskVolume3", None),
            ("disk.img", None),
            ("", None),
            ("\u{e9}:", None),
            (r"\\.\PhysicalDriveX", None),
        ] {
            assert_eq!(DeviceName::parse(text), name, "{text}");
        }
    }
}
