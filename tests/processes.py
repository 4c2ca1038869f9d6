"""Scripts in processes of their own, some of which begin at once.

Those print ``ready`` when they have loaded what they need, and go on when they have read a line.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from tests.running import REPOSITORY, clean_environment


def run(script: str, *arguments: object, path: str = "") -> subprocess.Popen[str]:
    """Start a script in which every warning is an error.

    Args:
        script: what it runs.
        arguments: what it finds in ``sys.argv``.
        path: folders to import from, beside the repository.
    """
    folders = [path, str(REPOSITORY)] if path else [str(REPOSITORY)]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        env=clean_environment() | {"PYTHONPATH": os.pathsep.join(folders)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def at_once(
    number: int, script: str, *arguments: object, path: str = ""
) -> Iterator[list[subprocess.Popen[str]]]:
    """Give ``number`` processes of a script; they go on together, and have ended afterwards."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(run(script, *arguments, path=path)) for _ in range(number)]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        yield processes
