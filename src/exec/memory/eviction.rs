//! Making room: who evicts, when, and how much at a time.
//!
//! A write is admitted when what it brings fits under `maxmemory` beside the data. The reaper keeps a little room
//! free ahead of need (`Memory::ahead`), so that writers mostly find some. A writer that does not evicts
//! itself, at most [`PER_COMMAND`] keys; if that was not enough (a large value among small ones) it waits, its
//! worker goes on with others, and the reaper makes the room that it wants. A value that does not fit beside no data
//! at all is refused before anything is evicted for it.
//!
//! An eviction is logged as a `DEL`, under the lock of its shard, and told to whoever hears of changes.

use std::sync::Arc;

use crate::base::clock::Moment;
use crate::config::choice::EvictionPolicy;
use crate::config::params;
use crate::exec::admission::Refusal;
use crate::exec::engine::Engine;
use crate::exec::error::CommandError;
use crate::exec::executor::Executor;
use crate::exec::memory::Memory;
use crate::exec::telemetry::latency::Sample;
use crate::store::{Access, EvictionOrder, EvictionRule, Gate, View};

/// Keys that one command evicts at most: some tens of microseconds.
const PER_COMMAND: usize = 32;
/// Keys that the reaper evicts between two looks at its other work.
const PER_REAPER_SLICE: usize = 64;
/// Who waits for room is told when there is; this is only in case that is missed.
const ROOM_RETRY_MS: i64 = 1;

impl Engine {
    /// How keys are chosen, or `None` if nothing may be evicted.
    pub fn eviction_rule(&self) -> Option<EvictionRule> {
        use EvictionPolicy::*;
        let (order, volatile_only) = match self.config.choice(params::MAXMEMORY_POLICY) {
            NoEviction => return None,
            AllkeysLru | AllkeysLfu => (EvictionOrder::Stalest, false),
            VolatileLru | VolatileLfu => (EvictionOrder::Stalest, true),
            AllkeysRandom => (EvictionOrder::Random, false),
            VolatileRandom => (EvictionOrder::Random, true),
            VolatileTtl => (EvictionOrder::FirstToExpire, true),
        };
        let samples = self.config.int(params::MAXMEMORY_SAMPLES) as usize;
        Some(EvictionRule::new(order, volatile_only, samples))
    }

    /// Whether nothing may be evicted at the moment, whatever is short: what is loaded is not the whole yet, or the
    /// data must not change.
    fn spares_everything(&self, now: Moment) -> bool {
        self.health.is_loading() || self.pause.holds(true, now.unix_millis()).is_some()
    }
}

impl Executor {
    /// Whether a command that brings so many bytes lacks room for them under the limit. Calls the reaper while there
    /// still is some.
    pub(in crate::exec) fn lacks_room(&self, bytes: u64, limit: u64) -> bool {
        let wanted = self.engine.occupied_bytes().saturating_add(bytes);
        if wanted > limit - Memory::ahead(limit) / 2 {
            self.call_reaper();
        }
        wanted > limit
    }

    fn call_reaper(&self) {
        if self.engine.memory.calls_reaper() {
            self.engine.hooks.call_reaper();
        }
    }

    /// Evicts until so many bytes fit under the limit; tells why the command must not run if they do not.
    pub(in crate::exec) fn make_room(
        &mut self,
        bytes: u64,
        limit: u64,
        now: Moment,
    ) -> Result<(), Refusal> {
        let engine = Arc::clone(&self.engine);
        if engine.spares_everything(now) {
            return Ok(());
        }
        let refused = Err(Refusal::Error(CommandError::OutOfMemory));
        let Some(rule) = engine.eviction_rule().filter(|_| bytes <= limit) else { return refused };
        let up_to = limit - bytes;
        let has_more = self.evict_some(&engine, rule, up_to, PER_COMMAND, now);
        if engine.counted_bytes() > up_to && !has_more {
            return refused;
        }
        // What was detached and is not freed yet may go a little beyond the limit.
        if engine.counted_bytes() <= up_to
            && engine.occupied_bytes() <= up_to + Memory::ahead(limit)
        {
            return Ok(());
        }
        engine.memory.want(bytes);
        self.call_reaper();
        Err(Refusal::Postpone(now.unix_millis() + ROOM_RETRY_MS))
    }

    /// Evicts keys, at most `count`, until the data takes no more than `up_to` bytes. False if there is nothing left to
    /// evict.
    fn evict_some(
        &mut self,
        engine: &Engine,
        rule: EvictionRule,
        up_to: u64,
        count: usize,
        now: Moment,
    ) -> bool {
        let now_ms = now.unix_millis();
        let access = Access { tracking: engine.tracking(), now_ms, touches: false, random: 0 };
        let mut view = View::new(&engine.keyspace, 0, now_ms, access, engine.hooks.wants());
        let mut has_more = true;
        for _ in 0..count {
            if !has_more || engine.counted_bytes() <= up_to {
                break;
            }
            let evicted = self.evictor.evict(&mut view, rule, |view| {
                engine.hooks.append_removals(&view.effects);
                view.effects.removals.clear();
            });
            has_more = evicted.is_some();
        }
        self.hand_out_unasked(engine, &mut view);
        has_more
    }

    /// Tells everybody but the log what happened without a command.
    pub fn hand_out_unasked(&mut self, engine: &Engine, view: &mut View<'_>) {
        let effects = &mut view.effects;
        self.pending.has_logged |= effects.wants.log && effects.changes > 0;
        self.stats.changes.add(effects.changes);
        self.stats.expired.add(effects.expired);
        self.stats.evicted.add(effects.evicted);
        engine.tell_caches(effects, None);
        engine.hooks.drain(effects);
        self.pending.note_ready(engine, &effects.touched, &effects.flushed);
    }

    /// The reaper's part: evicts one slice of keys if the data comes close to the limit. True if there is more to do.
    pub fn evict_ahead(&mut self, gate: &Gate<'_>) -> bool {
        let engine = Arc::clone(&self.engine);
        let memory = &engine.memory;
        let limit = memory.limit();
        if limit == 0 {
            return false;
        }
        let now = self.begin_turn();
        let _guard = gate.enter();
        let is_exceeded = engine.occupied_bytes() > limit;
        memory.note_exceeded(is_exceeded, now.monotonic_nanos);
        let wanted = memory.take_wanted();
        let up_to = (limit - Memory::ahead(limit)).saturating_sub(wanted);
        let Some(rule) = engine.eviction_rule().filter(|_| !engine.spares_everything(now)) else {
            return false;
        };
        if engine.counted_bytes() <= up_to {
            return self.end_eviction(wanted);
        }
        let has_more = self.evict_some(&engine, rule, up_to, PER_REAPER_SLICE, now);
        self.serve_waiters();
        self.end_turn();
        let is_done = engine.counted_bytes() <= up_to;
        self.note_eviction_time(now);
        if is_done || !has_more {
            return self.end_eviction(wanted);
        }
        memory.want(wanted);
        true
    }

    /// There is room, or there never will be: who waits for it may look.
    fn end_eviction(&self, wanted: u64) -> bool {
        if wanted > 0 {
            self.engine.clients.resume_all();
        }
        false
    }

    fn note_eviction_time(&self, began: Moment) {
        let engine = &self.engine;
        let millis = (engine.clock.monotonic_nanos() - began.monotonic_nanos) / 1_000_000;
        let sample = Sample { unix_s: began.unix_millis() / 1000, millis: millis.max(0) as u64 };
        engine.note_latency("eviction-cycle", sample);
    }
}
