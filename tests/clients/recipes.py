"""What people build with redis-py: locks, limits of rates, queues, streams with groups of consumers, indexes, pools.
Arguments: the port, and what is to be checked. Prints a line for each step and ok in the end, or fails with a
traceback. Nothing waits for a time to pass: conditions are asked for until they hold."""

import asyncio
import json
import sys
import threading
import time
import uuid

import redis
import redis.asyncio
from redis.backoff import ConstantBackoff, ExponentialBackoff
from redis.retry import Retry

from common import PATIENCE, PORT, connect, fails, step, until


def in_threads(count, work):
    """Runs work(number) in that many threads; an error of one is everybody's."""
    errors = []

    def run(number):
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread does not end"
    if errors:
        raise errors[0]


# Locks.


class Lock:
    """A lock with an owner and a deadline, given back by who holds it only: without a script."""

    def __init__(self, db, name, ttl_ms=60_000):
        self.db, self.name, self.ttl_ms, self.token = db, name, ttl_ms, uuid.uuid4().hex.encode()

    def take(self):
        return bool(self.db.set(self.name, self.token, nx=True, px=self.ttl_ms))

    def if_mine(self, change):
        def transaction(pipe):
            is_mine = pipe.get(self.name) == self.token
            pipe.multi()
            if is_mine:
                change(pipe)

        return bool(self.db.transaction(transaction, self.name))

    def give_back(self):
        return self.if_mine(lambda pipe: pipe.delete(self.name))

    def prolong(self):
        return self.if_mine(lambda pipe: pipe.pexpire(self.name, self.ttl_ms))


def locks(protocol):
    db = connect(protocol=protocol)
    first, second = Lock(db, "lock"), Lock(db, "lock")
    assert first.take() and not second.take() and first.prolong()
    assert not second.give_back() and first.give_back() and not first.give_back() and second.take()
    db.delete("lock")
    db.set("counter", 0)

    def work(_):
        mine = connect(protocol=protocol)
        for _ in range(10):
            lock = Lock(mine, "lock")
            until(lock.take)
            # Reading and writing apart: only the lock keeps others away.
            mine.set("counter", int(mine.get("counter")) + 1)
            assert lock.give_back()

    in_threads(4, work)
    assert db.get("counter") == b"40"
    expiring = Lock(db, "lock", ttl_ms=1)
    assert expiring.take()
    until(first.take)
    assert not expiring.give_back() and first.give_back()
    the_librarys_own_lock(db)


def the_librarys_own_lock(db):
    """It is taken with SET, and given back with a script."""
    lock, other = db.lock("own", timeout=60), db.lock("own", timeout=60, blocking_timeout=0.05)
    assert lock.acquire(blocking=False) and lock.locked() and lock.owned() and not other.acquire()
    assert 0 < db.pttl("own") <= 60_000
    if b"evalsha" in db.command_list():
        lock.release()
        assert not lock.locked() and other.acquire()
        other.release()
    else:
        assert "unknown command 'EVALSHA'" in fails(redis.ResponseError, lock.release)
        assert db.delete("own") == 1 and other.acquire()


# Limits of rates.


def rates(protocol):
    db = connect(protocol=protocol)
    window = [db.pipeline().incr("rate:a").expire("rate:a", 60, nx=True).execute() for _ in range(5)]
    assert window == [[1, True], [2, False], [3, False], [4, False], [5, False]] and 0 < db.ttl("rate:a") <= 60

    def sliding(user, now_ms, limit=3, span_ms=1000):
        key = f"sliding:{user}"
        pipe = db.pipeline()
        pipe.zremrangebyscore(key, 0, now_ms - span_ms)
        pipe.zadd(key, {uuid.uuid4().hex: now_ms})
        pipe.zcard(key)
        pipe.pexpire(key, span_ms)
        return pipe.execute()[2] <= limit

    assert [sliding("a", now) for now in (1, 2, 3, 4, 900, 1002, 1003)] == [True] * 3 + [False] * 4
    assert sliding("a", 3000) and sliding("b", 3000)
    db.set("tokens", 10)

    def take(number):
        def transaction(pipe):
            left = int(pipe.get("tokens"))
            pipe.multi()
            if left > 0:
                pipe.decr("tokens")
                pipe.rpush("taken", number)

        mine = connect(protocol=protocol)
        for _ in range(5):
            mine.transaction(transaction, "tokens")

    in_threads(4, take)
    assert db.get("tokens") == b"0" and db.llen("taken") == 10


