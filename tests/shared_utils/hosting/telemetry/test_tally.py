from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared_utils.hosting.telemetry.tally import TallyInMemory, tally
from tests.running import REPOSITORY, clean_environment

COUNTING = """
import gc, os, signal, threading
from shared_utils.hosting.telemetry.metrics import BUCKETS, know_processes

know_processes()
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector
from shared_utils.hosting.telemetry.tally import Tally, tally

registry = CollectorRegistry()
counter = Counter("answers_total", "Answers.", ["status"], registry=registry)
durations = Histogram("seconds", "Seconds.", ["by"], buckets=BUCKETS, registry=registry)
theirs = Histogram("others", "Seconds.", ["by"], buckets=BUCKETS, registry=registry)
GRAIN = 2.0**-24
SECONDS = [0.0, GRAIN, 0.001, 0.001 + GRAIN, 0.7, 30.0, 30.0 + GRAIN, 1e6]

def counted(status, by):
    made = CollectorRegistry()
    MultiProcessCollector(made)
    value = lambda name, **labels: made.get_sample_value(name, labels)
    buckets = [value(f"{by}_bucket", by="shop", le=str(b)) for b in [*BUCKETS, "+Inf"]]
    return value("answers_total", status=status), value(f"{by}_sum", by="shop"), buckets
"""

AS_PROMETHEUS_CLIENT = """
kinds = [tally(counter.labels(status), durations.labels("shop")) for status in ("200", "404")]
assert all(type(kind) is Tally for kind in kinds)
for number, seconds in enumerate(SECONDS):
    kinds[number % 2].add(seconds)
    theirs.labels("shop").observe(seconds)
answers, *counted_here = counted("200", "seconds")
assert answers == counted("404", "seconds")[0] == len(SECONDS) / 2
assert counted_here == list(counted("200", "others")[1:]), counted_here
"""

THREADS = """
kind = tally(counter.labels("200"), durations.labels("shop"))

def adding():
    for number in range(20_000):
        kind.add(GRAIN)

threads = [threading.Thread(target=adding) for _ in range(4)]
for thread in threads:
    thread.start()
for number in range(5000):  # the file grows meanwhile
    counter.labels(f"other {number}").inc()
for thread in threads:
    thread.join()
answers, seconds, buckets = counted("200", "seconds")
assert (answers, seconds) == (80_000, 80_000 * GRAIN)
assert set(buckets) == {80_000}
"""

LOCKED = """
from shared_utils.hosting.telemetry import mapped

kind = tally(counter.labels("200"), durations.labels("shop"))
with mapped.lock:  # as another thread may hold it
    adding = threading.Thread(target=kind.add, args=(1.0,), daemon=True)
    adding.start()
    adding.join(0.1)
    assert counted("200", "seconds")[0] == 0
adding.join()
assert counted("200", "seconds")[0] == 1

import prometheus_client.values
assert prometheus_client.values.Lock() is mapped.lock
"""

FORKED = """
from shared_utils.hosting.telemetry import mapped
from shared_utils.hosting.telemetry.metrics import Metrics
from shared_utils.hosting.telemetry.record import Record

metrics = Metrics(["shop"])

def answered():
    record = Record(app="shop", method="GET")
    record.status, record.duration = 200, 1.0
    metrics.answered(record)

def holding():
    with mapped.lock:
        holds.set()
        go_on.wait(60)

holds, go_on = threading.Event(), threading.Event()
answered()
threading.Thread(target=holding).start()
holds.wait()
signal.alarm(30)  # ends what hangs
child = os.fork()  # it does not wait for the lock, which nobody will release in the child
go_on.set()
if not child:
    signal.alarm(30)
    answered()
    with mapped.lock:
        if not os.fork():  # nor is it lost where who forks has it
            with mapped.lock:
                os._exit(0)
    assert os.wait()[1] == 0
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.path.exists(f"{os.environ['PROMETHEUS_MULTIPROC_DIR']}/counter_{child}.db")
answered()
told = metrics.text()[0].decode()
assert 'rowhouse_requests_total{app="shop",method="GET",status="200"} 3.0' in told, told
assert 'rowhouse_request_duration_seconds_sum{app="shop"} 3.0' in told, told
"""

RELOADED = """
import importlib, sys
from shared_utils.hosting.telemetry import mapped

def reload():
    for name in [name for name in sys.modules if name.startswith("shared_utils")]:
        del sys.modules[name]
    again = importlib.import_module("shared_utils.hosting.telemetry.mapped")
    importlib.import_module("shared_utils.hosting.telemetry.metrics").know_processes()
    return again

assert reload().lock is mapped.lock
import prometheus_client.values as values
assert values.MmapedDict is mapped.Mapped, "the same version stays"

del values.MmapedDict.place  # as in an older version
values.MmapedDict.version = values.ValueClass.version = mapped.VERSION - 1
assert reload().Mapped is values.MmapedDict is not mapped.Mapped

from shared_utils.hosting.telemetry.tally import tally
again = CollectorRegistry()
kind = tally(
    Counter("answers_total", "Answers.", ["status"], registry=again).labels("200"),
    Histogram("seconds", "Seconds.", ["by"], buckets=BUCKETS, registry=again).labels("shop"),
)
kind.add(1.0)
assert counted("200", "seconds")[:2] == (1.0, 1.0)
"""

UNCOLLECTED = """
kind = tally(counter.labels("200"), durations.labels("shop"))
gc.disable()
before = gc.get_count()[0]
for number in range(1000):
    kind.add(0.5)
assert gc.get_count()[0] - before < 100
"""


def run(code: str, folder: Path) -> None:
    """Run code in a process that counts in this folder."""
    ended = subprocess.run(
        [sys.executable, "-c", COUNTING + code],
        env=clean_environment() | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


def test_it_counts_what_prometheus_client_counts(tmp_path: Path) -> None:
    run(AS_PROMETHEUS_CLIENT, tmp_path)


def test_threads_lose_nothing_while_the_file_grows(tmp_path: Path) -> None:
    run(THREADS, tmp_path)


def test_it_waits_for_who_changes_other_values(tmp_path: Path) -> None:
    run(LOCKED, tmp_path)


def test_a_reload_goes_on_with_the_same_lock_and_replaces_what_is_older(tmp_path: Path) -> None:
    run(RELOADED, tmp_path)


def test_a_forked_process_counts_in_files_of_its_own(tmp_path: Path) -> None:
    run(FORKED, tmp_path)


def test_nothing_is_made_that_the_garbage_collector_counts(tmp_path: Path) -> None:
    run(UNCOLLECTED, tmp_path)


def test_in_memory() -> None:
    registry = CollectorRegistry()
    counter = Counter("answers_total", "Answers.", ["status"], registry=registry)
    durations = Histogram("seconds", "Seconds.", ["by"], buckets=(1.0,), registry=registry)
    kind = tally(counter.labels("200"), durations.labels("shop"))
    assert type(kind) is TallyInMemory
    kind.add(0.5)
    kind.add(2.0)

    assert registry.get_sample_value("answers_total", {"status": "200"}) == 2
    assert registry.get_sample_value("seconds_sum", {"by": "shop"}) == 2.5
    assert registry.get_sample_value("seconds_bucket", {"by": "shop", "le": "1.0"}) == 1
