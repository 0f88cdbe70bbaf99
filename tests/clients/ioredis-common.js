// What the scripts for ioredis share.
"use strict";

const Redis = require("ioredis");

const { PATIENCE, port } = require("./common.js");

// Version 5 of the library knows one version of the protocol.
const protocols = parseInt(require("ioredis/package.json").version) < 6 ? [2] : [2, 3];
let protocol;

function connect(more) {
  const patience = { commandTimeout: PATIENCE, retryStrategy: () => null };
  return new Redis({ host: "127.0.0.1", port, protocol, ...patience, ...more });
}

// Does it with connections of each version of the protocol.
async function withEachProtocol(work) {
  for (protocol of protocols) await work(protocol);
}

// Runs the whole script. Fails with a stack trace, else prints ok.
function run(main) {
  main().then(
    () => console.log("ok"),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { connect, run, withEachProtocol };
