//! Compares a rescue set with the seal in it: the hashes of the manifest with
//! those of the seal. No file is read.

use std::io::Read;

use super::NAME;
use super::compare::{Comparer, Depth, Side, marker_names};
use super::parts::{Here, prefix, split};
use super::read::Seal;
use crate::health::seal::{SealCode, finding};
use crate::model::monitor::Monitor;
use crate::set::error::SetError;
use crate::set::format::manifest::{Data, Line, Member};
use crate::set::format::rescue::{SealOutcome, SealState, What};
use crate::set::read::reader::{DataReader, SetReader};

/// Compares a set with the seal in it; `None` if it has none, or if its
/// manifest is too damaged.
///
/// # Errors
/// The set cannot be reached.
pub(crate) fn check_set(
    set: &SetReader,
    monitor: &dyn Monitor,
) -> Result<Option<SealOutcome>, SetError> {
    if set.rescue().what != What::Store {
        return Ok(None);
    }
    let Some(found) = look(set)? else { return Ok(None) };
    let Found { path, data, markers } = found;
    let own = set.clone();
    let proved = Seal::prove(move || {
        let reader = own.open_data(&data).map_err(std::io::Error::other)?;
        Ok(Box::new(InSet(reader)) as Box<dyn Read>)
    });
    let damaged = |error: super::Unsound| {
        monitor.finding(&finding(SealCode::Damaged, path.clone(), error.to_string()));
        Ok(Some(SealOutcome { state: SealState::Damaged, ..SealOutcome::default() }))
    };
    let seal = match proved {
        Ok(seal) => seal,
        Err(error) => return damaged(error),
    };
    let sides = set.rescue().parts.iter().map(|part| Side {
        here: Here {
            drive: part.drive.clone(),
            path: part.path.clone(),
            serial: part.volume_serial.clone(),
            role: part.role.clone(),
        },
        folder: None,
        via: part.via.clone(),
        slack: 0,
    });
    let mut comparer = match Comparer::new(&seal, sides.collect(), Depth::Members, monitor) {
        Ok(comparer) => comparer,
        Err(error) => return damaged(error),
    };
    let known: Vec<_> = markers
        .iter()
        .filter_map(|marker| {
            let (part, below) = comparer.place(&marker.0)?;
            Some((part, below.to_vec(), marker.1, marker.2))
        })
        .collect();
    if !comparer.is_of(&known) {
        return Ok(Some(comparer.refuse(&path)));
    }
    comparer.begin(&path);
    for line in set.lines()? {
        match line {
            Ok(Line::Member(member)) => {
                comparer.member(&member);
            }
            Ok(_) => {}
            Err(SetError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(comparer.finish(|_| ()).unwrap_or_else(|error| comparer.give_up(&error))))
}

/// The bytes of the seal in a set, and the store's marker files: path, bytes,
/// last write.
struct Found {
    path: String,
    data: Data,
    markers: Vec<(Vec<u8>, u64, u64)>,
}

fn look(set: &SetReader) -> Result<Option<Found>, SetError> {
    let beside: Vec<Vec<u8>> =
        set.rescue().parts.iter().map(|part| prefix(&part.drive, &part.path, NAME)).collect();
    let (mut seal, mut markers) = (None, Vec::new());
    for line in set.lines()? {
        let member = match line {
            Ok(Line::Member(member)) => member,
            Ok(_) => continue,
            Err(SetError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Member { data: Some(data), path, .. } = &*member else { continue };
        let Some(exact) = member.exact_path() else { continue };
        if matches!(split(&beside, &exact), Some((_, []))) {
            seal.get_or_insert((path.clone(), data.clone()));
        } else if is_marker(&exact) {
            markers.push((exact, data.size, member.times.modified));
        }
    }
    Ok(seal.map(|(path, data)| Found { path, data, markers }))
}

fn is_marker(path: &[u8]) -> bool {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    marker_names().iter().any(|marker| name.eq_ignore_ascii_case(marker.as_bytes()))
}

/// A reader of bytes in a set.
struct InSet(DataReader<'static>);

impl Read for InSet {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf).map_err(std::io::Error::other)
    }
}
