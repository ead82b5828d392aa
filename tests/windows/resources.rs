//! What stands in `lifeboat.exe` beside its code: the version that Explorer and
//! inventories show, and the manifest that tells Windows how to run it.

use std::path::Path;

use object::LittleEndian as LE;
use object::read::pe::{ImageNtHeaders, PeFile, PeFile32, PeFile64};
use support::{exe, need};

/// Resource types, of `winuser.h`.
const RT_VERSION: u32 = 16;
const RT_MANIFEST: u32 = 24;

/// The one resource of a type.
fn resource(exe: &Path, kind: u32) -> Vec<u8> {
    let bytes = std::fs::read(exe).unwrap();
    match object::FileKind::parse(&*bytes).unwrap() {
        object::FileKind::Pe32 => read_resource(&PeFile32::parse(&*bytes).unwrap(), kind),
        object::FileKind::Pe64 => read_resource(&PeFile64::parse(&*bytes).unwrap(), kind),
        other => panic!("{} is no Windows program: {other:?}", exe.display()),
    }
}

fn read_resource<Pe: ImageNtHeaders>(pe: &PeFile<'_, Pe>, kind: u32) -> Vec<u8> {
    let sections = pe.section_table();
    let directory = pe.data_directories().resource_directory(pe.data(), &sections).unwrap();
    let directory = directory.expect("the exe has resources");
    // Three levels: type, name, language.
    let mut table = directory.root().unwrap();
    table = {
        let entry = table.entries.iter().find(|entry| entry.name_or_id.get(LE) == kind);
        entry.expect("of this type").data(directory).unwrap().table().unwrap()
    };
    assert_eq!(table.entries.len(), 1, "one of type {kind}");
    table = table.entries[0].data(directory).unwrap().table().unwrap();
    let data = table.entries[0].data(directory).unwrap().data().unwrap();
    let found = sections.pe_data_at(pe.data(), data.offset_to_data.get(LE)).unwrap();
    found[..data.size.get(LE) as usize].to_vec()
}

#[test]
fn the_manifest_asks_for_long_paths_and_utf_8() {
    let exes = need!("lifeboat.exe", exe::all);
    for exe in exes {
        let manifest = String::from_utf8(resource(&exe, RT_MANIFEST)).unwrap();
        for wanted in [">true</longPathAware>", ">UTF-8</activeCodePage>", "asInvoker"] {
            assert!(manifest.contains(wanted), "{}: no {wanted} in {manifest}", exe.display());
        }
    }
}

#[test]
fn the_version_resource_is_cargo_s() {
    let version = env!("CARGO_PKG_VERSION");
    let numbers: Vec<u32> = version.split(['.', '-']).take(3).map(|n| n.parse().unwrap()).collect();
    let exes = need!("lifeboat.exe", exe::all);
    for exe in exes {
        let resource = resource(&exe, RT_VERSION);
        // VS_FIXEDFILEINFO: signature, structure's version, then the file's.
        let at = resource.windows(4).position(|w| w == 0xFEEF_04BD_u32.to_le_bytes()).unwrap();
        let word = |n: usize| u32::from_le_bytes(resource[at + 4 * n..][..4].try_into().unwrap());
        assert_eq!((word(2), word(3)), (numbers[0] << 16 | numbers[1], numbers[2] << 16));
        let units: Vec<u16> =
            resource.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16_lossy(&units);
        for (key, value) in [
            ("ProductVersion", version),
            ("FileVersion", version),
            ("ProductName", "Lifeboat"),
            ("OriginalFilename", "lifeboat.exe"),
        ] {
            let rest = text.split_once(key).unwrap_or_else(|| panic!("{key}: {text}")).1;
            let found = rest.trim_start_matches('\0');
            assert!(found.starts_with(value), "{key}: {found}");
        }
    }
}
