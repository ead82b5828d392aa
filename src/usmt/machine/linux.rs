//! The firmware's tables, as Linux shows them (only to root).

/// The serial number of the system.
pub(super) fn product_serial() -> Option<String> {
    std::fs::read_to_string("/sys/class/dmi/id/product_serial").ok()
}
