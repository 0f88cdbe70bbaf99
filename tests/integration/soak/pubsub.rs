//! Publish and subscribe: who listens to messages and keyspace events hears everything, in order, once. And clients that
//! wait for a key are served by whoever brings it.

use super::Reply;
use super::epoch::{Epoch, Gone, Line, Member, Run};
use crate::support::peer::Protocol;
use crate::support::resp;
use crate::support::words::split;
use sanderling::base::random::Random;

const MESSAGES_MAX: usize = 30;
const EVENTS: &str = "__keyspace@0__:ev:";

/// See the module's description.
#[derive(Default)]
pub struct PubSub {
    round: u64,
}

/// The connections of one epoch.
struct Lines<'a> {
    speaker: Line<'a>,
    by_name: Line<'a>,
    by_pattern: Line<'a>,
    events: Line<'a>,
    waiter: Line<'a>,
    waiter_id: String,
}

impl<'a> Lines<'a> {
    fn open(epoch: &'a Epoch<'_>) -> Result<Lines<'a>, Gone> {
        let protocol =
            if epoch.number.is_multiple_of(2) { Protocol::Resp3 } else { Protocol::Resp2 };
        let mut by_name = epoch.connect(protocol)?;
        by_name.say("SUBSCRIBE pubsub:a pubsub:b")?;
        by_name.receive()?;
        let mut by_pattern = epoch.connect(protocol)?;
        by_pattern.say("PSUBSCRIBE pubsub:*")?;
        let mut events = epoch.connect(protocol)?;
        events.say(&format!("PSUBSCRIBE {EVENTS}*"))?;
        let mut waiter = epoch.connect(Protocol::Resp2)?;
        let waiter_id = waiter.say("CLIENT ID")?.trim_start_matches(':').to_owned();
        let speaker = epoch.connect(Protocol::Resp2)?;
        Ok(Lines { speaker, by_name, by_pattern, events, waiter, waiter_id })
    }
}

/// The words of a message.
fn message(line: &mut Line<'_>) -> Result<Vec<String>, Gone> {
    let reply = line.receive()?;
    let (Reply::Array(items) | Reply::Push(items)) = &reply else {
        panic!("{reply:?} is no message")
    };
    let text = |item: &Reply| match item {
        Reply::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("{other:?} is no part of a message"),
    };
    Ok(items.iter().map(text).collect())
}

impl PubSub {
    fn messages(&self, epoch: &Epoch<'_>, lines: &mut Lines<'_>, random: &mut Random) -> Run {
        let count = 1 + random.below(MESSAGES_MAX);
        let sent: Vec<[String; 2]> = (0..count)
            .map(|n| {
                let text = format!("{}:{n}:{}", self.round, "x".repeat(random.below(1_000)));
                [["pubsub:a", "pubsub:b"][random.below(2)].to_owned(), text]
            })
            .collect();
        let publish = |[channel, text]: &[String; 2]| resp::encode(&["PUBLISH", channel, text]);
        lines.speaker.send(&sent.iter().flat_map(publish).collect::<Vec<u8>>())?;
        for _ in &sent {
            let heard = lines.speaker.receive()?;
            assert_eq!(heard, Reply::Integer(2), "{}: so many hear it", epoch.place());
        }
        for [channel, text] in &sent {
            let place = epoch.place();
            assert_eq!(message(&mut lines.by_name)?, ["message", channel, text], "{place}");
            assert_eq!(
                message(&mut lines.by_pattern)?,
                ["pmessage", "pubsub:*", channel, text],
                "{place}"
            );
        }
        epoch.tally.add("messages", 2 * count as u64);
        Ok(())
    }

