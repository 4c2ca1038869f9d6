"""What an app is made of: its routes, and its config as it may be shown."""

from __future__ import annotations

import dataclasses
from typing import Any

from flask import Flask

from shared_utils.hosting.layers import derive, layered
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.row import Row
from shared_utils.hosting.settings.secrets import masked
from shared_utils.sibling import sibling_of

FLASK = "Flask"
"""The layer of what Flask sets itself."""

_APP = "the app itself"
_UNSAID = {"HEAD", "OPTIONS"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A key of an app's config: its value as it may be shown, and the layer that it came from."""

    key: str
    value: Any
    layer: str


def config_of(mounted: Mounted, row: Row) -> list[Entry]:
    """Return the config of an app; of one that is not built, what it would be given.

    Raises:
        ConfigError: its config has mistakes, and it is not built.
    """
    app = mounted.flask_app
    if app is None:
        given = layered(mounted.mount, row.settings)
        derive(given, mounted.mount, row.settings, root=mounted.mount.prefix or "/")
        return [
            Entry(key=key, value=masked(key, value), layer=given.origins[key])
            for key, value in sorted(given.values.items())
        ]
    return [
        Entry(key=key, value=masked(key, value), layer=_layer(app, key))
        for key, value in sorted(app.config.items())
    ]


def routes_of(mounted: Mounted) -> list[dict[str, Any]]:
    """Return the rules of an app with its prefix; none where it is not built, or no Flask app."""
    app, prefix = mounted.flask_app, (mounted.mount.prefix or "").rstrip("/")
    if app is None:
        return []
    return [
        {
            "rule": f"{prefix}{rule.rule}",
            "methods": sorted((rule.methods or set()) - _UNSAID),
            "endpoint": rule.endpoint,
        }
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    ]


def _layer(app: Flask, key: str) -> str:
    origins = sibling_of(app).origins
    return origins.get(key) or (FLASK if key in app.default_config else _APP)
