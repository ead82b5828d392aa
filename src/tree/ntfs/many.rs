//! A file with thousands of names or streams. Each of its names is asked for by itself, so what all
//! of them have in common is found once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::metadata::Metadata;
use crate::model::name::NtName;
use crate::ntfs::ondisk::attribute::kind;
use crate::ntfs::ondisk::file_name::{FileName, Namespace};
use crate::ntfs::{Body, File};

/// See the module.
pub(super) struct ManyNames {
    /// Each name, and the DOS name beside it.
    names: HashMap<NtName, Option<NtName>>,
    first: Option<NtName>,
    /// What was known to be damaged before, and the metadata without names.
    facts: Mutex<Option<(Vec<String>, Arc<Metadata>)>>,
}

impl ManyNames {
    pub(super) fn of(file: &File) -> Self {
        let names = || {
            file.all(kind::FILE_NAME).filter_map(|attribute| match &attribute.body {
                Body::Resident(value) => FileName::parse(value),
                Body::NonResident { .. } => None,
            })
        };
        let mut dos = HashMap::new();
        for (rank, name) in names().filter(|name| name.namespace == Namespace::Dos).enumerate() {
            dos.entry(name.parent).or_insert((rank, name.name()));
        }
        let mut best: HashMap<NtName, Option<(usize, NtName)>> = HashMap::new();
        for name in names() {
            let beside = dos.get(&name.parent).filter(|_| name.namespace == Namespace::Win32);
            let known = best.entry(name.name()).or_default();
            if let Some(beside) = beside
                && known.as_ref().is_none_or(|known| known.0 > beside.0)
            {
                *known = Some(beside.clone());
            }
        }
        let names = best.into_iter().map(|(name, dos)| (name, dos.map(|(_, dos)| dos)));
        let first = file.all(kind::FILE_NAME).find_map(|attribute| match &attribute.body {
            Body::Resident(value) => FileName::parse(value).map(|name| name.name()),
            Body::NonResident { .. } => None,
        });
        Self { names: names.collect(), first, facts: Mutex::default() }
    }

    /// The DOS name beside this one.
    pub(super) fn short_name(&self, name: &NtName) -> Option<NtName> {
        self.names.get(name).cloned().flatten()
    }

    /// What is wrong if the file does not have this name.
    pub(super) fn misnamed(&self, name: &NtName) -> Option<String> {
        if self.names.contains_key(name) {
            return None;
        }
        Some(another_name(self.first.as_ref()))
    }

    /// The metadata that does not depend on the name: what `make` gives, once.
    pub(super) fn facts<E>(
        &self,
        damaged: &[String],
        make: impl FnOnce() -> Result<Metadata, E>,
    ) -> Result<Arc<Metadata>, E> {
        let mut known = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, facts)) = &*known
            && before == damaged
        {
            return Ok(Arc::clone(facts));
        }
        let facts = Arc::new(make()?);
        *known = Some((damaged.to_vec(), Arc::clone(&facts)));
        Ok(facts)
    }
}

/// What is wrong with a file whose record has another name.
pub(super) fn another_name(own: Option<&NtName>) -> String {
    match own {
        Some(own) => format!("its file record has another name: {own}"),
        None => "its file record has no name".to_owned(),
    }
}
