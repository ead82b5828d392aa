//! A store on a mounted NTFS volume, with all that ntfs-3g can make.

use std::fs;
use std::path::Path;

use super::made_set::{descriptor, junction_to, reparse};

/// Makes it at `StateStore` below the volume's root.
pub fn make(root: &Path) {
    let set = |path: &Path, attribute: &str, value: &[u8]| {
        rustix::fs::lsetxattr(path, attribute, value, rustix::fs::XattrFlags::empty())
            .unwrap_or_else(|e| panic!("{attribute} on {}: {e}", path.display()));
    };
    let usmt = root.join("StateStore/USMT");
    let users = usmt.join("File/C$/Users/alice");
    fs::create_dir_all(users.join("empty folder")).unwrap();
    set(&usmt.join("File"), "system.ntfs_attrib_be", &0x12u32.to_be_bytes());
    fs::write(usmt.join("hardlink.main"), b"C\t{0}\r\n").unwrap();
    fs::write(usmt.join("status.~lg"), b"").unwrap();
    for (n, size) in [0usize, 1, 511, 4097, 65_536, 300_000].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|i| (i * (n + 3) / 5).to_le_bytes()[0]).collect();
        let file = users.join(size.to_string());
        fs::write(&file, bytes).unwrap();
        set(&file, "system.ntfs_acl", &descriptor());
        set(&file, "system.ntfs_attrib_be", &[0x20u32, 0x21, 0x26][n % 3].to_be_bytes());
    }
    fs::hard_link(users.join("511"), users.join("511 again")).unwrap();
    let odd = users.join("trailing dot.");
    fs::write(&odd, b"odd").unwrap();
    set(&odd, "system.ntfs_dos_name", b"TRAILI~1");
    set(&odd, "system.ntfs_object_id", b"0123456789abcdef");
    set(&odd, "user.Zone.Identifier", b"[ZoneTransfer]");
    set(&users, "user.on a folder", b"folder");
    set(&users, "system.ntfs_dos_name", b"ALICE~1");
    let junction = users.join("Application Data");
    fs::create_dir(&junction).unwrap();
    set(&junction, "system.ntfs_reparse_data", &junction_to("C:\\Users"));
    let unknown = users.join("unknown tag");
    fs::write(&unknown, b"").unwrap();
    // A name surrogate, such as a symbolic link: no data behind it.
    set(&unknown, "system.ntfs_reparse_data", &reparse(0xA000_0019, &[7; 40]));
    // To ntfs-3g a pipe and a link, since they are marked SYSTEM.
    for (name, bytes) in [("pipe", &b""[..]), ("link", b"IntxLNK\x01t\0")] {
        fs::write(users.join(name), bytes).unwrap();
        set(&users.join(name), "system.ntfs_attrib_be", &0x24u32.to_be_bytes());
    }
    let mut times = Vec::new();
    for n in 1..=4u64 {
        times.extend((130_000_000_000_000_000 + n * 77_777_777).to_be_bytes());
    }
    for path in [&usmt, &users, &odd, &usmt.join("hardlink.main")] {
        set(path, "system.ntfs_times_be", &times);
    }
}
