"""The JSON API of ``trades`` as it is served: Schemathesis, through gunicorn and a prefix."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from http.client import HTTPConnection
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok

from tests.openapi import CHECKS
from tests.running import PATIENCE, Project, Serve, Server, clean_environment
from tests.serving import chance

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery 77"
CASES = 60
"""For each operation."""
REFUSALS = [400, 401, 404, 405, 413, 414, 415, 422, 429]


def token_of_a_new_user(project: Project, server: Server) -> str:
    subprocess.run(
        [
            *(sys.executable, "-m", "flask", "--app", "apps.accounts"),
            *("create-user", "ann", "--password-stdin"),
        ],
        cwd=project.root,
        env=clean_environment() | {"PYTHONPATH": str(project.root)},
        input=PASSWORD,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    with contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as client:
        body = json.dumps({"name": "ann", "password": PASSWORD})
        client.request("POST", "/accounts/api/v1/token", body, {"Content-Type": "application/json"})
        answer = json.loads(client.getresponse().read())
    return str(answer["access_token"])


@pytest.mark.parametrize("prefix", ["/trades", "/north/our-trades"])
def test_the_served_api_keeps_to_its_document(project: Project, serve: Serve, prefix: str) -> None:
    seed = chance.seed()
    for name in ("accounts", "trades"):
        project.copy_app(name)
    project.operator(f'[mounts.trades]\nprefix = "{prefix}"\n')
    made = project.rowhouse("db", "upgrade")
    assert made.returncode == 0, made.stderr
    server = serve()
    base = f"http://127.0.0.1:{server.port}"
    bearer = {"Authorization": f"Bearer {token_of_a_new_user(project, server)}"}
    schema = schemathesis.openapi.from_url(
        f"{base}{prefix}/api/v1/openapi.json",
        config=SchemathesisConfig.from_dict(
            {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
        ),
    )
    modes = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) == 8

    for operation in operations:

        @hypothesis.seed(seed)
        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
        def keeps_to_it(case: Any) -> None:
            case.call_and_validate(headers=bearer, checks=CHECKS, timeout=PATIENCE)

        keeps_to_it()

    assert "Traceback" not in server.lines()
