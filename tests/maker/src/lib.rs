//! Makes the NTFS images, stores and containers that tests and the demo run on.
