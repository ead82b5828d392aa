//! What stands for an encrypted file: which of three, then its bytes. A `key.age`, a
//! small file, or a large one that is read chunk by chunk. The seeds are of the
//! key below, made by stock `age`. Nothing opens that the age crate does not
//! open to the same bytes.

use std::sync::LazyLock;

use lifeboat::model::secret::Secret;
use lifeboat::set::crypt::key::parse_identities;
use lifeboat::set::crypt::stream::{CHUNK, MAX_HEADER, SEALED, open, plain_size, sealed_size};
use lifeboat::set::crypt::{Keys, SetKey};

/// Nobody's secret: it is in the open here.
const IDENTITY: &str = include_str!("../corpus/age_file.identity");
/// The same, locked to itself.
const LOCKED: &[u8] = include_bytes!("../corpus/age_file.key.age");

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    // A passphrase of a forged file costs seconds: that is bounded elsewhere.
    passphrase: None::<Secret>,
    identities: parse_identities(IDENTITY).unwrap_or_default(),
});
static KEY: LazyLock<SetKey> = LazyLock::new(|| KEYS.open(LOCKED).expect("the seed is good"));

pub(crate) fn run(input: &[u8]) {
    let Some((which, file)) = input.split_first() else { return };
    match which % 3 {
        0 => drop(KEYS.open(file)),
        1 => {
            if let Ok(plain) = KEY.open(file) {
                assert!(plain.len() < file.len());
            }
        }
        _ => {
            let start = &file[..file.len().min(MAX_HEADER)];
            let Ok((header, cipher)) = open(&KEY, start) else { return };
            let payload = &file[header..];
            let last = payload.len().div_ceil(SEALED).saturating_sub(1) as u64;
            let mut plain = Vec::new();
            for (number, chunk) in (0..).zip(payload.chunks(SEALED)) {
                let mut chunk = chunk.to_vec();
                if !cipher.open(number, number == last, &mut chunk) {
                    return;
                }
                assert!(chunk.len() <= CHUNK);
                plain.extend(chunk);
            }
            assert_eq!(plain_size(payload.len() as u64), plain.len() as u64);
            if !plain.is_empty() {
                assert_eq!(sealed_size(plain.len() as u64), payload.len() as u64);
                assert_eq!(KEY.open(file).ok(), Some(plain));
            }
        }
    }
}
