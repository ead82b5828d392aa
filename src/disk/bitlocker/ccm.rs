//! AES-256-CCM, as BitLocker wraps keys: nonce of 12 bytes, tag of 16 before the ciphertext, no
//! further data (libbde, 4.4; RFC 3610 with L = 3).

use aes::Aes256;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::model::bytes::array_at;

/// Bytes before the ciphertext: nonce and tag.
const BEFORE: usize = 12 + 16;

type Block = [u8; 16];

/// Opens `blob` by `key`; `None` if its tag does not fit: another key, or damaged.
pub(super) fn open(key: &[u8; 32], blob: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: [u8; 12] = array_at(blob, 0)?;
    let tag: Block = array_at(blob, 12)?;
    let mut text = Zeroizing::new(blob.get(BEFORE..)?.to_vec());
    let aes = Aes256::new(GenericArray::from_slice(key));
    for (i, piece) in text.chunks_mut(16).enumerate() {
        xor(piece, &*encrypt(&aes, counter(2, nonce, i + 1)?));
    }
    let mut wanted = tag;
    xor(&mut wanted, &*encrypt(&aes, counter(2, nonce, 0)?));
    // Flags: 8 * (16 - 2) / 2 + (3 - 1).
    let mut mac = encrypt(&aes, counter(0x3A, nonce, text.len())?);
    for piece in text.chunks(16) {
        xor(&mut *mac, piece);
        mac = encrypt(&aes, *mac);
    }
    // As long whatever the bytes are.
    let differs = mac.iter().zip(wanted).fold(0, |all, (a, b)| all | (a ^ b));
    (std::hint::black_box(differs) == 0).then_some(text)
}

fn encrypt(aes: &Aes256, block: Block) -> Zeroizing<Block> {
    let mut block = GenericArray::from(block);
    aes.encrypt_block(&mut block);
    Zeroizing::new(block.into())
}

/// Flags, nonce, and a number of three bytes, the highest first.
fn counter(flags: u8, nonce: [u8; 12], number: usize) -> Option<Block> {
    let number = u32::try_from(number).ok().filter(|n| *n < 1 << 24)?.to_be_bytes();
    let mut block = [0; 16];
    block[0] = flags;
    block[1..13].copy_from_slice(&nonce);
    block[13..].copy_from_slice(&number[1..]);
    Some(block)
}

fn xor(to: &mut [u8], with: &[u8]) {
    to.iter_mut().zip(with).for_each(|(to, with)| *to ^= with);
}
