"""``trades`` in a project of the test's own, and people who are signed in to it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping

from joserfc.jwk import OKPKey

from shared_utils.identity.keys import new_key
from shared_utils.identity.tokens import Identity, issue
from tests.running import PATIENCE, Answer, Project

API = "/trades/api/v1"


def set_up(project: Project, *, impatient: bool = False) -> OKPKey:
    """Copy the app and make its tables; return the key that its people's tokens are signed with.

    Args:
        impatient: a runner is thought dead after a second, and no job is given up.
    """
    key = new_key()
    project.copy_app("trades")
    if impatient:
        models = project.root / "apps" / "trades" / "imports" / "models.py"
        with models.open("a") as module:
            module.write(
                "\n\nimport datetime  # for the test\n"
                "ImportJob.STALE_AFTER = datetime.timedelta(seconds=1)\n"
                "ImportJob.RING_AGAIN = datetime.timedelta(seconds=0.5)\n"
                "ImportJob.MAX_ATTEMPTS = 100\n"
            )
    public = key.as_pem(private=False).decode()
    project.operator(f'[mounts.trades.config]\nIDENTITY_PUBLIC_KEYS = """{public}"""\n')
    ran = project.rowhouse("db", "upgrade")
    assert ran.returncode == 0, ran.stderr
    return key


class Person:
    """Somebody who uses the API with a bearer token, on a connection for each request."""

    def __init__(self, port: int, key: OKPKey, name: str) -> None:
        self.port = port
        token = issue(Identity(id=name, name=name), key)
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request.

        Raises:
            OSError: the server went away.
            http.client.HTTPException: it went away in the middle.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body or None, self.headers | dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def import_file(self, text: str, filename: str) -> str:
        """Send a file until it is taken; return where its import is."""
        pause = threading.Event()
        while True:
            pause.wait(0.05)
            try:
                answer = self.ask(
                    "POST",
                    f"{API}/imports?filename={filename}",
                    text.encode(),
                    {"Content-Type": "text/csv"},
                )
            except (OSError, http.client.HTTPException):
                continue  # it may have been taken; then it is sent twice
            if answer.status == 202:
                return str(answer.headers["Location"])
            assert answer.status in (429, 503), answer.text

    def read(self, path: str) -> dict[str, object]:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.text
        found: dict[str, object] = json.loads(answer.text)
        return found
