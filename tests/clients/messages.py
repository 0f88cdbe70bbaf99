"""redis-py where clients hear of each other. Arguments: the port, and what is to be checked. Fails with a
traceback, else prints ok. Nothing waits for a time to pass: conditions are asked for until they hold."""

import queue
import sys
import threading
import time

import redis

from common import PATIENCE, connect, fails, until


def heard(pubsub):
    message = pubsub.get_message(timeout=PATIENCE)
    return message and (message["type"], message["pattern"], message["channel"], message["data"])


def pubsub(protocol):
    threads_deliver(protocol)
    subscriptions_are_counted(protocol)
    keyspace_events(protocol)


def threads_deliver(protocol):
    db, got = connect(protocol=protocol), queue.Queue()
    listener = db.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(news=got.put)
    listener.psubscribe(**{"news:*": got.put, "new?": got.put})
    thread = listener.run_in_thread(sleep_time=0.1, daemon=True)
    until(lambda: db.pubsub_numsub("news") == [(b"news", 1)] and db.pubsub_numpat() == 2)
    assert db.publish("news", "one") == 2 and db.publish("nobody", "hears") == 0
    assert db.publish("news:sport", bytes(range(256))) == 1
    expected = [
        {"type": "message", "pattern": None, "channel": b"news", "data": b"one"},
        {"type": "pmessage", "pattern": b"new?", "channel": b"news", "data": b"one"},
        {"type": "pmessage", "pattern": b"news:*", "channel": b"news:sport", "data": bytes(range(256))},
    ]
    assert [got.get(timeout=PATIENCE) for _ in expected] == expected
    for number in range(1000):
        db.publish("news:numbers", number)
    assert [int(got.get(timeout=PATIENCE)["data"]) for _ in range(1000)] == list(range(1000))
    thread.stop()
    thread.join()
    until(lambda: db.pubsub_numsub("news") == [(b"news", 0)] and db.pubsub_numpat() == 0)


def subscriptions_are_counted(protocol):
    db = connect(protocol=protocol)
    listener = db.pubsub()
    listener.subscribe("a", "b")
    listener.psubscribe("c*")
    assert heard(listener) == ("subscribe", None, b"a", 1)
    assert heard(listener) == ("subscribe", None, b"b", 2)
    assert heard(listener) == ("psubscribe", None, b"c*", 3)
    assert sorted(db.pubsub_channels()) == [b"a", b"b"] and db.pubsub_channels("[bc]") == [b"b"]
    listener.ping("still there?")
    assert heard(listener) == ("pong", None, None, b"still there?")
    listener.unsubscribe("a")
    assert heard(listener) == ("unsubscribe", None, b"a", 2)
    assert db.publish("a", "x") == 0 and db.publish("ca", "y") == 1
    assert heard(listener) == ("pmessage", b"c*", b"ca", b"y")
    listener.unsubscribe()
    listener.punsubscribe()
    assert heard(listener) == ("unsubscribe", None, b"b", 1)
    assert heard(listener) == ("punsubscribe", None, b"c*", 0)
    listener.ssubscribe("shard")
    assert heard(listener) == ("ssubscribe", None, b"shard", 1)
    assert db.execute_command("SPUBLISH", "shard", "z") == 1
    assert heard(listener) == ("smessage", None, b"shard", b"z")
    listener.close()
    until(lambda: not db.pubsub_shardchannels())


def keyspace_events(protocol):
    db = connect(protocol=protocol)
    listener = db.pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("__key*__:*")
    assert listener.get_message(timeout=PATIENCE) is None
    db.delete("k", "l")
    assert db.config_set("notify-keyspace-events", "KEA")

    def expect(number, *events):
        for event, key in events:
            for channel, data in ((f"keyspace@{number}__:{key}", event), (f"keyevent@{number}__:{event}", key)):
                expected = ("pmessage", b"__key*__:*", b"__" + channel.encode(), data.encode())
                assert heard(listener) == expected, (event, key)

    db.set("k", "v", px=1)
    # Whether somebody asks for a key that has expired or not, it is told soon.
    expect(0, ("set", "k"), ("expire", "k"), ("expired", "k"))
    db.rpush("l", "a")
    db.lpop("l")
    expect(0, ("rpush", "l"), ("lpop", "l"), ("del", "l"))
    connect(db=3, protocol=protocol).incr("n")
    expect(3, ("incrby", "n"))
    assert db.config_set("notify-keyspace-events", "")
    listener.close()


