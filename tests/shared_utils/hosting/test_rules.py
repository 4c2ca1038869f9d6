from __future__ import annotations

from typing import TYPE_CHECKING

from shared_utils.hosting.pages import row_of
from shared_utils.hosting.rules import own_rules, rules_of

if TYPE_CHECKING:
    from tests.conftest import ProjectFolder

WIKI = """
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"wiki"]
"""


def test_the_host_lists_the_rules_of_every_mount(project: ProjectFolder, greeter: str) -> None:
    project.app("trades", greeter)
    project.app("lazy", greeter, 'load = "lazy"\n')
    project.app("broken", "1/0\n")
    project.app("home", greeter)
    wiki = project.modules.write(WIKI)
    project.operator(f'[mounts.wiki]\napp = "{wiki}:application"\n[mounts.home]\nprefix = "/"\n')
    host = project.host()
    rules = {rule.endpoint: rule.rule for rule in host.url_map.iter_rules()}
    assert rules["trades:index"] == "/trades/"
    assert rules["trades:static"] == "/trades/static/<path:filename>"
    assert rules["lazy:index"] == "/lazy/"
    assert rules["home:index"] == "/"
    assert rules["wiki"] == "/wiki/<path:path>"
    assert rules["host.ready"] == "/-/ready"
    assert not [endpoint for endpoint in rules if endpoint.startswith("broken")]


def test_methods_are_kept(project: ProjectFolder, greeter: str) -> None:
    project.app("trades", greeter)
    host = project.host()
    row = row_of(host)
    [index] = [r for r in rules_of(row.mounts["trades"], row) if r.endpoint == "trades:index"]
    assert index.methods == {"GET", "HEAD", "OPTIONS"}


def test_the_host_matches_its_own_rules_alone(project: ProjectFolder, greeter: str) -> None:
    project.app("trades", greeter)
    host = project.host()
    endpoints = {rule.endpoint for rule in own_rules(host.url_map)}
    assert endpoints == {"host.live", "host.metrics", "host.ready", "look.file"}
    assert next(iter(host.url_map.iter_rules("host.live"))).rule == "/-/live"
