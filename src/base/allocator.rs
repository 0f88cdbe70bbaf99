//! What the allocator says of itself.
//!
//! The figures are jemalloc's own, so they cover the whole process. They are true if the program made
//! jemalloc its global allocator, which the server does; in other programs (tests) they describe an
//! allocator that nobody uses. All are bytes.

use tikv_jemalloc_ctl::{background_thread, epoch, stats, stats_print};

/// One reading; each figure includes the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Handed out to the program.
    pub allocated: u64,
    /// In pages of which some part is handed out.
    pub active: u64,
    /// In pages that are mapped and backed by memory, the allocator's own included.
    pub resident: u64,
}

/// The present figures; all zero if the allocator does not keep any.
pub fn figures() -> Figures {
    let read = || {
        // The figures are a copy that the allocator makes when its epoch is advanced.
        epoch::advance()?;
        Ok(Figures {
            allocated: stats::allocated::read()? as u64,
            active: stats::active::read()? as u64,
            resident: stats::resident::read()? as u64,
        })
    };
    read().unwrap_or_else(|error: tikv_jemalloc_ctl::Error| {
        log::debug!("the allocator has no figures: {error}");
        Figures::default()
    })
}

/// The allocator's report for people, without the parts on single arenas.
pub fn report() -> String {
    let mut options = stats_print::Options::default();
    options.skip_per_arena = true;
    let mut report = Vec::new();
    stats_print::stats_print(&mut report, options).expect("a vector takes whatever is written");
    String::from_utf8_lossy(&report).into_owned()
}

/// Lets the allocator return freed pages to the system on time (within about ten seconds) from threads
/// of its own. Otherwise an arena returns pages only when one of its threads allocates or frees. Stays
/// in effect. An immediate purge exists, but not behind a safe interface.
pub fn return_pages_in_background() -> Result<(), String> {
    background_thread::write(true).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_nest_and_the_report_is_text() {
        let Figures { allocated, active, resident } = figures();
        assert!(allocated <= active && active <= resident, "{allocated} {active} {resident}");
        assert!(report().contains("jemalloc"));
    }
}
