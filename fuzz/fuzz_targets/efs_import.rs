//! Any bytes as an EFS export: events, an error or the end, in bounded memory.

use lifeboat::ntfs::read::efs::{EfsEvent, EfsImport};

pub(crate) fn run(data: &[u8]) {
    let mut import = EfsImport::new(data);
    let mut bytes = 0;
    while let Ok(Some(event)) = import.next_event() {
        if let EfsEvent::Data { bytes: some, .. } = event {
            assert!(!some.is_empty());
            bytes += some.len();
        }
    }
    assert!(bytes <= data.len());
    assert!(matches!(import.next_event(), Ok(None)));
}
