//! SHA-256 in text form: lowercase hex.

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};

/// Bytes as lowercase hex.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Hex to bytes; `None` if the text is not hex.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes = text.as_bytes();
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// The SHA-256 of `bytes`, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

/// The finished hash, in hex.
pub(crate) fn finish_hex(hash: Sha256) -> String {
    to_hex(&hash.finalize())
}

/// The state of an unfinished hash, for the journal.
pub fn freeze(hash: &Sha256) -> String {
    to_hex(&hash.serialize())
}

/// The hash state from [`freeze`]; `None` if the text is not valid.
pub fn thaw(text: &str) -> Option<Sha256> {
    let bytes = from_hex(text)?;
    let state = SerializedState::<Sha256>::try_from(bytes.as_slice()).ok()?;
    Sha256::deserialize(&state).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_hash_goes_on() {
        let mut hash = Sha256::new();
        hash.update(b"ab");
        let mut thawed = thaw(&freeze(&hash)).unwrap();
        thawed.update(b"c");
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(finish_hex(thawed), abc);
        assert_eq!(sha256_hex(b"abc"), abc);
        assert!(thaw("00").is_none() && thaw("zz").is_none());
        assert_eq!(from_hex("00ff10"), Some(vec![0, 255, 16]));
        assert!(from_hex("0").is_none());
    }
}
