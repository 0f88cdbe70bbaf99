//! The `redis` crate, without an async runtime.

use super::{Server, start, with_each_server};
use crate::support::patience::{PATIENCE, eventually};
use redis::{Commands, Connection, ErrorKind, PushInfo, PushKind, RedisResult, ServerErrorKind};
use std::sync::mpsc::{self, Receiver};

const PROTOCOLS: [&str; 2] = ["", "?protocol=resp3"];

#[test]
fn the_redis_crate_reads_back_what_it_writes_in_both_protocols() -> RedisResult<()> {
    let (server, _directory) = start();
    for protocol in PROTOCOLS {
        let url = format!("redis://127.0.0.1:{}/2{protocol}", server.port);
        let mut db = redis::Client::open(url)?.get_connection()?;
        let () = redis::cmd("FLUSHALL").query(&mut db)?;
        let bytes: Vec<u8> = (0..=255).collect();
        let () = db.set("bytes", &bytes)?;
        assert_eq!(db.get::<_, Vec<u8>>("bytes")?, bytes);
        assert_eq!(db.get::<_, Option<String>>("nosuch")?, None);
        let () = db.set_ex("deadline", "v", 100)?;
        assert!((1..=100).contains(&db.ttl::<_, i64>("deadline")?));
        let () = db.mset(&[("a", "1"), ("b", "2")])?;
        assert_eq!(db.mget::<_, Vec<Option<i64>>>(&["a", "b", "c"][..])?, [Some(1), Some(2), None]);
        let (first, second): (i64, Vec<u8>) =
            redis::pipe().incr("a", 41).append("b", "3").ignore().get("b").query(&mut db)?;
        assert_eq!((first, second), (42, b"23".to_vec()));
        assert_eq!(db.scan_match::<_, String>("?")?.count(), 2);
        assert_eq!(db.rpush::<_, _, i64>("list", &["a", "b"][..])?, 2);
        assert_eq!(db.blpop::<_, (String, String)>("list", 1.0)?, ("list".into(), "a".into()));
        assert_eq!(db.zadd_multiple::<_, _, _, i64>("zset", &[(1.5, "a"), (-2.0, "b")])?, 2);
        let ranked: Vec<(String, f64)> = db.zrange_withscores("zset", 0, -1)?;
        assert_eq!(ranked, [("b".to_owned(), -2.0), ("a".to_owned(), 1.5)]);
        let () = db.hset_multiple("hash", &[("f", "1"), ("g", "2")])?;
        let hash: std::collections::BTreeMap<String, i64> = db.hgetall("hash")?;
        assert_eq!(hash.into_iter().collect::<Vec<_>>(), [("f".into(), 1), ("g".into(), 2)]);
        let id: String = redis::cmd("XADD").arg(&["stream", "1-*", "f", "v"][..]).query(&mut db)?;
        assert_eq!(id, "1-0");
        let error = db.incr::<_, _, i64>("bytes", 1).expect_err("it is no number");
        assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
    }
    Ok(())
}

