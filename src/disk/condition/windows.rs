//! Windows: the questions that a disk's driver passes on to the disk.
//!
//! Each goes through a handle that may only read. Old systems and drivers refuse them: then
//! nothing is known. docs/development/windows-calls.md has each call.

use std::io;

use super::{Condition, ata, nvme};
use crate::model::bytes::{slice, u32_at};

/// `IOCTL_STORAGE_PREDICT_FAILURE` (winioctl.h): any access.
pub(crate) const PREDICT_FAILURE: u32 = 0x002D_1100;
/// `StorageAdapterProtocolSpecificProperty`, `StorageDeviceProtocolSpecificProperty`.
const ADAPTER_PROTOCOL: u32 = 49;
const DEVICE_PROTOCOL: u32 = 50;
/// `ProtocolTypeAta`, `ProtocolTypeNvme`.
const ATA: u32 = 2;
const NVME: u32 = 3;
/// `AtaDataTypeIdentify`; `NVMeDataTypeLogPage`, and the log page of the health information.
const IDENTIFY: u32 = 1;
const LOG_PAGE: u32 = 2;
const HEALTH_INFO: u32 = 2;
/// Bytes of both answers.
const ANSWER: usize = 512;
/// Of `STORAGE_PROPERTY_QUERY` before its parameters, and of `STORAGE_PROTOCOL_SPECIFIC_DATA`.
const QUERY: usize = 8;
const SPECIFIC: usize = 40;

/// Asks a disk: `query` sends `IOCTL_STORAGE_QUERY_PROPERTY` with these bytes and gives at most so
/// many back, `predict` sends [`PREDICT_FAILURE`].
pub(crate) fn ask(
    bus: &str,
    query: impl Fn(&[u8], usize) -> io::Result<Vec<u8>>,
    predict: impl Fn(usize) -> io::Result<Vec<u8>>,
) -> Condition {
    let protocol = |property, protocol, kind, value| {
        let question = question(property, protocol, kind, value);
        let answer = query(&question, question.len()).ok()?;
        answer_of(&answer).map(<[u8]>::to_vec)
    };
    if bus == "nvme" {
        let log = protocol(DEVICE_PROTOCOL, NVME, LOG_PAGE, HEALTH_INFO)
            .or_else(|| protocol(ADAPTER_PROTOCOL, NVME, LOG_PAGE, HEALTH_INFO));
        return log.and_then(|log| nvme::condition(&log)).unwrap_or_default();
    }
    let mut condition = Condition::default();
    // STORAGE_PREDICT_FAILURE: a number, and 512 bytes that are the maker's.
    if let Ok(answer) = predict(4 + 512)
        && let Some(failing) = u32_at(&answer, 0)
    {
        condition.failing = Some(failing != 0);
        condition.from = "SMART";
        if let Some(counts) = slice(&answer, 4, 512).and_then(ata::counts) {
            [condition.reallocated, condition.pending, condition.uncorrectable] = counts;
        }
    }
    if matches!(bus, "sata" | "ata" | "raid") {
        let identify = protocol(DEVICE_PROTOCOL, ATA, IDENTIFY, 0);
        condition.lock = identify.and_then(|identify| ata::lock(&identify));
    }
    condition
}

/// `STORAGE_PROPERTY_QUERY` with `STORAGE_PROTOCOL_SPECIFIC_DATA`, and room for the answer.
fn question(property: u32, protocol: u32, kind: u32, value: u32) -> Vec<u8> {
    let specific = u32::try_from(SPECIFIC).unwrap_or(0);
    let room = u32::try_from(ANSWER).unwrap_or(0);
    // Property, standard query; protocol, kind of data, value, subvalue, offset, length.
    let fields = [property, 0, protocol, kind, value, 0, specific, room];
    let mut question: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
    question.resize(QUERY + SPECIFIC + ANSWER, 0);
    question
}

/// The data in a `STORAGE_PROTOCOL_DATA_DESCRIPTOR`: after version and size, at the offset that
/// its specific data gives.
fn answer_of(descriptor: &[u8]) -> Option<&[u8]> {
    let (offset, len) = (u32_at(descriptor, QUERY + 16)?, u32_at(descriptor, QUERY + 20)?);
    if (offset as usize) < SPECIFIC || (len as usize) < ANSWER {
        return None;
    }
    slice(descriptor, QUERY.checked_add(offset as usize)?, ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::condition::{Health, Lock};

    fn refused(_: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[test]
    fn the_health_log_is_asked_for_and_read_as_documented() {
        let condition = ask(
            "nvme",
            |question, room| {
                assert_eq!((room, question.len()), (560, 560));
                let words: Vec<u32> = (0..8).filter_map(|n| u32_at(question, n * 4)).collect();
                assert_eq!(words, [50, 0, 3, 2, 2, 0, 40, 512]);
                let mut answer = question.to_vec();
                (answer[48], answer[49]) = (0b100, 50);
                Ok(answer)
            },
            refused,
        );
        assert_eq!(condition.health(), Health::Critical);
    }

    #[test]
    fn a_disk_that_predicts_its_failure_and_a_locked_one() {
        let identify = |question: &[u8], _| {
            assert_eq!(u32_at(question, 8), Some(2));
            let mut answer = question.to_vec();
            answer[48 + 256] = 0b111;
            Ok(answer)
        };
        let predict = |room| Ok([&1_u32.to_le_bytes()[..], &vec![0; room - 4]].concat());
        let condition = ask("sata", identify, predict);
        assert_eq!((condition.failing, condition.lock), (Some(true), Some(Lock::AtaPassword)));
        let nothing = ask("sata", |_, room| refused(room), refused);
        assert_eq!(nothing, Condition::default());
    }
}