def transactions(protocol):
    db = connect(protocol=protocol)
    db.flushall()
    pipe = db.pipeline()
    assert pipe.set("k", 1).incr("k").hset("h", mapping={"f": 1}).get("nosuch").execute() == [True, 2, 1, None]
    replies = db.pipeline().incr("k").lpush("k", "x").get("k").execute(raise_on_error=False)
    assert replies[0] == 3 and isinstance(replies[1], redis.ResponseError) and replies[2] == b"3"
    with_unknown = db.pipeline().incr("k").execute_command("NOSUCH")
    message = fails(redis.ResponseError, with_unknown.execute)
    assert "unknown command" in message, message
    assert db.get("k") == b"3"
    watched_keys(db)
    every_increment_counts(protocol)


def watched_keys(db):
    pipe = db.pipeline()
    pipe.watch("k", "other")
    assert pipe.get("k") == b"3"
    db.set("other", "changed")
    pipe.multi()
    pipe.incr("k")
    fails(redis.WatchError, pipe.execute)
    assert db.get("k") == b"3"
    pipe.watch("k")
    db.set("other", "changed again")
    pipe.multi()
    pipe.incr("k")
    assert pipe.execute() == [4]
    pipe.watch("k")
    db.incr("k")
    assert pipe.unwatch()
    pipe.multi()
    assert pipe.get("k").execute() == [b"5"]
    assert db.transaction(lambda pipe: pipe.multi() or pipe.decr("k"), "k") == [4]


def every_increment_counts(protocol):
    """Each reads, adds and writes; without WATCH most of it would be lost."""

    def add(pipe):
        value = int(pipe.get("total") or 0)
        pipe.multi()
        pipe.set("total", value + 1)

    def work():
        db = connect(protocol=protocol)
        for _ in range(25):
            db.transaction(add, "total")

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert connect().get("total") == b"200"


def tracking(protocol):
    if protocol == 3:
        caching()
    else:
        redirection()


def caching():
    # Part of the library since 5.1.
    from redis.cache import CacheConfig

    # The library asks for the version with which Redis's makers test it; the protocol is that of 6.0.
    redis.connection.CacheProxyConnection.MIN_ALLOWED_VERSION = "7.0.0"
    other = connect()
    other.flushall()
    other.mset({"k": "one", "l": "two"})
    assert other.config_resetstat()
    db = connect(protocol=3, cache_config=CacheConfig())

    def calls(name):
        return other.info("commandstats").get(f"cmdstat_{name}", {"calls": 0})["calls"]

    assert {db.get("k") for _ in range(100)} == {b"one"} and calls("get") == 1
    assert [db.mget("k", "l") for _ in range(10)] == [[b"one", b"two"]] * 10 and calls("mget") == 1
    assert db.get_cache().size == 2
    other.set("k", "changed")
    until(lambda: db.get("k") == b"changed")
    assert db.mget("k", "l") == [b"changed", b"two"]
    db.set("k", "own")
    until(lambda: db.get("k") == b"own")
    other.flushall()
    until(lambda: db.get("k") is None)
    other.set("k", "v", px=1)
    until(lambda: not other.exists("k"))
    assert db.get("k") is None
    db.close()


def redirection():
    other, db = connect(), connect(single_connection_client=True, protocol=2)
    listener = connect(client_name="listener", protocol=2).pubsub(ignore_subscribe_messages=True)
    listener.subscribe("__redis__:invalidate")
    assert listener.get_message(timeout=PATIENCE) is None
    (target,) = [client["id"] for client in other.client_list() if client["name"] == "listener"]
    invalidated = ("message", None, b"__redis__:invalidate")
    other.set("k", "one")
    assert db.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", target)
    assert db.get("k") == b"one" and db.client_getredir() == int(target)
    other.set("k", "two")
    assert heard(listener) == (*invalidated, [b"k"])
    assert db.get("k") == b"two"
    other.flushall()
    assert heard(listener) == (*invalidated, None)
    assert db.execute_command("CLIENT", "TRACKING", "OFF")
    broadcast = ("ON", "REDIRECT", target, "BCAST", "PREFIX", "user:", "PREFIX", "job:", "NOLOOP")
    assert db.execute_command("CLIENT", "TRACKING", *broadcast)
    db.set("user:1", "its own")
    other.mset({"user:2": 1, "else": 2})
    assert heard(listener) == (*invalidated, [b"user:2"])
    other.set("job:1", 1)
    assert heard(listener) == (*invalidated, [b"job:1"])
    listener.close()


def monitor(protocol):
    db = connect(protocol=protocol, db=5)
    with connect(protocol=protocol).monitor() as monitor:
        db.set("k", 'a "b" \\ \n')
        seen = monitor.next_command()
        while seen["command"].split()[0] != "SET":
            seen = monitor.next_command()
        assert seen["db"] == 5 and seen["client_address"] == "127.0.0.1", seen
        assert seen["client_type"] == "tcp" and abs(seen["time"] - time.time()) < PATIENCE, seen
        assert seen["command"].startswith('SET k a "b"'), seen


for name in sys.argv[2:]:
    for version in (2, 3):
        globals()[name](version)
print("ok")
