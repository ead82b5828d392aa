//! What `lifeboat.exe` and `lifeboat-selftest.exe` ask of Windows before their first line runs. One import
//! that a boot image cannot meet, and the program does not start there at all.
//!
//! `scripts/build-windows.sh` makes the exe; `LIFEBOAT_EXE` names another.

use std::path::Path;
use std::process::Command;

use object::LittleEndian as LE;
use object::read::pe::{ImageNtHeaders, Import, PeFile, PeFile32, PeFile64};
use support::{exe, need, require};

/// The DLLs that the exe may import, and why they are there in the barest boot
/// image (WinPE 3, Windows 7). That they are is common knowledge, tried on no
/// WinPE; `docs/guide/windows.md` tells how to try it.
const DLLS: [(&str, &str); 9] = [
    ("advapi32.dll", "privileges, security descriptors, EFS; a part of every Windows"),
    ("bcrypt.dll", "BCryptGenRandom, the keys of encrypted sets; since Vista, lsass needs it"),
    (
        "cfgmgr32.dll",
        "which storage controllers have no driver; setupapi, which loads drivers, needs it",
    ),
    ("kernel32.dll", "the base API; a part of every Windows"),
    ("mpr.dll", "WNetAddConnection2W, which `net use` calls too"),
    ("msvcrt.dll", "the C runtime that is a part of Windows itself, unlike the UCRT"),
    ("ntdll.dll", "the layer under kernel32; a part of every Windows"),
    ("user32.dll", "the keyboard's layout, for keys pressed in the guided rescue"),
    ("ws2_32.dll", "sockets of the standard library; any network program has it"),
];

/// Functions of those DLLs that Windows 7 lacks, by the "minimum supported
/// client" of Microsoft's reference: 8, 8.1 or 10. Not all there are: those that
/// Rust's standard library, its crates and C code are known to reach for.
const NEWER_THAN_WINDOWS_7: [&str; 50] = [
    // kernel32, Windows 8 and 8.1
    "CopyFile2",
    "CreateFile2",
    "CreateFileMappingFromApp",
    "DiscardVirtualMemory",
    "GetAppContainerAce",
    "GetCurrentThreadStackLimits",
    "GetFirmwareType",
    "GetMemoryErrorHandlingCapabilities",
    "GetOverlappedResultEx",
    "GetPackageFullName",
    "GetProcessInformation",
    "GetProcessMitigationPolicy",
    "GetSystemTimePreciseAsFileTime",
    "GetThreadInformation",
    "IsProcessCritical",
    "OfferVirtualMemory",
    "PrefetchVirtualMemory",
    "ReclaimVirtualMemory",
    "RegisterBadMemoryNotification",
    "SetProcessInformation",
    "SetProcessMitigationPolicy",
    "SetThreadInformation",
    "WaitOnAddress",
    "WakeByAddressAll",
    "WakeByAddressSingle",
    // kernel32, Windows 10 and 11
    "ClosePseudoConsole",
    "CreatePseudoConsole",
    "GetDpiForSystem",
    "GetFileInformationByName",
    "GetMachineTypeAttributes",
    "GetTempPath2A",
    "GetTempPath2W",
    "GetThreadDescription",
    "GetUserDefaultGeoName",
    "IsWow64Process2",
    "MapViewOfFile3",
    "QueryInterruptTime",
    "QueryInterruptTimePrecise",
    "QueryUnbiasedInterruptTimePrecise",
    "ResizePseudoConsole",
    "SetThreadDescription",
    "SetThreadSelectedCpuSets",
    "VirtualAlloc2",
    "VirtualAllocFromApp",
    // others
    "GetHostNameW",                 // ws2_32, Windows 8
    "NtCreateWaitCompletionPacket", // ntdll, Windows 8
    "NtQueryInformationByName",     // ntdll, Windows 10
    "ProcessPrng",                  // bcryptprimitives, not in WinPE 3
    "RtlGetSystemTimePrecise",      // ntdll, Windows 8
    "RtlWaitOnAddress",             // ntdll, Windows 8
];

#[test]
fn every_dll_and_function_is_in_a_winpe_of_windows_7() {
    let exes = need!("lifeboat.exe", exe::handed_out);
    for exe in exes {
        let imports = imports_of(&exe);
        assert!(
            imports.iter().any(|(dll, name)| dll == "kernel32.dll" && name == "CreateFileW"),
            "no CreateFileW in {}: was the table read right?",
            exe.display()
        );
        let wrong =
            if is_arm64(&exe) { not_in_winpe_10(&imports) } else { not_in_winpe_3(&imports) };
        let wrong = wrong.join("\n");
        assert!(wrong.is_empty(), "{} cannot start in WinPE:\n{wrong}", exe.display());
    }
}

const NEEDS_WINDOWS_10: &str = "
#define _WIN32_WINNT 0x0A00
#include <windows.h>
#include <shellapi.h>
int main(void) {
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return ShellAboutA(0, 0, 0, 0);
}
";

