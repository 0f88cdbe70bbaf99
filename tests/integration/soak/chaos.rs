//! Whoever changes parameters, saves and deletes whole databases while others work; and strangers who behave badly.

use super::epoch::{Epoch, Gone, Line, Member, Run};
use crate::support::patience::PATIENCE;
use crate::support::peer::Protocol;
use crate::support::process::connect;
use crate::support::resp;
use sanderling::base::random::Random;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Between two of its deeds.
const REST: Duration = Duration::from_millis(20);
const JUNK: usize = 300;

/// Parameters that change how data is kept, and values to choose from.
const PARAMETERS: [(&str, &[&str]); 12] = [
    ("log-segment-size", &["64kb", "256kb", "1mb", "16mb"]),
    ("auto-aof-rewrite-percentage", &["0", "20", "100"]),
    ("snapshot-keep", &["1", "2", "3"]),
    ("list-max-listpack-size", &["-2", "-1", "16", "128"]),
    ("hash-max-listpack-entries", &["0", "16", "512"]),
    ("set-max-listpack-entries", &["0", "16", "128"]),
    ("set-max-intset-entries", &["0", "8", "512"]),
    ("zset-max-listpack-entries", &["0", "16", "128"]),
    ("hll-sparse-max-bytes", &["100", "3000"]),
    ("maxmemory-samples", &["1", "5", "10"]),
    ("activedefrag", &["yes", "no"]),
    ("hotkeys-sampling", &["0", "1", "64"]),
];

/// Commands that only look, at everything at once.
const LOOKS: [&str; 10] = [
    "INFO everything",
    "CLIENT LIST",
    "SLOWLOG GET",
    "MEMORY STATS",
    "BIGKEYS",
    "HOTKEYS",
    "KEYS c0:*",
    "SCAN 0 COUNT 1000",
    "RANDOMKEY",
    "LATENCY HISTOGRAM",
];

/// See the module's description.
pub struct Chaos;

impl Chaos {
    fn act(epoch: &Epoch<'_>, line: &mut Line<'_>, random: &mut Random) -> Run {
        match random.below(9) {
            0 => Self::save(epoch, line, "BGSAVE"),
            1 => Self::save(epoch, line, "BGREWRITEAOF"),
            2 => Self::delete_by_pattern(epoch, line, random),
            3 => Self::flush(line, random),
            4 => Self::swap(line, random),
            5 | 6 => {
                let looked = line.say(LOOKS[random.below(LOOKS.len())])?;
                assert!(!looked.starts_with('-'), "{}: {looked}", epoch.place());
                Ok(())
            }
            7 => line.expect("CLIENT PAUSE 5 WRITE", "+OK"),
            _ => {
                let (name, values) = PARAMETERS[random.below(PARAMETERS.len())];
                let value = values[random.below(values.len())];
                line.expect(&format!("CONFIG SET {name} {value}"), "+OK")
            }
        }
    }

    fn save(epoch: &Epoch<'_>, line: &mut Line<'_>, command: &str) -> Run {
        line.say_until(command, |reply| reply.starts_with('+'))?;
        line.say_until("INFO persistence", |info| {
            assert!(info.contains("rdb_last_bgsave_status:ok"), "{}: {info}", epoch.place());
            info.contains("rdb_bgsave_in_progress:0") && info.contains("aof_rewrite_in_progress:0")
        })?;
        epoch.tally.add("snapshots", 1);
        Ok(())
    }

    fn delete_by_pattern(epoch: &Epoch<'_>, line: &mut Line<'_>, random: &mut Random) -> Run {
        line.expect("SELECT 10", "+OK")?;
        line.say("DELPATTERN *")?;
        line.expect("DBSIZE", ":0")?;
        let count = 1 + random.below(JUNK);
        let set = |n: usize| resp::encode(&["SET", &format!("junk:{n}"), "x"]);
        line.send(&(0..count).flat_map(set).collect::<Vec<u8>>())?;
        for _ in 0..count {
            line.receive()?;
        }
        line.expect("SET other x", "+OK")?;
        line.expect("DELPATTERN junk:*", &format!(":{count}"))?;
        line.expect("DBSIZE", ":1")?;
        epoch.tally.add("keys deleted by pattern", count as u64);
        line.expect("SELECT 0", "+OK")
    }

