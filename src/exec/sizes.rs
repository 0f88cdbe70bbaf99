//! How long keys and values may be: `max-key-size`, `max-value-size`.
//!
//! The wire bounds every argument (`proto-max-bulk-len`), and so every key. A parameter that allows as much, or sets no
//! limit, costs a comparison for each command. One that allows less is applied before the command runs or is queued:
//!
//! - to all keys that the row declares, also of commands that only read, because such a key cannot be there;
//! - to all arguments of commands that add data. So an element of a collection, a field, a score or the payload of a
//!   `RESTORE` may be as long as a string may, and a collection may have any number of them.
//!
//! What makes a string grow without saying it in an argument (`APPEND`, `SETRANGE`, `SETBIT`) asks for the length that
//! comes of it. What is there already stays and can be read, whatever the limit is now; and what is loaded is not looked at,
//! because it was allowed when it came. A HyperLogLog takes its 12 KiB under any limit.

use super::context::Context;
use super::engine::Engine;
use super::error::CommandError;
use super::executor::declare;
use crate::config::params::{self, Int};
use crate::exec::table::spec::{self, Outcome, Spec};
use crate::resp::ArgList;
use crate::session::{Origin, Session};

impl Engine {
    /// Refuses a command with a key or an argument that is too long.
    #[inline]
    pub(super) fn check_sizes(&self, spec: &Spec, args: ArgList<'_>, session: &Session) -> Outcome {
        let limits_keys = self.is_below_wire(params::MAX_KEY_SIZE);
        let limits_values = self.is_below_wire(params::MAX_VALUE_SIZE);
        if !limits_keys && !limits_values || session.origin == Origin::Replay {
            return Ok(());
        }
        if limits_keys && !spec.keys.is_empty() {
            for key in declare(spec, args, session.db, self.keyspace.databases()) {
                self.check_limit(params::MAX_KEY_SIZE, key.bytes.len(), "the bytes of a key")?;
            }
        }
        if limits_values && spec.has(spec::DENY_OOM) {
            for arg in args.skip(1).iter() {
                self.check_limit(params::MAX_VALUE_SIZE, arg.len(), "the bytes of an argument")?;
            }
        }
        Ok(())
    }

    /// Whether a parameter allows less than the wire.
    #[inline]
    fn is_below_wire(&self, parameter: Int) -> bool {
        let limit = self.config.int(parameter);
        limit > 0 && limit < self.config.int(params::PROTO_MAX_BULK_LEN)
    }
}

impl Context<'_> {
    /// Refuses a string of this length.
    pub fn check_string(&self, len: usize) -> Outcome {
        if self.session.origin == Origin::Replay {
            return Ok(());
        }
        if len as u64 > self.engine.config.int(params::PROTO_MAX_BULK_LEN) as u64 {
            return Err(CommandError::StringTooLong);
        }
        self.check_growth(len)
    }

    /// The same where the wire's limit is looked at elsewhere.
    pub fn check_growth(&self, len: usize) -> Outcome {
        if self.session.origin == Origin::Replay {
            return Ok(());
        }
        self.engine.check_limit(params::MAX_VALUE_SIZE, len, "the bytes of the string")
    }
}