fn connect(server: &Server, protocol: &str) -> Connection {
    let url = format!("redis://127.0.0.1:{}/{protocol}", server.port());
    let connection = redis::Client::open(url).and_then(|client| client.get_connection()).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

#[test]
fn the_redis_crate_publishes_and_listens() {
    with_each_server(|server| {
        PROTOCOLS.iter().for_each(|protocol| publish_and_listen(server, protocol).unwrap());
    });
}

fn publish_and_listen(server: &Server, protocol: &str) -> RedisResult<()> {
    let (mut db, mut listening) = (connect(server, protocol), connect(server, protocol));
    let mut listener = listening.as_pubsub();
    listener.subscribe(&["news", "sport"][..])?;
    listener.psubscribe("new?")?;
    eventually("it is subscribed", || patterns(&mut db) == 1);
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(db.publish::<_, _, i64>("news", &bytes)?, 2);
    let (first, second) = (listener.get_message()?, listener.get_message()?);
    assert_eq!((first.get_channel_name(), first.get_payload_bytes()), ("news", &bytes[..]));
    assert!(!first.from_pattern());
    assert_eq!((second.get_channel_name(), second.get_payload_bytes()), ("news", &bytes[..]));
    assert_eq!(second.get_pattern::<String>()?, "new?");
    listener.punsubscribe("new?")?;
    eventually("it is gone", || patterns(&mut db) == 0);
    for number in 0..1000 {
        assert_eq!(db.publish::<_, _, i64>("sport", number)?, 1);
    }
    for number in 0..1000 {
        assert_eq!(listener.get_message()?.get_payload::<i64>()?, number);
    }
    // Leaves all channels, and the connection can be used for something else.
    drop(listener);
    assert_eq!(redis::cmd("PING").query::<String>(&mut listening)?, "PONG");
    assert_eq!(db.publish::<_, _, i64>("news", "nobody hears")?, 0);
    Ok(())
}

/// How many patterns somebody listens to.
fn patterns(db: &mut Connection) -> i64 {
    redis::cmd("PUBSUB").arg("NUMPAT").query(db).unwrap()
}

#[test]
fn the_redis_crate_repeats_transactions_until_nobody_interferes() {
    with_each_server(|server| {
        for protocol in PROTOCOLS {
            let mut db = connect(server, protocol);
            db.set::<_, _, ()>("total", 0).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..25).for_each(|_| add_one(&mut connect(server, protocol))));
                }
            });
            assert_eq!(db.get::<_, i64>("total").unwrap(), 100);
            let replies: RedisResult<(i64, i64)> =
                redis::pipe().atomic().incr("total", 1).lpush("total", "x").query(&mut db);
            let error = replies.expect_err("the second command fails");
            assert!(error.to_string().contains("WRONGTYPE"), "{error}");
            assert_eq!(db.get::<_, i64>("total").unwrap(), 101);
        }
    });
}

/// Reads, adds and writes; without WATCH, much of what several do at once would be lost.
fn add_one(db: &mut Connection) {
    let (before, after): (i64, i64) = redis::transaction(db, &["total"], |db, pipe| {
        let total: i64 = db.get("total")?;
        let replies: Option<(i64,)> =
            pipe.set("total", total + 1).ignore().get("total").query(db)?;
        Ok(replies.map(|(now,)| (total, now)))
    })
    .unwrap();
    assert_eq!(after, before + 1);
}

#[test]
fn the_redis_crate_takes_pushes_between_replies() {
    with_each_server(|server| {
        take_pushes(server).unwrap();
    });
}

fn take_pushes(server: &Server) -> RedisResult<()> {
    let (mut db, mut other) = (connect(server, "?protocol=resp3"), connect(server, ""));
    let (sender, pushes) = mpsc::channel();
    db.set_push_sender(sender);
    db.subscribe_resp3("news")?;
    let text = |text: &str| redis::Value::BulkString(text.into());
    let subscribed =
        PushInfo { kind: PushKind::Subscribe, data: vec![text("news"), redis::Value::Int(1)] };
    assert_eq!(next_push(&mut db, &pushes), subscribed);
    other.set::<_, _, ()>("k", "v")?;
    redis::cmd("CLIENT").arg(&["TRACKING", "ON"][..]).exec(&mut db)?;
    // Other commands are allowed while it listens.
    assert_eq!(db.get::<_, String>("k")?, "v");
    assert_eq!(other.publish::<_, _, i64>("news", "hello")?, 1);
    let message = PushInfo { kind: PushKind::Message, data: vec![text("news"), text("hello")] };
    assert_eq!(next_push(&mut db, &pushes), message);
    other.set::<_, _, ()>("k", "changed")?;
    let invalid =
        PushInfo { kind: PushKind::Invalidate, data: vec![redis::Value::Array(vec![text("k")])] };
    assert_eq!(next_push(&mut db, &pushes), invalid);
    other.set::<_, _, ()>("k", "again")?;
    redis::cmd("FLUSHALL").exec(&mut other)?;
    let all = PushInfo { kind: PushKind::Invalidate, data: vec![redis::Value::Nil] };
    assert_eq!(next_push(&mut db, &pushes), all);
    Ok(())
}

/// The library reads pushes while it waits for a reply.
fn next_push(db: &mut Connection, pushes: &Receiver<PushInfo>) -> PushInfo {
    let mut push = None;
    eventually("it is told", || {
        assert_eq!(redis::cmd("PING").query::<String>(db).unwrap(), "PONG");
        push = pushes.try_recv().ok();
        push.is_some()
    });
    push.expect("it has come")
}
