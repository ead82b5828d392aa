//! Encrypts: sectors, and keys by AES-CCM. The inverse of what Lifeboat does, and no code of it.

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128, Aes256};

/// The ciphers of BitLocker, by their codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cipher {
    /// 0x8000
    ElephantAes128,
    /// 0x8001
    ElephantAes256,
    /// 0x8002
    CbcAes128,
    /// 0x8003
    CbcAes256,
    /// 0x8004
    XtsAes128,
    /// 0x8005
    XtsAes256,
}

type Block = [u8; 16];

/// AES with a key of either length.
enum Aes {
    Short(Box<Aes128>),
    Long(Box<Aes256>),
}

impl Aes {
    fn new(key: &[u8]) -> Self {
        if key.len() == 16 {
            Self::Short(Box::new(Aes128::new(GenericArray::from_slice(key))))
        } else {
            Self::Long(Box::new(Aes256::new(GenericArray::from_slice(key))))
        }
    }

    fn encrypt(&self, block: Block) -> Block {
        let mut block = GenericArray::from(block);
        match self {
            Self::Short(aes) => aes.encrypt_block(&mut block),
            Self::Long(aes) => aes.encrypt_block(&mut block),
        }
        block.into()
    }
}

fn xor(a: Block, b: Block) -> Block {
    std::array::from_fn(|i| a[i] ^ b[i])
}

fn number(n: u64) -> Block {
    u128::from(n).to_le_bytes()
}

impl Cipher {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::ElephantAes128,
        Self::ElephantAes256,
        Self::CbcAes128,
        Self::CbcAes256,
        Self::XtsAes128,
        Self::XtsAes256,
    ];

    /// Its code in the metadata.
    pub fn code(self) -> u16 {
        0x8000 + Self::ALL.iter().zip(0..).find(|(one, _)| **one == self).map_or(0, |(_, n)| n)
    }

    /// Bytes of its key.
    pub fn key_bytes(self) -> usize {
        match self {
            Self::CbcAes128 => 16,
            Self::CbcAes256 | Self::XtsAes128 => 32,
            Self::ElephantAes128 | Self::ElephantAes256 | Self::XtsAes256 => 64,
        }
    }

    /// Encrypts whole sectors that are stored from byte `offset` of the volume on.
    pub fn encrypt(self, key: &[u8], sector_bytes: usize, offset: u64, data: &mut [u8]) {
        let aes = |range: std::ops::Range<usize>| Aes::new(&key[range]);
        let offsets = (offset..).step_by(sector_bytes);
        let sectors = data.chunks_exact_mut(sector_bytes).zip(offsets);
        match self {
            Self::XtsAes128 | Self::XtsAes256 => {
                let half = key.len() / 2;
                let (data_key, tweak_key) = (aes(0..half), aes(half..key.len()));
                for (sector, at) in sectors {
                    xts(&data_key, &tweak_key, at / sector_bytes as u64, sector);
                }
            }
            Self::CbcAes128 | Self::CbcAes256 => {
                let key = aes(0..key.len());
                sectors.for_each(|(sector, at)| cbc(&key, at, sector));
            }
            Self::ElephantAes128 | Self::ElephantAes256 => {
                let len = if self == Self::ElephantAes128 { 16 } else { 32 };
                let (key, tweak) = (aes(0..len), aes(32..32 + len));
                for (sector, at) in sectors {
                    mix(&tweak, at, sector);
                    cbc(&key, at, sector);
                }
            }
        }
    }
}

fn xts(data: &Aes, tweak: &Aes, sector_number: u64, sector: &mut [u8]) {
    let mut t = tweak.encrypt(number(sector_number));
    for block in sector.as_chunks_mut::<16>().0 {
        *block = xor(data.encrypt(xor(*block, t)), t);
        let carry = t[15] >> 7;
        for i in (1..16).rev() {
            t[i] = t[i] << 1 | t[i - 1] >> 7;
        }
        t[0] = (t[0] << 1) ^ (carry * 0x87);
    }
}

fn cbc(aes: &Aes, at: u64, sector: &mut [u8]) {
    let mut last = aes.encrypt(number(at));
    for block in sector.as_chunks_mut::<16>().0 {
        *block = aes.encrypt(xor(*block, last));
        last = *block;
    }
}

