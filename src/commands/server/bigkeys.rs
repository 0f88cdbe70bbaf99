//! `BIGKEYS`: the largest keys, by bytes or by elements.

use super::key_report::{begin_key, count_option};
use crate::exec::spec::{ADMIN, READ, WALKS};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd};
use crate::resp::Reply;
use crate::store::{BigKey, Measure};

pub static COMMANDS: &[Spec] = &[cmd("BIGKEYS", -1, &[], READ | ADMIN | WALKS, bigkeys)
    .tips(&["request_policy:all_shards", "nondeterministic_output"])
    .doc(
        "0.1.0",
        "O(S+N) where S is the number of shards and N is the number of large values in the \
         shards with the largest; short strings are not looked at",
        "[COUNT count] [BY <BYTES | ELEMENTS>]",
        "Returns the keys with the largest values of all databases, short strings left out.",
    )];

/// How many keys are told if nothing is said.
const COUNT_DEFAULT: usize = 10;

/// `BIGKEYS [COUNT count] [BY BYTES|ELEMENTS]`
fn bigkeys<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (mut count, mut measure) = (COUNT_DEFAULT, Measure::Bytes);
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"COUNT" => count = count_option(&mut args)?,
            b"BY" => {
                let measures = [("BYTES", Measure::Bytes), ("ELEMENTS", Measure::Elements)];
                measure = args.choice(&measures)?;
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    let biggest = ctx.keys.biggest(measure, count)?;
    let reply = &mut ctx.reply;
    reply.map(3);
    reply.bulk("by");
    reply.bulk(match measure {
        Measure::Bytes => "bytes",
        Measure::Elements => "elements",
    });
    reply.bulk("unlisted-at-most");
    reply.count(biggest.unlisted_max);
    reply.bulk("keys");
    reply.array(biggest.keys.len());
    biggest.keys.iter().for_each(|key| reply_key(reply, key));
    Ok(())
}

fn reply_key(reply: &mut Reply<'_>, key: &BigKey) {
    begin_key(reply, &key.key, key.db, 3);
    reply.bulk("type");
    reply.bulk(key.type_name);
    reply.bulk("bytes");
    reply.count(key.bytes);
    reply.bulk("elements");
    reply.count(key.elements);
}
