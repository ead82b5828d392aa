//! Fills a store with every kind of metadata, by Windows' own calls and tools.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::child::{Stopped, tool};
use crate::facts::{self, bits};
use crate::outcome::Ledger;
use crate::windows::{files, plain, verbatim};

/// The store below a root.
pub(super) const STORE: &str = "StateStore";
/// Where its files are.
const FILES: &str = r"StateStore\USMT\File\C$\Users\alice";

/// Makes the names that make a folder a hard-link store of one part.
fn skeleton(root: &Path, number: u8) -> io::Result<PathBuf> {
    let usmt = root.join(r"StateStore\USMT");
    fs::create_dir_all(&usmt)?;
    fs::write(usmt.join("catalog.mig"), bytes(1, 5000))?;
    fs::write(usmt.join("MIGSTATE.DAT"), "state")?;
    fs::write(usmt.join("status.~lg"), "")?;
    // Each store has a GUID of its own: they are no copies of each other.
    let main = format!("C\t{{5E1F7E57-0000-4000-8000-0000000000{number:02X}}}\r\n");
    fs::write(usmt.join("hardlink.main"), main)?;
    let files = verbatim(&root.join(FILES));
    fs::create_dir_all(&files)?;
    Ok(files)
}

/// Bytes that do not compress, the same for the same seed (xorshift64).
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend(state.to_le_bytes());
    }
    all.truncate(length);
    all
}

/// A small store of plain files, for volumes that keep nothing else. `largest`: bytes.
pub(super) fn small(root: &Path, number: u8, largest: usize) -> io::Result<()> {
    let files = skeleton(root, number)?;
    for (seed, size) in [(1, 0), (2, 1), (3, 4097), (4, largest)] {
        fs::write(files.join(format!("file {size}.bin")), bytes(seed, size))?;
    }
    fs::create_dir(files.join("empty folder"))?;
    fs::write(files.join("a longer name than 8.3.txt"), "long")
}

/// One that is set, or is not possible here.
struct Planter<'a> {
    ledger: &'a mut Ledger,
    planted: Planted,
}

impl Planter<'_> {
    fn set(&mut self, row: &str, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            let why = format!("Windows refused to make {what}: {error}");
            self.ledger.not_possible(row, "", why);
        }
    }
}

/// What the user of this run may have.
#[derive(Clone, Copy)]
pub(super) struct May {
    /// Files that EFS encrypts.
    pub(super) encrypt: bool,
    /// Files that deny everyone, and are read by backup rights.
    pub(super) deny: bool,
}

/// What is in the store that no restore brings back.
#[derive(Clone, Copy, Default)]
pub(super) struct Planted {
    /// Two names that differ only in case.
    pub(super) case_only: bool,
    /// A folder whose new files are encrypted.
    pub(super) encrypted_folder: bool,
}

/// A store with everything. Each kind of metadata that this Windows or volume refuses
/// is noted as not possible. `size`: MiB of large files.
///
/// No file of the store is ever deleted: a volume that is read raw has it still, and
/// lifeboat lists it as deleted. What Windows may refuse is made outside and moved in.
pub(super) fn full(
    root: &Path,
    size: u32,
    may: May,
    ledger: &mut Ledger,
) -> io::Result<Result<Planted, Stopped>> {
    let files = skeleton(root, 0)?;
    let outside = verbatim(&root.join("made outside"));
    fs::create_dir(&outside)?;
    let mut to = Planter { ledger, planted: Planted::default() };
    let photos = files.join("Pictures");
    fs::create_dir(&photos)?;
    for number in 0..size.div_ceil(2) {
        let name = format!("photo {number}.jpg");
        fs::write(photos.join(name), bytes(u64::from(number) + 100, 2 << 20))?;
    }
    let docs = files.join("Documents");
    fs::create_dir(&docs)?;
    for length in [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_536, 1_000_000] {
        fs::write(docs.join(format!("{length} bytes.bin")), bytes(length as u64, length))?;
    }
    fs::write(docs.join("empty file"), "")?;
    fs::create_dir(docs.join("empty folder"))?;
    names(&mut to, &files)?;
    links(&mut to, root, &files)?;
    metadata(&mut to, &files, may)?;
    data(&mut to, &files)?;
    encrypted(&mut to, &files, &outside, may)?;
    if let Err(stopped) = compact_os(&mut to, &files, &outside)? {
        return Ok(Err(stopped));
    }
    attributes_and_times(&mut to, &files)?;
    Ok(Ok(to.planted))
}

