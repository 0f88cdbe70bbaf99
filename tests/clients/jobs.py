"""Celery with the server as broker and as store of results: a worker with two processes, and an application that
gives it work and checks what comes out. Arguments: the port. Prints a line for each step and ok in the end, or fails
with a traceback and the worker's log. Nothing waits for a time to pass, apart from tasks that are due later. Celery may be in a folder of its
own, since it wants a redis-py of its own: CELERY_PATH names it.

Limits: a server without scripts needs help. Celery's transport gives back one lock with a script; here a
transaction does that instead, if the server has no EVALSHA. Celery from 5.7 on completes chords with scripts, and
its transport binds queues with them, so the version before it is tested."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time

if "CELERY_PATH" in os.environ:
    sys.path.insert(0, os.environ["CELERY_PATH"])

import redis
from celery import Celery, chain, chord, group
from celery.exceptions import TaskRevokedError
from kombu.transport import redis as transport

PATIENCE = 50
HERE = os.path.dirname(os.path.abspath(__file__))
PORT = int(os.environ.get("JOBS_PORT") or sys.argv[1])
BROKER, RESULTS, OWN = (f"redis://127.0.0.1:{PORT}/{number}" for number in (0, 1, 2))

app = Celery("jobs", broker=BROKER, backend=RESULTS)
app.conf.update(
    # When the server has gone, the worker goes too.
    broker_connection_max_retries=3,
    broker_connection_retry_on_startup=False,
    worker_prefetch_multiplier=16,
    worker_hijack_root_logger=False,
    result_extended=True,
    timezone="UTC",
)
# What tasks note for the one who checks, beside Celery.
notes = redis.Redis.from_url(OWN, socket_timeout=PATIENCE)


@contextlib.contextmanager
def mutex(client, name, expire):
    """What the transport's own does, without a script."""
    token = os.urandom(16).hex().encode()

    def give_back(pipe):
        held = pipe.get(name)
        pipe.multi()
        if held == token:
            pipe.delete(name)

    if not client.set(name, token, nx=True, ex=expire):
        raise transport.MutexHeld()
    try:
        yield
    finally:
        client.transaction(give_back, name)


if b"evalsha" not in notes.command_list():
    transport.Mutex = mutex


class Busy(Exception):
    """Something for which a task tries again."""


@app.task(bind=True, max_retries=3)
def square(self, number):
    """Fails up to three times before it succeeds."""
    notes.hincrby("runs", number)
    if self.request.retries < number % 4:
        raise self.retry(exc=Busy(number), countdown=0)
    return number * number


@app.task(bind=True, max_retries=2)
def hopeless(self):
    notes.incr("hopeless")
    raise self.retry(exc=Busy("for ever"), countdown=0)


@app.task
def add(*numbers):
    return sum(numbers)


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def same(anything):
    return anything


@app.task
def fail(text):
    raise ValueError(text)


@app.task(acks_late=True)
def when():
    return time.time()


@app.task(bind=True)
def hang(self):
    notes.lpush("hanging", self.request.id)
    # Until it is revoked: nobody ever gives it what it waits for.
    notes.brpop("nobody", timeout=PATIENCE)


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happens"


def fails(kind, result):
    try:
        result.get(timeout=PATIENCE)
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} was expected")


def a_thousand_tasks_with_retries():
    results = [square.delay(number) for number in range(1000)]
    for number, result in enumerate(results):
        assert result.get(timeout=PATIENCE) == number * number
        if number % 250 == 249:
            step(f"{number + 1} results")
    # Nothing was done twice, and nothing left out.
    assert notes.hgetall("runs") == {b"%d" % number: b"%d" % (number % 4 + 1) for number in range(1000)}
    for result in results:
        result.forget()


def errors_come_back():
    assert fails(ValueError, fail.delay("é")) == "é"
    assert "for ever" in fails(Busy, hopeless.delay()) and notes.get("hopeless") == b"3"
    failed = fail.delay("x")
    until(failed.ready)
    assert failed.state == "FAILURE" and "ValueError" in failed.traceback


def canvases():
    numbers = range(100)
    together = group(square.s(number) for number in numbers).apply_async()
    assert together.get(timeout=PATIENCE) == [number * number for number in numbers]
    assert chord((add.s(number, number) for number in numbers), total.s()).delay().get(timeout=PATIENCE) == 9900
    assert chain(add.s(1, 2), add.s(3), square.s()).delay().get(timeout=PATIENCE) == 36
    nested = chain(add.s(1), group(add.s(number) for number in range(10)), total.s(), add.s(1000))
    assert nested.delay().get(timeout=PATIENCE) == 1055
    # A chord of which a part fails does not run its body.
    broken = chord([add.s(1), fail.s("part")], total.s()).delay()
    assert "part" in fails(Exception, broken)
    called = add.apply_async((20,), link=add.s(22), link_error=None)
    assert called.get(timeout=PATIENCE) == 20
    until(lambda: called.children)
    assert called.children[0].get(timeout=PATIENCE) == 42
    large = "x" * 1_000_000
    assert same.delay(large).get(timeout=PATIENCE) == large


