//! The log: every change since a snapshot, in the order of effect.
//!
//! A segment is a file of blocks, a block is the commands of one write:
//!
//! ```text
//! # sanderling log 1 · segment 2 · lsn 210 · salt 2d22ddc4 · crc32c 92bc714b
//! #210 50 210 ef325e31
//! *2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n
//! #260 79 260 2c452103
//! ...
//! ```
//!
//! (`docs/FORMATS.md` has this file byte by byte. The ends of lines that are written out are bytes of commands.)
//!
//! - **A segment's line**: its number, the position that it begins at, its random salt, and the CRC32C of
//!   the line so far.
//! - **Position (lsn)**: how many bytes of commands were logged before. Each block begins where the one
//!   before it ended, over all segments, so that nothing can be missing unnoticed.
//! - **A block's line**: its position, the length of its commands, the position up to which the log was
//!   known to be durable when the block was written, and the CRC32C of the line so far and the commands.
//!   The checksum begins with the segment's random salt, so that no value that a client stores can pass
//!   for a block.
//! - **Commands** are RESP arrays, as in Redis's append-only file; tools that skip lines beginning with
//!   `#` can read a segment. A block begins with a `SELECT`, so it can be understood alone.
//! - **A unit** (all that one command or transaction did) is never split over blocks: after a crash
//!   there is all of it or nothing.
//!
//! **Torn or damaged?** Blocks that were written but not synced may be lost, in part and in any order,
//! when the power fails. The log ends at the first block that is not sound, if nothing proves that this
//! block was durable once: a later sound block that says so, a later segment, or the manifest's `end`.
//! With proof it is damage, and nobody drops it silently.
//!
//! In reading order: `block` (the format) → `buffer` (what is not written yet) → `handle` (who appends) →
//! `writer` (the thread that writes) → `reader`.

mod block;
mod buffer;
mod handle;
mod reader;
mod status;
mod writer;

pub use handle::{CutTicket, Log, LogObserver, NEVER};
pub use reader::{BadSegment, Block, Ending, SegmentReader, Unsound};
pub use status::{LogStatus, Phase};