/// The lists above are only as good as this test's eyes.
#[test]
fn a_program_for_windows_10_is_caught() {
    let gcc = || require::program("x86_64-w64-mingw32-gcc");
    let gcc = need!("mingw", gcc);
    let dir = tempfile::tempdir().unwrap();
    let (source, exe) = (dir.path().join("new.c"), dir.path().join("new.exe"));
    std::fs::write(&source, NEEDS_WINDOWS_10).unwrap();
    let built = Command::new(gcc).arg("-o").args([&exe, &source]).arg("-lshell32").status();
    assert!(built.unwrap().success());
    assert_eq!(
        not_in_winpe_3(&imports_of(&exe)),
        [
            "GetSystemTimePreciseAsFileTime (kernel32.dll): newer than Windows 7",
            "ShellAboutA (shell32.dll): from a DLL not known to be in WinPE 3",
        ]
    );
}

/// DLLs that only the program for ARM64 may import: every Windows on ARM64 is a Windows 10 or newer,
/// of which these are a part, also in WinPE. zig links with the UCRT, by its API sets.
const DLLS_OF_WINDOWS_10: [&str; 3] =
    ["bcryptprimitives.dll", "api-ms-win-core-synch-l1-2-0.dll", "ucrtbase.dll"];

/// What is wrong with the imports of a program for ARM64, a line each.
fn not_in_winpe_10(imports: &[(String, String)]) -> Vec<String> {
    let is_known = |dll: &str| {
        DLLS.iter().any(|(known, _)| *known == dll)
            || DLLS_OF_WINDOWS_10.contains(&dll)
            || (dll.starts_with("api-ms-win-crt-") && dll.ends_with("-l1-1-0.dll"))
    };
    let wrong = imports.iter().filter(|(dll, _)| !is_known(dll));
    wrong
        .map(|(dll, name)| format!("{name} ({dll}): from a DLL not known to be in WinPE"))
        .collect()
}

fn is_arm64(exe: &Path) -> bool {
    let bytes = std::fs::read(exe).unwrap();
    let header = u32::from_le_bytes(bytes[0x3C..0x40].try_into().unwrap()) as usize;
    bytes[header + 4..header + 6] == 0xAA64_u16.to_le_bytes()
}

/// What is wrong with these imports, a line each.
fn not_in_winpe_3(imports: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (dll, name) in imports {
        if !DLLS.iter().any(|(known, _why)| known == dll) {
            wrong.push(format!("{name} ({dll}): from a DLL not known to be in WinPE 3"));
        }
        if NEWER_THAN_WINDOWS_7.contains(&name.as_str()) {
            wrong.push(format!("{name} ({dll}): newer than Windows 7"));
        }
    }
    wrong.sort();
    wrong
}

#[test]
fn no_path_of_the_building_machine_is_in_the_exe() {
    let exes = need!("lifeboat.exe", exe::handed_out);
    let home = std::env::var("HOME").unwrap_or_default();
    for exe in exes {
        let bytes = std::fs::read(&exe).unwrap();
        for path in [support::root().to_str().unwrap(), home.as_str()] {
            // A home of `/` or `/root` says nothing; `/root/` does.
            let path = format!("{}/", path.trim_end_matches('/'));
            if path.len() > 2 {
                let found = bytes.windows(path.len()).any(|w| w == path.as_bytes());
                assert!(!found, "{path} stands in {}", exe.display());
            }
        }
    }
}

/// DLL in small letters, and function (`#7` for one that is asked for by number).
fn imports_of(exe: &Path) -> Vec<(String, String)> {
    let bytes = std::fs::read(exe).unwrap();
    match object::FileKind::parse(&*bytes).unwrap() {
        object::FileKind::Pe32 => read_imports(&PeFile32::parse(&*bytes).unwrap()),
        object::FileKind::Pe64 => read_imports(&PeFile64::parse(&*bytes).unwrap()),
        other => panic!("{} is no Windows program: {other:?}", exe.display()),
    }
}

fn read_imports<Pe: ImageNtHeaders>(pe: &PeFile<'_, Pe>) -> Vec<(String, String)> {
    let delayed = pe.data_directories().delay_load_import_table(pe.data(), &pe.section_table());
    assert!(delayed.unwrap().is_none(), "delayed imports are not looked at yet");
    let table = pe.import_table().unwrap().expect("an import table");
    let mut found = Vec::new();
    let mut descriptors = table.descriptors().unwrap();
    while let Some(descriptor) = descriptors.next().unwrap() {
        let dll = table.name(descriptor.name.get(LE)).unwrap();
        let dll = String::from_utf8_lossy(dll).to_ascii_lowercase();
        let mut thunks = table.thunks(descriptor.original_first_thunk.get(LE)).unwrap();
        while let Some(thunk) = thunks.next::<Pe>().unwrap() {
            let name = match table.import::<Pe>(thunk).unwrap() {
                Import::Ordinal(number) => format!("#{number}"),
                Import::Name(_hint, name) => String::from_utf8_lossy(name).into_owned(),
            };
            found.push((dll.clone(), name));
        }
    }
    found
}