fn names(to: &mut Planter<'_>, files: &Path) -> io::Result<()> {
    let odd = files.join("odd names");
    fs::create_dir(&odd)?;
    for name in ["trailing space ", "dots...", "NUL", "COM1.txt", "\u{1F600}", "\u{E4}\u{65E5}"] {
        let made = fs::write(format!(r"{}\{name}", odd.display()), name);
        to.set("odd-names", &format!("the name {name:?}"), made);
    }
    let half: Vec<u16> = "half ".encode_utf16().chain([0xD83D]).collect();
    let made = fs::write(files::join_units(&odd, &half), "half of a surrogate");
    to.set("odd-names", "a name with half of a surrogate", made);
    let deep = files.join("deep").join([vec!["d".repeat(100); 6].join("\\")].concat());
    let made = fs::create_dir_all(&deep);
    to.set(
        "long-paths",
        "a path of 600 characters",
        made.and_then(|()| fs::write(deep.join("600 characters down"), "deep")),
    );
    let case = files.join("case only");
    fs::create_dir(&case)?;
    match files::make_case_sensitive(&case) {
        Ok(()) => {
            fs::write(case.join("name"), "small")?;
            fs::write(case.join("NAME"), "LARGE")?;
            to.planted.case_only = true;
        }
        Err(error) => {
            to.ledger.not_possible("case-only", "", format!("Windows refused it: {error}"));
        }
    }
    let named = files.join("a file with a DOS name.txt");
    fs::write(&named, "x")?;
    to.set("dos-names", "a DOS name of our choice", files::set_short_name(&named, "LBST~77.TXT"));
    Ok(())
}

fn links(to: &mut Planter<'_>, root: &Path, files: &Path) -> io::Result<()> {
    let linked = files.join("Documents").join("linked.txt");
    fs::write(&linked, "three names")?;
    let other = files.join("Links");
    fs::create_dir(&other)?;
    to.set("hard-links", "a hard link", fs::hard_link(&linked, other.join("second name.txt")));
    to.set("hard-links", "a hard link", fs::hard_link(&linked, files.join("third name.txt")));

    // What must not be copied: it is outside of the store.
    let outside = root.join("outside");
    fs::create_dir_all(&outside)?;
    fs::write(outside.join("must not be copied.txt"), "outside")?;
    let junction = files.join("Application Data");
    fs::create_dir(&junction)?;
    to.set(
        "reparse",
        "a junction",
        files::set_reparse(&junction, &facts::junction(&plain(&outside))),
    );
    let link = files.join("link.txt");
    fs::write(&link, "")?;
    to.set(
        "reparse",
        "a symbolic link",
        files::set_reparse(&link, &facts::symbolic_link(r"Documents\linked.txt")),
    );
    let foreign = files.join("another maker's tag");
    fs::write(&foreign, "")?;
    to.set(
        "reparse",
        "another tag",
        files::set_reparse(&foreign, &facts::foreign_reparse(b"opaque data")),
    );
    Ok(())
}

