//! A `.BEK` file, and the same bytes as a text file with recovery keys. What is behind the
//! structure's own end changes nothing.

use lifeboat::disk::bitlocker::{KeyFile, RecoveryKey, StartupKey, group_hint};

pub(crate) fn run(data: &[u8]) {
    if let Some(key) = StartupKey::parse(data) {
        let longer = [data, &[0xFF; 64]].concat();
        assert!(StartupKey::parse(&longer) == Some(key));
    }
    let keys = KeyFile::parse(data).len();
    assert!(keys <= data.len() / 48);
    let text = String::from_utf8_lossy(data);
    // A key with a mistyped group is none.
    if group_hint(&text).is_some() {
        assert!(RecoveryKey::parse(&text).is_err());
    }
}
