//! The allocator's own figures.
//!
//! The binary allocates through jemalloc, which counts exactly what it handed out. In a program that
//! does not install it (tests of the library), the figures are those of an unused jemalloc.

use tikv_jemalloc_ctl::{Access, AsName, Error, epoch, stats, stats_print};

/// What threads keep in store, in all arenas: 4096 is the allocator's number for these (`MALLCTL_ARENAS_ALL`).
const IN_STORE: &[u8] = b"stats.arenas.4096.tcache_bytes\0";
/// Up to here, sizes rise by [`STEP`]; beyond, there are `2^DOUBLING_BITS` for each doubling.
const STEPPED_MAX: usize = 128;
const STEP: usize = 16;
const DOUBLING_BITS: u32 = 2;

/// Bytes, by the allocator's count at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Handed out to the program: not what threads keep in store for their next allocations, which the allocator
    /// itself counts as handed out. (That is up to twenty pieces of each size for each thread.)
    pub allocated: u64,
    /// In pages that hold something handed out.
    pub active: u64,
    /// Mapped and backed by memory.
    pub resident: u64,
}

/// Reads the figures anew; costs some microseconds.
pub fn figures() -> Figures {
    let read = || -> Result<Figures, Error> {
        epoch::advance()?;
        let in_store: usize = IN_STORE.name().read()?;
        Ok(Figures {
            allocated: stats::allocated::read()?.saturating_sub(in_store) as u64,
            active: stats::active::read()? as u64,
            resident: stats::resident::read()? as u64,
        })
    };
    read().expect("the allocator has these figures")
}

/// The least size, of those that the allocator has, in which so many bytes fit: multiples of 16 up to 128, then
/// four for each power of two. (It has 8, too, which nothing here is small enough for.)
#[inline]
pub fn allocation_size(bytes: usize) -> usize {
    if bytes <= STEPPED_MAX {
        return bytes.next_multiple_of(STEP);
    }
    let step = 1 << ((bytes - 1).ilog2() - DOUBLING_BITS);
    bytes.next_multiple_of(step)
}

/// How much to ask for if so many bytes may become more. Of a small piece, all that the allocator hands out anyway. A
/// large one it can make longer within its size where it lies, and until then the pages at its end need not exist.
pub fn growing_size(bytes: usize) -> usize {
    const SMALL_MAX: usize = 16 * 1024;
    if bytes <= SMALL_MAX { allocation_size(bytes) } else { bytes }
}

pub fn allocated_bytes() -> u64 {
    figures().allocated
}

/// The allocator's report for people, without the parts on single arenas.
pub fn report() -> String {
    let mut options = stats_print::Options::default();
    options.skip_per_arena = true;
    let mut report = Vec::new();
    stats_print::stats_print(&mut report, options).expect("a vector takes whatever is written");
    String::from_utf8_lossy(&report).into_owned()
}

/// Returns all empty pages to the system at once: tells every arena that they may stay for no time at all, which it
/// acts upon before it answers, and then for as long as before.
///
/// (jemalloc has a call for just this, but it takes and gives no value, and only those that do have a safe interface.)
pub fn return_pages() -> Result<(), String> {
    let arenas: u32 =
        b"arenas.narenas\0".name().read().map_err(|error: Error| error.to_string())?;
    for arena in 0..arenas {
        // Dirty pages become muzzy ones if those may stay, so these come first.
        let decays = ["muzzy", "dirty"].map(|kind| format!("arena.{arena}.{kind}_decay_ms\0"));
        let set = |decay: &String, millis: isize| decay.name().update(millis);
        // An arena that no thread uses has no such figures, and no pages.
        let Ok(muzzy_ms) = set(&decays[0], 0) else { continue };
        let dirty_ms = set(&decays[1], 0);
        let restored =
            [dirty_ms.and_then(|millis| set(&decays[1], millis)), set(&decays[0], muzzy_ms)];
        if let Some(error) = restored.into_iter().find_map(Result::err) {
            return Err(error.to_string());
        }
    }
    Ok(())
}

/// From now on the calling thread keeps nothing in store: what it asks for comes from the fullest pages, not from where it
/// freed something last.
pub fn keep_nothing_in_store() -> Result<(), String> {
    b"thread.tcache.enabled\0".name().write(false).map_err(|error: Error| error.to_string())
}

/// Says for how long empty pages may stay, in milliseconds: those that are kept in case they are needed again, and not at
/// all those of which the system may take back the contents. (By default the former stay for ten seconds. Under a full
/// cache that is ten seconds' worth of evicted values, which count as memory of the process.)
pub fn keep_pages_for(millis: isize) -> Result<(), String> {
    let text = |error: Error| error.to_string();
    let arenas: u32 = b"arenas.narenas\0".name().read().map_err(text)?;
    for (kind, millis) in [("dirty", millis), ("muzzy", 0)] {
        // Of arenas to come, then of those that are there.
        let set = |decay: String| decay.name().write(millis);
        set(format!("arenas.{kind}_decay_ms\0")).map_err(text)?;
        for arena in 0..arenas {
            // An arena that no thread uses yet has no such figure.
            let _ = set(format!("arena.{arena}.{kind}_decay_ms\0"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_nest_and_the_report_is_text() {
        let Figures { allocated, active, resident, .. } = figures();
        assert!(allocated <= active && active <= resident, "{allocated} {active} {resident}");
        assert!(report().contains("jemalloc"));
    }

    #[test]
    fn returning_pages_leaves_decay_times_as_they_were() {
        let decay = || -> isize { "arena.0.dirty_decay_ms\0".name().read().unwrap() };
        let before = decay();
        return_pages().unwrap();
        assert!(before > 0 && decay() == before, "{before} {}", decay());
    }
}
