//! All commands by name.
//!
//! A small open-addressed table, built once from the rows: names are looked up in any case, without
//! copying or allocating, for every request.

use super::spec::Spec;
use crate::resp::ArgList;

/// A command or subcommand and its number, which indexes statistics.
#[derive(Clone, Copy)]
pub struct Command {
    pub spec: &'static Spec,
    pub number: u16,
    /// As the Redis documentation groups commands: `string`, `generic`, `connection`, ...
    pub group: &'static str,
}

/// What a request asks for.
pub enum Lookup {
    Found(Command),
    Unknown,
    /// The family exists, the subcommand does not.
    UnknownSubcommand(Command),
}

/// See the module's description.
pub struct Registry {
    /// Commands in the order of the tables, each followed by its subcommands.
    all: Vec<Command>,
    /// Open addressing with linear probing; numbers of top-level commands.
    index: Vec<Option<u16>>,
}

impl Registry {
    /// # Panics
    /// If two rows have the same name.
    pub fn new(tables: &[(&'static str, &'static [Spec])]) -> Registry {
        let mut all: Vec<Command> = Vec::new();
        let mut add = |spec, group| all.push(Command { spec, number: all.len() as u16, group });
        for &(group, table) in tables {
            for spec in table {
                add(spec, group);
                spec.subcommands.iter().for_each(|subcommand| add(subcommand, group));
            }
        }
        let top_level = all.iter().filter(|command| command.spec.words() == 1);
        let mut registry =
            Registry { index: vec![None; (all.len() * 4).next_power_of_two()], all: all.clone() };
        for command in top_level {
            let name = command.spec.name.as_bytes();
            assert!(registry.command(name).is_none(), "{} is in two tables", command.spec.name);
            let free = registry.probe(name).find(|slot| registry.index[*slot].is_none());
            registry.index[free.expect("the index is never full")] = Some(command.number);
        }
        registry
    }

    fn probe(&self, name: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let mask = self.index.len() - 1;
        let mix = |hash: u32, byte: &u8| (hash ^ u32::from(byte | 0x20)).wrapping_mul(0x0100_0193);
        let start = name.iter().fold(0x811c_9dc5, mix) as usize;
        (0..=mask).map(move |step| (start + step) & mask)
    }

    /// The top-level command with this name, in any case.
    #[inline]
    pub fn command(&self, name: &[u8]) -> Option<Command> {
        for slot in self.probe(name) {
            let command = self.all[usize::from(self.index[slot]?)];
            if command.spec.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(command);
            }
        }
        None
    }

    /// What a request asks for, subcommands included.
    #[inline]
    pub fn lookup(&self, args: ArgList<'_>) -> Lookup {
        let Some(command) = args.get(0).and_then(|name| self.command(name)) else {
            return Lookup::Unknown;
        };
        match args.get(1) {
            Some(name) if !command.spec.subcommands.is_empty() => {
                match self.subcommand(command, name) {
                    Some(subcommand) => Lookup::Found(subcommand),
                    None => Lookup::UnknownSubcommand(command),
                }
            }
            _ => Lookup::Found(command),
        }
    }

    /// The members of a family, in the order of its table.
    pub fn subcommands(&self, family: Command) -> &[Command] {
        let first = usize::from(family.number) + 1;
        &self.all[first..first + family.spec.subcommands.len()]
    }

    /// The subcommand with this name (`KILL` of `CLIENT`).
    pub fn subcommand(&self, family: Command, name: &[u8]) -> Option<Command> {
        let is_it = |command: &&Command| {
            let full = command.spec.name.as_bytes();
            full[family.spec.name.len() + 1..].eq_ignore_ascii_case(name)
        };
        self.subcommands(family).iter().find(is_it).copied()
    }

    /// The command or subcommand with this full name (`get`, `client|kill`).
    pub fn by_full_name(&self, name: &[u8]) -> Option<Command> {
        match name.iter().position(|byte| *byte == b'|') {
            None => self.command(name),
            Some(bar) => self.subcommand(self.command(&name[..bar])?, &name[bar + 1..]),
        }
    }

    /// Commands and subcommands, each family followed by its members.
    pub fn all(&self) -> &[Command] {
        &self.all
    }

    pub fn top_level(&self) -> impl Iterator<Item = Command> {
        self.all.iter().filter(|command| command.spec.words() == 1).copied()
    }

    pub fn get(&self, number: u16) -> Option<Command> {
        self.all.get(usize::from(number)).copied()
    }
}
