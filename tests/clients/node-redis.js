// node-redis: what it has methods for, and what people build with it. Arguments: the port, and what is to be
// checked. Prints a line for each step and ok in the end, or fails with a stack trace. Nothing waits for a time to
// pass: conditions are asked for until they hold.
"use strict";

const assert = require("node:assert/strict");
const { createClient, createClientPool, WatchError } = require("redis");

const { PATIENCE, port, range, step, until } = require("./common.js");

let protocol;

async function connect(more) {
  const socket = { host: "127.0.0.1", port, reconnectStrategy: false };
  const client = createClient({ RESP: protocol, socket, ...more });
  // Without somebody who listens to it, an error ends the process; that of a command is told to its caller.
  client.on("error", () => {});
  await client.connect();
  return client;
}

const seconds = PATIENCE / 1000;

async function withWorkers(count, work) {
  const connections = await Promise.all(range(count).map(() => connect()));
  await Promise.all(connections.map(work));
  await Promise.all(connections.map((connection) => connection.close()));
}

async function types(db) {
  assert.equal(await db.set("k", "é", { expiration: { type: "EX", value: 100 }, condition: "NX" }), "OK");
  assert.equal(await db.set("k", "other", { condition: "NX" }), null);
  assert.ok((await db.ttl("k")) > 0);
  assert.equal(await db.get("k"), "é");
  assert.deepEqual(await db.mGet(["k", "nosuch"]), ["é", null]);
  assert.equal(await db.incrByFloat("f", 1.5), "1.5");
  assert.equal(await db.hSet("h", { f: 1, g: "two" }), 2);
  assert.deepEqual({ ...(await db.hGetAll("h")) }, { f: "1", g: "two" });
  assert.deepEqual(await db.hmGet("h", ["g", "none"]), ["two", null]);
  assert.equal(await db.zAdd("z", [{ score: 1.5, value: "a" }, { score: -Infinity, value: "b" }]), 2);
  const ranked = [{ value: "b", score: -Infinity }, { value: "a", score: 1.5 }];
  assert.deepEqual(await db.zRangeWithScores("z", 0, -1), ranked);
  assert.equal(await db.zScore("z", "a"), 1.5);
  assert.deepEqual(await db.zPopMax("z"), ranked[1]);
  assert.equal(await db.sAdd("s", ["a", "b"]), 2);
  assert.deepEqual([...(await db.sMembers("s"))].sort(), ["a", "b"]);
  assert.deepEqual(await db.smIsMember("s", ["a", "x"]), [1, 0]);
  assert.equal(await db.rPush("l", ["a", "b", "c"]), 3);
  assert.equal(await db.lMove("l", "m", "LEFT", "RIGHT"), "a");
  assert.deepEqual(await db.lmPop(["none", "l"], "RIGHT", { COUNT: 5 }), ["l", ["c", "b"]]);
  assert.equal(await db.geoAdd("geo", { longitude: 13.361389, latitude: 38.115556, member: "north" }), 1);
  const [place] = await db.geoPos("geo", "north");
  assert.ok(Math.abs(Number(place.longitude) - 13.361389) < 0.001);
  assert.equal(await db.bitCount("k"), 8);
  assert.equal(await db.type("geo"), "zset");
  assert.deepEqual(await db.configGet("maxmemory"), { maxmemory: "0" });
  assert.ok((await db.memoryUsage("h")) > 0);
  assert.match(await db.info("server"), /redis_version:7\./);
  assert.equal((await db.clientInfo()).db, 0);
  await assert.rejects(db.lPush("k", "x"), /WRONGTYPE/);
  await assert.rejects(db.sendCommand(["NOSUCH"]), /unknown command 'NOSUCH'/);
  const dump = await db.withTypeMapping({ 36: Buffer }).dump("h");
  assert.ok(Buffer.isBuffer(dump));
  assert.equal(await db.restore("copy", 0, dump), "OK");
  assert.deepEqual({ ...(await db.hGetAll("copy")) }, { f: "1", g: "two" });
}

