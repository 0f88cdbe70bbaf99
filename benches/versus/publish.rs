//! `PUBLISH` that nobody hears, beside `PING`: what a message costs a server before it has anywhere to go.

use crate::Result;
use crate::options::Options;
use crate::server::Program;
use crate::variants::{self, Variant, as_it_is};
use crate::workload::Mix;

const VARIANTS: &[Variant] = &[
    Variant {
        label: "PING",
        mix: Mix { name: "PING", requests: &["PING"] },
        replies: 1,
        prepare: as_it_is,
    },
    Variant {
        label: "PUBLISH to nobody",
        mix: Mix { name: "PUBLISH", requests: &["PUBLISH channel:{} {v}"] },
        replies: 1,
        prepare: as_it_is,
    },
];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    variants::run("Publishing", &[VARIANTS], options, programs, |_, _| Ok(()))
}
