//! Whether a volume was closed in order: its dirty flag and its log.

use std::sync::Arc;

use super::data::DataReader;
use super::file::{Body, File};
use super::volume::Volume;
use crate::ntfs::error::NtfsError;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::log_file::{self, LogState};
use crate::ntfs::ondisk::record::known;
use crate::ntfs::ondisk::volume_information::VolumeInformation;

/// `$Volume`'s flags and version.
pub(crate) fn volume_information(volume: &Arc<Volume>) -> Option<VolumeInformation> {
    let file = File::load(volume, known::VOLUME, &Vec::new).ok()?;
    match &file.find(kind::VOLUME_INFORMATION, None)?.body {
        Body::Resident(value) => VolumeInformation::parse(value),
        Body::NonResident { .. } => None,
    }
}

/// Whether changes wait in `$LogFile`.
pub(crate) fn log_state(volume: &Arc<Volume>) -> Option<LogState> {
    let read = || -> Result<Vec<u8>, NtfsError> {
        let file = File::load(volume, known::LOG_FILE, &Vec::new)?;
        let data = file.find(kind::DATA, None).ok_or_else(|| file.missing("data"))?;
        let mut reader: DataReader = file.reader(volume, data)?;
        let mut bytes = vec![0; log_file::RESTART_BYTES];
        let n = reader.read(&mut bytes)?;
        bytes.truncate(n);
        Ok(bytes)
    };
    read().ok().map(|bytes| log_file::state(&bytes))
}

/// Whether all structures on the disk are of one moment: nothing waits in the log, and nothing
/// writes to the volume.
pub(crate) fn is_at_rest(volume: &Arc<Volume>) -> bool {
    !volume.medium().is_live()
        && !volume_information(volume).is_some_and(|information| information.is_dirty)
        && log_state(volume).is_some_and(|state| state == LogState::Clean)
}
