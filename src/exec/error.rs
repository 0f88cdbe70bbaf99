//! The errors that several commands share: what a client is told when it asked wrongly or cannot be served.
//!
//! The first word is the code. Codes are Redis's, and so are texts that clients compare; what only this server has to
//! say is in its own words. What concerns one command only stands there ([`CommandError::text`]).

use std::borrow::Cow;

use crate::base::limits::PATTERN_BYTES_MAX;
use crate::resp::Reply;
use crate::store::{Poisoned, WrongType};

/// A command failed; the connection lives on. Displays as the error reply without its `-`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    #[error("ERR value is not a valid float")]
    NotAFloat,
    #[error("ERR value is out of range")]
    OutOfRange,
    #[error("ERR value is out of range, value must between {min} and {max}")]
    NotBetween { min: i64, max: i64 },
    #[error("ERR value is out of range, must be positive")]
    MustBePositive,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR index out of range")]
    IndexOutOfRange,
    #[error("ERR offset is out of range")]
    OffsetOutOfRange,
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    #[error("ERR the pattern has more than {PATTERN_BYTES_MAX} bytes")]
    PatternTooLong,
    #[error("ERR increment or decrement would overflow")]
    IncrementOverflow,
    #[error("ERR increment would produce NaN or Infinity")]
    IncrementNotFinite,
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    #[error("ERR hash value is not an integer")]
    FieldNotAnInteger,
    #[error("ERR hash value is not a float")]
    FieldNotAFloat,
    #[error("ERR Mandatory argument FIELDS is missing or not at the right position")]
    FieldsMissing,
    #[error("ERR The `numfields` parameter must match the number of arguments")]
    FieldsMismatch,
    #[error("ERR Number of fields must be a positive integer")]
    FieldsNotPositive,
    #[error("ERR invalid expire time, must be >= 0")]
    NegativeExpireTime,
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpireTime(String),
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(String),
    /// What a handler says of its arguments where its row cannot refuse them. Who calls it names the command.
    #[error("ERR wrong number of arguments")]
    ArgumentCount,
    /// What a handler says of a time that is not positive or cannot be represented. Who calls it names the command.
    #[error("ERR invalid expire time")]
    ExpireTime,
    /// Name and arguments as they came, cut to a length.
    #[error("{}", self.lossy())]
    UnknownCommand { name: Vec<u8>, args: Vec<u8> },
    #[error("{}", self.lossy())]
    UnsupportedOption(Vec<u8>),
    #[error("{}", self.lossy())]
    UnknownArgument(Vec<u8>),
    #[error("ERR unknown subcommand '{given}'. Try {command} HELP.")]
    UnknownSubcommand { given: String, command: String },
    /// Of commands whose subcommands are not rows, or take a bounded number of arguments.
    #[error(
        "ERR unknown subcommand or wrong number of arguments for '{given}'. Try {command} HELP."
    )]
    WrongSubcommand { given: String, command: &'static str },
    #[error("ERR invalid cursor")]
    InvalidCursor,
    #[error("ERR DB index is out of range")]
    DatabaseOutOfRange,
    #[error("ERR source and destination objects are the same")]
    SameObject,
    #[error("ERR NX and XX, GT or LT options at the same time are not compatible")]
    ExpireNxWithOthers,
    #[error("ERR GT and LT options at the same time are not compatible")]
    ExpireGtWithLt,
    #[error(
        "ERR Can't execute '{0}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )]
    Subscribed(String),
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPass,
    #[error("NOPROTO unsupported protocol version")]
    NoProto,
    #[error("LOADING Sanderling is loading the dataset in memory")]
    Loading,
    #[error(
        "MISCONF Sanderling is configured to save snapshots, but it's currently unable to persist to disk. \
         Commands that may modify the data set are disabled, because this instance is configured to report \
         errors during writes if snapshotting fails (stop-writes-on-bgsave-error option). \
         The log and INFO persistence name the error."
    )]
    Misconf,
    #[error(
        "MISCONF Errors writing to the log on disk: nothing that is changed now would survive a restart, so \
         commands that may modify the data set are refused. INFO persistence names the error; once it is mended, \
         CONFIG SET appendonly yes begins the log anew."
    )]
    LogFailed,
    #[error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")]
    NotLogged,
    #[error("UNBLOCKED client unblocked via CLIENT UNBLOCK")]
    Unblocked,
    #[error("EXECABORT Transaction discarded because of previous errors.")]
    TransactionDoomed,
    /// The error as it is told otherwise. Redis leaves the general code out, and no other.
    #[error("EXECABORT Transaction discarded because of: {}", .0.strip_prefix("ERR ").unwrap_or(.0))]
    TransactionRefused(String),
    /// A client asked for more of something than a parameter lets it have.
    #[error("ERR {what} would be more than {parameter} ({limit}) allows")]
    BeyondLimit { what: &'static str, parameter: &'static str, limit: usize },
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    #[error(
        "ERR an internal error damaged the part of the data set that holds this key; it is not served any more. \
         Restart the server to load the last saved state."
    )]
    Damaged,
    /// A text that occurs in one command only.
    #[error("{0}")]
    Other(Cow<'static, str>),
    /// The same with client bytes in it.
    #[error("{}", self.lossy())]
    Quoting(Vec<u8>),
}

impl CommandError {
    /// An error with the general code.
    pub fn err(text: impl AsRef<str>) -> CommandError {
        CommandError::Other(Cow::Owned(format!("ERR {}", text.as_ref())))
    }

    /// The error reply without its `-`. Client bytes in it are sent back as they came.
    pub fn reply_bytes(&self) -> Vec<u8> {
        self.quoting().unwrap_or_else(|| self.to_string().into_bytes())
    }

    /// The text of those that quote client bytes.
    fn quoting(&self) -> Option<Vec<u8>> {
        let parts: &[&[u8]] = match self {
            CommandError::UnknownCommand { name, args } => {
                &[b"ERR unknown command '", name, b"', with args beginning with: ", args]
            }
            CommandError::UnsupportedOption(given) => &[b"ERR Unsupported option ", given],
            CommandError::UnknownArgument(given) => &[b"ERR unknown argument: ", given],
            CommandError::Quoting(text) => &[text],
            _ => return None,
        };
        Some(parts.concat())
    }

    fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.quoting().unwrap_or_default()).into_owned()
    }

    /// Writes the error reply.
    pub(crate) fn reply(&self, reply: &mut Reply<'_>) {
        reply.error(&self.reply_bytes());
    }

    /// A fixed text, its code included.
    pub const fn text(text: &'static str) -> CommandError {
        CommandError::Other(Cow::Borrowed(text))
    }
}

impl From<WrongType> for CommandError {
    fn from(WrongType: WrongType) -> CommandError {
        CommandError::WrongType
    }
}

impl From<Poisoned> for CommandError {
    fn from(Poisoned: Poisoned) -> CommandError {
        CommandError::Damaged
    }
}

/// What an error text quotes of client bytes: at most `max` of them and, as in Redis, whose texts end
/// there, nothing from a zero byte on.
pub fn quotable(bytes: &[u8], max: usize) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(max)];
    memchr::memchr(0, bytes).map_or(bytes, |end| &bytes[..end])
}

/// The same as text.
pub fn excerpt(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(quotable(bytes, max)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_end_at_their_limit_or_at_a_zero_byte() {
        assert_eq!(quotable(b"abc", 2), b"ab");
        assert_eq!(quotable(b"a\xff\0bc", 10), b"a\xff");
        assert_eq!(excerpt(b"\0", 10), "");
    }
}
