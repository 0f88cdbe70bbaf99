//! Libraries for Python and JavaScript, and what is built on them: scripts in `tests/clients`, which end with `ok`.

use super::{Process, Running, process, start, succeed, with_each_server};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A library for a language with an interpreter.
struct Library {
    name: &'static str,
    interpreter: &'static str,
    /// Arguments with which the interpreter succeeds if it finds the library.
    probe: [&'static str; 2],
}

const REDIS_PY: Library =
    Library { name: "redis-py", interpreter: "python3", probe: ["-c", "import redis"] };
const IOREDIS: Library =
    Library { name: "ioredis", interpreter: "node", probe: ["-e", "require('ioredis')"] };
const NODE_REDIS: Library =
    Library { name: "node-redis", interpreter: "node", probe: ["-e", "require('redis')"] };
/// Of the folder that `CELERY_PATH` names, if there is one.
const CELERY: Library = Library {
    name: "Celery",
    interpreter: "python3",
    probe: [
        "-c",
        "import os, sys; sys.path.insert(0, os.environ.get('CELERY_PATH', '.')); import celery, redis",
    ],
};

impl Library {
    /// The interpreter; `None` (and a word) if it does not find the library.
    fn find(&self) -> Option<PathBuf> {
        let works = |program: &PathBuf| {
            process::finish(Command::new(program).args(self.probe), b"").code == Some(0)
        };
        let found = process::find(self.interpreter).filter(works);
        if found.is_none() {
            process::skip(&format!("{} for {} is not installed", self.name, self.interpreter));
        }
        found
    }

    /// A script that is to be run, if the library is there.
    fn script(&self, script: &str, port: u16, more: &[&str]) -> Option<Command> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
        let mut command = Command::new(self.find()?);
        // What scripts share is not to leave a compiled copy among the sources.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(script).arg(port.to_string()).args(more);
        Some(command)
    }

    /// Runs a script, if the library is there.
    fn run(&self, script: &str, port: u16, more: &[&str]) {
        let Some(mut command) = self.script(script, port, more) else { return };
        assert_eq!(succeed(&mut command, b"").trim(), "ok");
    }

    /// Runs a script that prints a line for each of its steps, if the library is there.
    fn run_in_steps(&self, script: &str, port: u16, more: &[&str]) {
        let Some(mut command) = self.script(script, port, more) else { return };
        let running = Running::start(&mut command);
        while running.line() != "ok" {}
    }

    /// The same for a script during which the server is stopped and started again, wherever it says `restart`.
    fn run_with_restarts(&self, script: &str, more: &[&str]) {
        let (server, directory) = start();
        let port = server.port;
        let Some(mut command) = self.script(script, port, more) else { return };
        let running = Running::start(&mut command);
        let mut server = Some(server);
        let mut restarts = 0;
        loop {
            match running.line().as_str() {
                "ok" => break,
                "restart" => {
                    let ended = server.take().expect("a server runs").terminate();
                    assert!(ended.success(), "{ended}");
                    server = Some(Process::start_again(directory.path(), port, &[]));
                    restarts += 1;
                }
                _ => {}
            }
        }
        assert!(restarts > 0, "{script} was to be interrupted");
    }
}

#[test]
fn redis_py_reads_back_values_of_all_types() {
    let (server, _directory) = start();
    REDIS_PY.run("python.py", server.port, &[]);
}

#[test]
fn ioredis_reads_back_values_of_all_types() {
    let (server, _directory) = start();
    IOREDIS.run("node.js", server.port, &[]);
}

/// Runs a part of a script on what clients hear of each other.
fn run_part(part: &str, library: &Library, script: &str) {
    with_each_server(|server| library.run(script, server.port(), &[part]));
}

#[test]
fn redis_py_publishes_and_listens() {
    run_part("pubsub", &REDIS_PY, "messages.py");
}

#[test]
fn redis_py_runs_transactions() {
    run_part("transactions", &REDIS_PY, "messages.py");
}

#[test]
fn redis_py_caches_what_it_reads() {
    run_part("tracking", &REDIS_PY, "messages.py");
}

#[test]
fn redis_py_monitors() {
    run_part("monitor", &REDIS_PY, "messages.py");
}

#[test]
fn ioredis_publishes_and_listens_and_comes_back_after_it_was_killed() {
    run_part("pubsub", &IOREDIS, "messages.js");
}

#[test]
fn ioredis_runs_transactions() {
    run_part("transactions", &IOREDIS, "messages.js");
}

#[test]
fn ioredis_monitors() {
    run_part("monitor", &IOREDIS, "messages.js");
}

#[test]
fn celery_runs_a_thousand_tasks_and_loses_none() {
    let (server, _directory) = start();
    CELERY.run_in_steps("jobs.py", server.port, &[]);
}

/// Runs parts of a script on what people build with a library.
fn run_recipes(library: &Library, script: &str, parts: &[&str]) {
    with_each_server(|server| library.run_in_steps(script, server.port(), parts));
}

#[test]
fn redis_py_locks_limits_rates_and_queues_jobs() {
    run_recipes(&REDIS_PY, "recipes.py", &["locks", "rates", "queues"]);
}

#[test]
fn redis_py_consumes_streams_in_groups_and_keeps_documents() {
    run_recipes(&REDIS_PY, "recipes.py", &["streams", "documents"]);
}

#[test]
fn redis_py_pools_connections_some_of_which_break() {
    run_recipes(&REDIS_PY, "recipes.py", &["pools", "events", "reports"]);
}

#[test]
fn redis_py_goes_on_after_a_restart_of_the_server() {
    REDIS_PY.run_with_restarts("recipes.py", &["restart"]);
}

#[test]
fn ioredis_pipelines_consumes_streams_queues_scans_and_caches() {
    run_recipes(&IOREDIS, "recipes.js", &["pipelines", "streams", "queues", "scans", "reads"]);
}

#[test]
fn ioredis_goes_on_after_a_restart_of_the_server() {
    IOREDIS.run_with_restarts("recipes.js", &["restart"]);
}

#[test]
fn node_redis_has_methods_for_types_pipelines_transactions_and_channels() {
    run_recipes(&NODE_REDIS, "node-redis.js", &["types", "pipelines", "transactions", "pubsub"]);
}

#[test]
fn node_redis_consumes_streams_queues_scans_and_caches() {
    run_recipes(&NODE_REDIS, "node-redis.js", &["streams", "queues", "scans", "caching"]);
}

#[test]
fn node_redis_goes_on_after_a_restart_of_the_server() {
    NODE_REDIS.run_with_restarts("node-redis.js", &["restart"]);
}
