//! Letter case, as the table on a volume has it.
#![cfg(target_os = "linux")]

use std::process::Command;

use lifeboat::model::name::fold_case;
use support::need;

#[test]
fn letters_are_folded_as_a_volume_s_own_table_does_it() {
    need!("mkntfs");
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("volume.img");
    std::fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    let made = Command::new("mkntfs").args(["-F", "-Q", "-q"]).arg(&image).status().unwrap();
    assert!(made.success());
    // $UpCase is record 10.
    let table = Command::new("ntfscat").args(["-i", "10"]).arg(&image).output().unwrap().stdout;
    assert_eq!(table.len(), 128 << 10);
    let upper = table.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    let mut wrong = Vec::new();
    for (code, upper) in (0_u32..).zip(upper) {
        let Some(c) = char::from_u32(code) else { continue };
        let folded = fold_case(&c.to_string());
        if folded.encode_utf16().ne([upper]) {
            wrong.push(format!("{code:04X}: {folded} instead of {upper:04X}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
