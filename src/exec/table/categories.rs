//! ACL categories of commands, derived from flags, group and row.

use super::registry::Command;
use super::spec::{ADMIN, BLOCKING, FAST, PUBSUB, READ, WRITE};

/// All categories, in the order in which Redis lists them.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

impl Command {
    /// The categories of the command, in the order of [`CATEGORIES`].
    pub fn categories(&self) -> impl Iterator<Item = &'static str> {
        CATEGORIES.iter().copied().filter(move |category| self.is_in(category))
    }

    pub fn is_in(&self, category: &str) -> bool {
        let spec = self.spec;
        if spec.categories.contains(&category) {
            return true;
        }
        match category {
            "read" => spec.has(READ) && self.group != "scripting",
            "write" => spec.has(WRITE) && self.group != "scripting",
            "pubsub" => spec.has(PUBSUB),
            "admin" => spec.has(ADMIN),
            "dangerous" => spec.has(ADMIN),
            "blocking" => spec.has(BLOCKING),
            "fast" => spec.has(FAST),
            "slow" => !spec.has(FAST),
            other => self.category_of_group() == Some(other),
        }
    }

    /// The category that a group stands for. A family is in none, its members are; and a row that names
    /// more than a warning states its categories in full (`SORT` is about three types, not about keys).
    fn category_of_group(&self) -> Option<&'static str> {
        let is_family = !self.spec.subcommands.is_empty();
        let is_warning = |category: &&str| matches!(*category, "dangerous" | "admin");
        if is_family || !self.spec.categories.iter().all(is_warning) {
            return None;
        }
        match self.group {
            "generic" => Some("keyspace"),
            "string" => Some("string"),
            "bitmap" => Some("bitmap"),
            "list" => Some("list"),
            "hash" => Some("hash"),
            "set" => Some("set"),
            "sorted-set" => Some("sortedset"),
            "stream" => Some("stream"),
            "geo" => Some("geo"),
            "hyperloglog" => Some("hyperloglog"),
            "connection" => Some("connection"),
            "transactions" => Some("transaction"),
            "scripting" => Some("scripting"),
            _ => None,
        }
    }
}
