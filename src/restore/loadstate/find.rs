//! Finds `loadstate.exe`. It is not part of Windows: it comes with the ADK, and
//! task sequences bring it as a package.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::disk;

/// The program's name.
const NAME: &str = "loadstate.exe";

/// Kits, newest first, each below a program folder. The names are the defaults
/// of Microsoft's installers (ADK 10 and 8.1; WAIK for Windows 7).
const KITS: [&str; 4] = [
    r"Windows Kits\10\Assessment and Deployment Kit\User State Migration Tool",
    r"Windows Kits\8.1\Assessment and Deployment Kit\User State Migration Tool",
    r"Windows Kits\8.0\Assessment and Deployment Kit\User State Migration Tool",
    r"Windows AIK\Tools\USMT",
];

/// The environment of this process.
pub struct Around<'a> {
    /// Environment variables.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The folder of Lifeboat itself.
    pub program: Option<PathBuf>,
}

/// Looks in the folder that the user gave; otherwise beside Lifeboat, in the
/// default folders of Microsoft's kits, and along `PATH`. The second list has the
/// places that were searched, for people.
pub fn find(usmt: Option<&Path>, around: &Around<'_>) -> (Option<PathBuf>, Vec<PathBuf>) {
    let architecture = architecture(around);
    let mut folders = Vec::new();
    let mut with_architectures = |folder: PathBuf| {
        folders.push(folder.clone());
        folders.push(folder.join(architecture));
    };
    if let Some(named) = usmt {
        with_architectures(named.to_owned());
    } else {
        if let Some(beside) = &around.program {
            with_architectures(beside.clone());
            with_architectures(beside.join("USMT"));
        }
        for programs in ["ProgramFiles(x86)", "ProgramW6432", "ProgramFiles"] {
            let Some(programs) = (around.variable)(programs) else { continue };
            for kit in KITS {
                let mut folder = PathBuf::from(&programs);
                folder.extend(kit.split('\\'));
                folders.push(folder.join(architecture));
            }
        }
        let path = (around.variable)("PATH").unwrap_or_default();
        // An empty or relative entry means the current folder.
        folders.extend(std::env::split_paths(&path).filter(|folder| folder.is_absolute()));
    }
    let mut seen = Vec::new();
    for folder in folders {
        if !seen.contains(&folder) {
            seen.push(folder);
        }
    }
    let found = seen.iter().map(|folder| folder.join(NAME)).find(|file| file.is_file());
    (found, seen)
}

/// The folder for the system's architecture: a program of another one cannot
/// migrate settings.
fn architecture(around: &Around<'_>) -> &'static str {
    let real = (around.variable)("PROCESSOR_ARCHITEW6432");
    let real = real.or_else(|| (around.variable)("PROCESSOR_ARCHITECTURE"));
    match real.unwrap_or_default().to_string_lossy().to_ascii_uppercase().as_str() {
        "X86" => "x86",
        "ARM64" => "arm64",
        _ => "amd64",
    }
}

/// Whether this is WinPE, where `loadstate` does not run.
pub(crate) fn is_windows_pe(around: &Around<'_>) -> bool {
    (around.variable)("SystemRoot").is_some_and(|root| disk::is_windows_pe(Path::new(&root)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn put(folder: &Path) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let file = folder.join(NAME);
        fs::write(&file, b"MZ").unwrap();
        file
    }

    #[test]
    fn the_nearest_one_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().to_owned();
        let variable = |name: &str| match name {
            "ProgramFiles(x86)" => Some(top.join("pf86").into_os_string()),
            "PROCESSOR_ARCHITECTURE" => Some("x86".into()),
            "PROCESSOR_ARCHITEW6432" => Some("AMD64".into()),
            "PATH" => std::env::join_paths([PathBuf::from("here"), top.join("on path")]).ok(),
            "SystemRoot" => Some(top.join("windows").into_os_string()),
            _ => None,
        };
        let around = Around { variable: &variable, program: Some(top.join("stick")) };
        let found = || find(None, &around).0;

        assert_eq!(found(), None);
        assert!(find(None, &around).1.len() > 5);
        let on_path = put(&top.join("on path"));
        assert_eq!(found(), Some(on_path));
        let kit = "pf86/Windows Kits/10/Assessment and Deployment Kit/User State Migration Tool";
        put(&top.join(kit).join("x86")); // not this system's
        assert!(found().is_some_and(|f| f.starts_with(top.join("on path"))));
        let adk = put(&top.join(kit).join("amd64"));
        assert_eq!(found(), Some(adk));
        let beside = put(&top.join("stick/USMT/amd64"));
        assert_eq!(found(), Some(beside));

        let named = top.join("named");
        assert_eq!(find(Some(&named), &around).0, None, "nothing else than what was named");
        let exe = put(&named.join("amd64"));
        assert_eq!(find(Some(&named), &around).0, Some(exe));

        assert!(!is_windows_pe(&around));
        fs::create_dir_all(top.join("windows/System32")).unwrap();
        fs::write(top.join("windows/System32/wpeutil.exe"), b"MZ").unwrap();
        assert!(is_windows_pe(&around));
    }
}
