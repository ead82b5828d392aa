//! Screens as they should be: `tests/golden/*.txt`. `LIFEBOAT_GOLDEN=write`
//! writes them again; check the changes before you commit them.

/// Compares a screen with the golden one, but for what no two runs share.
#[track_caller]
pub fn compare(name: &str, screen: &str) {
    let got = mask(screen);
    let path = crate::root().join("tests/golden").join(name);
    if std::env::var("LIFEBOAT_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, &got).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}\n{got}"));
    assert!(got == wanted, "{name} should be\n{wanted}\nbut is\n{got}");
}

/// Takes out what no two runs share: times, ids, rates, free space, the version.
pub fn mask(screen: &str) -> String {
    let mut lines: Vec<String> = screen.lines().map(mask_line).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

fn mask_line(line: &str) -> String {
    if line.starts_with(" Time        ") {
        return " Time        SPAN".to_owned();
    }
    let line = line.replace(&format!("Lifeboat {}", crate::version()), "Lifeboat VERSION");
    let mut words: Vec<String> = line.split(' ').map(mask_word).collect();
    for at in 1..words.len() {
        // `36.0 GiB free`, `812.5 MiB/s`
        // Another test checks the compressed size.
        let packed = words[..at - 1].ends_with(&["compressed".to_owned(), "to".to_owned()]);
        let free = packed || words.get(at + 1).is_some_and(|next| next.starts_with("free"));
        if is_number(&words[at - 1]) && (free || words[at].ends_with("/s")) {
            words[at - 1].replace_range(.., "N");
            words[at] = words[at].replace(['K', 'M', 'G', 'T'], "x").replace("bytes", "xiB");
        }
    }
    words.join(" ").trim_end().to_owned()
}

/// A set's name is `PC-20260101T000000Z-1a2b3c4d`; a time is `0:05`.
fn mask_word(word: &str) -> String {
    let parts: Vec<&str> = word.split('-').collect();
    if let [.., time, id] = parts.as_slice() {
        let id_digits = id.get(..8).unwrap_or_default();
        let is_time = time.len() == 16 && time.ends_with('Z');
        if is_time && id_digits.len() == 8 && id_digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return word.replace(time, "TIME").replace(id_digits, "ID");
        }
    }
    let is_clock = |word: &str| {
        let mut numbers = word.split(':');
        word.contains(':')
            && numbers.all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    if is_clock(word) { "TIME".to_owned() } else { word.to_owned() }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A live view without its numbers: every number is `#`, every bar empty, and
/// the sign that turns stands still.
pub fn without_numbers(screen: &str) -> String {
    let mut got = String::new();
    for line in screen.lines() {
        let line = line.replace('\u{2588}', "\u{2591}").replace("1 file", "1 files");
        let line = line.replace(" | Store", " * Store").replace(" / Store", " * Store");
        let line = line.replace(" - Store", " * Store").replace(" \\ Store", " * Store");
        let mut last_digit = false;
        for c in line.trim_end().chars() {
            let digit = c.is_ascii_digit() || (last_digit && matches!(c, '.' | ':'));
            if !digit {
                got.push(c);
            } else if !last_digit {
                got.push('#');
            }
            last_digit = digit;
        }
        got.push('\n');
    }
    got
}