fn metadata(to: &mut Planter<'_>, files: &Path, may: May) -> io::Result<()> {
    let folder = files.join("Metadata");
    fs::create_dir(&folder)?;
    let file = |name: &str| -> io::Result<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, name)?;
        Ok(path)
    };
    let named = file("object id.txt")?;
    to.set("object-ids", "one of a file", files::set_object_id(&named, *b"lifeboatselftst1"));
    to.set("object-ids", "one of a folder", files::set_object_id(&folder, *b"lifeboatselftst2"));

    let with = file("extended attributes.txt")?;
    to.set(
        "extended-attributes",
        "one",
        files::set_extended_attribute(&with, "LIFEBOAT.ODD", b"odd"),
    );
    to.set(
        "extended-attributes",
        "one",
        files::set_extended_attribute(&with, "LIFEBOAT.2", &[7; 300]),
    );

    let streams = file("streams.txt")?;
    let stream = |name: &str, data: &[u8]| {
        let mut path = streams.as_os_str().to_owned();
        path.push(name);
        fs::write(path, data)
    };
    to.set("streams", "one", stream(":Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n"));
    to.set("streams", "a large one", stream(":large", &bytes(9, 200_000)));
    to.set("streams", "an empty one", stream(":empty", b""));
    let with = folder.join("folder with a stream");
    fs::create_dir(&with)?;
    let mut path = with.as_os_str().to_owned();
    path.push(":of a folder");
    to.set("folder-streams", "one", fs::write(path, "folder"));
    without_plain_files(to, &folder)?;

    // Owners and lists: of a user who is gone, inherited or not, one that denies all.
    let gone = file("owner.txt")?;
    let sddl = "O:S-1-5-21-1111111111-2222222222-3333333333-1001G:SYD:PAI(A;;FA;;;SY)(A;;FA;;;BA)(D;;WP;;;AN)";
    to.set("owner", "the owner and list of a user who is gone", files::set_security(&gone, sddl));
    let audited = file("audited.txt")?;
    to.set("sacl", "an audit entry", files::set_security(&audited, "S:(AU;SAFA;FA;;;WD)"));
    let low = file("low integrity.txt")?;
    to.set("sacl", "an integrity label", files::set_security(&low, "S:(ML;;NW;;;LW)"));
    // Windows 8 and newer (MS-DTYP 2.4.4.15 and 2.4.4.16): a resource attribute, and a
    // central access policy, which nothing has to know.
    for (name, what, sddl) in [
        ("resource attribute.txt", "a resource attribute", r#"S:(RA;;;;;WD;("LBST",TS,0,"odd"))"#),
        ("central policy.txt", "a central access policy", "S:(SP;;;;;S-1-17-11-22-33-44)"),
    ] {
        let path = file(name)?;
        to.set("sacl", what, files::set_security(&path, sddl));
    }
    if !may.deny {
        return Ok(());
    }
    let denied = folder.join("denied");
    fs::create_dir(&denied)?;
    fs::write(denied.join("read with privileges.txt"), "denied")?;
    let deny = |path: &Path| files::set_security(path, "D:P(D;;FA;;;WD)");
    to.set("privileges", "a denied file", deny(&denied.join("read with privileges.txt")));
    to.set("privileges", "a denied folder", deny(&denied));
    Ok(())
}

/// Wine makes a plain file with a colon in its name, which Windows cannot have.
fn without_plain_files(to: &mut Planter<'_>, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().contains(':') {
            fs::remove_file(entry.path())?;
            let row = if entry.file_name().to_string_lossy().contains("folder") {
                "folder-streams"
            } else {
                "streams"
            };
            to.ledger.not_possible(row, "", "it became a plain file");
        }
    }
    Ok(())
}

fn data(to: &mut Planter<'_>, files: &Path) -> io::Result<()> {
    let sparse = files.join("sparse.bin");
    let made = File::create(&sparse).and_then(|mut file| {
        files::make_sparse(&file)?;
        file.write_all(b"begin")?;
        file.seek(SeekFrom::Start(8 << 20))?;
        file.write_all(b"end")
    });
    to.set("sparse", "one", made);
    let folder = files.join("compressed");
    fs::create_dir(&folder)?;
    to.set("compressed", "a folder", files::compress(&folder));
    let file = folder.join("compressed.txt");
    fs::write(&file, "the same again and again ".repeat(20_000))?;
    to.set("compressed", "a file", files::compress(&file));
    Ok(())
}

