"""What apps take of the CPU is seen, and those that take too much are held back."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from shared_utils.hosting import clocks
from shared_utils.hosting import fairness as module
from shared_utils.hosting.fairness import EVERY, LOST_AFTER, SELDOM, SWITCH_INTERVAL, Fairness
from shared_utils.hosting.settings.schema import Limits
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.hosting.walls.allowances import FIRST
from shared_utils.hosting.walls.bulkhead import Bulkhead, Permit

PATIENCE = 20.0

STEP = 1.5 * SELDOM
"""Seconds after which there is another look in any case."""


@dataclasses.dataclass
class Clock:
    now: float = 1000.0
    used: float = 1.0
    cpu: dict[int, float] = dataclasses.field(default_factory=dict)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", lambda: clock.now)
    monkeypatch.setattr(module, "process_time", lambda: clock.used)
    monkeypatch.setattr(clocks, "cpu_seconds", lambda thread: clock.cpu.get(thread))
    return clock


@pytest.fixture(autouse=True)
def switch_interval() -> Iterator[None]:
    usual = sys.getswitchinterval()
    yield
    sys.setswitchinterval(usual)


class Host:
    """Two apps of one process, with as many slots as anybody wants."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.recorder = clock, Recorder()
        self.bulkhead = Bulkhead(1000, 1000, {"heavy": Limits(), "light": Limits()})
        self.fairness = Fairness(self.recorder, self.bulkhead, ["heavy", "light"])
        self.fairness.begin()
        self.bulkhead.on_parked = lambda: None  # no thread looks by itself
        self.permits: list[Permit] = []

    def run(self, name: str, count: int) -> None:
        for _ in range(count):
            permit = Permit(self.bulkhead)
            assert permit.hold(name, at_once=True)
            self.permits.append(permit)

    def allows(self, name: str) -> int:
        """Say how many requests may run at once, by running them."""
        self.run(name, 200)
        allowed = self.bulkhead.load(name).running
        self.permits.clear()
        Permit(self.bulkhead).hold(name)  # gives back what was abandoned
        return allowed

    def end(self, *records: Record, busy: float = 1.0) -> None:
        self.clock.now += STEP
        self.clock.used += STEP * busy
        self.recorder._tell(records)


@pytest.fixture
def host(clock: Clock) -> Host:
    return Host(clock)


def record(app: str, *, cpu: float = 0.0, waited: float = 0.0, lasted: float = 0.0) -> Record:
    made = Record("an-id-of-16-char", app)
    made.cpu, made.waited, made.duration = cpu, waited, lasted or waited + cpu
    return made


LATE = {"cpu": 0.0005, "waited": 0.02}


def test_every_app_begins_with_a_few(host: Host) -> None:
    assert host.allows("heavy") == FIRST
    assert host.allows("light") == FIRST


def test_an_app_is_held_back_for_what_its_requests_took_while_others_waited(host: Host) -> None:
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    assert host.allows("heavy") == FIRST // 2
    assert host.allows("light") == FIRST


def test_and_for_what_those_take_that_still_run(host: Host, clock: Clock) -> None:
    running = record("heavy")
    running.thread, running.cpu_began, clock.cpu[7] = 7, 5.0, 5.0 + STEP / 2
    host.recorder.running.add(running)
    host.end(record("light", **LATE))
    assert host.allows("heavy") == FIRST // 2
    assert running.charged == pytest.approx(STEP / 2)


def test_what_was_charged_while_it_ran_is_not_charged_again(host: Host, clock: Clock) -> None:
    """It is told of later, and may be seen once more before."""
    ended = record("heavy")
    ended.thread, ended.cpu_began, clock.cpu[7] = 7, 5.0, 5.0 + STEP / 2
    host.recorder.running.add(ended)
    host.end()
    host.recorder.running.remove(ended)
    host.end()
    ended.cpu = STEP / 2
    host.end(ended, record("light", **LATE), record("light", **LATE))
    assert host.allows("heavy") == FIRST


def test_what_many_took_that_are_told_of_at_once_is_no_more_than_the_process_took(
    host: Host,
) -> None:
    """Else it would look as if it had been taken outside of the interpreter."""
    for _ in range(3):
        many = [record("heavy", cpu=STEP / 2) for _ in range(30)]
        host.end(*many, record("light", **LATE))
    assert host.allows("heavy") == 1


@pytest.mark.parametrize(
    "waits",
    [
        {"cpu": 0.0005, "waited": 0.001},
        {"cpu": 0.0005, "waited": 0.02, "lasted": 0.2},
    ],
    ids=["not for long", "a small part of its time"],
)
def test_nobody_is_held_back_where_others_do_not_wait_much(
    host: Host, waits: dict[str, float]
) -> None:
    host.end(record("heavy", cpu=STEP / 2), record("light", **waits))
    assert host.allows("heavy") == FIRST


def test_time_without_a_slot_is_no_wait_for_a_thread(host: Host) -> None:
    parked = record("light", cpu=0.0005, waited=0.02)
    parked.parked = 0.02
    host.end(record("heavy", cpu=STEP / 2), parked)
    assert host.allows("heavy") == FIRST


def test_what_is_of_no_app_is_left_out(host: Host) -> None:
    host.end(record("", cpu=STEP / 2), record("light", **LATE))
    assert host.allows("light") == FIRST


def test_looks_are_some_time_apart(host: Host, clock: Clock) -> None:
    host.recorder._tell([record("heavy", cpu=STEP / 2), record("light", **LATE)])
    assert host.allows("heavy") == FIRST
    host.end()
    assert host.allows("heavy") == FIRST // 2


