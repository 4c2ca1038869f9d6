from __future__ import annotations

import os
import random
import threading
import weakref
from collections.abc import Callable

import pytest

from shared_utils.hosting.settings.schema import Limits
from shared_utils.hosting.walls.bulkhead import Bulkhead, Load, Permit, Waiting
from shared_utils.hosting.walls.shares import Parked, Share

NOTHING = Load(running=0, parked=0, threads=0)
LONG = 60.0


def bulkhead(slots: int = 4, threads: int = 64, **limits: Limits) -> Bulkhead:
    return Bulkhead(slots, threads, limits or {"a": Limits(), "b": Limits()})


def held(walls: Bulkhead, name: str = "a") -> Permit:
    permit = Permit(walls)
    assert permit.hold(name)
    return permit


def running(walls: Bulkhead, name: str = "a") -> Permit:
    permit = held(walls, name)
    assert permit.run(0)
    return permit


@pytest.fixture
def parked(
    eventually: Callable[[Callable[[], bool]], None],
) -> Callable[[Bulkhead], Callable[[], bool]]:
    """Park a request; what that returns waits for its end, and says whether it has run."""

    def park(walls: Bulkhead) -> Callable[[], bool]:
        permit = held(walls)
        ran: list[bool] = []
        thread = threading.Thread(target=lambda: ran.append(permit.run(LONG)))
        thread.start()
        eventually(lambda: walls.load("a").parked == 1)

        def has_run() -> bool:
            thread.join(LONG)
            return ran == [True] and permit.runs

        return has_run

    return park


def test_a_permit_gives_back_what_it_holds_exactly_once() -> None:
    walls = bulkhead()
    one, other = running(walls), running(walls)
    assert walls.load("a") == Load(running=2, parked=0, threads=2)
    one.stop()
    one.stop()
    assert walls.load("a") == Load(running=1, parked=0, threads=2)
    one.let_go()
    one.let_go()
    one.stop()
    assert walls.load("a") == Load(running=1, parked=0, threads=1)
    other.let_go()
    assert walls.load("a") == NOTHING


def test_what_is_abandoned_is_given_back() -> None:
    walls = bulkhead()
    for _ in range(3):
        running(walls)  # and nobody keeps it
    assert walls.load("a") == NOTHING


def test_who_closes_a_response_while_it_is_collected_gives_nothing_back_twice() -> None:
    walls = bulkhead()
    other, permit = running(walls), running(walls)
    permit.__del__()
    permit.let_go()  # by the finalizer of something that was garbage with it
    assert walls.load("a") == Load(running=1, parked=0, threads=1)
    other.let_go()
    assert walls.load("a") == NOTHING


def test_who_waits_for_what_was_abandoned_has_it_with_the_next_request(
    parked: Callable[[Bulkhead], Callable[[], bool]],
) -> None:
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    has_run = parked(walls)
    with walls.lock:  # nothing that has to have it can be done in a finalizer
        del permits[0]
    assert walls.load("a") == Load(running=2, parked=1, threads=3)
    assert held(walls, "b")
    assert has_run()


def test_who_has_given_up_is_let_go_of_by_its_own_thread_while_others_wait(
    parked: Callable[[Bulkhead], Callable[[], bool]],
) -> None:
    """What a request holds may be an app's, and the next one to look has the lock."""
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    has_run = parked(walls)
    late = held(walls)
    seen = weakref.ref(late)
    assert not late.run(0)
    late.let_go()
    del late
    assert seen() is None
    permits[0].stop()
    assert has_run()


def test_what_stands_in_the_queue_is_no_request(
    parked: Callable[[Bulkhead], Callable[[], bool]],
) -> None:
    """Whoever lets a request run keeps it for a moment, and may be about to take the lock."""
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    has_run = parked(walls)
    assert [type(each) for each in walls.of["a"].queue] == [Waiting]
    permits[0].stop()
    assert has_run()


def test_what_nobody_waits_for_is_given_back_without_the_lock() -> None:
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    with walls.lock:
        permits[0].stop()
        permits[1].let_go()
    assert walls.load("a") == Load(running=1, parked=0, threads=2)


def test_who_begins_to_wait_while_a_slot_is_given_back_has_it(
    parked: Callable[[Bulkhead], Callable[[], bool]],
) -> None:
    class Marks(list[None]):
        def pop(self, *_: object) -> None:
            if not begun:
                begun.append(parked(walls))
            super().pop()

    walls = bulkhead(slots=3)
    begun: list[Callable[[], bool]] = []
    permits = [running(walls) for _ in range(3)]
    walls.shares.running = Marks(walls.shares.running)
    permits[0].stop()
    [has_run] = begun
    assert has_run()


def test_a_slot_that_is_given_back_right_before_a_request_is_parked_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    park = walls.shares.park

    def parked(share: Share, request: Parked) -> None:
        permits.pop().stop()  # nobody waits yet, so it wakes nobody
        park(share, request)

    monkeypatch.setattr(walls.shares, "park", parked)
    late = held(walls)
    assert late.run(LONG)
    assert walls.load("a").running == 3


def test_without_a_slot_a_request_is_parked_until_its_time_is_up() -> None:
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    late = held(walls)
    assert not late.run(0.01)
    assert walls.load("a") == Load(running=3, parked=0, threads=4)
    late.let_go()
    for permit in permits:
        permit.let_go()
    assert walls.load("a") == NOTHING


