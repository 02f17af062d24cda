"""Tasks through Celery with a real prefork worker: HOST PORT TASKS PUBSUB.

Every task notes in a list of its own that it ran, so that nothing but queues is needed. With PUBSUB 1 results are
waited for as well, of which Celery hears by PUBLISH.
"""

import os
import signal
import subprocess
import sys
import time

import redis
from celery import Celery, chord, chain, group

HOST, PORT = os.environ.get("REAL_HOST", "127.0.0.1"), os.environ.get("REAL_PORT", "0")
PUBSUB = os.environ.get("REAL_PUBSUB") == "1"
ADDRESS = f"redis://{HOST}:{PORT}"
DONE = "celery:done"
LIMIT_SECONDS = 150

app = Celery("celery_jobs", broker=f"{ADDRESS}/0", backend=f"{ADDRESS}/1" if PUBSUB else None)
app.conf.update(
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    task_ignore_result=not PUBSUB,
    task_acks_late=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
    worker_prefetch_multiplier=4,
)


def store():
    return redis.Redis(host=HOST, port=int(PORT), db=2, decode_responses=True)


@app.task
def note(number):
    store().rpush(DONE, f"note:{number}")
    return number


@app.task(bind=True, max_retries=3)
def flaky(self, number):
    if self.request.retries < 1:
        raise self.retry(countdown=0.1)
    store().rpush(DONE, f"flaky:{number}")
    return number


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


def start_worker():
    command = [
        sys.executable, "-m", "celery", "-A", "celery_jobs", "worker", "--pool", "prefork", "--concurrency", "2",
        "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat", "-n", "real@%h",
    ]
    return subprocess.Popen(command, cwd=os.path.dirname(os.path.abspath(__file__)))


def wait_for(count, what):
    begun = time.monotonic()
    while store().llen(DONE) < count:
        if time.monotonic() - begun > 60:
            raise SystemExit(f"{store().llen(DONE)} of {count} tasks ran: {what}")
        time.sleep(0.02)


def queues(count):
    for number in range(count):
        note.delay(number)
    for number in range(20):
        note.apply_async(args=[count + number], countdown=0.2)
        flaky.delay(number)
        note.apply_async(args=[count + 20 + number], priority=number % 10)
    chain(note.si(-1), note.si(-2), note.si(-3)).apply_async()
    group(note.si(-4), note.si(-5)).apply_async()
    wanted = [f"note:{n}" for n in range(-5, 0)] + [f"note:{n}" for n in range(count + 40)]
    wanted += [f"flaky:{n}" for n in range(20)]
    wait_for(len(wanted), "plain, late, flaky, with a priority, chains and groups")
    # What would run twice has a moment to do so.
    time.sleep(0.5)
    ran = store().lrange(DONE, 0, -1)
    assert sorted(ran) == sorted(wanted), "each task runs once"
    assert ran.index("note:-1") < ran.index("note:-2") < ran.index("note:-3"), "a chain is in order"
    return len(ran)


def results(count):
    sent = [add.delay(number, number) for number in range(count)]
    assert [result.get(timeout=30) for result in sent] == [2 * number for number in range(count)]
    summed = chord([add.s(number, 1) for number in range(20)])(total.s())
    assert summed.get(timeout=30) == sum(range(20)) + 20, "a chord sums its parts"
    assert group(add.s(number, 0) for number in range(50)).apply_async().get(timeout=30) == list(range(50))
    return count + 20 + 50


def main():
    signal.alarm(LIMIT_SECONDS)
    store().flushall()
    worker = start_worker()
    try:
        begun = time.monotonic()
        count = queues(int(sys.argv[3]))
        said = f"{count} tasks ran once each"
        if PUBSUB:
            said += f", {results(200)} results came"
        said += f" in {time.monotonic() - begun:.1f} s"
    finally:
        worker.terminate()
        worker.wait(timeout=30)
    # Behind the worker's own last words, so that this is the last line.
    print(said, flush=True)


if __name__ == "__main__":
    # The worker imports this file by name and must find the same server.
    os.environ.update(REAL_HOST=sys.argv[1], REAL_PORT=sys.argv[2], REAL_PUBSUB=sys.argv[4])
    if PORT != sys.argv[2] or os.environ["REAL_PUBSUB"] != ("1" if PUBSUB else "0"):
        os.execv(sys.executable, [sys.executable, *sys.argv])
    import celery_jobs

    celery_jobs.main()
