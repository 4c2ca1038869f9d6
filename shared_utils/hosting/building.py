"""Build one mount: import its module, call its factory, see what came of it."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from gunicorn.errors import AppImportError
from gunicorn.util import import_app

from shared_utils.hosting import modules
from shared_utils.hosting.layers import Layered, derive, layered
from shared_utils.hosting.sessions import be_frugal
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.mounts import Mount, Settings
from shared_utils.sibling import EXTENSION, Inspected, Neighbour, Sibling

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class BuildError(Exception):
    """What a mount's target gave cannot be served."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """What ``configure_app`` has to know of the mount that is being built."""

    mount: Mount
    settings: Settings
    row: Mapping[str, Neighbour]
    alone: bool = False
    host: Inspected | None = None

    @property
    def root(self) -> str:
        """The path that the app is served under."""
        return "/" if self.alone else self.mount.prefix or "/"


_site: contextvars.ContextVar[Site | None] = contextvars.ContextVar("site", default=None)


def site_being_built() -> Site | None:
    """Return the site of the mount whose factory is being called; None outside of a host."""
    return _site.get()


def build(site: Site) -> WSGIApplication:
    """Import and make the application of a mount.

    Raises:
        ConfigError: its manifest or its config has mistakes.
        BuildError: its target gave something that is not a WSGI application.
        BaseException: whatever its module or its factory raises, ``SystemExit`` included.
    """
    mount = site.mount
    if mount.faults:
        raise ConfigError(mount.faults)
    modules.own(mount.package)
    with _entered(site):
        app = _imported(mount)
        if isinstance(app, Flask):
            known = app.extensions.get(EXTENSION)
            if known is None:
                adopt(app, site)
            elif known.name != mount.name:
                raise BuildError(
                    f"{mount.shown_target} is one object, and {known.name} has it already; "
                    'mount a factory, as "module:factory()"'
                )
    return app


def adopt(app: Flask, site: Site) -> None:
    """Give config to a Flask app that never heard of Rowhouse.

    What the app set itself is its lowest layer. Derived values are set where it has none.
    """
    config = layered(site.mount, dataclasses.replace(site.settings, defaults={}))
    ours = {key: value for key, value in app.config.items() if _was_set(app, key, value)}
    for key in [key for key in ours if key not in config.values]:
        # The very objects of the app: they may be such as cannot be copied.
        config.values[key], config.origins[key] = ours[key], "the app itself"
    derive(config, site.mount, site.settings, root=site.root)
    apply(app, config, site)


def apply(app: Flask, config: Layered, site: Site) -> None:
    """Write layered config into ``app.config``, and the app's place into its extensions."""
    app.config.update(config.values)
    be_frugal(app)
    app.extensions[EXTENSION] = Sibling(
        name=site.mount.name,
        prefix=site.root,
        row=site.row,
        origins=config.origins,
        title=site.mount.title,
        issuer=site.settings.host.identity_issuer,
        host=site.host,
    )


def _was_set(app: Flask, key: str, value: Any) -> bool:
    return key not in app.default_config or app.default_config[key] != value


@contextlib.contextmanager
def _entered(site: Site) -> Iterator[None]:
    token = _site.set(site)
    try:
        yield
    finally:
        _site.reset(token)


def _imported(mount: Mount) -> WSGIApplication:
    try:
        return cast("WSGIApplication", import_app(mount.target))
    except AppImportError as error:
        if isinstance(error.__context__, AttributeError | TypeError):
            raise BuildError(f"{mount.shown_target}: {error}") from None
        raise BuildError(
            f"{mount.shown_target} gave no WSGI application ({error}); "
            "have it return the Flask object"
        ) from None
