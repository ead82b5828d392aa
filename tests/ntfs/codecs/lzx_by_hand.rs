//! LZX blocks that wimlib reads but does not write: blocks stored plain, in odd
//! and even sizes, between compressed ones. Windows writes them. This test
//! writes a chunk by hand, puts it into a WIM in place of wimlib's own, and lets
//! wimlib and our decoder say what is in it.

use std::process::Command;

use lifeboat::ntfs::codec::lzx;
use support::codecs::made;
use support::codecs::wim_resource::capture;
use support::need;

/// Writes bits from the highest of each 16-bit word down.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    word: u16,
    used: u32,
}

impl Bits {
    fn put(&mut self, count: u32, value: usize) {
        for bit in (0..count).rev() {
            self.word = self.word << 1 | (value >> bit & 1) as u16;
            self.used += 1;
            if self.used == 16 {
                self.bytes.extend(self.word.to_le_bytes());
                (self.word, self.used) = (0, 0);
            }
        }
    }

    /// Fills up the word; where it stands at a new one, that whole word.
    fn align(&mut self) {
        self.put(16 - self.used, 0);
    }

    fn block(&mut self, kind: usize, size: usize) {
        self.put(3, kind);
        self.put(1, 0);
        self.put(16, size);
    }

    fn stored(&mut self, plain: &[u8], recent: [u32; 3]) {
        self.block(3, plain.len());
        self.align();
        self.bytes.extend(recent.iter().flat_map(|r| r.to_le_bytes()));
        self.bytes.extend_from_slice(plain);
        if plain.len() % 2 == 1 {
            self.bytes.push(0);
        }
    }

    /// Code lengths that are 0 but for a few that are 1, and were all 0 or the
    /// same before. The pre-tree: symbols 0 (as before), 16 (one more than
    /// before), 17 and 18 (runs of zeros), two bits each.
    fn lengths(&mut self, count: usize, ones: &[usize], is_same: bool) {
        for symbol in 0..20 {
            self.put(4, if matches!(symbol, 0 | 16 | 17 | 18) { 2 } else { 0 });
        }
        let mut at = 0;
        while at < count {
            let next = ones.iter().copied().find(|o| *o >= at).unwrap_or(count);
            match next - at {
                0 => {
                    self.put(2, usize::from(!is_same));
                    at += 1;
                }
                zeros @ 20.. => {
                    let run = zeros.min(51);
                    self.put(2, 3);
                    self.put(5, run - 20);
                    at += run;
                }
                zeros @ 4.. => {
                    self.put(2, 2);
                    self.put(4, zeros - 4);
                    at += zeros;
                }
                _ => {
                    self.put(2, 0);
                    at += 1;
                }
            }
        }
    }

    /// A verbatim block of `size` bytes (a multiple of 257): matches of 257 bytes
    /// at the most recent distance, whose code is the upper one of two.
    fn repeats(&mut self, size: usize, is_same: bool) {
        self.block(1, size);
        self.lengths(256, &[0], is_same);
        self.lengths(240, &[7], is_same); // distance R0, length 9 or more
        self.lengths(249, &[0, 248], is_same);
        for _ in 0..size / 257 {
            self.put(1, 1);
            self.put(1, 1);
        }
    }
}

#[test]
fn plain_blocks_among_others_are_read_as_wimlib_reads_them() {
    need!("wimcapture");
    for (first, second) in [(1000, 2001), (1001, 2000), (999, 1)] {
        let mut random = made::random(first + second, 5);
        // No x86 call: their translation is another test's business.
        random.iter_mut().filter(|b| **b == 0xE8).for_each(|b| *b = 0);
        let mut bits = Bits::default();
        bits.stored(&random[..first], [7, 8, 9]);
        bits.repeats(257 * 20, false);
        bits.stored(&random[first..], [300, 1, 1]);
        bits.repeats(257 * 30, true);
        bits.align();
        let chunk = bits.bytes;

        // What it stands for, by the plainest of decoders.
        let mut plain = random[..first].to_vec();
        let repeat = |plain: &mut Vec<u8>, distance: usize, count: usize| {
            for _ in 0..count {
                plain.push(plain[plain.len() - distance]);
            }
        };
        repeat(&mut plain, 7, 257 * 20);
        plain.extend_from_slice(&random[first..]);
        repeat(&mut plain, 300, 257 * 30);

        let mut out = vec![0; plain.len()];
        lzx::decompress(&chunk, &mut out).unwrap();
        assert!(out == plain, "our decoder, {first} and {second}");

        // wimlib checks the file's SHA-1, which it took from the plain bytes.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exchanged.wim");
        let wim = capture(&[plain], &["--compress=LZX", "--chunk-size=32K"]);
        std::fs::write(&path, with_data_of_the_file(wim, &chunk)).unwrap();
        let is_right = || Command::new("wimverify").arg(&path).output().unwrap().status.success();
        assert!(is_right(), "wimlib, {first} and {second}");
        // And wimlib did look: it finds one wrong byte in the last plain block.
        let mut wrong = std::fs::read(&path).unwrap();
        let last_plain_byte = random.last().unwrap();
        let at = wrong.iter().rposition(|b| b == last_plain_byte).unwrap();
        wrong[at] ^= 1;
        std::fs::write(&path, wrong).unwrap();
        assert!(!is_right(), "wimlib lets a wrong byte pass");
    }
}

/// A WIM with one file, whose compressed data is to be `data`.
fn with_data_of_the_file(mut wim: Vec<u8>, data: &[u8]) -> Vec<u8> {
    let table = usize::try_from(u64::from_le_bytes(wim[56..64].try_into().unwrap())).unwrap();
    let end = wim.len() as u64;
    let entry = [0, 50].map(|e| table + e).into_iter().find(|e| wim[e + 7] & 2 == 0).unwrap();
    assert_eq!(wim[entry + 7], 4, "a compressed file");
    wim[entry..entry + 7].copy_from_slice(&(data.len() as u64).to_le_bytes()[..7]);
    wim[entry + 8..entry + 16].copy_from_slice(&end.to_le_bytes());
    wim.extend_from_slice(data);
    wim
}
