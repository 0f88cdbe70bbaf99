//! Snapshots: the whole store as text, one line per key.
//!
//! ```text
//! # sanderling snapshot 1
//! # section 1 · line 3 · keys 3 · bytes 92 · crc32c cb367afe
//! SELECT 0
//! SET greeting "hello world" PXAT 4102444800000
//! SET counter 17
//! SELECT 1
//! SET name Ada
//! # end · sections 1 · keys 3
//! ```
//!
//! (`docs/FORMATS.md` has the same file byte by byte.) Lines are commands in the inline syntax of the protocol and `#` begins a comment, so a snapshot can
//! be read, diffed and grepped, and `nc host port < snapshot` restores it into any server.
//!
//! - A section begins with a comment that gives its number, the number of its first line in the file,
//!   how many keys it holds, and the length and CRC32C of the bytes up to the next comment. Each section
//!   selects its database, so sections can be loaded in any order and on all cores. A collection may be
//!   larger than a section: then the next one begins with ` · continued` at the end of its first line, goes
//!   on with that key, and is loaded after the one before it. The key counts where it ends.
//! - A string too long for a line is a `SET` followed by `APPEND`s, and its expiry a `PEXPIREAT` at the
//!   end. A key too long for a line makes its command a RESP array, which readers of the protocol take too.
//! - Without the last line, the file was cut off.

mod collections;
mod reader;
mod streams;
mod writer;

pub use reader::{Damage, Section, SnapshotReader};
pub use writer::{SnapshotWriter, Totals, write_entry};

/// The first line of a file.
const MAGIC: &str = "# sanderling snapshot 1";
/// A section is closed once it has this many bytes.
const SECTION_BYTES: usize = 256 * 1024;