/// EFS needs a user with a profile; `WinPE` has none, and Home editions refuse. While it
/// encrypts, it has another file beside the first.
fn encrypted(to: &mut Planter<'_>, files: &Path, outside: &Path, may: May) -> io::Result<()> {
    if !may.encrypt {
        to.ledger.not_possible("efs", "", "--no-efs");
        return Ok(());
    }
    let file = outside.join("encrypted.txt");
    fs::write(&file, bytes(5, 70_000))?;
    let made = files::encrypt(&file);
    if made.is_ok() {
        fs::rename(&file, files.join("encrypted.txt"))?;
        // A folder's mark: its new files are encrypted.
        let folder = outside.join("encrypted folder");
        fs::create_dir(&folder)?;
        let marked = files::encrypt(&folder);
        to.planted.encrypted_folder = marked.is_ok();
        to.set("efs", "an encrypted folder", marked);
        fs::write(folder.join("encrypted, as its folder.txt"), bytes(6, 5000))?;
        fs::rename(&folder, files.join("encrypted folder"))?;
    }
    to.set("efs", "an encrypted file", made);
    Ok(())
}

/// `compact` ends with 0 also where it left a file as it was: the size tells.
fn compact_os(
    to: &mut Planter<'_>,
    files: &Path,
    outside: &Path,
) -> io::Result<Result<(), Stopped>> {
    let file = outside.join("compact os.exe");
    fs::write(&file, "MZ compresses well ".repeat(40_000))?;
    let path = plain(&file);
    let ran = match tool(
        "compact.exe",
        &["/c", "/f", "/exe:xpress4k", &path],
        files.ancestors().last().unwrap_or(files),
    ) {
        Ok(ran) => ran,
        Err(stopped) => return Ok(Err(stopped)),
    };
    let size = fs::metadata(&file)?.len();
    if files::compressed_size(&file).is_none_or(|stored| stored >= size) {
        let why = format!("compact /exe left the file as it was: {}", ran.ended());
        to.ledger.not_possible("wof", "", why);
    } else {
        fs::rename(&file, files.join("compact os.exe"))?;
    }
    Ok(Ok(()))
}

/// Last: everything else changes times.
fn attributes_and_times(to: &mut Planter<'_>, files: &Path) -> io::Result<()> {
    let folder = files.join("Attributes");
    fs::create_dir(&folder)?;
    for (name, attributes) in [
        ("read-only", bits::READONLY | bits::ARCHIVE),
        ("hidden", bits::HIDDEN),
        ("system", bits::SYSTEM | bits::HIDDEN),
        ("not archived", 0x80),
        ("not indexed", bits::NOT_INDEXED | bits::ARCHIVE),
    ] {
        let path = folder.join(name);
        fs::write(&path, name)?;
        if name == "read-only" {
            // A stream that a restore has to write before the file is read-only.
            let mut stream = path.as_os_str().to_owned();
            stream.push(":stream");
            to.set("streams", "one of a read-only file", fs::write(stream, "of a read-only file"));
        }
        to.set("attributes", name, files::set_basic(&path, 0, 0, 0, attributes));
    }
    // The same of a folder: its stream has to be written before it is read-only.
    let read_only = folder.join("read-only folder");
    fs::create_dir(&read_only)?;
    let mut stream = read_only.as_os_str().to_owned();
    stream.push(":stream");
    let made = fs::write(stream, "of a read-only folder");
    to.set("folder-streams", "one of a read-only folder", made);
    let made = files::set_basic(&read_only, 0, 0, 0, bits::READONLY | bits::DIRECTORY);
    to.set("attributes", "a read-only folder", made);
    without_plain_files(to, &folder)?;
    let hidden = folder.join("hidden folder");
    fs::create_dir(&hidden)?;
    to.set(
        "attributes",
        "a hidden folder",
        files::set_basic(&hidden, 0, 0, 0, bits::HIDDEN | bits::DIRECTORY),
    );
    let timed = folder.join("times");
    fs::write(&timed, "times")?;
    // 2001, 2015, 2008, each with a fraction that only 100 ns keep.
    let (created, accessed, written) =
        (126_200_000_000_000_001, 130_700_000_000_000_003, 128_500_000_000_000_007);
    let set = files::set_basic(&timed, created, accessed, written, 0);
    to.set("written", "times of a file", set);
    // Listing a folder is an access.
    let set = files::set_basic(&hidden, created, 0, written, 0);
    to.set("written", "times of a folder", set);
    Ok(())
}
