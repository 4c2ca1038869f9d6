"""The one config loader: settings of the host, and config of each app.

``load_settings()`` reads the operator file and every manifest. ``configure_app()`` gives one app
its config, mounted or alone. Both are told in ``docs/settings.md``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from shared_utils.hosting import building, layers
from shared_utils.hosting.edge import Edge
from shared_utils.hosting.pages import live
from shared_utils.hosting.settings import table
from shared_utils.hosting.settings.mistakes import ConfigError, Mistake
from shared_utils.hosting.settings.mounts import Mount, Project, Settings
from shared_utils.hosting.telemetry.listening import listen
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.links import mount_url
from shared_utils.logging import ensure_logging

__all__ = ["Config", "ConfigError", "Mistake", "Settings", "configure_app", "load_settings"]

ROOT = Path(__file__).resolve().parent


class Config:
    """The lowest layer of every app's config: defaults that suit a row of apps on one origin."""

    SESSION_COOKIE_HTTPONLY = True
    SESSION_COOKIE_SAMESITE = "Lax"


def load_settings(
    path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read the operator file, ``instance/config.py`` and every manifest.

    Args:
        path: the operator file; default: ``ROWHOUSE_CONFIG``, else ``rowhouse.toml`` beside this
            file, which may be missing.
        environ: the environment; default: this process's.

    Raises:
        ConfigError: the operator's part has mistakes; every mistake in every file is listed. A
            mistake in a manifest alone does not raise: it is held by its mount, which is down.
    """
    return table.load(Project.at(ROOT, path, environ), environ, _defaults())


def configure_app(app: Flask, overrides: Mapping[str, Any] | None = None) -> None:
    """Give ``app`` its config, and a place in the row.

    Lowest to highest: :class:`Config`; the manifest's ``[config]``; ``[mounts.NAME.config]`` of
    the operator file; ``instance/config.py``, then ``instance/NAME.py``; ``NAME_KEY`` of the
    environment; ``overrides``. Where no layer set them, ``SECRET_KEY`` and
    ``SESSION_COOKIE_NAME`` are derived from the mount. The app gets ``/-/live`` too, and
    ``mount_url`` in its templates.

    Args:
        app: a Flask app, made by its factory a moment ago.
        overrides: config of the caller, such as a test's.

    Raises:
        ConfigError: the app's manifest or its files in ``instance/`` have mistakes, or it is
            served alone and the operator file has.
    """
    site = building.site_being_built() or _alone(app)
    config = layers.layered(site.mount, site.settings)
    config.lay(layers.OVERRIDES, overrides or {})
    layers.derive(config, site.mount, site.settings, root=site.root)
    building.apply(app, config, site)
    app.add_url_rule("/-/live", "rowhouse_live", live)
    app.context_processor(lambda: {"mount_url": mount_url})
    if site.alone:
        ensure_logging()
        edge = Edge(app.wsgi_app, name=site.mount.name, recorder=listen(Recorder()))
        app.wsgi_app = edge  # type: ignore[method-assign]


def _alone(app: Flask) -> building.Site:
    """Return the site of an app that is served without the host, known by its folder's name."""
    parts = app.import_name.split(".")
    name = parts[1] if parts[0] == "apps" and len(parts) > 1 else parts[-1]
    settings = table.load_alone(Project.at(ROOT), name, defaults=_defaults())
    mount = settings.find(name) or Mount(
        name=name, prefix="/", target=f"{app.import_name}:create_app()", title=name
    )
    return building.Site(mount=mount, settings=settings, row={}, alone=True)


def _defaults() -> dict[str, Any]:
    return {key: getattr(Config, key) for key in dir(Config) if key.isupper()}