    /// What commands on new keys tell, each as key and event.
    fn events(&self, epoch: &Epoch<'_>, lines: &mut Lines<'_>, random: &mut Random) -> Run {
        let round = self.round;
        let all: [(&str, &[(&str, &str)]); 8] = [
            ("SET ev:K text", &[("", "set")]),
            ("INCR ev:K:n", &[(":n", "incrby")]),
            ("LPUSH ev:K:l a b", &[(":l", "lpush")]),
            ("SADD ev:K:s a", &[(":s", "sadd")]),
            ("HSET ev:K:h f v", &[(":h", "hset")]),
            ("ZADD ev:K:z 1 m", &[(":z", "zadd")]),
            ("RENAME ev:K:l ev:K:m", &[(":l", "rename_from"), (":m", "rename_to")]),
            ("SREM ev:K:s a", &[(":s", "srem"), (":s", "del")]),
        ];
        let mut wanted = Vec::new();
        let mut bytes = Vec::new();
        for (line, events) in all {
            bytes.extend(resp::encode(
                &split(&line.replace('K', &round.to_string())).expect("plain words"),
            ));
            let named =
                |(key, event): &(&str, &str)| (format!("ev:{round}{key}"), (*event).to_owned());
            wanted.extend(events.iter().map(named));
        }
        bytes.extend(resp::encode(&["DEL", &format!("ev:{round}"), &format!("ev:{round}:m")]));
        wanted.extend(["", ":m"].map(|key| (format!("ev:{round}{key}"), "del".to_owned())));
        lines.speaker.send(&bytes)?;
        for _ in 0..=all.len() {
            let reply = lines.speaker.receive()?;
            assert!(!matches!(reply, Reply::Error(_)), "{}: {reply:?}", epoch.place());
        }
        for (key, event) in wanted {
            Self::event(epoch, lines, &key, &[&event])?;
        }
        for key in [":n", ":h", ":z"].map(|key| format!("ev:{round}{key}")) {
            lines.speaker.ask(&["DEL", &key])?;
            Self::event(epoch, lines, &key, &["del"])?;
        }
        let key = format!("ev:{round}");
        let ms = (1 + random.below(30)).to_string();
        lines.speaker.ask(&["SET", &key, "soon", "PX", &ms])?;
        // One thread tells what the command did and another what becomes of the key, so their events may cross. Where
        // memory is limited, it may go before its time.
        let ends: &[&str] = if epoch.is_tight { &["expired", "evicted"] } else { &["expired"] };
        let mut told = ["set", "expire"].into_iter().peekable();
        let mut has_ended = false;
        for _ in 0..3 {
            let mut allowed: Vec<&str> = told.peek().copied().into_iter().collect();
            allowed.extend(ends.iter().filter(|_| !has_ended));
            let heard = Self::event(epoch, lines, &key, &allowed)?;
            match told.next_if(|event| *event == heard) {
                Some(_) => {}
                None => has_ended = true,
            }
        }
        epoch.tally.add("expired", 1);
        Ok(())
    }

    /// Hears one of these events of a key; tells which.
    fn event(
        epoch: &Epoch<'_>,
        lines: &mut Lines<'_>,
        key: &str,
        events: &[&str],
    ) -> Result<String, Gone> {
        let channel = EVENTS.trim_end_matches("ev:").to_owned() + key;
        let heard = message(&mut lines.events)?;
        let is_right = heard[2] == channel && events.contains(&&*heard[3]);
        assert!(is_right, "{}: {heard:?} is heard, and not {events:?} of {key}", epoch.place());
        epoch.tally.add("events", 1);
        Ok(heard[3].clone())
    }

    /// One waits, the other brings.
    fn meeting(&self, epoch: &Epoch<'_>, lines: &mut Lines<'_>, random: &mut Random) -> Run {
        const WAYS: [(&str, &str, &str); 5] = [
            ("BLPOP meet 0", "RPUSH meet x", r#"[ "meet", "x" ]"#),
            ("BRPOP nowhere meet 0", "LPUSH meet x", r#"[ "meet", "x" ]"#),
            ("BLMOVE meet met LEFT RIGHT 0", "RPUSH meet x", r#""x""#),
            ("BZPOPMAX meet:z 0", "ZADD meet:z 1 x", r#"[ "meet:z", "x", "1" ]"#),
            ("BLMPOP 0 2 nowhere meet RIGHT COUNT 5", "RPUSH meet x", r#"[ "meet", [ "x" ] ]"#),
        ];
        let (wait, bring, wanted) = WAYS[random.below(WAYS.len())];
        lines.waiter.send(&resp::encode(&split(wait).expect("plain words")))?;
        let list = format!("CLIENT LIST ID {}", lines.waiter_id);
        lines.speaker.say_until(&list, |client| client.contains(" flags=b "))?;
        let brought = lines.speaker.say(bring)?;
        assert_eq!(brought, ":1", "{}: {bring}", epoch.place());
        let got = resp::render(&lines.waiter.receive()?);
        assert_eq!(got, wanted, "{}: {wait}", epoch.place());
        epoch.tally.add("waits served", 1);
        Ok(())
    }
}

impl Member for PubSub {
    /// What was brought and not fetched when the server was killed is of no use to anybody.
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        line.say("DEL meet met meet:z")?;
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut random = Random::seeded(epoch.seed_of(400));
        let mut lines = Lines::open(epoch)?;
        while !epoch.is_over() {
            self.round += 1;
            self.meeting(epoch, &mut lines, &mut random)?;
            self.messages(epoch, &mut lines, &mut random)?;
            self.events(epoch, &mut lines, &mut random)?;
        }
        Ok(())
    }
}