def test_what_is_seen_anew_holds_nobody_back(host: Host, clock: Clock) -> None:
    host.recorder._tell([record("heavy", cpu=STEP / 2), record("light", **LATE)])
    clock.now += STEP
    host.fairness.look(anew=True)
    clock.now += STEP
    host.fairness.look()
    assert host.allows("heavy") == FIRST


def test_what_begins_anew_is_looked_at_often(host: Host, clock: Clock) -> None:
    """Also right after another look."""
    for _ in range(3):
        host.end(record("light"))
    assert host.fairness._pause == SELDOM
    host.fairness.look(anew=True)
    assert host.fairness._pause == EVERY


def test_an_app_that_is_away_begins_anew(host: Host) -> None:
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    assert host.allows("heavy") == FIRST // 2
    host.end(record("light"))
    assert host.allows("heavy") == FIRST


def test_a_switch_interval_that_something_else_has_set_is_put_right(host: Host) -> None:
    """An interrupt puts back what it has found, which may be the short one."""
    usual = sys.getswitchinterval()
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    host.end(record("light", **LATE))
    assert sys.getswitchinterval() == pytest.approx(usual)
    sys.setswitchinterval(SWITCH_INTERVAL)
    host.end(record("light", **LATE))
    assert sys.getswitchinterval() == pytest.approx(usual)
    sys.setswitchinterval(2 * usual)  # an app's own
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    host.end(record("light", **LATE))
    assert sys.getswitchinterval() == pytest.approx(2 * usual)


def test_requests_that_go_on_computing_are_not_joined_by_others(host: Host, clock: Clock) -> None:
    """Also where the process gets little CPU time. Those that wait are."""
    for thread in range(FIRST):
        running = record("heavy")
        running.thread, running.began = thread, clock.now
        host.recorder.running.add(running)
    clock.cpu = dict.fromkeys(range(FIRST), 1.0)
    host.end()
    host.run("heavy", FIRST)
    permit = Permit(host.bulkhead)
    assert permit.hold("heavy")
    parked = threading.Thread(target=permit.run, args=[PATIENCE])
    parked.start()
    while not host.bulkhead.are_parked:
        parked.join(0.001)
    for thread in range(FIRST):
        clock.cpu[thread] += 0.15 * STEP
    host.end(busy=0.6)
    assert host.bulkhead.are_parked
    host.end(busy=0)
    parked.join(PATIENCE)
    assert not host.bulkhead.are_parked


def test_threads_take_turns_in_less_time_while_an_app_is_held_back(host: Host) -> None:
    usual = sys.getswitchinterval()
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    host.end(record("light", **LATE))
    assert sys.getswitchinterval() == pytest.approx(usual)


def test_a_look_that_hangs_does_not_end_them(host: Host, clock: Clock) -> None:
    host.fairness._looking.acquire()  # as one does in which a finalizer hangs
    clock.now += STEP
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    assert host.allows("heavy") == FIRST
    clock.now += LOST_AFTER
    clock.used += LOST_AFTER
    host.end(record("light", **LATE))
    host.end(record("heavy", cpu=STEP / 2), record("light", **LATE))
    assert host.allows("heavy") == FIRST // 2


def test_while_requests_are_parked_a_thread_looks(
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    """No request ends, and none computes: there is room for more and more of them."""
    host = Host(Clock())
    fairness = Fairness(host.recorder, host.bulkhead, ["heavy", "light"])
    fairness.begin()
    ran: list[bool] = []

    def ask() -> None:
        asks = record("heavy")
        host.recorder.running.add(asks)
        permit = Permit(host.bulkhead)
        assert permit.hold("heavy")
        ran.append(permit.run(PATIENCE))
        permits.append(permit)

    permits: list[Permit] = []
    for count in (20, 100):
        asking = [threading.Thread(target=ask) for _ in range(count)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(PATIENCE)
        assert ran == [True] * len(ran)
        eventually(lambda: not fairness._due)  # it sleeps
    assert len(ran) == 120


def test_a_thread_that_is_lost_is_replaced(clock: Clock, host: Host) -> None:
    fairness = Fairness(host.recorder, host.bulkhead, [])
    looks = threading.Semaphore(0)
    hangs = threading.Event()
    names: list[str] = []

    def look(*, anew: bool) -> None:
        names.append(threading.current_thread().name)
        looks.release()
        if len(names) == 1:
            hangs.wait(PATIENCE)

    fairness.look = look  # type: ignore[assignment, method-assign]
    fairness.wake()
    assert looks.acquire(timeout=PATIENCE)
    lost = fairness._thread
    fairness.wake()
    assert fairness._thread is lost
    clock.now += LOST_AFTER + 1
    fairness.wake()
    assert looks.acquire(timeout=PATIENCE)
    assert fairness._thread is not lost
    hangs.set()
    assert lost is not None
    lost.join(PATIENCE)
    assert not lost.is_alive()


def test_who_is_parked_does_not_wait_for_a_thread_that_is_being_started(host: Host) -> None:
    """A finalizer may hang there."""
    fairness = Fairness(host.recorder, host.bulkhead, [])
    fairness._starting.acquire()
    fairness.wake()
    assert fairness._thread is None
    fairness._starting.release()


def test_without_a_thread_the_next_one_that_is_parked_tries_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise MemoryError

    fairness = Fairness(host.recorder, host.bulkhead, [])
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        fairness.wake()
    assert fairness._thread is None
    fairness.wake()
    assert fairness._thread is not None
