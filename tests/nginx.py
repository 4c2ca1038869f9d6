"""A real nginx in front of a server."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.requirements import needed
from tests.running import until


@contextlib.contextmanager
def in_front(folder: Path, locations: str, probe: str) -> Iterator[str]:
    """Run nginx, and give its address.

    Args:
        folder: for its files.
        locations: what stands in its ``server`` block.
        probe: a path that it answers, with whatever status, once it serves.
    """
    program = needed(shutil.which("nginx"), "nginx")
    for _ in range(10):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "nginx.conf").write_text(_conf(folder, port, locations))
        process = subprocess.Popen([program, "-c", folder / "nginx.conf", "-p", folder])
        base = f"http://127.0.0.1:{port}"
        until(lambda: process.poll() is not None or _answers(f"{base}{probe}"), "nginx answers")  # noqa: B023
        if process.poll() is None:
            break  # else another process was quicker to take the port
    try:
        yield base
    finally:
        process.terminate()
        process.wait(30)


def _conf(folder: Path, port: int, locations: str) -> str:
    return f"""
        daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
            fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
            scgi_temp_path {folder}/s;
            server {{
                listen 127.0.0.1:{port};
                {locations}
            }}
        }}
    """


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
