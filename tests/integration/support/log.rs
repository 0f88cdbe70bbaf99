//! Reading the log of a data directory.

use std::path::Path;

use sanderling::persist::directory::{read_manifest, segment_path};
use sanderling::persist::log::SegmentReader;
use sanderling::resp::{Limits, ParseState, RequestParser};

/// All commands in the segments that the manifest names, in order.
pub fn commands(directory: &Path) -> Vec<Vec<Vec<u8>>> {
    let mut commands = Vec::new();
    for entry in read_manifest(directory).expect("the manifest is sound").segments {
        let path = segment_path(directory, entry.number);
        let mut reader = SegmentReader::open(&path, entry).unwrap().expect("a sound segment");
        while let Some(block) = reader.next_block().unwrap().expect("a sound block") {
            commands.extend(parse(&block.body));
        }
    }
    commands
}

fn parse(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut parser = RequestParser::default();
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let ParseState::Complete(taken) = parser.parse(bytes, &Limits::TRUSTED).unwrap() else {
            panic!("blocks consist of whole commands");
        };
        let args = parser.request().args(bytes);
        commands.push(args.iter().map(<[u8]>::to_vec).collect());
        bytes = &bytes[taken..];
    }
    commands
}
