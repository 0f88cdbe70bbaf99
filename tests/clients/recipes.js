// What people build with ioredis: pipelines that make themselves, consumers of streams, queues, iterators, caches.
// Arguments: the port, and what is to be checked. Prints a line for each step and ok in the end, or fails with a
// stack trace. Nothing waits for a time to pass: conditions are asked for until they hold.
//
// BullMQ is left out: all it does is scripts, which the server has not.
"use strict";

const assert = require("node:assert/strict");
const { once } = require("node:events");

const { PATIENCE, range, step, until } = require("./common.js");
const { connect, run, withEachProtocol } = require("./ioredis-common.js");

// Gives each of several workers a connection, and closes them when all are done.
async function withWorkers(count, work) {
  const connections = range(count).map(() => connect());
  await Promise.all(connections.map(work));
  await Promise.all(connections.map((connection) => connection.quit()));
}

async function pipelines(db) {
  const eager = connect({ enableAutoPipelining: true });
  const reads = () => db.info("stats").then((info) => Number(/total_reads_processed:(\d+)/.exec(info)[1]));
  await eager.ping();
  const before = await reads();
  await Promise.all(range(1000).map((n) => eager.set(`auto:${n}`, n)));
  assert.deepEqual(await Promise.all(range(1000).map((n) => eager.get(`auto:${n}`))), range(1000).map(String));
  // Two thousand commands, of which very many came in one piece.
  assert.ok((await reads()) - before < 500, "they were not sent together");
  const [good, bad] = await Promise.allSettled([eager.incr("auto:1"), eager.lpush("auto:1", "x")]);
  assert.equal(good.value, 2);
  assert.match(bad.reason.message, /^WRONGTYPE/);
  await eager.quit();
  const [[, set], [, members], [error]] = await db.pipeline([["sadd", "s", "a", "b"], ["scard", "s"], ["incr", "s"]]).exec();
  assert.deepEqual([set, members], [2, 2]);
  assert.match(error.message, /^WRONGTYPE/);
  const prefixed = connect({ keyPrefix: "app:" });
  await prefixed.mset({ a: 1, b: 2 });
  assert.deepEqual(await db.mget("app:a", "app:b", "a"), ["1", "2", null]);
  await prefixed.quit();
  await everyIncrementCounts(db);
}

// Each reads, adds and writes; without WATCH most of it would be lost.
async function everyIncrementCounts(db) {
  await db.set("total", 0);
  await withWorkers(4, async (mine) => {
    for (const _ of range(10)) {
      await until(async () => {
        await mine.watch("total");
        return mine.multi().set("total", Number(await mine.get("total")) + 1).exec();
      });
    }
  });
  assert.equal(await db.get("total"), "40");
}

async function streams(db) {
  await db.xgroup("CREATE", "orders", "billing", "$", "MKSTREAM");
  await assert.rejects(db.xgroup("CREATE", "orders", "billing", "$"), /^ReplyError: BUSYGROUP|BUSYGROUP/);
  const consuming = withWorkers(3, async (mine) => {
    const name = `consumer-${await mine.client("ID")}`;
    for (;;) {
      const args = ["GROUP", "billing", name, "COUNT", 1, "BLOCK", PATIENCE, "STREAMS", "orders", ">"];
      const [id, fields] = firstEntry(await mine.xreadgroup(...args), "orders");
      assert.equal(await mine.xack("orders", "billing", id), 1);
      if (fields[1] === "stop") return;
      await mine.hincrby("billed", fields[1], 1);
    }
  });
  const sent = db.pipeline();
  for (const n of range(300)) sent.xadd("orders", "MAXLEN", "~", 10_000, "*", "number", n);
  for (const _ of range(3)) sent.xadd("orders", "*", "number", "stop");
  await sent.exec();
  await consuming;
  const billed = await db.hgetall("billed");
  assert.deepEqual(billed, Object.fromEntries(range(300).map((n) => [String(n), "1"])));
  assert.equal(asList(await db.xpending("orders", "billing"))[0], 0);
  await db.xadd("mail", "1-1", "a", "1", "b", "2");
  await db.xgroup("CREATE", "mail", "g", "0");
  assert.deepEqual(firstEntry(await db.xreadgroup("GROUP", "g", "gone", "STREAMS", "mail", ">"), "mail"), ["1-1", ["a", "1", "b", "2"]]);
  assert.deepEqual(await db.xautoclaim("mail", "g", "new", 0, "0"), ["0-0", [["1-1", ["a", "1", "b", "2"]]], []]);
  assert.deepEqual(await db.xrange("mail", "-", "+"), [["1-1", ["a", "1", "b", "2"]]]);
}

// The first entry that was read from a stream: lists of lists, or a map in the third version of the protocol.
function firstEntry(reply, stream) {
  const found = Array.isArray(reply) ? Object.fromEntries(reply.length === 2 && reply[0] === stream ? [reply] : reply) : reply;
  return (found instanceof Map ? found.get(stream) : found[stream])[0];
}

const asList = (reply) => (Array.isArray(reply) ? reply : Object.values(reply));

