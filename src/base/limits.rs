//! Limits on what a peer can make grow, all in one place, but for those that are parameters.

// Those of Redis 7.2: a client that stays within them there stays within them here.

/// The longest inline command, without its line end, in bytes.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// The most elements of one RESP array request. What bounds it before is `client-query-buffer-limit`, towards which
/// the places of the arguments count, too.
pub const REQUEST_ELEMENTS_MAX: usize = i32::MAX as usize;

/// `proto-max-bulk-len` cannot be set higher than this, in bytes: a field and its value lie in one piece of memory that
/// knows its length as 32 bits.
pub const BULK_BYTES_MAX: u64 = (1 << 31) - 4096;

/// `client-query-buffer-limit` neither: what one request adds to a collection's piece of memory is bounded with it.
pub const QUERY_BUFFER_BYTES_MAX: u64 = 1 << 32;

/// `proto-max-bulk-len` cannot be set lower than this, in bytes.
pub const BULK_BYTES_MIN: u64 = 1024 * 1024;

/// The most elements of a request before the client has authenticated.
pub const UNAUTHENTICATED_ELEMENTS_MAX: usize = 10;

/// The longest bulk string of a request before the client has authenticated, in bytes.
pub const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16 * 1024;

// Those of this server, where Redis has none or another way to go about it.

/// The most that may be buffered of the requests of a client that has not authenticated, in bytes.
pub const UNAUTHENTICATED_QUERY_BYTES_MAX: usize = 64 * 1024;

/// The most output that such a client may leave unread, in bytes.
pub const UNAUTHENTICATED_OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// How much a worker reads from one connection before it turns to the next, in bytes.
pub const TURN_READ_BYTES_MAX: usize = 64 * 1024;

/// How much of a connection's requests is executed before the others get their turn, in bytes ...
pub const TURN_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// ... and after how many bytes of replies. (After how many commands, `turn-command-limit` says.)
pub const TURN_REPLY_BYTES_MAX: usize = 1024 * 1024;

/// After so many bytes of replies to all its connections a worker sends and looks at limits before it goes on with the
/// rest of them.
pub const WORKER_TURN_REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A connection that is held back for a while reads no more from its socket when so many bytes of requests wait.
pub const WAITING_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// How much a worker writes to one connection before it turns to the next, in bytes.
pub const TURN_WRITE_BYTES_MAX: usize = 256 * 1024;

/// How much it writes in one turn to those that had more to send than one turn allowed: some milliseconds.
pub const WORKER_TURN_WRITE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest glob pattern of a command, in bytes. Matching takes time in proportion to the pattern and to the text. (Redis
/// gives up at a thousand stars, and says that nothing matches.)
pub const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// The most elements that one command draws at random with repetition. Redis has no limit there, so that
/// one client can make it draw until its memory is full.
pub const DRAWS_MAX: i64 = 1 << 24;

/// The most elements (fields, members with their scores, IDs) of one command in the log. What is longer is logged as
/// several commands, because a command that is replayed is a request, and those have limits.
pub const LOGGED_ELEMENTS_MAX: usize = 1024;

const _: () = {
    // An unauthenticated client is never allowed more than an authenticated one.
    assert!(UNAUTHENTICATED_ELEMENTS_MAX < REQUEST_ELEMENTS_MAX);
    assert!(UNAUTHENTICATED_BULK_BYTES_MAX < BULK_BYTES_MIN);
    // It can send a password of any length that it is allowed.
    assert!(UNAUTHENTICATED_QUERY_BYTES_MAX as u64 > 2 * UNAUTHENTICATED_BULK_BYTES_MAX);
    // A hash's field, its value and what lies between them, in a leaf of its own.
    assert!(2 * BULK_BYTES_MAX + 1024 <= u32::MAX as u64);
    // A logged command stays a valid request, with two words per element and the words around them.
    assert!(LOGGED_ELEMENTS_MAX * 2 + 16 <= REQUEST_ELEMENTS_MAX);
    // One turn can take in the longest line.
    assert!(INLINE_BYTES_MAX <= TURN_READ_BYTES_MAX);
};