    fn flush(line: &mut Line<'_>, random: &mut Random) -> Run {
        line.expect("SELECT 9", "+OK")?;
        for n in 0..random.below(50) {
            line.expect(&format!("RPUSH list:{n} a b c"), ":3")?;
        }
        line.expect("FLUSHDB", "+OK")?;
        line.expect("DBSIZE", ":0")?;
        line.expect("SELECT 0", "+OK")
    }

    fn swap(line: &mut Line<'_>, random: &mut Random) -> Run {
        let number = random.next_u64();
        line.expect("SELECT 11", "+OK")?;
        line.expect(&format!("SET swapped {number}"), "+OK")?;
        line.expect("SWAPDB 11 12", "+OK")?;
        line.expect("SELECT 12", "+OK")?;
        line.expect("GET swapped", &format!("\"{number}\""))?;
        line.expect("SELECT 0", "+OK")
    }
}

impl Member for Chaos {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        // What was written there when the server was killed.
        line.expect("SELECT 9", "+OK")?;
        line.expect("FLUSHDB", "+OK")
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut random = Random::seeded(epoch.seed_of(600));
        let mut line = epoch.connect(Protocol::Resp2)?;
        // What a short run must not do without.
        Self::delete_by_pattern(epoch, &mut line, &mut random)?;
        Self::save(epoch, &mut line, "BGSAVE")?;
        while !epoch.is_over() {
            Self::act(epoch, &mut line, &mut random)?;
            epoch.rest(REST);
        }
        Ok(())
    }
}

/// Connections that send something, or half of something, and leave without waiting for the reply.
pub struct Strangers;

/// What they send. None of it leaves anything behind.
const MUTTERINGS: [&[u8]; 12] = [
    b"",
    b"PING",
    b"PING\r\n",
    b"*3\r\n$3\r\nSET\r\n$8\r\nstranger\r\n$1000\r\nhalf of a value",
    b"*1\r\n$4\r\nQUIT\r\n",
    b"MULTI\r\nSET stranger x\r\n",
    b"WATCH sum account:0\r\n",
    b"BLPOP stranger 0\r\n",
    b"BZPOPMIN stranger 0\r\nPING\r\n",
    b"SUBSCRIBE strange\r\nPSUBSCRIBE strange*\r\n",
    b"CLIENT TRACKING ON BCAST\r\n",
    b"HELLO 3\r\nMGET account:0 account:1 sum\r\nXREAD BLOCK 0 STREAMS stranger $\r\n",
];

impl Strangers {
    fn visit(epoch: &Epoch<'_>, random: &mut Random) -> Run {
        let connected = || -> std::io::Result<TcpStream> { connect(epoch.port) };
        let gone = |_: std::io::Error| -> Gone { epoch.lost() };
        let mut stream = connected().map_err(gone)?;
        stream.write_all(MUTTERINGS[random.below(MUTTERINGS.len())]).map_err(gone)?;
        epoch.tally.add("strangers", 1);
        if random.below(2) == 0 {
            return Ok(());
        }
        // Another who says what nobody understands is told so and shown the door.
        let mut stream = connected().map_err(gone)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(gone)?;
        stream.write_all(b"*1\r\n$abc\r\n").map_err(gone)?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).map_err(gone)?;
        if said.is_empty() {
            return Err(epoch.lost());
        }
        assert!(
            said.starts_with(b"-ERR Protocol error"),
            "{}: {}",
            epoch.place(),
            said.escape_ascii()
        );
        Ok(())
    }
}

impl Member for Strangers {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        line.expect("EXISTS stranger", ":0")
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut random = Random::seeded(epoch.seed_of(700));
        while !epoch.is_over() {
            Self::visit(epoch, &mut random)?;
            epoch.rest(Duration::from_millis(2));
        }
        Ok(())
    }
}
