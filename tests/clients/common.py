"""What the scripts for redis-py share. Nothing waits for a time to pass: conditions are asked for until they hold.
(jobs.py has its own: its worker is another process, and Celery wants a redis-py of its own.)"""

import sys
import time

import redis

PORT = int(sys.argv[1])
PATIENCE = 40


def connect(**options):
    return redis.Redis(**{"host": "127.0.0.1", "port": PORT, "socket_timeout": PATIENCE, **options})


def until(condition):
    """Asks until the answer is a true one, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, "it never happens"
    return result


def fails(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind} was expected")


def step(name):
    print(name, flush=True)
