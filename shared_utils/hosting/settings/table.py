"""The mount table: what all files of settings come to, or every mistake in them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from shared_utils.hosting.settings import claims, instance, names
from shared_utils.hosting.settings.mistakes import ConfigError, Mistake
from shared_utils.hosting.settings.mounts import Mount, Project, Settings, printable
from shared_utils.hosting.settings.reading import read
from shared_utils.hosting.settings.schema import OperatorFile


def load(
    project: Project,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the operator file, ``instance/config.py`` and every manifest.

    Raises:
        ConfigError: the operator file, ``instance/config.py`` or ``ROWHOUSE_ONLY`` has mistakes;
            it lists those in manifests too. Mistakes in manifests alone are held by their mounts.
    """
    settings, mistakes = survey(project, environ, defaults)
    if mistakes:
        # A prefix that the operator gave twice is a mistake of the operator file: told already.
        faults = (
            fault for mount in settings.known for fault in mount.faults if fault.about is None
        )
        raise ConfigError([*mistakes, *faults])
    return settings


def load_alone(
    project: Project,
    name: str,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the same for the app ``name``, which is served without its neighbours.

    Raises:
        ConfigError: its manifest, what the operator file says of it or of the host, or
            ``instance/config.py`` has mistakes. Those about a neighbour, which may be missing,
            do not matter here; nor does a prefix that a neighbour has.
    """
    settings, mistakes = survey(project, environ, defaults)
    mount = settings.find(name)
    ours = [fault for fault in mistakes if fault.about in (None, name)]
    if ours or (mount and mount.mistakes):
        raise ConfigError([*ours, *(mount.mistakes if mount else ())])
    return settings


def survey(
    project: Project,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> tuple[Settings, list[Mistake]]:
    """Return all settings as far as they are sound, and the operator's mistakes."""
    environ = os.environ if environ is None else environ
    mistakes: list[Mistake] = []
    operator = OperatorFile()
    if project.operator_given or project.operator.exists():
        operator_read = read(project.operator, project.shown(project.operator), OperatorFile)
        operator = operator_read.held
        mistakes += operator_read.mistakes
    shared_config, shared_mistakes = instance.shared(project.instance, project.shown)
    mistakes += shared_mistakes
    folders = _folders(project)
    unsound = {mistake.about for mistake in mistakes}
    mistakes += _operator_mistakes(project, operator, folders, unsound)
    only, only_mistakes = _only(environ, {*folders, *operator.mounts})
    mistakes += only_mistakes
    settings = Settings(
        project=project,
        host=operator.host,
        known=claims.settle(project, operator, folders, only),
        operator=operator,
        only=only,
        shared_config=shared_config,
        defaults=defaults or {},
    )
    return settings, mistakes


def reread(settings: Settings, name: str) -> Mount | None:
    """Read the manifest of one mount again and return the mount as it asks to be now.

    The operator's part stays as it was loaded; a neighbour's claim to the same prefix is not
    looked at. None where the app's folder is gone.
    """
    path = _folders(settings.project).get(name)
    if path is None and name not in settings.operator.mounts:
        return None
    return claims.claim_of(settings.project, settings.operator, name, path, settings.only).mount


def _folders(project: Project) -> dict[str, Path]:
    manifests = sorted((project.root / "apps").glob("*/app.toml"))
    return {printable(path.parent.name): path for path in manifests}


def _operator_mistakes(
    project: Project,
    operator: OperatorFile,
    folders: Mapping[str, Path],
    unsound: Collection[str | None],
) -> list[Mistake]:
    """Return what the operator file's own schema cannot see.

    Args:
        unsound: mounts that have mistakes already: what is missing may have been left out for them.
    """
    shown = project.shown(project.operator)
    mistakes = []
    issuer, known = operator.host.identity_issuer, {*folders, *operator.mounts}
    if "identity_issuer" in operator.host.model_fields_set and issuer and issuer not in known:
        near = difflib.get_close_matches(issuer, known, n=1) or sorted(known)
        mistakes.append(
            Mistake(
                file=shown,
                key="host.identity_issuer",
                found=f'there is no mount "{issuer}"',
                write=f'write {", ".join(near) or "the name of one"}, or "" for none',
            )
        )
    claimed: dict[str, str] = {}
    for name, mount in operator.mounts.items():
        if name in unsound:
            continue
        key = f"mounts.{name}"
        if fault := names.fault(name):
            mistakes.append(Mistake(file=shown, key=key, found=fault[0], write=fault[1]))
        if name not in folders and mount.app is None:
            near = difflib.get_close_matches(name, folders, n=1)
            write = f'write "{near[0]}", or' if near else "write"
            mistakes.append(
                Mistake(
                    file=shown,
                    key=key,
                    found=f"no app: there is no apps/{name}/app.toml",
                    write=f'{write} app = "module:attribute"',
                )
            )
        prefix = mount.prefix or (None if name in folders else f"/{name}")
        if prefix is None or not mount.enabled:
            continue
        if prefix in claimed:
            found = f'"{prefix}" is the prefix of mounts.{claimed[prefix]} already'
            mistakes.append(
                Mistake(file=shown, key=f"{key}.prefix", found=found, write="write another prefix")
            )
        claimed.setdefault(prefix, name)
    return mistakes


def _only(
    environ: Mapping[str, str], known: set[str]
) -> tuple[frozenset[str] | None, list[Mistake]]:
    wanted = [part.strip() for part in environ.get("ROWHOUSE_ONLY", "").split(",")]
    wanted = [name for name in wanted if name]
    mistakes = []
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1) or sorted(known)
            found, write = f'there is no mount "{name}"', f"write {', '.join(near)}"
            mistakes.append(Mistake(file="ROWHOUSE_ONLY", found=found, write=write))
    return (frozenset(wanted) if wanted else None), mistakes
