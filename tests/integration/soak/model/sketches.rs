//! HyperLogLogs, whose counts are estimates.

use super::want::OK;
use super::{Answer, Model, Want, Words, WrongType};
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch(BTreeSet<Vec<u8>>);

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("sketch");
    match choices.below(6) {
        0..3 => {
            let mut words = words!["PFADD", key];
            words.extend(choices.members().into_iter().map(String::into_bytes));
            words
        }
        3 => words!["PFCOUNT", key],
        4 => words!["PFCOUNT", key, choices.key("sketch")],
        _ => words!["PFMERGE", key.clone(), choices.other_key("sketch", &key)],
    }
}

fn union(model: &Model, keys: &[Vec<u8>]) -> Result<BTreeSet<Vec<u8>>, WrongType> {
    let mut all = BTreeSet::new();
    for key in keys {
        all.extend(
            model.read::<Sketch>(key)?.into_iter().flat_map(|sketch| sketch.0.iter().cloned()),
        );
    }
    Ok(all)
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    Some(match name {
        "PFADD" => {
            let is_new = !model.has(&args[0]);
            model.edit(&args[0], |sketch: &mut Sketch| {
                let added =
                    args[1..].iter().filter(|member| sketch.0.insert(member.to_vec())).count();
                match added {
                    _ if is_new => Want::Integer(1),
                    0 => Want::Integer(0),
                    _ => Want::Between(0, 1),
                }
            })
        }
        "PFCOUNT" => union(model, args).map(|all| {
            // Six times the standard error of 0.81%.
            let (count, error) = (all.len() as i64, all.len() as i64 / 20 + 2);
            if count == 0 {
                Want::Integer(0)
            } else {
                Want::Between((count - error).max(1), count + error)
            }
        }),
        "PFMERGE" => match union(model, args) {
            Ok(all) => model.edit(&args[0], |sketch: &mut Sketch| {
                sketch.0 = all;
                OK
            }),
            Err(wrong) => Err(wrong),
        },
        _ => return None,
    })
}
