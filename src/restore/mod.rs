//! The set back onto a volume.
