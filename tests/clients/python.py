"""redis-py against the server whose port is the only argument. Fails with a traceback, else prints ok."""

import sys
import threading

import redis

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, socket_timeout=20, **options)


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
    assert connect(protocol=protocol, decode_responses=True, db=3).set("é", "ü") is True
    assert connect(protocol=protocol, decode_responses=True, db=3).get("é") == "ü"
threads()
print("ok")
