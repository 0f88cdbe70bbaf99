//! The arguments of a command as a tree, read from the `syntax` of its row.
//!
//! The notation is that of the Redis documentation: words in capitals stand for themselves, others for
//! what the client puts there, `[...]` is optional, `a | b` a choice (in `<...>` if one must be made), and
//! `x [x ...]` or `<...> ...` may be repeated. [`parse`] first reads the brackets into a tree of nodes, then
//! makes of it what `COMMAND DOCS` tells: a word in capitals becomes the token of the argument behind it,
//! several arguments that belong together a block.
//!
//! The notation has no types. They follow from the names of the arguments; where commands use one name for
//! different things, `TYPES_BY_COMMAND` says so.

/// What an argument is, named as `COMMAND DOCS` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentType {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    /// A word that stands for itself.
    PureToken,
    /// One of the parts.
    OneOf,
    /// All of the parts.
    Block,
}

impl ArgumentType {
    pub fn name(self) -> &'static str {
        match self {
            ArgumentType::String => "string",
            ArgumentType::Integer => "integer",
            ArgumentType::Double => "double",
            ArgumentType::Key => "key",
            ArgumentType::Pattern => "pattern",
            ArgumentType::UnixTime => "unix-time",
            ArgumentType::PureToken => "pure-token",
            ArgumentType::OneOf => "oneof",
            ArgumentType::Block => "block",
        }
    }
}

/// An argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub kind: ArgumentType,
    /// The word that comes before it.
    pub token: Option<&'static str>,
    pub optional: bool,
    /// It may be repeated ...
    pub multiple: bool,
    /// ... with its token each time.
    pub multiple_token: bool,
    /// Which of the row's key specifications finds it.
    pub key_spec: Option<usize>,
    pub parts: Vec<Argument>,
}

const DOUBLES: &[&str] = &["longitude", "latitude", "radius", "width", "height", "score"];

const INTEGERS: &[&str] = &[
    "bit",
    "bits",
    "client-id",
    "count",
    "cursor",
    "db",
    "decrement",
    "destination-db",
    "end",
    "entries-added",
    "entries-read",
    "frequency",
    "increment",
    "index",
    "index1",
    "index2",
    "len",
    "limit",
    "milliseconds",
    "min-match-len",
    "ms",
    "numkeys",
    "num-matches",
    "numfields",
    "numreplicas",
    "offset",
    "port",
    "protover",
    "rank",
    "seconds",
    "slot",
    "start",
    "stop",
    "timeout",
    "ttl",
    "version",
    "weight",
];

const KEYS: &[&str] = &[
    "key",
    "key1",
    "key2",
    "newkey",
    "source",
    "destination",
    "destkey",
    "sourcekey",
    "src",
    "dst",
];

/// Where a name means something else than elsewhere.
const TYPES_BY_COMMAND: &[(&str, &str, ArgumentType)] = &[
    ("BITFIELD", "value", ArgumentType::Integer),
    ("BLMOVE", "timeout", ArgumentType::Double),
    ("BLMPOP", "timeout", ArgumentType::Double),
    ("BLPOP", "timeout", ArgumentType::Double),
    ("BRPOP", "timeout", ArgumentType::Double),
    ("BRPOPLPUSH", "timeout", ArgumentType::Double),
    ("BZMPOP", "timeout", ArgumentType::Double),
    ("BZPOPMAX", "timeout", ArgumentType::Double),
    ("BZPOPMIN", "timeout", ArgumentType::Double),
    ("HINCRBYFLOAT", "increment", ArgumentType::Double),
    ("INCRBYFLOAT", "increment", ArgumentType::Double),
    ("SETBIT", "value", ArgumentType::Integer),
    ("XAUTOCLAIM", "start", ArgumentType::String),
    ("XPENDING", "end", ArgumentType::String),
    ("XPENDING", "min-idle-time", ArgumentType::Integer),
    ("XPENDING", "start", ArgumentType::String),
    ("XRANGE", "end", ArgumentType::String),
    ("XRANGE", "start", ArgumentType::String),
    ("XREVRANGE", "end", ArgumentType::String),
    ("XREVRANGE", "start", ArgumentType::String),
];