async function queues(db) {
  const working = withWorkers(4, async (mine) => {
    const doing = `doing:${await mine.client("ID")}`;
    for (;;) {
      const job = await mine.blmove("jobs", doing, "LEFT", "RIGHT", PATIENCE / 1000);
      await mine.multi().lrem(doing, 1, job).rpush("done", job).exec();
      if (job === "stop") return;
    }
  });
  for (const part of range(10)) await db.rpush("jobs", ...range(40).map((n) => part * 40 + n));
  await db.rpush("jobs", ...range(4).map(() => "stop"));
  await working;
  const done = (await db.lrange("done", 0, -1)).filter((job) => job !== "stop").map(Number);
  assert.deepEqual(done.sort((a, b) => a - b), range(400));
  assert.deepEqual(await db.keys("doing:*"), []);
  await db.zadd("later", 3, "c", 1, "a", 2, "b");
  const [key, member, score] = await db.bzpopmin("later", PATIENCE / 1000);
  assert.deepEqual([key, member, Number(score)], ["later", "a", 1]);
  const lock = (token) => db.set("lock", token, "PX", 60_000, "NX");
  assert.deepEqual([await lock("mine"), await lock("yours")], ["OK", null]);
  const waiter = connect();
  const waiting = waiter.blpop("never", 0);
  waiting.catch(() => {});
  await until(async () => /blocked_clients:1/.test(await db.info("clients")));
  waiter.disconnect();
  await assert.rejects(waiting, /closed/);
  await until(async () => /blocked_clients:0/.test(await db.info("clients")));
}

async function scans(db) {
  const pipeline = db.pipeline();
  for (const n of range(2000)) pipeline.set(`key:${n}`, n).sadd("tags", n).hset("hash", n, n).zadd("zset", n, `m${n}`);
  await pipeline.exec();
  const all = async (stream) => {
    const found = [];
    for await (const part of stream) found.push(...part);
    return found;
  };
  assert.equal(new Set(await all(db.scanStream({ match: "key:*", count: 100 }))).size, 2000);
  assert.deepEqual((await all(db.scanStream({ type: "zset" }))), ["zset"]);
  assert.equal(new Set(await all(db.sscanStream("tags", { match: "1*" }))).size, 1111);
  assert.equal((await all(db.hscanStream("hash", { count: 100 }))).length, 4000);
  assert.equal((await all(db.zscanStream("zset"))).length, 4000);
  // A stream that is paused and resumed, while what it has found is removed.
  const stream = db.scanStream({ match: "key:*" });
  let removed = 0;
  stream.on("data", (keys) => {
    stream.pause();
    Promise.resolve(keys.length ? db.unlink(keys) : 0).then((count) => {
      removed += count;
      stream.resume();
    });
  });
  await once(stream, "end");
  await until(() => removed === 2000);
  assert.equal(await db.exists("key:0", "key:1999"), 0);
}

// A cache in the client's memory, told by the server what has changed, over a connection of its own.
async function reads(db) {
  const cache = new Map();
  const listener = connect({ protocol: 2 });
  listener.on("message", (channel, keys) => {
    assert.equal(channel, "__redis__:invalidate");
    // The library makes text of a list with one key, and of nil, which stands for all keys.
    if (keys === "") cache.clear();
    else cache.delete(keys);
  });
  const target = await listener.client("ID");
  await listener.subscribe("__redis__:invalidate");
  const reader = connect({ protocol: 2 });
  assert.equal(await reader.client("TRACKING", "ON", "REDIRECT", target), "OK");
  const read = async (key) => {
    if (!cache.has(key)) cache.set(key, await reader.get(key));
    return cache.get(key);
  };
  await db.mset({ a: 1, b: 2 });
  assert.deepEqual([await read("a"), await read("b"), await read("a")], ["1", "2", "1"]);
  await db.set("a", "changed");
  await until(async () => (await read("a")) === "changed");
  assert.ok(cache.has("b"));
  await db.flushall();
  await until(async () => (await read("b")) === null);
  reader.disconnect();
  listener.disconnect();
}

// The server is stopped and started again meanwhile, by whoever reads `restart`.
async function restart(db) {
  await db.set("kept", "v");
  const run = async (client) => /run_id:(\w+)/.exec(await client.info("server"))[1];
  const before = await run(db);
  const lasting = connect({ retryStrategy: () => 10, maxRetriesPerRequest: null });
  const listener = connect({ retryStrategy: () => 10, maxRetriesPerRequest: null });
  const messages = [];
  listener.on("message", (channel, message) => messages.push(message));
  // What breaks in between is expected.
  for (const client of [lasting, listener, db]) client.on("error", () => {});
  await listener.subscribe("news");
  await lasting.ping();
  const broken = new Promise((resolve) => lasting.once("reconnecting", resolve));
  step("restart");
  await broken;
  // Sent while nobody is there: they wait for the connection.
  const counts = await Promise.all(range(100).map(() => lasting.incr("counted")));
  assert.deepEqual(counts, range(100).map((n) => n + 1));
  assert.equal(await lasting.get("kept"), "v");
  assert.notEqual(await run(lasting), before);
  await until(async () => (await lasting.publish("news", "hello")) === 1);
  await until(async () => (await lasting.ping()) && messages.length > 0);
  assert.equal(messages[0], "hello");
  await lasting.flushall();
  lasting.disconnect();
  listener.disconnect();
}

run(async () => {
  for (const name of process.argv.slice(3)) {
    await withEachProtocol(async (protocol) => {
      const begun = Date.now();
      const db = connect();
      await db.flushall();
      await { pipelines, streams, queues, scans, reads, restart }[name](db);
      db.disconnect();
      step(`${name}, version ${protocol} of the protocol: ${(Date.now() - begun) / 1000} s`);
    });
  }
});
