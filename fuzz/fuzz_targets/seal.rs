//! A seal (`lifeboat.seal`): options, then its plain lines. They are packed as a
//! seal is (so that the fuzzer need not learn zstd); with an option on they get a
//! last line with the right hash, so that what is behind that check is reached
//! too. A seal that is believed counts what it names, has that hash, and is
//! believed again.

use std::io::Read;
use std::sync::Arc;

use lifeboat::seal::Seal;
use lifeboat::set::format::hash::sha256_hex;

/// A zstd frame that is stored, not packed (RFC 8878 3.1.1).
fn frame(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0x28, 0xB5, 0x2F, 0xFD, 0xA0];
    out.extend(u32::try_from(plain.len()).unwrap_or(0).to_le_bytes());
    let mut pieces = plain.chunks(100_000).peekable();
    if pieces.peek().is_none() {
        out.extend([1, 0, 0]);
    }
    while let Some(piece) = pieces.next() {
        let last = u32::from(pieces.peek().is_none());
        let head = last | u32::try_from(piece.len()).unwrap_or(0) << 3;
        out.extend(&head.to_le_bytes()[..3]);
        out.extend(piece);
    }
    out
}

/// A last line that fits the lines before it, with counts from the options.
fn end(lines: &[u8], counts: [u8; 4]) -> String {
    let [files, directories, links, bytes] = counts;
    format!(
        "{{\"type\":\"end\",\"files\":{files},\"directories\":{directories},\"links\":{links},\
         \"streams\":0,\"bytes\":{bytes},\"frames\":0,\"losses\":0,\"sha256\":\"{}\"}}\n",
        sha256_hex(lines)
    )
}

fn prove(packed: &Arc<Vec<u8>>) -> Option<Seal> {
    let packed = Arc::clone(packed);
    let open = move || -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(std::io::Cursor::new(packed.as_ref().clone())))
    };
    Seal::prove(open).ok()
}

pub(crate) fn run(input: &[u8]) {
    let [options, a, b, c, d, lines @ ..] = input else { return };
    let mut plain = lines.to_vec();
    let packed = match options % 3 {
        0 => frame(&plain),
        1 => {
            let last = end(&plain, [*a, *b, *c, *d]);
            plain.extend(last.into_bytes());
            frame(&plain)
        }
        // What is no zstd at all.
        _ => plain,
    };
    let packed = Arc::new(packed);
    let Some(seal) = prove(&packed) else { return };
    assert!(!seal.header().parts.is_empty());
    assert_eq!(seal.sha256().len(), 64);
    let again = prove(&packed).expect("what was believed once is believed again");
    assert_eq!((seal.totals(), seal.sha256()), (again.totals(), again.sha256()));
}
