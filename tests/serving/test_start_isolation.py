"""A sibling that is broken at start takes nobody down, and comes back when it is mended."""

from __future__ import annotations

import dataclasses
import os
import textwrap

import pytest

from tests.running import SOUND, Project, Serve, Server, downs, until


@dataclasses.dataclass(frozen=True)
class Broken:
    code: str | None = None
    manifest: str = ""
    mended_manifest: str = ""
    mended_at: str = "/sick/"


BROKEN = {
    "syntax error": Broken("def create_app(:\n"),
    "exits at import": Broken("import sys\nsys.exit(3)\n"),
    "factory hangs": Broken(
        "import time\n\ndef create_app(overrides=None):\n    while 1:\n        time.sleep(0.01)\n"
    ),
    "factory hangs in C": Broken(
        "import threading\n\ndef create_app(overrides=None):\n    threading.Event().wait()\n"
    ),
    "import hangs in C": Broken("import time\ntime.sleep(100000)\n"),
    "factory returns None": Broken("def create_app(overrides=None):\n    return None\n"),
    "factory raises": Broken("def create_app(overrides=None):\n    raise RuntimeError('no')\n"),
    "factory exhausts the stack": Broken("def create_app(overrides=None):\n    create_app()\n"),
    "import fails": Broken("import a_module_that_is_not_there\n"),
    "wrong manifest": Broken(manifest="ownr = 'team'\n"),
    "manifest is no TOML": Broken(manifest="title = \n"),
    "neighbour's prefix": Broken(
        manifest="prefix = '/well'\n", mended_manifest="prefix = '/moved'\n", mended_at="/moved/"
    ),
}
NEEDS_HELPER = """
    from flask import Flask

    def create_app(overrides=None):
        if helper.SAID == "old":
            raise RuntimeError(helper.SAID)
        app = Flask(__name__)
        app.add_url_rule("/", "index", lambda: helper.SAID)
        return app
"""
KNOWN = "contact = 'sick@example.com'\ntitle = 'Sick leave'\n"
HANG = "[limits]\nstartup_timeout = 1.0\n"


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_neighbours_serve_and_a_mended_app_comes_back(
    project: Project, serve: Serve, broken: Broken
) -> None:
    for name in ("alpha", "well", "zulu"):
        project.app(name)
    project.app("sick", broken.code, KNOWN + broken.manifest + HANG)
    project.operator("[host]\nstartup_wait = 2.0\n")
    server = serve()

    until(lambda: server.states()["sick"] == "down", "the sick app is found to be so")
    for name in ("alpha", "well", "zulu"):
        assert server.get(f"/{name}/").text == name
    assert server.get("/-/ready").status == 200

    answer = server.get("/sick/")
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Traceback" not in answer.text
    if broken.manifest != "title = \n":
        assert "sick@example.com" in answer.text
        assert "Sick leave" in answer.text

    project.app("sick", SOUND.format(said="mended"), KNOWN + broken.mended_manifest)
    until(lambda: server.get(broken.mended_at).text == "mended", "a later try serves it")
    assert server.states()["sick"] == "up"
    log = server.lines()
    assert downs(log, "sick") == log.count("Traceback (most recent call last)"), log
    assert server.process.poll() is None


def test_a_tracebacks_place_is_the_log(project: Project, serve: Serve) -> None:
    project.app("sick", "def create_app(overrides=None):\n    raise RuntimeError('no-' + 'way')\n")
    server = serve()

    assert "no-way" not in server.get("/sick/").text + server.get("/-/ready").text
    until(lambda: "RuntimeError: no-way" in server.lines(), "the log tells of it")


def test_two_apps_that_hang_hold_nobody_up(project: Project, serve: Serve) -> None:
    hang = "import threading\nthreading.Event().wait()\n"
    project.app("aaa", hang)
    project.app("bbb", hang)
    project.app("well")
    project.operator("[host]\nstartup_wait = 0.5\n")
    server = serve()

    until(lambda: server.get("/well/").text == "well", "the sound app gets its turn")
    assert server.states() == {"aaa": "starting", "bbb": "starting", "well": "up"}
    assert server.get("/aaa/").headers["Retry-After"] == "1"


def test_a_mend_of_the_same_size_and_second_is_not_run_from_old_bytecode(
    project: Project, serve: Serve
) -> None:
    project.app("sick", "from apps.sick import helper\n\n" + textwrap.dedent(NEEDS_HELPER))
    helper = project.root / "apps" / "sick" / "helper.py"
    helper.write_text("SAID = 'old'\n")
    server = serve()
    until(lambda: server.states()["sick"] == "down", "the sick app is found to be so")
    written = helper.stat()
    assert list(helper.parent.glob("__pycache__/helper.*.pyc"))

    helper.write_text("SAID = 'new'\n")
    os.utime(helper, ns=(written.st_atime_ns, written.st_mtime_ns))
    until(lambda: server.get("/sick/").text == "new", "the new code is run")


def test_required_app_that_is_down_makes_the_host_unready(project: Project, serve: Serve) -> None:
    project.app("sick", "import sys\nsys.exit()\n")
    project.operator("[mounts.sick]\nrequired = true\n")
    server = serve()

    answer = server.get("/-/ready")
    assert answer.status == 503
    assert answer.json["mounts"]["sick"] == {
        **{"state": "down", "prefix": "/sick", "required": True},
        **{"running": 0, "parked": 0, "threads": 0},
    }
    assert server.get("/-/live").status == 200


def test_disabled_app_is_not_built(project: Project, serve: Serve) -> None:
    marker = project.root / "built"
    project.app("off", f"open({str(marker)!r}, 'w')\n")
    project.operator("[mounts.off]\nenabled = false\n")

    assert serve().get("/off/").status == 404
    assert not marker.exists()


def test_lazy_app_is_built_at_its_first_request(project: Project, serve: Serve) -> None:
    project.app("idle", manifest='load = "lazy"\n')
    project.app("sick", "raise RuntimeError\n", 'load = "lazy"\n')
    server = serve()

    assert server.states() == {"idle": "lazy", "sick": "lazy"}
    assert server.get("/idle/").text == "idle"
    assert server.get("/sick/").status == 503
    assert server.states() == {"idle": "up", "sick": "down"}
    project.app("sick", manifest='load = "lazy"\n')
    until(lambda: server.get("/sick/").text == "sick", "a lazy app is tried again as well")


def test_preloaded_host_builds_on_in_its_workers(project: Project, serve: Serve) -> None:
    project.app("aaa")
    project.app("hung", "import threading\nthreading.Event().wait()\n", HANG)
    project.app("idle", manifest='load = "lazy"\n')
    project.app("sick", "raise RuntimeError\n")
    project.app("zulu")
    project.operator("[host]\nstartup_wait = 0.5\n")
    server: Server = serve("--preload", workers=2)

    assert server.get("/aaa/").text == "aaa"
    assert server.get("/idle/").text == "idle"
    until(lambda: server.get("/zulu/").text == "zulu", "what the master had not come to")
    project.app("hung")
    project.app("sick")
    until(lambda: server.get("/sick/").text == "sick", "the timer runs in the worker")
    until(lambda: server.get("/hung/").text == "hung", "an import that was under way at the fork")
