//! Any bytes as a file record: header, attributes, and the values that can be
//! read without a volume. Walking ends, and no slice is longer than the record.

use lifeboat::ntfs::ondisk::attribute::Value;
use lifeboat::ntfs::ondisk::file_name::FileName;
use lifeboat::ntfs::ondisk::record::Record;
use lifeboat::ntfs::ondisk::runs::RunList;
use lifeboat::ntfs::ondisk::standard_information::StandardInformation;
use lifeboat::ntfs::ondisk::volume_information::VolumeInformation;
use lifeboat::ntfs::ondisk::{attribute_list, log_file};
use lifeboat::ntfs::read::{index, wof};

pub(crate) fn run(data: &[u8]) {
    let mut bytes = data.to_vec();
    let Ok(record) = Record::parse(&mut bytes, 4096) else { return };
    for attribute in record.attributes() {
        let Ok(attribute) = attribute else { break };
        attribute.name();
        match attribute.value {
            Value::Resident(value) => {
                assert!(value.len() < data.len());
                StandardInformation::parse(value);
                VolumeInformation::parse(value);
                log_file::state(value);
                let _ = wof::parse_reparse(value);
                if let Some(name) = FileName::parse(value) {
                    assert!(!name.name().is_empty());
                }
                let (entries, _) = attribute_list::parse(value, 0);
                assert!(entries.len() * 0x1A <= value.len());
                let mut found = index::Entries::default();
                let _ = index::entries(value, 5, &mut found);
                assert!(found.names.len() * 0x52 <= value.len());
            }
            Value::NonResident(value) => {
                let mut runs = RunList::default();
                let _ = runs.push_piece(value.first_vcn, value.runs, attribute.at);
            }
        }
    }
}