# Queues.


def queues(protocol):
    db = connect(protocol=protocol)
    jobs = [str(number).encode() for number in range(400)]

    def work(number):
        mine, doing = connect(protocol=protocol), f"doing:{number}"
        while (job := mine.blmove("jobs", doing, PATIENCE, "LEFT", "RIGHT")) != b"stop":
            # Done and no longer being done, at once.
            assert mine.pipeline().rpush("done", job).lrem(doing, 1, job).execute()[1] == 1
        mine.lrem(doing, 1, b"stop")

    workers = threading.Thread(target=in_threads, args=(4, work), daemon=True)
    workers.start()
    for begin in range(0, 400, 50):
        db.rpush("jobs", *jobs[begin : begin + 50])
    until(lambda: db.llen("done") == 400)
    db.rpush("jobs", *[b"stop"] * 4)
    workers.join(PATIENCE)
    assert sorted(db.lrange("done", 0, -1)) == sorted(jobs) and not db.exists("jobs", *(f"doing:{n}" for n in range(4)))
    a_worker_that_died(db)
    in_order_of_priority(db)
    due_later(db)


def a_worker_that_died(db):
    db.rpush("jobs", "a", "b")
    assert db.lmove("jobs", "doing:gone", "LEFT", "RIGHT") == b"a"
    while db.lmove("doing:gone", "jobs", "RIGHT", "LEFT"):
        pass
    assert db.lrange("jobs", 0, -1) == [b"a", b"b"] and db.delete("jobs") == 1


def in_order_of_priority(db):
    db.rpush("low", "l1", "l2")
    db.rpush("high", "h1")
    got = [tuple(db.blpop(["high", "middle", "low"], PATIENCE)) for _ in range(3)]
    assert got == [(b"high", b"h1"), (b"low", b"l1"), (b"low", b"l2")]
    db.rpush("low", *"abcde")
    count, elements = db.blmpop(PATIENCE, 2, "high", "low", direction="LEFT", count=3)
    assert (count, elements) == (b"low", [b"a", b"b", b"c"]) and db.delete("low") == 1


def due_later(db):
    """Jobs in the order in which they are due; who takes one has it alone."""
    db.zadd("later", {f"job:{n}": n for n in range(100)})
    taken, guard = [], threading.Lock()

    def work(_):
        mine = connect(protocol=2)
        while due := mine.zrangebyscore("later", "-inf", 49, start=0, num=5):
            for job in due:
                if mine.zrem("later", job):
                    with guard:
                        taken.append(job)

    in_threads(4, work)
    assert sorted(taken) == sorted(b"job:%d" % n for n in range(50)) and db.zcard("later") == 50
    key, member, score = db.bzpopmin("later", PATIENCE)
    assert (key, member, float(score)) == (b"later", b"job:50", 50.0) and db.delete("later") == 1


# Streams.


