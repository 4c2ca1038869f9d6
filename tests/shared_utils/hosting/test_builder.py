from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from shared_utils.hosting import builder as builder_module
from shared_utils.hosting.builder import Builder
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host, Limits
from shared_utils.hosting.walls.walls import Walls
from shared_utils.logging import app_name

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tests.conftest import Modules

PATIENCE = 20.0

Eventually = Callable[[Callable[[], bool]], None]


def app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


class Bench:
    """A builder over mounts whose builds are functions of the test."""

    def __init__(self) -> None:
        self.mounts: dict[str, Mounted] = {}
        self.builds: dict[str, Callable[[], WSGIApplication]] = {}
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []
        """Those of the builds, in the same order."""
        self.renewed: list[str] = []
        self.announced: list[str] = []
        self.builder: Builder

    def mount(
        self,
        name: str,
        build: Callable[[], WSGIApplication] = lambda: app,
        *,
        load: str = "eager",
        target: str = "",
        startup_timeout: float = 30.0,
    ) -> Mounted:
        mount = Mount(
            name=name,
            prefix=f"/{name}",
            target=target or f"rowtest_nowhere_{name}:app",
            title=name,
            load=load,
            limits=Limits(startup_timeout=startup_timeout, queue_timeout=PATIENCE),
        )
        self.builds[name] = build
        self.mounts[name] = Mounted(
            mount,
            walls=Walls.around([mount], Host()),
            wake=lambda mounted: self.builder.wake(mounted),
        )
        return self.mounts[name]

    def make(self, startup_wait: float = PATIENCE, kind: type[Builder] = Builder) -> Builder:
        self.builder = kind(
            self.mounts.values(),
            build=self._build,
            renew=lambda mounted: self.renewed.append(mounted.mount.name),
            announce=lambda mounted: self.announced.append(mounted.mount.name),
            startup_wait=startup_wait,
        )
        return self.builder

    def run(self, startup_wait: float = PATIENCE) -> Builder:
        builder = self.make(startup_wait)
        builder.start()
        builder.wait()
        return builder

    def _build(self, mounted: Mounted) -> WSGIApplication:
        self.order.append(mounted.mount.name)
        self.threads.append(threading.current_thread())
        return self.builds[mounted.mount.name]()

    def states(self) -> dict[str, str]:
        return {name: mounted.state for name, mounted in self.mounts.items()}


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    with made.builder._changed:
        made.builder._eager.clear()
        made.builder._due.clear()
        made.builder._changed.notify_all()
    for name in ("rowhouse-builder", "rowhouse-log"):  # or the next test reads what they say
        for thread in threading.enumerate():
            if thread.name == name and thread.ident:  # else it is only being started
                thread.join(5)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is down built again within milliseconds."""
    monkeypatch.setattr(builder_module, "FIRST_RETRY", 0.005)
    monkeypatch.setattr(builder_module, "LAST_RETRY", 0.02)


def failing(error: BaseException) -> Callable[[], WSGIApplication]:
    def build() -> WSGIApplication:
        raise error

    return build


@contextlib.contextmanager
def hanging() -> Iterator[Callable[[], WSGIApplication]]:
    """A build that hangs in C, where nothing can interrupt it, until the block is left."""
    locks: list[threading.Lock] = []  # of each its own: one that is interrupted keeps none waiting
    is_left = threading.Event()

    def build() -> WSGIApplication:
        lock = threading.Lock()
        lock.acquire()
        locks.append(lock)
        if not is_left.is_set():
            lock.acquire()
        return app

    try:
        yield build
    finally:
        is_left.set()
        for lock in locks:
            lock.release()


def test_mounts_are_built_in_order_one_after_another(bench: Bench) -> None:
    running: list[str] = []
    beside: list[int] = []

    def build() -> WSGIApplication:
        running.append("x")
        beside.append(len(running))
        running.pop()
        return app

    for name in ("a", "b", "c"):
        bench.mount(name, build)
    bench.run()
    assert bench.order == ["a", "b", "c"]
    assert beside == [1, 1, 1]
    assert bench.states() == {"a": "up", "b": "up", "c": "up"}


def test_no_mounts_are_built_at_once(bench: Bench) -> None:
    builder = bench.make()
    builder.start()
    assert builder._first_round.wait(PATIENCE)


def test_starting_twice_begins_once(bench: Bench) -> None:
    with hanging() as hang:
        bench.mount("a", hang)
        builder = bench.make(startup_wait=0)
        builder.start()
        thread = builder._thread
        assert thread is not None
        builder.start()
        assert builder._thread is thread
    builder.wait()


def test_the_builder_ends_when_nothing_is_left_to_do_and_begins_again(
    bench: Bench, eventually: Eventually
) -> None:
    bench.mount("a")
    idle = bench.mount("idle", load="lazy")
    builder = bench.run()
    eventually(lambda: builder._thread is None)
    builder.wake(idle)
    assert idle.wait(PATIENCE)
    assert bench.states() == {"a": "up", "idle": "up"}


def test_the_builder_outlives_what_apps_have_broken(
    bench: Bench, eventually: Eventually, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour breaks logging, and time.sleep, and has taken the last thread for a while."""
    tries: list[int] = []

    def build() -> WSGIApplication:
        tries.append(1)
        if len(tries) < 4:
            raise RuntimeError("not yet")
        return app

    def refused(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    def handle(record: logging.LogRecord) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(logging.root.handlers[0], "handle", handle)
    monkeypatch.setattr(time, "sleep", refused)
    mount = bench.mount("a", build)
    bench.run()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        bench.builder.wake(mount)
    bench.builder.wake(mount)
    eventually(lambda: mount.is_built)
    assert len(tries) == 4


def test_an_attempt_whose_thread_cannot_start_is_tried_again(
    bench: Bench, eventually: Eventually, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[str] = []
    start = threading.Thread.start

    def sometimes(thread: threading.Thread) -> None:
        if thread.name.startswith("rowhouse-build-"):
            starts.append(thread.name)
            if len(starts) < 3:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", sometimes)
    mount = bench.mount("a")
    bench.run()
    eventually(lambda: mount.is_built)
    assert len(starts) == 3


def test_a_failed_mount_leaves_the_modules_of_a_sibling_in_its_package(
    bench: Bench, modules: Modules
) -> None:
    """Two mounts of one package: what one of them has loaded, the other may be using."""
    package = modules.package({"one.py": "VALUE = 1\n", "two.py": "VALUE = 2\n"})

    def load_one() -> WSGIApplication:
        __import__(f"{package}.one")
        return app

    def load_two_and_fail() -> WSGIApplication:
        __import__(f"{package}.two")
        raise RuntimeError("no")

    bench.mount("a", load_one, target=f"{package}.one:app")
    bench.mount("b", load_two_and_fail, target=f"{package}.two:app")
    bench.run()
    assert bench.states() == {"a": "up", "b": "down"}
    assert f"{package}.one" in sys.modules
    assert f"{package}.two" in sys.modules


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot even be said")


ERRORS = [
    pytest.param(ImportError("no"), id="ImportError"),
    pytest.param(SyntaxError("no"), id="SyntaxError"),
    pytest.param(SystemExit(3), id="SystemExit"),
    pytest.param(KeyboardInterrupt(), id="KeyboardInterrupt"),
    pytest.param(MemoryError(), id="MemoryError"),
    pytest.param(GeneratorExit(), id="GeneratorExit"),
    pytest.param(RecursionError("deep"), id="RecursionError"),
    pytest.param(Unspeakable(), id="Unspeakable"),
    pytest.param(BaseExceptionGroup("many", [SystemExit(1)]), id="group"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_whatever_a_factory_raises_makes_that_one_mount_down(
    bench: Bench, error: BaseException, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    bench.mount("a", failing(error))
    bench.mount("b")
    bench.run(startup_wait=3)
    assert bench.mounts["a"].wait(3), "it is neither up nor down"
    eventually(lambda: "a is down" in caplog.text)
    assert bench.states() == {"a": "down", "b": "up"}
    assert bench.mounts["a"].failure.startswith(type(error).__name__)
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.__dict__["app"] == "a"
    assert "Traceback" in caplog.text


def test_a_mount_that_is_down_is_built_again(
    bench: Bench, quick: None, eventually: Eventually
) -> None:
    tries: list[float] = []

    def build() -> WSGIApplication:
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise ValueError("not yet")
        return app

    bench.mount("a", build)
    bench.run()
    eventually(lambda: bench.mounts["a"].state == "up")
    assert len(tries) == 4
    assert bench.renewed == ["a", "a", "a"]
    assert bench.mounts["a"].failure == ""


def test_the_waits_double_up_to_a_minute(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = bench.mount("a")
    builder = bench.make()
    waits: list[float] = []
    monkeypatch.setattr(mounted, "down", lambda failure, at: waits.append(at - time.monotonic()))
    for _ in range(9):
        builder._failed(mounted, "x")
    assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_mount_that_is_down_for_days_is_still_tried(bench: Bench) -> None:
    mounted = bench.mount("a")
    builder = bench.make()
    builder._failures[mounted] = 5000
    builder._failed(mounted, "x")
    assert mounted in builder._due
    assert mounted.state == "down"


def test_success_forgets_the_failures(bench: Bench, quick: None, eventually: Eventually) -> None:
    errors = [ValueError("once")]

    def build() -> WSGIApplication:
        if errors:
            raise errors.pop()
        return app

    mounted = bench.mount("a", build)
    builder = bench.run()
    eventually(lambda: mounted.state == "up")
    assert builder._failures == {}
    assert builder._due == {}
    eventually(lambda: bench.announced == ["a", "a"])


def test_a_build_that_hangs_gives_way_to_the_next(bench: Bench) -> None:
    with hanging() as build:
        bench.mount("a", build)
        second = bench.mount("b")
        bench.run(startup_wait=0)
        assert second.wait(PATIENCE)
        assert bench.mounts["a"].state == "starting"


def test_a_build_that_takes_too_long_is_down_and_its_stack_is_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with hanging() as build:
        bench.mount("a", build, startup_timeout=0.05)
        bench.mount("b")
        bench.run()
        assert bench.mounts["a"].state == "down"
        assert bench.mounts["a"].failure == "its start takes longer than 0.05 s"
        assert bench.mounts["b"].state == "up"
        assert "lock.acquire()" in caplog.text


def test_a_build_that_loops_is_interrupted(bench: Bench, eventually: Eventually) -> None:
    ended: list[str] = []

    def build() -> WSGIApplication:
        try:
            while True:
                pass
        except BaseException as error:
            ended.append(type(error).__name__)
            raise

    mounted = bench.mount("a", build, startup_timeout=0.05)
    bench.run()
    eventually(lambda: ended == ["StartupTimeout"])
    assert mounted.state == "down"


def test_a_build_that_swallows_the_interrupt_is_interrupted_again(
    bench: Bench, eventually: Eventually
) -> None:
    swallowed: list[BaseException] = []

    def build() -> WSGIApplication:
        while len(swallowed) < 2:
            try:
                while True:
                    pass
            except BaseException as error:
                swallowed.append(error)
        while True:
            pass

    bench.mount("a", build, startup_timeout=0.05)
    builder = bench.run()
    eventually(lambda: not builder._running)
    assert len(swallowed) == 2


def test_a_build_that_was_too_late_is_tried_again(
    bench: Bench, quick: None, eventually: Eventually
) -> None:
    with hanging() as build:
        mounted = bench.mount("a", build, startup_timeout=0.05)
        bench.run()
        assert mounted.state == "down"
        bench.builds["a"] = lambda: app
    eventually(lambda: mounted.state == "up")


def test_no_second_build_while_the_first_lives(
    bench: Bench, quick: None, eventually: Eventually
) -> None:
    with hanging() as build:
        mounted = bench.mount("a", build, startup_timeout=0.02)
        builder = bench.run()
        first = builder._due[mounted]
        eventually(lambda: builder._due[mounted] > first + 0.05)  # it was due several times
        assert bench.order == ["a"]
        assert len(builder._running) == 1


def test_a_mended_source_leaves_the_hung_build_behind(
    bench: Bench, modules: Modules, quick: None, eventually: Eventually
) -> None:
    name = modules.write("A = 1\n")
    with hanging() as build:
        mounted = bench.mount("a", build, target=f"{name}:app", startup_timeout=0.02)
        bench.run()
        bench.builds["a"] = lambda: app
        modules.write("A = 2\n", name)
        eventually(lambda: mounted.state == "up")
        up = mounted._app
        assert bench.order == ["a", "a"]
    eventually(lambda: not bench.threads[0].is_alive())
    assert mounted._app is up


def test_a_hung_build_left_behind_does_not_speak_for_the_mount(
    bench: Bench, modules: Modules, quick: None, eventually: Eventually
) -> None:
    name = modules.write("A = 1\n")

    def build() -> WSGIApplication:
        with hung:
            pass
        raise ValueError("late")

    hung = threading.Lock()
    hung.acquire()
    mounted = bench.mount("a", build, target=f"{name}:app", startup_timeout=0.02)
    bench.run()
    bench.builds["a"] = lambda: app
    modules.write("A = 2\n", name)
    eventually(lambda: mounted.state == "up")
    hung.release()
    eventually(lambda: not bench.threads[0].is_alive())
    assert mounted.state == "up"


# Lazy mounts.


def test_a_lazy_mount_is_built_when_it_is_woken(bench: Bench) -> None:
    mounted = bench.mount("a", load="lazy")
    builder = bench.run()
    assert mounted.state == "lazy"
    assert bench.order == []
    builder.wake(mounted)
    assert mounted.wait(PATIENCE)
    assert mounted.state == "up"


def test_many_requests_at_once_build_a_lazy_mount_once(bench: Bench) -> None:
    go = threading.Event()

    def build() -> WSGIApplication:
        go.wait(PATIENCE)
        return app

    mounted = bench.mount("a", build, load="lazy")
    bench.run()
    barrier = threading.Barrier(9)
    bodies: list[bytes] = []

    def ask() -> None:
        barrier.wait()
        bodies.extend(mounted({"SCRIPT_NAME": "/a"}, lambda *_: lambda _: None))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    barrier.wait()
    go.set()
    for thread in threads:
        thread.join()
    assert bench.order == ["a"]
    assert bodies == [b"ok"] * 8


def test_a_lazy_mount_does_not_wait_for_an_eager_one(bench: Bench) -> None:
    with hanging() as build:
        bench.mount("a", build)
        lazy = bench.mount("b", load="lazy")
        bench.make().start()
        bench.builder.wake(lazy)
        assert lazy.wait(PATIENCE)


def test_a_lazy_mount_that_failed_is_not_built_at_every_request(bench: Bench) -> None:
    mounted = bench.mount("a", failing(ValueError("no")), load="lazy")
    builder = bench.run()
    builder.wake(mounted)
    assert mounted.wait(PATIENCE)
    for _ in range(5):
        builder.wake(mounted)
    assert bench.order == ["a"]


def test_waking_starts_a_builder_that_was_not_started(bench: Bench) -> None:
    bench.mount("a")
    bench.make().wake(bench.mounts["a"])
    bench.builder.wait()
    assert bench.states() == {"a": "up"}


def test_a_lazy_neighbour_is_built_while_a_log_line_is_stuck(bench: Bench) -> None:
    """No lock is held that a neighbour needs: not while stdout blocks, either."""
    stuck, go = threading.Event(), threading.Event()

    class Stuck(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stuck.set()
            go.wait(PATIENCE)

    handler = Stuck()
    logger = logging.getLogger("shared_utils.hosting.builder")
    logger.addHandler(handler)
    try:
        with hanging() as build:
            bench.mount("a", build, startup_timeout=0.02)
            lazy = bench.mount("b", load="lazy")
            bench.make().start()
            assert stuck.wait(PATIENCE)
            threading.Thread(target=bench.builder.wake, args=[lazy], daemon=True).start()
            assert lazy.wait(3), "the neighbour waits for the log"
            go.set()
    finally:
        go.set()
        logger.removeHandler(handler)


# Odd moments.


class Unscheduled(Builder):
    """A builder whose thread loses the processor for a moment in the middle of its round."""

    def _launch_next(self, now: float) -> None:
        super()._launch_next(now)
        while not self._running and any(now < due for due in self._due.values()):
            if all(due < time.monotonic() for due in self._due.values()):
                break


def test_a_mount_that_falls_due_in_the_middle_of_a_round_is_built(
    bench: Bench, quick: None, eventually: Eventually
) -> None:
    errors = [ValueError("once")]

    def build() -> WSGIApplication:
        if errors:
            raise errors.pop()
        return app

    mounted = bench.mount("a", build)
    bench.make(kind=Unscheduled).start()
    assert mounted.wait(PATIENCE)
    eventually(lambda: mounted.state == "up")


class Prickly:
    """What a neighbour may hold in a module: a proxy that cannot be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("working outside of context")


def test_what_a_neighbour_holds_does_not_keep_a_failed_mount_from_going_down(
    bench: Bench, modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = ModuleType("rowtest_prickly")
    neighbour.proxy = Prickly()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rowtest_prickly", neighbour)
    name = modules.write("A = 1\n")

    def build() -> WSGIApplication:
        __import__(name)
        raise ValueError("no")

    mounted = bench.mount("a", build, target=f"{name}:app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda args: None)
        bench.make().start()
        assert mounted.wait(3), "it is neither up nor down"
    assert mounted.state == "down"


def test_a_build_knows_its_app_and_not_the_request_that_asked_for_it(bench: Bench) -> None:
    names: list[str] = []

    def build() -> WSGIApplication:
        names.append(app_name.get())
        return app

    mounted = bench.mount("a", build, load="lazy")
    bench.make()
    token = app_name.set("somebody")
    try:
        bench.builder.wake(mounted)
        assert mounted.wait(PATIENCE)
    finally:
        app_name.reset(token)
    assert names == ["a"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on_where_the_parent_was(bench: Bench) -> None:
    with hanging() as build:
        bench.mount("a")
        bench.mount("b", build)
        bench.mount("c")
        begun = threading.Event()

        def begin() -> WSGIApplication:
            begun.set()
            return build()

        bench.builds["b"] = begin
        builder = bench.make()
        builder.start()
        assert begun.wait(PATIENCE)
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                bench.builds["b"] = lambda: app
                builder.start()
                for name in ("b", "c"):
                    bench.mounts[name].wait(PATIENCE)
                code = 0 if set(bench.states().values()) == {"up"} else 2
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert bench.states()["b"] == "starting"
