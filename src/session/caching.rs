//! What a client has said about the cache that it keeps (`CLIENT TRACKING`).
//!
//! Its own worker changes it; whoever changes a key reads it to know what to send, and notes when the
//! client that is to be told instead is gone.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// A set of the flags below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFlags(u8);

impl CacheFlags {
    pub const NONE: CacheFlags = CacheFlags(0);
    /// It wants to be told of changes.
    pub const ON: CacheFlags = CacheFlags(1);
    /// Of all keys with certain prefixes, not of those that it has read.
    pub const BROADCAST: CacheFlags = CacheFlags(1 << 1);
    /// Only those keys count as read that it reads behind `CLIENT CACHING YES` ...
    pub const OPT_IN: CacheFlags = CacheFlags(1 << 2);
    /// ... or all but those behind `CLIENT CACHING NO`.
    pub const OPT_OUT: CacheFlags = CacheFlags(1 << 3);
    /// It is not told of its own changes.
    pub const NO_LOOP: CacheFlags = CacheFlags(1 << 4);
    /// The client that was to be told instead is gone.
    pub const BROKEN: CacheFlags = CacheFlags(1 << 5);
    /// It said `CLIENT CACHING`, about its next command.
    pub const CACHING: CacheFlags = CacheFlags(1 << 6);

    /// Whether any of `flags` is set.
    #[inline]
    pub fn has(self, flags: CacheFlags) -> bool {
        self.0 & flags.0 != 0
    }

    pub fn with(self, flags: CacheFlags) -> CacheFlags {
        CacheFlags(self.0 | flags.0)
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct CacheState {
    flags: AtomicU8,
    /// The client that is told instead, 0 for none.
    redirect: AtomicU64,
}

impl CacheState {
    #[inline]
    pub fn flags(&self) -> CacheFlags {
        CacheFlags(self.flags.load(Relaxed))
    }

    /// The number of the client that is told instead.
    pub fn redirect(&self) -> Option<u64> {
        Some(self.redirect.load(Relaxed)).filter(|id| *id != 0)
    }

    /// Begins to track, or goes on in another way. That a `CLIENT CACHING` is pending stays.
    pub fn begin(&self, options: CacheFlags, redirect: Option<u64>) {
        self.redirect.store(redirect.unwrap_or(0), Relaxed);
        let pending = self.flags.load(Relaxed) & CacheFlags::CACHING.0;
        self.flags.store(options.with(CacheFlags::ON).0 | pending, Relaxed);
    }

    pub fn end(&self) {
        self.flags.store(0, Relaxed);
        self.redirect.store(0, Relaxed);
    }

    pub fn set(&self, flag: CacheFlags) {
        self.flags.fetch_or(flag.0, Relaxed);
    }

    pub fn clear(&self, flag: CacheFlags) {
        self.flags.fetch_and(!flag.0, Relaxed);
    }

    /// Whether keys that the client reads now are to be remembered.
    #[inline]
    pub fn remembers(&self) -> bool {
        let flags = self.flags();
        if !flags.has(CacheFlags::ON) || flags.has(CacheFlags::BROADCAST) {
            return false;
        }
        let is_caching_said = flags.has(CacheFlags::CACHING);
        !(flags.has(CacheFlags::OPT_IN) && !is_caching_said
            || flags.has(CacheFlags::OPT_OUT) && is_caching_said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_remembered_as_the_mode_says() {
        let remembers = |options: CacheFlags, caching: bool| {
            let state = CacheState::default();
            state.begin(options, None);
            if caching {
                state.set(CacheFlags::CACHING);
            }
            state.remembers()
        };
        assert!(!CacheState::default().remembers());
        assert!(remembers(CacheFlags::NONE, false));
        assert!(remembers(CacheFlags::OPT_IN, true) && !remembers(CacheFlags::OPT_IN, false));
        assert!(remembers(CacheFlags::OPT_OUT, false) && !remembers(CacheFlags::OPT_OUT, true));
        assert!(!remembers(CacheFlags::BROADCAST, false));
    }

    #[test]
    fn beginning_anew_forgets_that_the_redirection_was_broken() {
        let state = CacheState::default();
        state.begin(CacheFlags::OPT_IN, Some(7));
        state.set(CacheFlags::BROKEN);
        state.set(CacheFlags::CACHING);
        assert_eq!(state.redirect(), Some(7));
        state.begin(CacheFlags::OPT_IN, None);
        assert!(!state.flags().has(CacheFlags::BROKEN) && state.flags().has(CacheFlags::CACHING));
        assert_eq!(state.redirect(), None);
        state.end();
        assert_eq!(state.flags(), CacheFlags::NONE);
    }
}
