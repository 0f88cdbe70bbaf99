//! The allocator's own figures.
//!
//! The binary allocates through jemalloc, which counts exactly what it handed out. In a program that
//! does not install it (tests of the library), the figures are those of an unused jemalloc.

use tikv_jemalloc_ctl::{epoch, stats};

/// Bytes, by the allocator's count at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Handed out.
    pub allocated: u64,
    /// In pages that hold something handed out.
    pub active: u64,
    /// Mapped and backed by memory.
    pub resident: u64,
    /// The allocator's own bookkeeping.
    pub metadata: u64,
}

/// Reads the figures anew; costs some microseconds.
pub fn figures() -> Figures {
    let read = || -> Result<Figures, tikv_jemalloc_ctl::Error> {
        epoch::advance()?;
        Ok(Figures {
            allocated: stats::allocated::read()? as u64,
            active: stats::active::read()? as u64,
            resident: stats::resident::read()? as u64,
            metadata: stats::metadata::read()? as u64,
        })
    };
    read().unwrap_or_default()
}

pub fn allocated_bytes() -> u64 {
    figures().allocated
}
