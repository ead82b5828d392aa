//! All fuzz targets in one program, since each of two dozen would be linked with the
//! whole library. The variable `LIFEBOAT_FUZZ` names the target that gets libFuzzer's
//! bytes; it reaches the processes that libFuzzer starts by itself, too.
#![no_main]

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;

/// Takes in the module of each target and lists it by its name.
macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::run)),*];
    };
}

targets!(
    age_file,
    bitlocker_bek,
    bitlocker_eow,
    bitlocker_header,
    bitlocker_metadata,
    efs_export,
    efs_import,
    fat_volume,
    logs,
    lznt1,
    lzx,
    mapfile,
    mig,
    ntfs_boot,
    ntfs_record,
    ntfs_runs,
    ntfs_sds,
    ntfs_volume,
    partition_tables,
    reparse,
    restore,
    seal,
    set_list,
    set_reader,
    users,
    vhd,
    vhdx,
    volume_kind,
    wof,
    xpress,
);

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

/// The target that was asked for.
fn asked_for() -> fn(&[u8]) {
    let name = std::env::var("LIFEBOAT_FUZZ").unwrap_or_default();
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    found.map(|(_, run)| *run).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|(target, _)| *target).collect();
        eprintln!("LIFEBOAT_FUZZ={name} is no target; these are: {}", names.join(" "));
        std::process::exit(2)
    })
}

/// An input of a structured target; `None` if the bytes make none.
fn made<'a, T: Arbitrary<'a>>(data: &'a [u8]) -> Option<T> {
    if data.len() < T::size_hint(0).0 {
        return None;
    }
    T::arbitrary_take_rest(Unstructured::new(data)).ok()
}

fuzz_target!(
    init: {
        TARGET.get_or_init(asked_for);
    },
    |data: &[u8]| TARGET.get_or_init(asked_for)(data)
);