def streams(protocol):
    db = connect(protocol=protocol)
    db.xgroup_create("orders", "billing", id="$", mkstream=True)
    assert "BUSYGROUP" in fails(redis.ResponseError, db.xgroup_create, "orders", "billing")

    def consume(number):
        mine, name = connect(protocol=protocol), f"consumer-{number}"
        while True:
            for identifier, fields in entries(mine.xreadgroup("billing", name, {"orders": ">"}, 10, PATIENCE * 1000)):
                pipe = mine.pipeline().xack("orders", "billing", identifier)
                if fields[b"kind"] == b"order":
                    pipe.hincrby("billed", fields[b"number"], 1)
                assert pipe.execute()[0] == 1
                if fields[b"kind"] == b"stop":
                    return

    consumers = threading.Thread(target=in_threads, args=(3, consume), daemon=True)
    consumers.start()
    pipe = db.pipeline(transaction=False)
    for number in range(500):
        pipe.xadd("orders", {"kind": "order", "number": number}, maxlen=10_000, approximate=True)
    pipe.execute()
    until(lambda: db.hlen("billed") == 500)
    # A consumer takes up to ten at a time, but stops at the first of these; the others are claimed below.
    while consumers.is_alive():
        db.xadd("orders", {"kind": "stop"})
        consumers.join(0.01)
    assert set(db.hvals("billed")) == {b"1"}
    db.xautoclaim("orders", "billing", "cleaner", 0)
    until(lambda: not settle(db))
    assert db.xpending("orders", "billing")["pending"] == 0
    who_died_is_replaced(db)
    what_is_told_of_streams(db)


def entries(reply):
    """With the third version of the protocol, redis-py gives a map, and puts entries into a list of their own."""
    for _, found in reply.items() if isinstance(reply, dict) else reply:
        for entry in found:
            yield from [entry] if isinstance(entry, tuple) else entry


def settle(db):
    """Acknowledges what somebody has read and left; tells how many those were."""
    pending = db.xpending_range("orders", "billing", "-", "+", 100)
    for entry in pending:
        assert db.xack("orders", "billing", entry["message_id"]) == 1
    return len(pending)


def who_died_is_replaced(db):
    ids = [db.xadd("mail", {"n": n}) for n in range(10)]
    db.xgroup_create("mail", "readers", id="0")
    assert len(list(entries(db.xreadgroup("readers", "gone", {"mail": ">"}, count=6)))) == 6
    assert [entry["times_delivered"] for entry in db.xpending_range("mail", "readers", "-", "+", 10, "gone")] == [1] * 6
    cursor, claimed, deleted = db.xautoclaim("mail", "readers", "new", 0, start_id="0-0", count=4)
    assert [identifier for identifier, _ in claimed] == ids[:4] and cursor == ids[4] and deleted == []
    assert db.xclaim("mail", "readers", "new", 0, ids[4:6], justid=True) == ids[4:6]
    assert [i for i, _ in entries(db.xreadgroup("readers", "new", {"mail": "0"}))] == ids[:6]
    assert db.xack("mail", "readers", *ids[:6]) == 6 and db.xgroup_delconsumer("mail", "readers", "gone") == 0
    assert db.xtrim("mail", minid=ids[8], approximate=False) == 8 and db.xlen("mail") == 2
    assert [i for i, _ in db.xrevrange("mail", count=1)] == ids[9:]


def what_is_told_of_streams(db):
    (group,) = db.xinfo_groups("mail")
    assert (group["name"], group["pending"], group["consumers"]) == (b"readers", 0, 1), group
    assert (group["entries-read"], group["lag"]) == (6, 4), group
    (consumer,) = db.xinfo_consumers("mail", "readers")
    assert consumer["name"] == b"new" and consumer["pending"] == 0 and consumer["idle"] >= 0
    full = db.xinfo_stream("mail", full=True)
    assert full["length"] == 2 and full["entries-added"] == 10 and len(full["entries"]) == 2
    assert db.xgroup_setid("mail", "readers", "0") and len(list(entries(db.xreadgroup("readers", "new", {"mail": ">"})))) == 2
    assert db.xgroup_destroy("mail", "readers") == 1 and db.xinfo_groups("mail") == []


# Documents and indexes.


