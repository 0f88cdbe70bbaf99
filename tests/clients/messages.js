// ioredis where clients hear of each other. Arguments: the port, and what is to be checked. Fails with a
// stack trace, else prints ok. Nothing waits for a time to pass: conditions are asked for until they hold.
"use strict";

const assert = require("node:assert/strict");
const { once } = require("node:events");

const { PATIENCE, range, until } = require("./common.js");
const { connect, run, withEachProtocol } = require("./ioredis-common.js");

// Takes what is emitted, so that nothing is missed between two questions.
function collect(emitter, event) {
  const seen = [];
  emitter.on(event, (...args) => seen.push(args));
  return async (count) => {
    await until(() => seen.length >= count);
    return seen.splice(0, count);
  };
}

async function listens(db, protocol) {
  const listener = connect();
  const messages = collect(listener, "message");
  const matches = collect(listener, "pmessage");
  assert.equal(await listener.subscribe("news", "sport"), 2);
  assert.equal(await listener.psubscribe("new?"), 3);
  assert.deepEqual(await db.pubsub("NUMSUB", "news", "sport", "other"), ["news", 1, "sport", 1, "other", 0]);
  assert.equal(await db.publish("news", "é"), 2);
  assert.deepEqual(await messages(1), [["news", "é"]]);
  assert.deepEqual(await matches(1), [["new?", "news", "é"]]);
  const sent = range(2000).map((n) => ["sport", String(n)]);
  assert.deepEqual(await Promise.all(sent.map((message) => db.publish(...message))), sent.map(() => 1));
  assert.deepEqual(await messages(2000), sent);
  const ask = listener.get("nosuch");
  if (protocol === 3) assert.equal(await ask, null);
  else await assert.rejects(ask, /subscriber mode/);
  assert.equal(await listener.unsubscribe("sport", "news"), 1);
  assert.equal(await listener.punsubscribe("new?"), 0);
  assert.equal(await listener.get("nosuch"), null);
  await listener.quit();
}

async function resubscribes(db) {
  const listener = connect({ retryStrategy: () => 1 });
  const [messages, matches, shards] = ["message", "pmessage", "smessage"].map((event) => collect(listener, event));
  const id = await listener.client("ID");
  await listener.subscribe("news");
  await listener.psubscribe("job:*");
  await listener.ssubscribe("shard");
  const again = once(listener, "ready");
  assert.equal(await db.client("KILL", "ID", id), 1);
  await again;
  await until(async () => (await db.pubsub("NUMSUB", "news"))[1] === 1 && (await db.pubsub("NUMPAT")) === 1);
  await until(async () => (await db.pubsub("SHARDNUMSUB", "shard"))[1] === 1);
  assert.equal(await db.publish("news", "after"), 1);
  assert.equal(await db.publish("job:1", "done"), 1);
  assert.equal(await db.spublish("shard", "too"), 1);
  assert.deepEqual(await messages(1), [["news", "after"]]);
  assert.deepEqual(await matches(1), [["job:*", "job:1", "done"]]);
  assert.deepEqual(await shards(1), [["shard", "too"]]);
  assert.equal(await db.client("KILL", "TYPE", "pubsub"), 1);
  listener.disconnect();
  await until(async () => (await db.pubsub("CHANNELS")).length === 0);
}

async function hearsOfKeys(db) {
  const listener = connect();
  const matches = collect(listener, "pmessage");
  assert.equal(await db.config("SET", "notify-keyspace-events", "Ex$"), "OK");
  await listener.psubscribe("__keyevent@*__:*");
  await db.set("k", "v", "PX", 1);
  await until(async () => (await db.exists("k")) === 0);
  const pattern = "__keyevent@*__:*";
  assert.deepEqual(await matches(2), [[pattern, "__keyevent@0__:set", "k"], [pattern, "__keyevent@0__:expired", "k"]]);
  await db.config("SET", "notify-keyspace-events", "");
  await listener.quit();
}

async function pubsub(db, protocol) {
  for (const check of [listens, resubscribes, hearsOfKeys]) await check(db, protocol);
}

async function transactions(db) {
  await db.flushall();
  assert.deepEqual(await db.multi().set("k", "1").incr("k").get("k").exec(), [[null, "OK"], [null, 2], [null, "2"]]);
  const [first, second, third] = await db.multi().incr("k").lpush("k", "x").incr("k").exec();
  assert.deepEqual([first, third], [[null, 3], [null, 4]]);
  assert.match(second[0].message, /^WRONGTYPE/);
  await assert.rejects(db.multi().incr("k").call("NOSUCH").exec(), /EXECABORT/);
  assert.equal(await db.get("k"), "4");
  assert.equal(await db.multi({ pipeline: false }), "OK");
  assert.equal(await db.incr("k"), "QUEUED");
  assert.equal(await db.discard(), "OK");
  const other = connect();
  await db.watch("k");
  await other.incr("k");
  assert.equal(await db.multi().set("k", "lost").exec(), null);
  await db.watch("k");
  assert.deepEqual(await db.multi().incr("k").exec(), [[null, 6]]);
  const replies = await db.pipeline().multi().incr("k").incr("k").exec().get("k").exec();
  assert.deepEqual(replies.map(([, reply]) => reply), ["OK", "QUEUED", "QUEUED", [7, 8], "8"]);
  await other.quit();
}

async function monitor(db) {
  const base = connect();
  // So that what the library asks for by itself, when it has connected, comes before.
  await Promise.all([db.ping(), base.ping()]);
  const watching = await base.monitor();
  const commands = collect(watching, "monitor");
  await db.select(4);
  await db.set("k", 'a "b" \\ \n');
  const seen = await commands(2);
  // The library takes escapes of quotes away, and leaves the others.
  const written = ["set", "k", 'a "b" \\\\ \\n'];
  assert.deepEqual(seen.map(([, words]) => words), [["select", "4"], written]);
  const [time, , source, database] = seen[1];
  assert.ok(Math.abs(Number(time) - Date.now() / 1000) < PATIENCE);
  assert.match(source, /^127\.0\.0\.1:\d+$/);
  assert.equal(database, "4");
  watching.disconnect();
  base.disconnect();
}

run(async () => {
  for (const name of process.argv.slice(3)) {
    await withEachProtocol(async (protocol) => {
      const db = connect();
      await { pubsub, transactions, monitor }[name](db, protocol);
      await db.quit();
    });
  }
});
