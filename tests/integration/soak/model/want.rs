//! What a reply must be, whatever the version of the protocol.

use crate::soak::Reply;
use std::collections::BTreeSet;

/// See the module's description.
#[derive(Clone, Debug)]
pub enum Want {
    Simple(&'static str),
    /// An error that begins so.
    Error(&'static str),
    Integer(i64),
    /// An integer from the first to the second.
    Between(i64, i64),
    Bulk(Vec<u8>),
    Nil,
    /// Instead of an array.
    NilArray,
    Array(Vec<Want>),
    /// In any order.
    Members(BTreeSet<Vec<u8>>),
    /// Names and values in any order.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>),
    /// In halves.
    Score(i64),
    /// Members with their scores, in this order.
    Scored(Vec<(Vec<u8>, i64)>),
    /// Keys with what was read from each.
    Keyed(Vec<(Vec<u8>, Want)>),
    /// So many different ones of these.
    Some(BTreeSet<Vec<u8>>, usize),
    Either(Vec<Want>),
}

pub const OK: Want = Want::Simple("OK");

impl Want {
    pub fn bulk(value: Option<&Vec<u8>>) -> Want {
        value.map_or(Want::Nil, |value| Want::Bulk(value.clone()))
    }

    pub fn bulks<'a>(values: impl IntoIterator<Item = &'a Vec<u8>>) -> Want {
        Want::Array(values.into_iter().map(|value| Want::Bulk(value.clone())).collect())
    }

    pub fn count(count: usize) -> Want {
        Want::Integer(count as i64)
    }

    pub fn flag(flag: bool) -> Want {
        Want::Integer(i64::from(flag))
    }

    /// Whether this reply is what is wanted.
    pub fn accepts(&self, reply: &Reply, is_resp3: bool) -> bool {
        match (self, reply) {
            (Want::Simple(text), Reply::Simple(got)) => text.as_bytes() == got,
            (Want::Error(text), Reply::Error(got)) => got.starts_with(text.as_bytes()),
            (Want::Integer(number), Reply::Integer(got)) => number == got,
            (Want::Between(from, to), Reply::Integer(got)) => (from..=to).contains(&got),
            (Want::Bulk(bytes), Reply::Bulk(got)) => bytes == got,
            (Want::Nil, Reply::Nil) => true,
            (Want::NilArray, Reply::NilArray) => !is_resp3,
            (Want::NilArray, Reply::Nil) => is_resp3,
            (Want::Array(wants), Reply::Array(got)) => {
                let mut pairs = wants.iter().zip(got);
                wants.len() == got.len() && pairs.all(|(want, got)| want.accepts(got, is_resp3))
            }
            (Want::Members(members), Reply::Set(got)) if is_resp3 => are(members, got),
            (Want::Members(members), Reply::Array(got)) if !is_resp3 => are(members, got),
            (Want::Pairs(pairs), Reply::Map(got)) if is_resp3 => {
                let got = got.iter().flat_map(|(name, value)| [name, value]);
                are_pairs(pairs, &got.cloned().collect::<Vec<_>>())
            }
            (Want::Pairs(pairs), Reply::Array(got)) if !is_resp3 => are_pairs(pairs, got),
            (Want::Score(halves), Reply::Double(got)) if is_resp3 => *got == score_text(*halves),
            (Want::Score(halves), Reply::Bulk(got)) if !is_resp3 => *got == score_text(*halves),
            (Want::Scored(pairs), reply) => scored(pairs, is_resp3).accepts(reply, is_resp3),
            (Want::Keyed(pairs), Reply::Map(got)) if is_resp3 => {
                let is_same = |((key, want), (name, got)): (&(Vec<u8>, Want), &(Reply, Reply))| {
                    *name == Reply::Bulk(key.clone()) && want.accepts(got, is_resp3)
                };
                pairs.len() == got.len() && pairs.iter().zip(got).all(is_same)
            }
            (Want::Keyed(pairs), reply) if !is_resp3 => {
                let pair = |(key, want): &(Vec<u8>, Want)| {
                    Want::Array(vec![Want::Bulk(key.clone()), want.clone()])
                };
                Want::Array(pairs.iter().map(pair).collect()).accepts(reply, is_resp3)
            }
            (Want::Some(members, count), Reply::Array(got)) => {
                let got: Option<BTreeSet<&Vec<u8>>> = got.iter().map(bulk).collect();
                got.is_some_and(|got| {
                    got.len() == *count && got.iter().all(|one| members.contains(*one))
                })
            }
            (Want::Either(wants), reply) => wants.iter().any(|want| want.accepts(reply, is_resp3)),
            _ => false,
        }
    }
}

fn bulk(reply: &Reply) -> Option<&Vec<u8>> {
    if let Reply::Bulk(bytes) = reply { Some(bytes) } else { None }
}

fn are(members: &BTreeSet<Vec<u8>>, got: &[Reply]) -> bool {
    let found: Option<BTreeSet<&Vec<u8>>> = got.iter().map(bulk).collect();
    got.len() == members.len() && found.is_some_and(|found| found.into_iter().eq(members))
}

fn are_pairs(pairs: &[(Vec<u8>, Vec<u8>)], got: &[Reply]) -> bool {
    let got: Option<Vec<&Vec<u8>>> = got.iter().map(bulk).collect();
    let Some(got) = got else { return false };
    let mut found: Vec<_> =
        got.chunks(2).filter(|pair| pair.len() == 2).map(|pair| (pair[0], pair[1])).collect();
    let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| (name, value)).collect();
    found.sort_unstable();
    pairs.sort_unstable();
    got.len() == 2 * pairs.len() && found == pairs
}

fn scored(pairs: &[(Vec<u8>, i64)], is_resp3: bool) -> Want {
    let pair = |(member, score): &(Vec<u8>, i64)| [Want::Bulk(member.clone()), Want::Score(*score)];
    Want::Array(if is_resp3 {
        pairs.iter().map(|one| Want::Array(pair(one).to_vec())).collect()
    } else {
        pairs.iter().flat_map(pair).collect()
    })
}

/// A score as the server prints it.
pub fn score_text(halves: i64) -> Vec<u8> {
    (halves as f64 / 2.0).to_string().into_bytes()
}