def documents(protocol):
    db = connect(protocol=protocol, decode_responses=True)
    cart = {"user": "é", "items": [{"sku": 1, "count": 2}], "total": 9.5}
    assert db.set("cart:1", json.dumps(cart)) and json.loads(db.get("cart:1")) == cart

    def add(number):
        def transaction(pipe):
            document = json.loads(pipe.get("cart:1"))
            document["items"].append({"sku": number, "count": 1})
            pipe.multi()
            pipe.set("cart:1", json.dumps(document), keepttl=True)

        mine = connect(protocol=protocol, decode_responses=True)
        for _ in range(5):
            mine.transaction(transaction, "cart:1")

    in_threads(4, add)
    assert len(json.loads(db.get("cart:1"))["items"]) == 21
    sessions_and_sets(db)
    boards_and_words(db)
    every_key_is_found(db)


def sessions_and_sets(db):
    db.pipeline().hset("session:1", mapping={"user": "ann", "seen": 0}).expire("session:1", 60).execute()
    assert db.hincrby("session:1", "seen", 1) == 1 and db.hmget("session:1", "user", "none") == ["ann", None]
    assert db.hgetall("session:1") == {"user": "ann", "seen": "1"} and 0 < db.ttl("session:1") <= 60
    for day, users in (("mon", range(0, 100)), ("tue", range(50, 150))):
        pipe = db.pipeline()
        for user in users:
            pipe.setbit(f"active:{day}", user, 1)
        pipe.pfadd(f"unique:{day}", *users)
        pipe.sadd(f"users:{day}", *users)
        pipe.execute()
    assert db.bitop("AND", "active:both", "active:mon", "active:tue") == 19 and db.bitcount("active:both") == 50
    assert db.sintercard(2, ["users:mon", "users:tue"], limit=0) == 50 and db.pfmerge("unique:all", "unique:mon", "unique:tue")
    assert abs(db.pfcount("unique:all") - 150) < 10 and db.bitpos("active:both", 1) == 50
    assert db.bitfield("fields", "SAT").set("u8", "#0", 200).incrby("u8", "#0", 100).execute() == [0, 255]


def boards_and_words(db):
    db.zadd("board", {f"player:{n}": n * 10 for n in range(100)})
    assert db.zadd("board", {"player:3": 5000}, gt=True, ch=True) == 1 and db.zrevrank("board", "player:3") == 0
    top = [name for name, _ in pairs(db.zrange("board", 0, 2, desc=True, withscores=True))]
    assert top == ["player:3", "player:99", "player:98"]
    assert db.zcount("board", 900, "(990") == 9 and db.zremrangebyrank("board", 0, 9) == 10
    db.zadd("words", dict.fromkeys(["car", "card", "care", "cat", "dog"], 0))
    assert db.zrangebylex("words", "[car", "[car\xff") == ["car", "card", "care"] and db.zlexcount("words", "[c", "(d") == 4
    db.geoadd("shops", [13.361389, 38.115556, "north", 15.087269, 37.502669, "south"])
    assert db.geosearchstore("near", "shops", longitude=15, latitude=37, radius=200, unit="km", sort="ASC") == 2
    ((name, distance, place),) = db.geosearch("shops", member="south", radius=1, unit="km", withdist=True, withcoord=True)
    assert name == "south" and float(distance) == 0 and abs(float(place[0]) - 15.087269) < 0.001
    db.rpush("ids", 3, 1, 2)
    db.mset({"name:1": "one", "name:2": "two", "name:3": "three"})
    assert db.sort("ids", get=["#", "name:*"], groups=True) == [("1", "one"), ("2", "two"), ("3", "three")]
    assert db.zunion({"board": 0, "words": 1}, aggregate="MAX") and db.zdiff(["words", "board"])[0] == "car"


def pairs(reply):
    return [tuple(pair) for pair in reply]


def every_key_is_found(db):
    """Keys that are there all the time are found, whatever is added and removed meanwhile."""
    kept = {f"kept:{n}" for n in range(2000)}
    db.mset(dict.fromkeys(kept, "v"))
    found = set()
    for number, key in enumerate(db.scan_iter("kept:*", count=20)):
        found.add(key)
        if number % 10 == 0:
            db.set(f"other:{number}", "v")
            db.delete(f"other:{number - 500}")
    assert found == kept
    db.sadd("tags", *range(300))
    assert set(db.scan_iter(_type="set")) >= {"tags"} and all(db.type(key) == "set" for key in db.scan_iter(_type="SET"))
    assert len(list(db.sscan_iter("tags", "1*"))) == 111 and db.delete(*kept) == 2000


