//! Opening what the user named, and finding the stores in it.

use anyhow::Result;
use lifeboat::health::check_deleted_stores;
use lifeboat::monitor::Monitor;
use lifeboat::store::{Logs, Machine, Store, StoreVolume, find_stores};
use lifeboat::tree::Via;
use lifeboat::tree::source::{Source, SourceVolume};
use serde_json::json;

use super::args::{Global, ViaArg};
use super::exit::{Exit, Failure};
use super::output::Out;

/// What was opened, and the stores in it.
pub(crate) struct Found {
    pub(crate) volumes: Vec<SourceVolume>,
    pub(crate) stores: Vec<Store>,
    /// What the logs tell.
    pub(crate) logs: Logs,
    /// Which computer it is.
    pub(crate) machine: Machine,
    /// Whether a volume or disk could not be looked into.
    pub(crate) hidden: bool,
}

/// Opens the sources and finds the stores.
pub(crate) fn find(sources: &[String], global: &Global, out: Out) -> Result<Found> {
    let mut found = open(sources, global, out)?;
    let searched: Vec<StoreVolume> = found.searchable().collect();
    let (stores, failed) = find_stores(&searched, out);
    for (number, error) in failed {
        found.hidden = true;
        out.note(&format!("{}: cannot be searched: {error}", searched[number].display));
    }
    found.logs = Logs::read(&searched, &stores, out);
    found.machine = Machine::find(&searched, &found.logs);
    check_deleted_stores(&searched, &stores, out);
    found.stores = stores;
    if out.is_cancelled() {
        return Err(interrupted().into());
    }
    Ok(found)
}

/// Opens the sources (all that is attached if none). Says which volumes cannot
/// be looked into: a locked one must never read as "no store".
pub(crate) fn open(sources: &[String], global: &Global, out: Out) -> Result<Found> {
    let via = global.via.map(|via| match via {
        ViaArg::Raw => Via::Raw,
        ViaArg::Host => Via::Host,
    });
    let mut opened = Vec::new();
    let mut hidden = false;
    if sources.is_empty() {
        let (attached, errors) = Source::attached(via, out);
        for error in errors {
            hidden = true;
            out.note(&format!("{error}; {}", error.advice()));
        }
        opened.extend(attached);
    }
    for spec in sources {
        opened.push(Source::open(spec, via, out)?);
    }
    let volumes: Vec<SourceVolume> = opened.into_iter().flat_map(|s| s.volumes).collect();
    let mut found = Found {
        volumes,
        stores: Vec::new(),
        logs: Logs::default(),
        machine: Machine::default(),
        hidden,
    };
    for volume in &found.volumes {
        let (readable, reason) = match &volume.tree {
            Ok(_) => (true, None),
            Err(reason) => (false, Some(reason.clone())),
        };
        out.event(
            "volume",
            &json!({
                "volume": volume.display,
                "kind": volume.kind,
                "readable": readable,
                "reason": reason,
                "letter": volume.letter,
                "label": volume.tree.as_ref().map(|t| t.info().label.clone()).ok(),
                "via": volume.tree.as_ref().map(|t| t.info().via.as_str()).ok(),
                "why": Some(&volume.why).filter(|why| !why.is_empty()),
                "not_shown": volume.not_shown,
            }),
        );
        say_which_way(volume, out);
        for finding in &volume.findings {
            out.finding(finding);
        }
        match &volume.tree {
            Err(reason) if volume.may_hold_stores => {
                found.hidden = true;
                out.note(&format!("{}: {reason}", volume.display));
            }
            Ok(_) | Err(_) => {}
        }
    }
    let searched: Vec<StoreVolume> = found.searchable().collect();
    found.machine = Machine::find(&searched, &found.logs);
    Ok(found)
}

/// Which way a volume is read, and why: where it is not the usual one, or more
/// was asked for.
fn say_which_way(volume: &SourceVolume, out: Out) {
    let Ok(tree) = &volume.tree else { return };
    let way = match tree.info().via {
        Via::Raw => "raw, from the disk itself",
        Via::Host => "host, through the system's file API",
        Via::Memory => "from memory",
    };
    let text = format!("{}: read {way} ({})", volume.display, volume.why);
    if tree.info().via == Via::Host {
        out.note(&text);
    } else {
        out.detail(&text);
    }
    if !volume.not_shown.is_empty() {
        out.detail(&format!("that way does not show: {}", volume.not_shown.join("; ")));
    }
}

impl Found {
    /// The volumes that can be looked into.
    pub(crate) fn searchable(&self) -> impl Iterator<Item = StoreVolume> {
        self.volumes.iter().filter_map(|volume| {
            Some(StoreVolume {
                tree: volume.tree.as_ref().ok()?.clone(),
                display: volume.display.clone(),
                present_letter: volume.letter,
                attached: volume.attached,
            })
        })
    }
}

/// The stores that `--store` asks for, all if it asks for none.
pub(crate) fn choose(stores: Vec<Store>, wanted: &[String]) -> Result<Vec<Store>> {
    if wanted.is_empty() {
        return Ok(stores);
    }
    let fits = |store: &Store, want: &String| {
        let want = want.replace('/', "\\");
        let want = want.trim_end_matches('\\');
        store.id.eq_ignore_ascii_case(want)
            || store.parts.iter().any(|part| {
                let drive = part.drive.name();
                part.windows_path().eq_ignore_ascii_case(want)
                    || part.store_path().on_drive(&drive).eq_ignore_ascii_case(want)
            })
    };
    if let Some(missing) = wanted.iter().find(|w| !stores.iter().any(|s| fits(s, w))) {
        return Err(Failure::new(
            Exit::NothingFound,
            format!("no store '{missing}' was found"),
            "lifeboat detect shows the ids and paths of the stores.",
        )
        .into());
    }
    Ok(stores.into_iter().filter(|s| wanted.iter().any(|w| fits(s, w))).collect())
}

/// Nothing was found: says what that does and does not mean.
pub(crate) fn nothing_found(found: &Found) -> Failure {
    let looked = found.volumes.iter().filter(|v| v.tree.is_ok()).count();
    let action = if found.hidden {
        "Some volumes could not be looked into (see above): a store may be there."
    } else {
        "Is the right disk attached? lifeboat detect without a source looks at all."
    };
    Failure::new(
        Exit::NothingFound,
        format!("no migration store was found on {looked} readable volume(s)"),
        action,
    )
}

/// Ctrl-C.
pub(crate) fn interrupted() -> Failure {
    Failure::new(
        Exit::Interrupted,
        "interrupted",
        "Run the same command again to go on where it stopped.",
    )
}