def some_are_due_later():
    due = time.time() + 1
    results = [when.apply_async(countdown=1) for _ in range(20)]
    assert all(result.get(timeout=PATIENCE) >= due for result in results)
    expired = when.apply_async(countdown=0.2, expires=0.1)
    fails(TaskRevokedError, expired)


def some_are_revoked():
    # Before it runs: whoever is told first never begins.
    assert app.control.revoke("never", reply=True, limit=1, timeout=PATIENCE)
    assert fails(TaskRevokedError, add.apply_async((1,), task_id="never")) == "revoked"
    # And while it runs.
    running = hang.delay()
    assert notes.brpop("hanging", timeout=PATIENCE)[1].decode() == running.id
    assert running.id in str(app.control.inspect(limit=1, timeout=PATIENCE).active())
    assert app.control.revoke(running.id, terminate=True, reply=True, limit=1, timeout=PATIENCE)
    assert fails(TaskRevokedError, running) == "terminated"


def a_worker_tells_about_itself():
    def ask(name):
        ((_, answer),) = getattr(app.control.inspect(limit=1, timeout=PATIENCE), name)().items()
        return answer

    assert ask("ping") == {"ok": "pong"}
    assert "jobs.square" in ask("registered")
    assert ask("stats")["broker"]["transport"] == "redis"
    assert [queue["name"] for queue in ask("active_queues")] == ["celery"]


def nothing_is_left(broker):
    # The worker acknowledges a moment after it has stored the result.
    until(lambda: not broker.exists("celery", "unacked", "unacked_index"))
    left = [key for key in broker.scan_iter() if not key.startswith(b"_kombu.binding.")]
    assert left in ([], [b"unacked_mutex"]), left


def a_worker_gives_back_what_it_has_not_done(worker, broker):
    """It takes tasks that are due in an hour; when it is stopped, they are in the queue again."""
    waiting = {when.apply_async(countdown=3600).id for _ in range(10)}
    until(lambda: broker.hlen("unacked") == 10 and broker.zcard("unacked_index") == 10)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    expect_in_queue(broker, waiting)


def a_worker_that_was_killed_has_lost_nothing(worker, broker):
    """Its tasks come back when nobody has acknowledged them for as long as the transport is told to wait."""
    waiting = {when.apply_async(countdown=3600).id for _ in range(10)}
    until(lambda: broker.hlen("unacked") == 10 and broker.zcard("unacked_index") == 10)
    worker.kill()
    worker.wait()
    assert broker.llen("celery") == 0
    with app.connection_for_write(transport_options={"visibility_timeout": 0}) as connection:
        connection.default_channel.qos.restore_visible()
    expect_in_queue(broker, waiting)


def expect_in_queue(broker, names):
    assert broker.llen("celery") == len(names) and not broker.exists("unacked", "unacked_index")
    queued = b"".join(broker.lrange("celery", 0, -1)).decode()
    assert all(name in queued for name in names)
    assert app.control.purge() == len(names)


def step(name):
    print(name, flush=True)


def timed(check, *arguments):
    begun = time.monotonic()
    check(*arguments)
    step(f"{check.__name__}: {time.monotonic() - begun:.1f} s")


def run(workers):
    broker = redis.Redis.from_url(BROKER, socket_timeout=PATIENCE)
    worker = workers.begin()
    for check in (a_thousand_tasks_with_retries, errors_come_back, canvases, some_are_due_later):
        timed(check)
    for check in (some_are_revoked, a_worker_tells_about_itself):
        timed(check)
    timed(nothing_is_left, broker)
    timed(a_worker_gives_back_what_it_has_not_done, worker, broker)
    timed(a_worker_that_was_killed_has_lost_nothing, workers.begin(), broker)
    nothing_is_left(broker)


class Workers:
    """Those that were begun; none outlives the application."""

    def __init__(self, folder, log):
        self.folder, self.log, self.all = folder, log, []

    def begin(self):
        environment = {**os.environ, "JOBS_PORT": str(PORT), "PYTHONDONTWRITEBYTECODE": "1"}
        paths = [os.environ.get("CELERY_PATH"), HERE, os.environ.get("PYTHONPATH")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        words = ["-m", "celery", "-A", "jobs", "worker", "--concurrency", "2", "--loglevel", "warning"]
        worker = subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, env=environment, stdout=self.log, stderr=self.log
        )
        self.all.append(worker)
        until(lambda: worker.poll() is not None or app.control.ping(limit=1, timeout=5))
        assert worker.poll() is None, "the worker has ended"
        return worker

    def end(self):
        for worker in self.all:
            worker.kill()
            worker.wait()


def main():
    with tempfile.TemporaryDirectory(prefix="jobs-") as folder, open(os.path.join(folder, "log"), "w+") as log:
        workers = Workers(folder, log)
        try:
            run(workers)
        except BaseException:
            log.seek(0)
            print(log.read()[-20_000:], file=sys.stderr)
            raise
        finally:
            workers.end()
    print("ok")


if __name__ == "__main__":
    # Under its own name, under which the worker knows it too: errors are told by the module of their class.
    import jobs

    jobs.main()