async function pipelines(db) {
  const reads = () => db.info("stats").then((info) => Number(/total_reads_processed:(\d+)/.exec(info)[1]));
  const before = await reads();
  // What is asked for in one turn of the loop is sent together.
  const replies = await Promise.all(range(1000).flatMap((n) => [db.set(`p:${n}`, String(n)), db.get(`p:${n}`)]));
  assert.deepEqual(replies, range(1000).flatMap((n) => ["OK", String(n)]));
  assert.ok((await reads()) - before < 500, "they were not sent together");
  assert.deepEqual(await db.multi().set("a", "1").incr("a").execAsPipeline(), ["OK", 2]);
  const pool = createClientPool({ RESP: protocol, socket: { host: "127.0.0.1", port } }, { minimum: 1, maximum: 4 });
  pool.on("error", () => {});
  await pool.connect();
  const counts = await Promise.all(range(200).map(() => pool.incr("pooled")));
  assert.deepEqual(counts.sort((a, b) => a - b), range(200).map((n) => n + 1));
  await pool.close();
  await until(async () => (await db.clientList()).length === 1);
}

async function transactions(db) {
  const replies = await db.multi().set("k", "1").incr("k").hSet("h", "f", "v").hGetAll("h").exec();
  assert.deepEqual([...replies.slice(0, 3), { ...replies[3] }], ["OK", 2, 1, { f: "v" }]);
  await assert.rejects(db.multi().incr("k").lPush("k", "x").exec(), (error) => /WRONGTYPE/.test([...error.errors()][0].message));
  assert.equal(await db.get("k"), "3");
  await assert.rejects(db.multi().incr("k").addCommand(["NOSUCH"]).exec(), /EXECABORT|unknown command/);
  await db.watch("k");
  await withWorkers(1, (other) => other.incr("k"));
  await assert.rejects(db.multi().set("k", "lost").exec(), WatchError);
  await db.set("total", "0");
  await withWorkers(4, async (mine) => {
    for (const _ of range(10)) {
      await until(async () => {
        await mine.watch("total");
        const total = Number(await mine.get("total"));
        return mine.multi().set("total", String(total + 1)).exec().catch((error) => {
          if (!(error instanceof WatchError)) throw error;
        });
      });
    }
  });
  assert.deepEqual([await db.get("total"), await db.get("k")], ["40", "4"]);
}

async function pubsub(db) {
  const listener = db.duplicate();
  listener.on("error", () => {});
  await listener.connect();
  const heard = [];
  await listener.subscribe(["news", "sport"], (message, channel) => heard.push([channel, message]));
  await listener.pSubscribe("new?", (message, channel) => heard.push(["new?", channel, message]));
  await listener.sSubscribe("shard", (message) => heard.push(message));
  assert.equal(await db.publish("news", "é"), 2);
  assert.equal(await db.sPublish("shard", "in the shard"), 1);
  await until(() => heard.length === 3);
  assert.deepEqual(heard.splice(0), [["news", "é"], ["new?", "news", "é"], "in the shard"]);
  const counts = await Promise.all(range(500).map((n) => db.publish("sport", String(n))));
  assert.deepEqual(counts, counts.map(() => 1));
  await until(() => heard.length === 500);
  assert.deepEqual(heard.splice(0), range(500).map((n) => ["sport", String(n)]));
  assert.deepEqual({ ...(await db.pubSubNumSub(["news", "other"])) }, { news: 1, other: 0 });
  if (protocol === 3) assert.equal(await listener.get("nosuch"), null);
  await listener.unsubscribe("sport");
  await listener.pUnsubscribe();
  assert.equal(await db.publish("sport", "nobody"), 0);
  const bytes = [];
  await listener.subscribe("bytes", (message) => bytes.push(message), true);
  assert.equal(await db.publish("bytes", Buffer.from([0, 255, 13, 10])), 1);
  await until(() => bytes.length === 1);
  assert.deepEqual(bytes[0], Buffer.from([0, 255, 13, 10]));
  listener.destroy();
  await until(async () => (await db.pubSubChannels()).length === 0);
}

