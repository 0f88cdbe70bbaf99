"""redis-py against the server whose port is the only argument. Fails with a traceback, else prints ok."""

import threading

import redis

from common import connect, until


def strings_and_keys(db):
    every_byte = bytes(range(256)) * 64
    assert db.set("k", every_byte) is True
    assert db.get("k") == every_byte
    assert db.set("k", "other", nx=True) is None
    assert db.set("k", "new", xx=True, get=True) == every_byte
    assert db.append("k", "er") == 5 and db.getrange("k", 1, -1) == b"ewer"
    assert db.mset({"a": 1, "b": 2.5}) is True
    assert db.mget("a", "b", "c") == [b"1", b"2.5", None]
    assert db.incrby("a", 41) == 42 and db.incrbyfloat("b", 0.25) == 2.75
    assert db.exists("a", "b", "c") == 2 and db.type("a") == b"string"
    assert db.copy("a", "d") is True and db.rename("d", "e") is True
    assert db.delete("a", "e") == 2 and db.unlink("b") == 1
    assert db.get("") is None
    assert db.lcs("k", "k") == b"newer"


def deadlines(db):
    db.set("t", "v", ex=100)
    assert 0 < db.ttl("t") <= 100 and 0 < db.pttl("t") <= 100_000
    assert db.expire("t", 50, lt=True) is True and db.expire("t", 60, lt=True) is False
    assert db.expiretime("t") > 0 and db.persist("t") is True and db.ttl("t") == -1
    assert db.getex("t", px=1) == b"v" and db.ttl("nosuch") == -2


def scans(db):
    db.mset({f"scan:{n}": n for n in range(1000)})
    assert len(set(db.scan_iter("scan:*", count=50))) == 1000
    assert len(db.keys("scan:99?")) == 10
    assert db.dbsize() >= 1000
    assert db.flushdb() is True and db.dbsize() == 0


def pipelines(db):
    pipe = db.pipeline(transaction=False)
    for n in range(2000):
        pipe.set(f"p:{n}", n)
        pipe.get(f"p:{n}")
    replies = pipe.execute()
    assert replies[0::2] == [True] * 2000
    assert replies[1::2] == [str(n).encode() for n in range(2000)]
    pipe = db.pipeline(transaction=False)
    pipe.set("n", "x").incr("n").get("n")
    replies = pipe.execute(raise_on_error=False)
    assert isinstance(replies[1], redis.ResponseError) and replies[2] == b"x"


