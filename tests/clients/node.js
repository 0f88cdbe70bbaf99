// ioredis against the server whose port is the only argument. Fails with a stack trace, else prints ok.
"use strict";

const assert = require("node:assert/strict");

const { range, until } = require("./common.js");
const { connect, run } = require("./ioredis-common.js");

async function stringsAndKeys(db) {
  const everyByte = Buffer.from(range(256));
  assert.equal(await db.set("k", everyByte), "OK");
  assert.deepEqual(await db.getBuffer("k"), everyByte);
  assert.equal(await db.set("k", "v", "EX", 100, "NX"), null);
  assert.equal(await db.set("k", "v", "PX", 100_000), "OK");
  const left = await db.pttl("k");
  assert.ok(left > 0 && left <= 100_000);
  assert.equal(await db.mset({ a: "1", b: "two" }), "OK");
  assert.deepEqual(await db.mget("a", "b", "c"), ["1", "two", null]);
  assert.equal(await db.incr("a"), 2);
  assert.equal(await db.incrbyfloat("a", "0.5"), "2.5");
  assert.equal(await db.rename("a", "z"), "OK");
  assert.equal(await db.exists("a", "z"), 1);
  assert.equal(await db.getdel("z"), "2.5");
  await assert.rejects(db.incr("b"), /ERR value is not an integer or out of range/);
  await assert.rejects(db.call("NOSUCH"), /ERR unknown command 'NOSUCH'/);
}

async function pipelines(db) {
  const pipeline = db.pipeline();
  for (let n = 0; n < 2000; n++) pipeline.set(`p:${n}`, n).get(`p:${n}`);
  const replies = await pipeline.exec();
  assert.equal(replies.length, 4000);
  replies.forEach(([error, reply], n) => {
    assert.equal(error, null);
    assert.equal(reply, n % 2 === 0 ? "OK" : String((n - 1) / 2));
  });
  // Without waiting in between, many calls share a write.
  const calls = await Promise.all(range(500).map(() => db.incr("calls")));
  assert.deepEqual(calls, range(500).map((n) => n + 1));
}

async function scans(db) {
  const found = new Set();
  for await (const keys of db.scanStream({ match: "p:1*", count: 100 })) keys.forEach((key) => found.add(key));
  assert.equal(found.size, 1111);
}

async function collections(db) {
  assert.equal(await db.rpush("list", "a", "b", "c"), 3);
  assert.deepEqual(await db.lrange("list", 0, -1), ["a", "b", "c"]);
  assert.equal(await db.hset("hash", { f: "1", g: "2" }), 2);
  assert.deepEqual(await db.hgetall("hash"), { f: "1", g: "2" });
  assert.equal(await db.zadd("zset", 1.5, "a", "-inf", "b"), 2);
  assert.deepEqual(await db.zrange("zset", 0, -1, "WITHSCORES"), ["b", "-inf", "a", "1.5"]);
  assert.equal(await db.sadd("set", "a", "b"), 2);
  assert.deepEqual((await db.sunion("set", "nosuch")).sort(), ["a", "b"]);
  const id = await db.xadd("stream", "*", "f", "v");
  assert.deepEqual(await db.xread("COUNT", 1, "STREAMS", "stream", "0"), [["stream", [[id, ["f", "v"]]]]]);
  const waiter = connect();
  const waiting = waiter.brpop("queue", 10);
  await until(async () => /blocked_clients:1/.test(await db.info("clients")));
  assert.equal(await db.lpush("queue", "job"), 1);
  assert.deepEqual(await waiting, ["queue", "job"]);
  await waiter.quit();
}

async function server(db) {
  assert.equal(await db.ping(), "PONG");
  assert.match(await db.info("server"), /redis_version:7\./);
  assert.equal(await db.client("SETNAME", "node"), "OK");
  assert.match(await db.client("LIST"), /name=node/);
  assert.deepEqual(await db.config("GET", "databases"), ["databases", "16"]);
  assert.equal(await db.select(5), "OK");
  assert.equal(await db.get("k"), null);
  assert.equal(await db.flushall(), "OK");
  assert.equal(await db.dbsize(), 0);
}

run(async () => {
  const db = connect();
  for (const check of [stringsAndKeys, pipelines, scans, collections, server]) await check(db);
  assert.equal(await db.quit(), "OK");
});
