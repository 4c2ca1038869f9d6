"""The host's URL map as Flask's commands see it: the rules of all mounts, with their prefixes."""

from __future__ import annotations

from collections.abc import Iterator

from werkzeug.routing import Map, Rule

from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.row import Row


class RowMap(Map):
    """A map that matches the host's own pages only, but lists the rules of every mount too."""

    row: Row | None = None

    def iter_rules(self, endpoint: str | None = None) -> Iterator[Rule]:
        """Return the host's rules, then each mount's; lazy mounts are built for that."""
        yield from own_rules(self, endpoint)
        if self.row is not None and endpoint is None:
            for mounted in self.row.mounts.values():
                yield from rules_of(mounted, self.row)


def own_rules(url_map: Map, endpoint: str | None = None) -> Iterator[Rule]:
    """Return the rules that a map matches itself."""
    return Map.iter_rules(url_map, endpoint)


def rules_of(mounted: Mounted, row: Row) -> list[Rule]:
    """Return a mount's rules with its prefix; endpoints are ``name:endpoint``.

    A WSGI application of another kind has one rule for all that is below it, an app that is not
    built has none.
    """
    row.builder.wake(mounted)
    mounted.wait(mounted.mount.limits.startup_timeout if mounted.mount.load == "lazy" else 0)
    name, prefix = mounted.mount.name, (mounted.mount.prefix or "").rstrip("/")
    if not mounted.is_built:
        return []
    if mounted.flask_app is None:
        return [Rule(f"{prefix}/<path:path>", endpoint=name)]
    return [
        Rule(f"{prefix}{rule.rule}", endpoint=f"{name}:{rule.endpoint}", methods=rule.methods)
        for rule in mounted.flask_app.url_map.iter_rules()
    ]