def test_a_parked_request_runs_as_soon_as_a_slot_is_given_back(
    parked: Callable[[Bulkhead], Callable[[], bool]],
) -> None:
    walls = bulkhead()
    first, *_ = [running(walls) for _ in range(3)]
    has_run = parked(walls)
    first.stop()
    assert has_run()
    assert walls.load("a") == Load(running=3, parked=0, threads=4)


def test_an_app_with_too_many_threads_gets_no_other_but_its_neighbour_does() -> None:
    walls = bulkhead(threads=8)
    permits = [Permit(walls) for _ in range(10)]
    assert [permit.hold("a") for permit in permits].count(True) == 6
    assert Permit(walls).hold("b")


def test_with_another_number_of_threads_there_are_other_slots_as_well() -> None:
    walls = bulkhead(slots=64, threads=512)
    walls.scale(64)
    walls.scale(64)
    permits = [held(walls) for _ in range(10)]
    assert sum(permit.run(0) for permit in permits) == 6
    walls.scale(1)
    assert running(walls, "b")


def test_other_limits_hold_at_once() -> None:
    walls = bulkhead()
    walls.place("a", Limits(max_running=1))
    one = running(walls)
    assert not held(walls).run(0)
    one.let_go()


def test_what_is_parked_runs_as_soon_as_its_app_is_allowed_more(
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    walls = bulkhead(slots=64)
    parked: list[str] = []
    walls.on_parked = lambda: parked.append(threading.current_thread().name)
    walls.allow({"a": 1, "b": 1})
    permits = [running(walls), running(walls, "b")]
    ran: list[bool] = []

    def wait() -> None:
        permits.append(held(walls))
        ran.append(permits[-1].run(LONG))

    waiting = [threading.Thread(target=wait) for _ in range(3)]
    for number, thread in enumerate(waiting, 1):
        thread.start()
        eventually(lambda number=number: walls.load("a").parked == number)  # type: ignore[misc]
    assert walls.are_parked
    assert sorted(parked) == sorted(thread.name for thread in waiting)
    walls.allow({"b": 9})
    assert ran == []
    walls.allow({"a": 9})
    for thread in waiting:
        thread.join(LONG)
    assert ran == [True] * 3
    assert not walls.are_parked


@pytest.mark.parametrize(("allowance", "patience", "runs"), [(1, LONG, True), (1, 0.02, False)])
def test_who_waits_for_its_own_app_has_as_long_as_that_may_take(
    allowance: float, patience: float, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = bulkhead(slots=64)
    walls.allow({"a": allowance})
    first = running(walls)
    ran: list[bool] = []
    late = held(walls)
    waits: list[float] = []
    has_come = Waiting.has_come

    def noted(waiting: Waiting, timeout: float) -> bool:
        waits.append(timeout)
        if len(waits) == 2 and runs:
            first.stop()
        return has_come(waiting, timeout)

    monkeypatch.setattr(Waiting, "has_come", noted)
    thread = threading.Thread(target=lambda: ran.append(late.run(0.01, patience)))
    thread.start()
    thread.join(LONG)
    assert ran == [runs]
    assert waits == [0.01, pytest.approx(patience - 0.01)]


def test_patience_is_for_those_alone_who_wait_for_their_own_app() -> None:
    walls = bulkhead(slots=4)
    walls.allow({"a": 4})
    permits = [running(walls) for _ in range(3)]
    assert not held(walls).run(0.01, LONG)  # no slot is free for it
    assert walls.load("a").running == len(permits)


def test_nobody_takes_a_slot_before_those_who_wait_for_it(
    parked: Callable[[Bulkhead], Callable[[], bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    is_guarded: list[bool] = []
    stop = walls.shares.stop

    def stopped(share: Share) -> bool:
        is_guarded.append(walls.lock.locked())
        return stop(share)

    monkeypatch.setattr(walls.shares, "stop", stopped)
    has_run = parked(walls)
    permits[0].stop()
    assert has_run()
    assert is_guarded == [True]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_begins_anew_and_old_permits_mean_nothing_there() -> None:
    walls = bulkhead()
    permits = [running(walls) for _ in range(3)]
    with walls.lock:  # as another thread may hold it at the moment of the fork
        child = os.fork()
        if child == 0:
            code = 1
            try:
                walls.reset()
                for permit in permits:
                    permit.let_go()
                code = 0 if walls.load("a") == NOTHING and held(walls).run(0) else 2
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert walls.load("a").running == 3


@pytest.mark.parametrize("seed", range(3))
def test_threads_under_a_random_schedule_lose_nothing(seed: int) -> None:
    """Many threads ask, give up, stop twice, let go without a stop; the sums are exact."""
    walls = bulkhead(slots=3, threads=40, a=Limits(), b=Limits(max_running=2), c=Limits())
    most = {"a": 0, "b": 0, "c": 0}
    now = dict(most)
    lock = threading.Lock()
    failures: list[BaseException] = []

    def requests(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        try:
            for _ in range(60):
                name = chance.choice("abc")
                permit = Permit(walls)
                if not permit.hold(name):
                    continue
                if permit.run(chance.choice([0, 0.0005, 0.005, LONG])):
                    with lock:
                        now[name] += 1
                        most[name] = max(most[name], now[name])
                        assert sum(now.values()) <= 3 + 3
                    if chance.random() < 0.3:
                        threading.Event().wait(0.0002)
                    with lock:
                        now[name] -= 1
                    if chance.random() < 0.5:
                        permit.stop()
                        permit.stop()
                permit.let_go()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=requests, args=[number]) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)
    assert most["b"] <= 2
    assert all(most.values())
    assert [walls.load(name) for name in "abc"] == [NOTHING] * 3