# Pools and connections that break.


def pools(protocol):
    db = connect(protocol=protocol)
    pool = redis.BlockingConnectionPool(
        host="127.0.0.1", port=PORT, max_connections=3, timeout=PATIENCE, protocol=protocol, client_name="pool"
    )

    def work(_):
        mine = redis.Redis(connection_pool=pool)
        for _ in range(50):
            mine.incr("pooled")

    in_threads(12, work)
    assert db.get("pooled") == b"600"
    assert 1 <= sum(client["name"] == "pool" for client in db.client_list()) <= 3
    pool.disconnect()
    until(lambda: all(client["name"] != "pool" for client in db.client_list()))
    small = redis.Redis(connection_pool=redis.ConnectionPool(host="127.0.0.1", port=PORT, max_connections=1))
    with small.pipeline() as pipe:
        pipe.watch("k")
        fails(redis.exceptions.MaxConnectionsError, small.get, "k")
    assert small.get("k") is None
    connections_that_were_killed(db, protocol)
    health_checks(db, protocol)


def connections_that_were_killed(db, protocol):
    retry = Retry(ConstantBackoff(0), 3)
    mine = connect(protocol=protocol, client_name="victim", retry=retry, retry_on_error=[redis.ConnectionError])
    for number in range(20):
        assert mine.incr("survived") == number + 1
        (victim,) = [client["id"] for client in db.client_list() if client["name"] == "victim"]
        assert db.client_kill_filter(_id=victim) == 1
    pipe = mine.pipeline()
    pipe.watch("survived")
    (victim,) = [client["id"] for client in db.client_list() if client["name"] == "victim"]
    assert db.client_kill_filter(_id=victim) == 1
    # What was watched is forgotten with the connection, so this is not repeated behind one's back.
    fails((redis.ConnectionError, redis.WatchError), lambda: pipe.multi() or pipe.incr("survived").execute())
    assert mine.get("survived") == b"20"


def health_checks(db, protocol):
    """A connection that was idle is asked with PING before it is used."""

    def pings():
        return db.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"]

    mine = connect(protocol=protocol, health_check_interval=0.001)
    mine.get("k")
    before = pings()
    until(lambda: mine.get("k") is None and pings() > before)
    listener = connect(protocol=protocol, health_check_interval=0.001).pubsub()
    listener.subscribe("news")
    until(lambda: (listener.get_message(timeout=0.01) or {}).get("type") == "subscribe")
    until(lambda: listener.get_message(timeout=0.01) is None and pings() > before + 1)
    db.publish("news", "hello")
    assert until(lambda: listener.get_message(timeout=PATIENCE))["data"] == b"hello"
    listener.close()


# Without threads.


def events(protocol):
    asyncio.run(all_at_once(protocol))


async def all_at_once(protocol):
    options = {"host": "127.0.0.1", "port": PORT, "protocol": protocol, "socket_timeout": PATIENCE}
    pool = redis.asyncio.BlockingConnectionPool(max_connections=16, timeout=PATIENCE, **options)
    async with redis.asyncio.Redis.from_pool(pool) as db:
        assert sorted(await asyncio.gather(*(db.incr("async") for _ in range(200)))) == list(range(1, 201))
        async with db.pipeline(transaction=True) as pipe:
            assert await pipe.set("k", 1).incr("k").get("k").execute() == [True, 2, b"2"]
        assert {key async for key in db.scan_iter("a*")} == {b"async"}

        async def consume():
            return [(await db.blpop("async-queue", PATIENCE))[1] for _ in range(50)]

        consumers = [asyncio.create_task(consume()) for _ in range(4)]
        await asyncio.gather(*(db.rpush("async-queue", number) for number in range(200)))
        got = [int(job) for jobs in await asyncio.gather(*consumers) for job in jobs]
        assert sorted(got) == list(range(200))
        async with db.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("async-news")
            assert await listener.get_message(timeout=PATIENCE) is None
            for number in range(100):
                assert await db.publish("async-news", number) == 1
            assert [int((await listener.get_message(timeout=PATIENCE))["data"]) for _ in range(100)] == list(range(100))

        async def add(pipe):
            value = int(await pipe.get("async-total") or 0)
            pipe.multi()
            pipe.set("async-total", value + 1)

        await asyncio.gather(*(db.transaction(add, "async-total") for _ in range(20)))
        assert await db.get("async-total") == b"20"