def collections(db):
    db.delete("list", "set", "hash", "zset", "geo", "hll")
    assert db.rpush("list", "a", "b", "c") == 3 and db.lrange("list", 0, -1) == [b"a", b"b", b"c"]
    assert db.lpos("list", "b") == 1 and db.lmpop(2, "nosuch", "list", direction="LEFT") == [b"list", [b"a"]]
    assert db.sadd("set", "a", "b", 3) == 3 and db.smembers("set") == {b"a", b"b", b"3"}
    assert db.spop("set", 3) is not None and db.scard("set") == 0
    assert db.hset("hash", mapping={"f": 1, "g": "two"}) == 2
    assert db.hgetall("hash") == {b"f": b"1", b"g": b"two"} and db.hincrbyfloat("hash", "f", 0.5) == 1.5
    assert db.hexpire("hash", 100, "f") == [1] and 0 < db.httl("hash", "f")[0] <= 100
    assert db.zadd("zset", {"a": 1.5, "b": float("-inf"), "c": 0.1}) == 3
    ranked = [(name, float(score)) for name, score in db.zrange("zset", 0, -1, withscores=True)]
    assert ranked == [(b"b", float("-inf")), (b"c", 0.1), (b"a", 1.5)], ranked
    assert db.zscore("zset", "c") == 0.1 and db.zrank("zset", "a") == 2
    assert [float(score) for score in db.zmscore("zset", ["a", "c"])] == [1.5, 0.1]
    assert db.geoadd("geo", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
    assert abs(db.geodist("geo", "Palermo", "Catania", "km") - 166.2742) < 0.001
    assert db.geosearch("geo", longitude=15, latitude=37, radius=100, unit="km") == [b"Catania"]
    assert db.pfadd("hll", *range(1000)) == 1 and abs(db.pfcount("hll") - 1000) < 50
    assert db.sort("list", alpha=True, desc=True) == [b"c", b"b"]
    for kind in ("list", "hash", "zset", "geo"):
        assert db.restore("copy", 0, db.dump(kind), replace=True) in (True, b"OK") and db.exists("copy")


def scans_of_collections(db):
    db.delete("large")
    db.sadd("large", *range(2000), "text")
    assert len(set(db.sscan_iter("large", count=100))) == 2001
    db.delete("large")
    db.hset("large", mapping={f"f{n}": n for n in range(2000)})
    assert len(dict(db.hscan_iter("large", match="f1*"))) == 1111
    db.delete("large")
    db.zadd("large", {f"m{n}": n for n in range(2000)})
    assert len(dict(db.zscan_iter("large"))) == 2000


def streams(db):
    db.delete("stream")
    ids = [db.xadd("stream", {"n": n}) for n in range(10)]
    assert db.xlen("stream") == 10 and db.xrange("stream", count=1)[0][0] == ids[0]
    assert db.xgroup_create("stream", "g", id="0") is True
    ((_, entries),) = items(db.xreadgroup("g", "c", {"stream": ">"}, count=4))
    assert len(flat(entries)) == 4 and db.xack("stream", "g", ids[0]) == 1
    assert db.xpending("stream", "g")["pending"] == 3
    assert len(db.xpending_range("stream", "g", "-", "+", 10)) == 3
    assert len(db.xautoclaim("stream", "g", "d", 0)[1]) == 3
    assert db.xinfo_stream("stream")["length"] == 10 and len(db.xinfo_groups("stream")) == 1
    assert db.xtrim("stream", maxlen=5, approximate=False) == 5


def items(streams):
    return streams.items() if isinstance(streams, dict) else streams


def flat(entries):
    """With the third version of the protocol, redis-py puts the entries into a list of their own."""
    return entries[0] if len(entries) == 1 and isinstance(entries[0], list) else entries


def waits(db):
    db.delete("queue")
    got = []
    waiter = threading.Thread(target=lambda: got.append(connect().blpop("queue", 15)))
    waiter.start()
    until(lambda: int(db.info("clients")["blocked_clients"]) > 0)
    assert db.rpush("queue", "job") == 1
    waiter.join()
    assert got == [(b"queue", b"job")] or got == [[b"queue", b"job"]], got
    assert db.llen("queue") == 0 and db.blpop("queue", 0.01) is None


def errors(db):
    db.set("text", "abc")
    for ask in (lambda: db.incr("text"), lambda: db.execute_command("NOSUCH"), lambda: db.execute_command("GET")):
        try:
            ask()
        except redis.ResponseError:
            continue
        raise AssertionError("an error was expected")


def server(db):
    assert db.ping() is True and db.echo("hi") == b"hi"
    assert db.client_setname("python") is True and db.client_getname() in ("python", b"python")
    mine = [client for client in db.client_list() if client["name"] == "python"]
    assert mine and mine[0]["lib-name"].startswith("redis-py"), mine
    info = db.info()
    assert info["redis_version"].startswith("7.") and info["connected_clients"] >= 1
    assert db.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert db.config_set("timeout", 0) is True
    assert db.command_count() > 50 and "get" in db.command()
    assert db.object("encoding", "text") in ("embstr", b"embstr")
    assert db.memory_usage("text") > 0 and len(db.time()) == 2
    assert db.slowlog_len() >= 0 and db.lastsave() is not None


def threads():
    db = connect(max_connections=16)
    db.delete("total")

    def count():
        for _ in range(100):
            db.incr("total")

    workers = [threading.Thread(target=count) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert db.get("total") == b"1600"


for protocol in (2, 3):
    client = connect(protocol=protocol)
    for check in (strings_and_keys, deadlines, scans, pipelines, errors, server):
        check(client)
    for check in (collections, scans_of_collections, streams, waits):
        check(client)
    assert connect(protocol=protocol, decode_responses=True, db=3).set("é", "ü") is True
    assert connect(protocol=protocol, decode_responses=True, db=3).get("é") == "ü"
threads()
print("ok")