async function streams(db) {
  await db.xGroupCreate("orders", "billing", "$", { MKSTREAM: true });
  await assert.rejects(db.xGroupCreate("orders", "billing", "$"), /BUSYGROUP/);
  const consuming = withWorkers(3, async (mine) => {
    const name = `consumer-${await mine.clientId()}`;
    for (;;) {
      const wanted = [{ key: "orders", id: ">" }];
      const found = await mine.xReadGroup("billing", name, wanted, { COUNT: 1, BLOCK: PATIENCE });
      const { id, message } = messages(found, "orders")[0];
      assert.equal(await mine.xAck("orders", "billing", id), 1);
      if (message.number === "stop") return;
      await mine.hIncrBy("billed", message.number, 1);
    }
  });
  const number = (n) => db.xAdd("orders", "*", { number: String(n) });
  await Promise.all([...range(300), "stop", "stop", "stop"].map(number));
  await consuming;
  const billed = Object.fromEntries(range(300).map((n) => [String(n), "1"]));
  assert.deepEqual({ ...(await db.hGetAll("billed")) }, billed);
  assert.equal((await db.xPending("orders", "billing")).pending, 0);
  assert.equal(await db.xLen("orders"), 303);
  await db.xAdd("mail", "1-1", { a: "1", b: "2" });
  await db.xGroupCreate("mail", "g", "0");
  const plain = (entries) => entries.map(({ id, message }) => [id, { ...message }]);
  const expected = [["1-1", { a: "1", b: "2" }]];
  assert.deepEqual(plain(messages(await db.xReadGroup("g", "gone", { key: "mail", id: ">" }), "mail")), expected);
  const claimed = await db.xAutoClaim("mail", "g", "new", 0, "0");
  assert.equal(claimed.nextId, "0-0");
  assert.deepEqual(plain(claimed.messages), expected);
  const [pending] = await db.xPendingRange("mail", "g", "-", "+", 10);
  assert.deepEqual([pending.id, pending.consumer, pending.deliveriesCounter], ["1-1", "new", 2]);
  const info = await db.xInfoStream("mail");
  assert.deepEqual([info.length, info.groups, plain([info["first-entry"]])], [1, 1, expected]);
  assert.equal((await db.xInfoGroups("mail"))[0]["last-delivered-id"], "1-1");
}

// What was read from a stream: a list of streams with their messages, or a map of them.
function messages(found, stream) {
  const list = Array.isArray(found) ? found : found instanceof Map ? [...found] : Object.entries(found);
  const [first] = list;
  return Array.isArray(first) ? new Map(list).get(stream) : list.find(({ name }) => name === stream).messages;
}

async function queues(db) {
  const working = withWorkers(4, async (mine) => {
    const doing = `doing:${await mine.clientId()}`;
    for (;;) {
      const job = await mine.blMove("jobs", doing, "LEFT", "RIGHT", seconds);
      await mine.multi().lRem(doing, 1, job).rPush("done", job).exec();
      if (job === "stop") return;
    }
  });
  await Promise.all(range(300).map((n) => db.rPush("jobs", String(n))));
  await db.rPush("jobs", range(4).map(() => "stop"));
  await working;
  const done = (await db.lRange("done", 0, -1)).filter((job) => job !== "stop").map(Number);
  assert.deepEqual(done.sort((a, b) => a - b), range(300));
  const waiter = await connect();
  const waiting = waiter.blPop(["high", "low"], 0);
  await until(async () => /blocked_clients:1/.test(await db.info("clients")));
  await db.rPush("low", "job");
  assert.deepEqual({ ...(await waiting) }, { key: "low", element: "job" });
  const popping = waiter.bzPopMin("later", 0);
  await db.zAdd("later", [{ score: 2, value: "b" }, { score: 1, value: "a" }]);
  assert.deepEqual({ ...(await popping) }, { key: "later", value: "a", score: 1 });
  await waiter.close();
}