/// What Elephant does before AES-CBC: the sector key, then diffuser A, then B.
fn mix(tweak: &Aes, at: u64, sector: &mut [u8]) {
    let mut second = number(at);
    second[15] = 0x80;
    let key = [tweak.encrypt(number(at)), tweak.encrypt(second)].concat();
    sector.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    let mut d: Vec<u32> =
        sector.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let n = d.len();
    for _ in 0..5 {
        for i in (0..n).rev() {
            let with = d[(i + n - 2) % n] ^ d[(i + n - 5) % n].rotate_left([9, 0, 13, 0][i % 4]);
            d[i] = d[i].wrapping_sub(with);
        }
    }
    for _ in 0..3 {
        for i in (0..n).rev() {
            let with = d[(i + 2) % n] ^ d[(i + 5) % n].rotate_left([0, 10, 0, 25][i % 4]);
            d[i] = d[i].wrapping_sub(with);
        }
    }
    for (word, value) in sector.as_chunks_mut::<4>().0.iter_mut().zip(d) {
        *word = value.to_le_bytes();
    }
}

/// AES-256-CCM: nonce, tag, ciphertext.
pub(super) fn seal(key: &[u8], nonce: [u8; 12], text: &[u8]) -> Vec<u8> {
    let aes = Aes::new(key);
    let block = |flags: u8, n: usize| -> Block {
        let mut block = [0; 16];
        block[0] = flags;
        block[1..13].copy_from_slice(&nonce);
        block[13..].copy_from_slice(&(n as u64).to_be_bytes()[5..]);
        block
    };
    let mut mac = aes.encrypt(block(0x3A, text.len()));
    let mut sealed = Vec::new();
    for (i, piece) in text.chunks(16).enumerate() {
        let mut padded = [0; 16];
        padded[..piece.len()].copy_from_slice(piece);
        mac = aes.encrypt(xor(mac, padded));
        let stream = aes.encrypt(block(2, i + 1));
        sealed.extend(piece.iter().zip(stream).map(|(byte, key)| byte ^ key));
    }
    let tag = xor(mac, aes.encrypt(block(2, 0)));
    [&nonce[..], &tag, &sealed].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// The vectors were checked against three other readers.
    #[test]
    fn the_ciphers_give_the_known_vectors() {
        let key: Vec<u8> = (0..64).collect();
        let short = [
            "dc654f6ac2da2837c4a93e576727e78ecfa924c4645101e6c429ad60815ce78d",
            "458e71b89579a79bce337f201be9c4f04229342a9d402d2a362f795377846c7b",
            "3d82fbf4398a6d0a377c5686c1b7ee689ddf2a4bfbde92b5b12eb66ad0c57be1",
            "f7396302d182fc4443446b0aa2821a5acf289457f3a8914fe3278a68a745348e",
            "2b0fbac67179529087de41bb10c834f1154139f05d9683b2d1032d50d3f7007c",
            "d2f4030116a6c2a973bffde987cb78f1870365c52767172bdd4de9ac1321d2b0",
        ];
        let long = [
            "fbdb13227a8284839649230854fad13cd25026021558d56ff9246e9ef9c84cc2",
            "29ea232d4be860ea023d5689208a3f8b1c2cb6abf3b1d5409e229e91f3e16e8c",
            "2af0fd50c18e60dc0461da9cf601b6783da516f74364564191cf42e81fda8d1c",
            "1f6b1423fc2b12d36830685c32de4c34ab69cc1fddb9ad1ea2f2b4f65c6afc5e",
            "81e3c51170f242af4fae2aa4dff6eb4a322776d74bcc54d78db6f8729b885a86",
            "4a5c5b58bbe729926a8aba92c4f004c0dea411a06ea982014a69dcb70caf3417",
        ];
        for (bytes, offset, sums) in [(512, 0x1234_5600, short), (4096, 0x1234_5000, long)] {
            for (cipher, sum) in Cipher::ALL.into_iter().zip(sums) {
                let mut sector: Vec<u8> =
                    (0..bytes).map(|i: usize| (7 * i + 3 + (i >> 8)).to_le_bytes()[0]).collect();
                cipher.encrypt(&key[..cipher.key_bytes()], bytes, offset, &mut sector);
                let hash = Sha256::digest(&sector);
                let wanted: Vec<u8> = (0..32)
                    .map(|i| u8::from_str_radix(&sum[2 * i..2 * i + 2], 16).unwrap())
                    .collect();
                assert_eq!(hash.as_slice(), wanted, "{cipher:?} {bytes}");
            }
        }
    }
}