/// Commands whose patterns name keys. All of them are found by the specification behind that of the key.
const PATTERNS_OF_KEYS: &[&str] = &["SORT", "SORT_RO"];

/// The arguments that `syntax` describes. `command` is the row's name, `key_specs` how many key
/// specifications it has. `None` if the notation is broken.
pub fn parse(
    command: &'static str,
    syntax: &'static str,
    key_specs: usize,
) -> Option<Vec<Argument>> {
    let mut words = split(syntax);
    let alternatives = read_alternatives(&mut words, None)?;
    let builder = Builder { command, has_keys: key_specs > 0 };
    let [only] = alternatives.as_slice() else {
        return Some(vec![builder.one_of(&alternatives)]);
    };
    let mut arguments = builder.sequence(only);
    let mut numbering =
        Numbering { key_specs, keys: 0, has_patterns: PATTERNS_OF_KEYS.contains(&command) };
    arguments.iter_mut().for_each(|argument| numbering.number(argument));
    Some(arguments)
}

/// Keys and key specifications come in the same order; the last specification may find several keys.
struct Numbering {
    key_specs: usize,
    /// Specifications that were given away.
    keys: usize,
    has_patterns: bool,
}

impl Numbering {
    fn number(&mut self, argument: &mut Argument) {
        if argument.kind == ArgumentType::Key {
            argument.key_spec = Some(self.keys.min(self.key_specs - 1));
            self.keys += 1;
        } else if argument.kind == ArgumentType::Pattern && self.has_patterns {
            argument.key_spec = Some(1);
            self.keys = 2;
        }
        argument.parts.iter_mut().for_each(|part| self.number(part));
    }
}

