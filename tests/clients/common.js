// What the scripts for Node's clients share. Nothing waits for a time to pass: conditions are asked for until they hold.
"use strict";

const assert = require("node:assert/strict");

const port = Number(process.argv[2]);
const PATIENCE = 40_000;

// Asks until the answer is a true one, and returns it.
async function until(condition) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const result = await condition();
    if (result) return result;
    assert.ok(Date.now() < deadline, "it never happens");
    await new Promise(setImmediate);
  }
}

const range = (count) => Array.from({ length: count }, (_, n) => n);
const step = (name) => console.log(name);

module.exports = { PATIENCE, port, range, step, until };
