"""The layers of an app's config, lowest to highest, and where each value came from."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from shared_utils.hosting import keys
from shared_utils.hosting.settings import instance
from shared_utils.hosting.settings.mistakes import ConfigError, Mistake
from shared_utils.hosting.settings.mounts import Mount, Settings
from shared_utils.hosting.settings.secrets import is_secret

DERIVED = "derived"
OVERRIDES = "overrides"

_LISTS = re.compile(r"(?:_FALLBACKS|KEYS|TOKENS)$")
"""Secrets of which there are several: their variable is a list in JSON."""


@dataclasses.dataclass
class Layered:
    """Config values laid over one another, and the layer that each came from."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    origins: dict[str, str] = dataclasses.field(default_factory=dict)

    def lay(self, layer: str, values: Mapping[str, Any]) -> None:
        """Lay the upper-case keys of ``values`` on top; the others are not config, as in Flask."""
        for key, value in values.items():
            if key.isupper():
                self.values[key] = _copied(value)
                self.origins[key] = layer

    def lay_default(self, layer: str, values: Mapping[str, Any]) -> None:
        """Lay those keys of ``values`` that no layer has set."""
        self.lay(layer, {key: value for key, value in values.items() if key not in self.values})

    def lay_environment(self, name: str, others: Iterable[str], environ: Mapping[str, str]) -> None:
        """Lay ``NAME_KEY`` of the environment, read as ``Flask.config.from_prefixed_env`` does.

        Values are JSON where they parse as such, ``__`` leads into tables. Unlike there, a
        variable that fits a longer name among ``others`` as well is that mount's, and a key that
        names a secret keeps its text.
        """
        prefix = f"{name.upper()}_"
        longer = tuple(
            f"{other.upper()}_"
            for other in others
            if other != name and other.startswith(f"{name}_")
        )
        for variable in sorted(environ):
            if not variable.startswith(prefix) or variable.startswith(longer):
                continue
            first, *path = variable.removeprefix(prefix).split("__")
            if not first.isupper():
                continue
            value = _loaded(path[-1] if path else first, environ[variable])
            self.values[first] = _placed(self.values.get(first), path, value)
            self.origins[first] = f"environment {variable}"


def _copied(value: Any) -> Any:
    """Return ``value`` with containers of its own: a higher layer, or an app, may write into them.

    What they hold is the same: a client or a lock of a Python file cannot be copied.
    """
    if isinstance(value, dict):
        return {key: _copied(held) for key, held in value.items()}
    if type(value) in (list, set, tuple):
        return type(value)(_copied(held) for held in value)
    return value


def _loaded(key: str, text: str) -> Any:
    if is_secret(key) and not _LISTS.search(key):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _placed(held: Any, path: list[str], value: Any) -> Any:
    """Return ``held`` with ``value`` at ``path`` inside it; tables on the way are made."""
    if not path:
        return value
    table = dict(held) if isinstance(held, Mapping) else {}
    table[path[0]] = _placed(table.get(path[0]), path[1:], value)
    return table


def layered(
    mount: Mount,
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
) -> Layered:
    """Return layers 1 to 5 of a mount's config.

    Raises:
        ConfigError: ``instance/NAME.py`` cannot be run.
    """
    project = settings.project
    operator = project.shown(project.operator)
    config = Layered()
    config.lay("config.Config", settings.defaults)
    config.lay(f"{mount.source} [config]", mount.manifest_config)
    config.lay(f"{operator} [mounts.{mount.name}.config]", mount.operator_config)
    config.lay("instance/config.py", settings.shared_config)
    own = instance.own(project.instance, mount.name, project.shown)
    config.lay(f"instance/{mount.name}.py", own)
    names = [known.name for known in settings.known]
    config.lay_environment(mount.name, names, os.environ if environ is None else environ)
    return config


def derive(config: Layered, mount: Mount, settings: Settings, *, root: str) -> None:
    """Set what follows from the mount, where no layer set it; ``APPLICATION_ROOT`` always.

    Args:
        root: the path that the app is served under: the prefix, or "/" when it is alone.
    """
    derived: dict[str, Any] = {"SESSION_COOKIE_NAME": f"{mount.name}_session"}
    if "SECRET_KEY" not in config.values:
        current, *old = keys.root_keys(settings.project.instance)
        derived["SECRET_KEY"] = keys.derived_key(current, mount.name)
        if old:
            derived["SECRET_KEY_FALLBACKS"] = [keys.derived_key(key, mount.name) for key in old]
    config.lay_default(DERIVED, derived)
    config.lay(DERIVED, {"APPLICATION_ROOT": root})
    _check_keys(config, mount)


def _check_keys(config: Layered, mount: Mount) -> None:
    """Refuse keys that could sign nothing: Flask would fail on the first session only."""
    faults = {}
    if not _is_key(config.values["SECRET_KEY"]):
        faults["SECRET_KEY"] = (
            "is not a text, or an empty one",
            f"leave it out: {mount.name} gets a key of its own",
        )
    old = config.values.get("SECRET_KEY_FALLBACKS")
    if old is not None and not (isinstance(old, list | tuple) and all(map(_is_key, old))):
        faults["SECRET_KEY_FALLBACKS"] = ("is not a list of texts", 'write ["the old key"]')
    if faults:
        raise ConfigError(
            Mistake(
                file=config.origins.get(key, mount.shown_target), key=key, found=found, write=write
            )
            for key, (found, write) in faults.items()
        )


def _is_key(value: object) -> bool:
    return isinstance(value, str | bytes) and bool(value)