/// Brackets, bars, and words between blanks.
fn split(syntax: &'static str) -> std::iter::Peekable<std::vec::IntoIter<&'static str>> {
    let mut words = Vec::new();
    for mut word in syntax.split_ascii_whitespace() {
        while !word.is_empty() {
            let is_mark = |c: char| matches!(c, '[' | ']' | '<' | '>' | '|');
            let end = word.find(is_mark).unwrap_or(word.len()).max(1);
            let (first, rest) = word.split_at(end);
            words.push(first);
            word = rest;
        }
    }
    words.into_iter().peekable()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Word(&'static str),
    /// `...` at the end of an option, until it is known what that is.
    Ellipsis,
    Optional(Vec<Vec<Node>>),
    Choice(Vec<Vec<Node>>),
    Repeat(Vec<Node>),
}

/// Reads sequences separated by bars up to the closing bracket, or to the end.
fn read_alternatives(
    words: &mut std::iter::Peekable<std::vec::IntoIter<&'static str>>,
    closing: Option<&str>,
) -> Option<Vec<Vec<Node>>> {
    let mut alternatives = vec![Vec::new()];
    loop {
        let word = match words.next() {
            Some(word) if Some(word) == closing => return Some(alternatives),
            None if closing.is_none() => return Some(alternatives),
            None | Some("]" | ">") => return None,
            Some(word) => word,
        };
        let current = alternatives.last_mut().expect("there is always a last one");
        match word {
            "|" => alternatives.push(Vec::new()),
            "[" => {
                let inner = read_alternatives(words, Some("]"))?;
                push_optional(current, inner)?;
            }
            "<" => current.push(Node::Choice(read_alternatives(words, Some(">"))?)),
            // At the end of an option it speaks of all of that, else of what comes before it.
            "..." if words.peek() == Some(&"]") => current.push(Node::Ellipsis),
            "..." => {
                let repeated = current.pop()?;
                current.push(Node::Repeat(vec![repeated]));
            }
            word => current.push(Node::Word(word)),
        }
    }
}

/// `x [x ...]` is a repetition of `x`, any other `[...]` an option. `None` if it is unclear what is repeated.
fn push_optional(nodes: &mut Vec<Node>, mut inner: Vec<Vec<Node>>) -> Option<()> {
    if let [only] = inner.as_mut_slice()
        && only.last() == Some(&Node::Ellipsis)
    {
        only.pop();
        if only.is_empty() {
            return None;
        }
        if nodes.ends_with(only) {
            nodes.truncate(nodes.len() - only.len());
            nodes.push(Node::Repeat(std::mem::take(only)));
            return Some(());
        }
        *only = vec![Node::Repeat(std::mem::take(only))];
    }
    let is_clear = |nodes: &Vec<Node>| nodes.last().is_some_and(|last| *last != Node::Ellipsis);
    if !inner.iter().all(is_clear) {
        return None;
    }
    nodes.push(Node::Optional(inner));
    Some(())
}

fn is_token(word: &str) -> bool {
    !word.contains(|c: char| c.is_ascii_lowercase())
}

struct Builder {
    command: &'static str,
    has_keys: bool,
}

impl Builder {
    fn sequence(&self, nodes: &[Node]) -> Vec<Argument> {
        let mut arguments = Vec::new();
        let mut rest = nodes;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match first {
                Node::Word(token) if is_token(token) => {
                    let count = rest.iter().take_while(|node| takes_token(node)).count();
                    arguments.push(self.with_token(token, &rest[..count]));
                    rest = &rest[count..];
                }
                node => arguments.push(self.argument(node)),
            }
        }
        arguments
    }

    /// A token and what belongs to it.
    fn with_token(&self, token: &'static str, nodes: &[Node]) -> Argument {
        if nodes.is_empty() {
            let name = token.to_ascii_lowercase();
            let argument = plain(name, ArgumentType::PureToken);
            return Argument { token: Some(token), ..argument };
        }
        let mut argument = self.all_of(nodes);
        argument.token = Some(token);
        argument
    }

    fn argument(&self, node: &Node) -> Argument {
        match node {
            Node::Ellipsis => unreachable!("options are closed when they are parsed"),
            Node::Word(name) => plain((*name).to_owned(), self.type_of(name)),
            Node::Choice(alternatives) => self.one_of(alternatives),
            Node::Optional(alternatives) => {
                let argument = self.one_of(alternatives);
                Argument { optional: true, ..argument }
            }
            Node::Repeat(nodes) => {
                let argument = self.all_of(nodes);
                let multiple_token = argument.token.is_some();
                Argument { multiple: true, multiple_token, ..argument }
            }
        }
    }

    /// One argument of a sequence of nodes.
    fn all_of(&self, nodes: &[Node]) -> Argument {
        let mut arguments = self.sequence(nodes);
        if arguments.len() == 1 {
            return arguments.remove(0);
        }
        compound(ArgumentType::Block, arguments)
    }

    fn one_of(&self, alternatives: &[Vec<Node>]) -> Argument {
        if let [only] = alternatives {
            return self.all_of(only);
        }
        let parts = alternatives.iter().map(|nodes| self.all_of(nodes)).collect();
        compound(ArgumentType::OneOf, parts)
    }

    fn type_of(&self, name: &str) -> ArgumentType {
        let own = TYPES_BY_COMMAND.iter().find(|row| row.0 == self.command && row.1 == name);
        match name {
            _ if own.is_some() => own.expect("just found").2,
            _ if self.has_keys && KEYS.contains(&name) => ArgumentType::Key,
            _ if INTEGERS.contains(&name) => ArgumentType::Integer,
            _ if DOUBLES.contains(&name) => ArgumentType::Double,
            "pattern" => ArgumentType::Pattern,
            _ if name.starts_with("unix-time") => ArgumentType::UnixTime,
            _ => ArgumentType::String,
        }
    }
}

/// Whether a node belongs to the token before it: a value, not another token or an option.
fn takes_token(node: &Node) -> bool {
    match node {
        Node::Word(word) => !is_token(word),
        Node::Choice(_) => true,
        Node::Repeat(nodes) => nodes.first().is_some_and(takes_token),
        Node::Optional(_) | Node::Ellipsis => false,
    }
}

fn plain(name: String, kind: ArgumentType) -> Argument {
    Argument {
        name,
        kind,
        token: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        key_spec: None,
        parts: Vec::new(),
    }
}

/// Named after its parts.
fn compound(kind: ArgumentType, parts: Vec<Argument>) -> Argument {
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let name = names.join("_");
    Argument { parts, ..plain(name, kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compact form: `name:type`, `TOKEN=`, and `?`, `*`, `+` for optional, multiple, multiple_token.
    fn print(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let mut text = argument.token.map(|token| format!("{token}=")).unwrap_or_default();
            text.push_str(match argument.kind {
                ArgumentType::OneOf => "oneof",
                ArgumentType::Block => "block",
                ArgumentType::PureToken => "token",
                _ => &argument.name,
            });
            if let Some(number) = argument.key_spec {
                text.push_str(&format!("@{number}"));
            }
            let marks = [
                (argument.optional, '?'),
                (argument.multiple, '*'),
                (argument.multiple_token, '+'),
            ];
            text.extend(marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| mark));
            if !argument.parts.is_empty() {
                text.push_str(&format!("({})", print(&argument.parts)));
            }
            text
        };
        arguments.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn tree(syntax: &'static str, key_specs: usize) -> String {
        print(&parse("X", syntax, key_specs).unwrap())
    }

    #[test]
    fn options_and_choices_become_arguments_with_tokens() {
        assert_eq!(tree("", 0), "");
        assert_eq!(
            tree("key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]", 1),
            "key@0 value oneof?(NX=token XX=token) GET=token? oneof?(EX=seconds PX=milliseconds KEEPTTL=token)"
        );
        assert_eq!(tree("timeout [WRITE | ALL]", 0), "timeout oneof?(WRITE=token ALL=token)");
        assert_eq!(tree("<ON | OFF>", 0), "oneof(ON=token OFF=token)");
        assert_eq!(tree("[TYPE <A | B>]", 0), "TYPE=oneof?(A=token B=token)");
    }

    #[test]
    fn repetitions_are_found_with_and_without_tokens() {
        assert_eq!(tree("key [key ...]", 1), "key@0*");
        assert_eq!(tree("[pattern ...]", 0), "pattern?*");
        assert_eq!(tree("[command [command ...]]", 0), "command?*");
        assert_eq!(tree("key value [key value ...]", 1), "block*(key@0 value)");
        assert_eq!(tree("[ID id [id ...]]", 0), "ID=id?*");
        assert_eq!(tree("[GET pattern [GET pattern ...]]", 0), "GET=pattern?*+");
        assert_eq!(tree("<a | <[B b] | [C c]> ...>", 0), "oneof(a oneof*(B=b? C=c?))");
    }

    #[test]
    fn arguments_of_one_token_are_a_block() {
        assert_eq!(tree("[LIMIT offset count]", 0), "LIMIT=block?(offset count)");
        assert_eq!(tree("[COUNT count [ANY]]", 0), "block?(COUNT=count ANY=token?)");
        assert_eq!(
            tree("[protover [AUTH username password] [SETNAME name]]", 0),
            "block?(protover AUTH=block?(username password) SETNAME=name?)"
        );
        assert_eq!(tree("STREAMS key [key ...] id [id ...]", 1), "STREAMS=block(key@0* id*)");
    }

    #[test]
    fn keys_are_numbered_by_their_specifications() {
        assert_eq!(
            tree("source destination [DB destination-db]", 2),
            "source@0 destination@1 DB=destination-db?"
        );
        assert_eq!(tree("key1 key2", 1), "key1@0 key2@0");
        assert_eq!(tree("key", 0), "key");
        assert_eq!(
            print(&parse("SORT", "key [BY pattern] [GET pattern] [STORE destination]", 3).unwrap()),
            "key@0 BY=pattern@1? GET=pattern@1? STORE=destination@2?"
        );
    }

    #[test]
    fn broken_notation_is_refused() {
        for broken in ["[a", "a]", "<a | b", "[a>", "...", "[...]", "[a | b ...]", "[]"] {
            assert!(parse("X", broken, 0).is_none(), "{broken}");
        }
    }
}