# What the server tells of itself, in the shapes that the library makes of it.


def reports(protocol):
    db = connect(protocol=protocol, decode_responses=True)
    db.set("k", "v")
    info = db.info("everything")
    assert info["db0"]["keys"] >= 1 and info["cmdstat_set"]["calls"] >= 1 and info["used_memory"] > 0
    assert db.memory_stats()["keys.count"] >= 1 and db.memory_usage("k", samples=0) > 0
    assert db.client_info()["db"] == 0 and db.client_id() > 0 and db.client_trackinginfo()
    db.config_set("slowlog-log-slower-than", 0)
    entry = until(lambda: db.slowlog_get(1))[0]
    assert set(entry) >= {"id", "start_time", "duration", "command"}, entry
    assert db.slowlog_reset() and db.config_set("slowlog-log-slower-than", 10_000)
    assert db.config_get("save", "appendonly").keys() == {"save", "appendonly"} and db.role()
    assert db.object("refcount", "k") >= 1 and db.object("idletime", "k") >= 0 and db.object("encoding", "k") == "embstr"
    assert "summary" in as_map(as_map(db.execute_command("COMMAND DOCS", "GET"))["get"])
    assert db.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"] and "get" in db.command_list()
    assert db.latency_latest() == [] and db.latency_reset() == 0 and isinstance(db.lastsave().timestamp(), float)
    seconds, micros = db.time()
    assert abs(seconds - time.time()) < PATIENCE and 0 <= micros < 1_000_000
    assert db.client_no_evict("ON") and db.client_unpause() and db.reset() == "RESET"
    assert info["redis_version"] < "7.2" or db.client_no_touch("ON")


def as_map(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


# The server is stopped and started again while clients go on. Whoever runs this does it at the word `restart`.


def restart(protocol):
    db = connect(protocol=protocol)
    retry = Retry(ExponentialBackoff(cap=0.2, base=0.01), 500)
    lasting = connect(protocol=protocol, retry=retry, retry_on_error=[redis.ConnectionError, redis.TimeoutError])
    db.set("kept", "v")
    db.rpush("waiting", "a")
    run = db.info("server")["run_id"]
    listener = lasting.pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=PATIENCE)["type"] == "subscribe"
    listening = threading.Thread(target=until, args=(lambda: (listener.get_message(timeout=1) or {}).get("data") == b"end",))
    listening.start()
    waiting = threading.Thread(target=until, args=(lambda: lasting.blpop("later", 1),))
    waiting.start()
    step("restart")
    # It tells about itself while it still loads; the library repeats what it refuses until then.
    until(lambda: lasting.info("server")["run_id"] != run)
    assert lasting.get("kept") == b"v" and lasting.lrange("waiting", 0, -1) == [b"a"]
    assert lasting.rpush("later", "job") == 1
    waiting.join(PATIENCE)
    until(lambda: lasting.publish("news", "end") == 1)
    listening.join(PATIENCE)
    assert not waiting.is_alive() and not listening.is_alive() and lasting.flushall()


for name in sys.argv[2:]:
    for version in (2, 3):
        begun = time.monotonic()
        if name != "restart":
            connect().flushall()
        globals()[name](version)
        step(f"{name}, version {version} of the protocol: {time.monotonic() - begun:.1f} s")
print("ok")