async function scans(db) {
  await Promise.all(range(2000).map((n) => db.multi().set(`key:${n}`, "v").sAdd("tags", String(n)).hSet("hash", String(n), "v").execAsPipeline()));
  const found = new Set();
  for await (const keys of db.scanIterator({ MATCH: "key:*", COUNT: 100 })) keys.forEach((key) => found.add(key));
  assert.equal(found.size, 2000);
  const tags = new Set();
  for await (const members of db.sScanIterator("tags", { MATCH: "1*" })) members.forEach((member) => tags.add(member));
  assert.equal(tags.size, 1111);
  const fields = new Map();
  for await (const entries of db.hScanIterator("hash")) entries.forEach(({ field, value }) => fields.set(field, value));
  assert.equal(fields.size, 2000);
  await db.zAdd("zset", range(2000).map((n) => ({ score: n, value: `m${n}` })));
  let sum = 0;
  for await (const members of db.zScanIterator("zset")) members.forEach(({ score }) => (sum += score));
  assert.equal(sum, 1999000);
  const types = [];
  for await (const keys of db.scanIterator({ TYPE: "hash" })) types.push(...keys);
  assert.deepEqual(types, ["hash"]);
}

// The library's own cache, which the third version of the protocol keeps true.
async function caching(db) {
  if (protocol !== 3) return;
  const calls = async (name) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(await db.info("commandstats"))?.[1] ?? 0);
  const reader = await connect({ clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: "LRU" } });
  await db.set("k", "one");
  const before = await calls("get");
  for (const _ of range(50)) assert.equal(await reader.get("k"), "one");
  assert.equal((await calls("get")) - before, 1);
  await db.set("k", "two");
  await until(async () => (await reader.get("k")) === "two");
  await db.hSet("h", "f", "v");
  for (const _ of range(10)) assert.equal(await reader.hGet("h", "f"), "v");
  assert.equal(await calls("hget"), 1);
  await db.flushAll();
  await until(async () => (await reader.get("k")) === null && (await reader.hGet("h", "f")) === null);
  await db.set("k", "v", { expiration: { type: "PX", value: 1 } });
  await until(async () => (await db.exists("k")) === 0);
  await until(async () => (await reader.get("k")) === null);
  await reader.close();
}

// The library does not wait until the server has loaded its data.
function onceLoaded(ask) {
  return until(() =>
    ask().catch((error) => {
      if (!/^LOADING/.test(error.message)) throw error;
    }),
  );
}

// The server is stopped and started again meanwhile, by whoever reads `restart`.
async function restart(db) {
  const socket = { host: "127.0.0.1", port, reconnectStrategy: () => 10 };
  const [lasting, listener] = [await connect({ socket }), await connect({ socket })];
  await db.set("kept", "v");
  const run = async (client) => /run_id:(\w+)/.exec(await client.info("server"))[1];
  const before = await run(db);
  const heard = [];
  await listener.subscribe("news", (message) => heard.push(message));
  const broken = new Promise((resolve) => lasting.once("reconnecting", resolve));
  step("restart");
  await broken;
  // Sent while nobody is there: they wait for the connection.
  const counts = await Promise.all(range(100).map(() => onceLoaded(() => lasting.incr("counted"))));
  assert.deepEqual(counts.sort((a, b) => a - b), range(100).map((n) => n + 1));
  assert.equal(await lasting.get("kept"), "v");
  assert.notEqual(await run(lasting), before);
  await until(async () => (await lasting.publish("news", "hello")) === 1);
  await until(async () => (await lasting.ping()) && heard.length > 0);
  assert.equal(heard[0], "hello");
  await lasting.flushAll();
  lasting.destroy();
  listener.destroy();
}

async function main() {
  const checks = { types, pipelines, transactions, pubsub, streams, queues, scans, caching, restart };
  for (const name of process.argv.slice(3)) {
    for (protocol of [2, 3]) {
      const begun = Date.now();
      const db = await connect();
      await db.flushAll();
      await db.configResetStat();
      await checks[name](db);
      if (db.isOpen) db.destroy();
      step(`${name}, version ${protocol} of the protocol: ${(Date.now() - begun) / 1000} s`);
    }
  }
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
