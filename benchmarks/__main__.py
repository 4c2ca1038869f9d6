"""``python -m benchmarks``: measure all, or the sections that are named.

Says what was met and what was missed; missing a target is no error. Needs Linux, whose ``/proc``
tells what memory is whose.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks import clients, dispatcher, imports, memory, requests, start, telemetry, walls
from benchmarks.pairs import Section, Unmeasurable
from benchmarks.tables import data, table

SECTIONS: Mapping[str, Callable[[int | None], Section]] = {
    "dispatcher": dispatcher.measure,
    "requests": requests.measure,
    "memory": memory.measure,
    "start": start.measure,
    "walls": walls.measure,
    "telemetry": telemetry.measure,
    "clients": clients.measure,
    "imports": imports.measure,
}


def main() -> None:
    """Run the sections, print a table of each as soon as it is done."""
    options = _options()
    began = time.monotonic()
    measured = {}
    machine = _machine()
    print(machine, flush=True)
    for name in options.sections or SECTIONS:
        try:
            measured[name] = SECTIONS[name](options.rounds)
        except Unmeasurable as error:
            print(f"\n{name}: skipped: {error}", flush=True)
            continue
        print(f"\n{table(measured[name])}", flush=True)
    print(f"\n{time.monotonic() - began:.0f} s; load average now {_load()}")
    if options.json:
        sections = {name: data(section) for name, section in measured.items()}
        content = {"machine": machine, "sections": sections}
        options.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", type=_section, metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument(
        "--rounds", type=_rounds, metavar="N", help="pairs of each comparison; default: enough"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every single figure there as well"
    )
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("this needs Linux: it reads /proc")
    return options


def _section(text: str) -> str:
    if text not in SECTIONS:
        raise argparse.ArgumentTypeError(f"found {text!r}, write {', '.join(SECTIONS)}")
    return text


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, write a number from 1")
    return int(text)


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("gunicorn", "Werkzeug", "Flask"))
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}, "
        f"load average {_load()}. A noisy machine: read ratios and spreads, not seconds."
    )


def _load() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


if __name__ == "__main__":
    main()
