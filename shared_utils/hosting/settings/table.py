"""The mount table: which app is served under which prefix, with which settings.

Claims to one prefix are settled here: the operator's choice wins; between manifests the app whose
folder has that name, then the first by name. The losers are down.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared_utils.hosting.settings import instance, prefixes, schema
from shared_utils.hosting.settings.mistakes import ConfigError, Mistake
from shared_utils.hosting.settings.reading import read
from shared_utils.hosting.settings.schema import Host, Limits, Manifest, OperatorFile, OperatorMount

RESERVED_NAMES = frozenset({"config", "rowhouse"})
"""Names that would share ``instance/config.py``, or ``ROWHOUSE_SECRET_KEY`` of the environment."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Project:
    """Where things lie.

    Attributes:
        root: folder that holds ``apps/``, ``instance/`` and the operator file.
        operator: the operator file.
        operator_given: it was named, so that it has to be there.
    """

    root: Path
    operator: Path
    operator_given: bool = False

    @property
    def instance(self) -> Path:
        """Folder of local state, never committed."""
        return self.root / "instance"

    def shown(self, path: Path) -> str:
        """Return ``path`` as messages name it: relative to the project where it lies inside."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mount:
    """One app at one prefix, with its settings.

    Attributes:
        name: the folder in ``apps/``, or NAME of ``[mounts.NAME]``.
        prefix: where it is mounted, decoded; None where a neighbour has what it asked for.
        target: "module:attribute" or "module:factory()".
        source: its manifest as messages name it; None for a mount outside ``apps/``.
        served: it is enabled and part of ``ROWHOUSE_ONLY``.
        manifest_config: ``[config]`` of the manifest.
        operator_config: ``[mounts.NAME.config]``.
        mistakes: what is wrong in its manifest.
        conflict: said where a neighbour has the prefix that it asks for.
    """

    name: str
    prefix: str | None
    target: str
    title: str
    description: str = ""
    owner: str = ""
    contact: str = ""
    load: str = "eager"
    cookies: str = "scoped"
    limits: Limits = dataclasses.field(default_factory=Limits)
    source: str | None = None
    served: bool = True
    required: bool = False
    identity: bool = False
    manifest_config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    operator_config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    mistakes: tuple[Mistake, ...] = ()
    conflict: Mistake | None = None

    @property
    def faults(self) -> tuple[Mistake, ...]:
        """Why it cannot be served; empty where nothing is wrong."""
        return (*self.mistakes, self.conflict) if self.conflict else self.mistakes

    @property
    def package(self) -> str:
        """The package that is this mount's own: ``apps.trades``, or the first part elsewhere."""
        module = self.target.partition(":")[0].split(".")
        return ".".join(module[:2] if module[0] == "apps" else module[:1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one host: what ``config.load_settings()`` returns.

    Attributes:
        project: where things lie.
        host: ``[host]`` of the operator file.
        known: every mount, in order of names, those not served as well.
        operator: the operator file, as read.
        only: names in ``ROWHOUSE_ONLY``; None where it is not set.
        shared_config: what ``instance/config.py`` says.
        defaults: what ``config.Config`` says, the lowest layer of every app's config.
    """

    project: Project
    host: Host
    known: tuple[Mount, ...]
    operator: OperatorFile
    only: frozenset[str] | None = None
    shared_config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The mounts that this host serves, in order of names."""
        return tuple(mount for mount in self.known if mount.served)

    def find(self, name: str) -> Mount | None:
        """Return the mount of this name, served or not."""
        return next((mount for mount in self.known if mount.name == name), None)


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
    settings, mistakes = _survey(project, environ, defaults)
    if mistakes:
        faults = (fault for mount in settings.known for fault in mount.faults)
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
    settings, mistakes = _survey(project, environ, defaults)
    mount = settings.find(name)
    ours = [fault for fault in mistakes if fault.about in (None, name)]
    if ours or (mount and mount.mistakes):
        raise ConfigError([*ours, *(mount.mistakes if mount else ())])
    return settings


def _survey(
    project: Project,
    environ: Mapping[str, str] | None,
    defaults: Mapping[str, Any] | None,
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
    mistakes += _operator_mistakes(project, operator, folders)
    only, only_mistakes = _only(environ, {*folders, *operator.mounts})
    mistakes += only_mistakes
    settings = Settings(
        project=project,
        host=operator.host,
        known=_settle(project, operator, folders, only),
        operator=operator,
        only=only,
        shared_config=shared_config,
        defaults=defaults or {},
    )
    return settings, mistakes


def reread(settings: Settings, name: str) -> Mount | None:
    """Read the manifests again and return the mount of this name as it would be now.

    The operator's part stays as it was loaded. None where the app's folder is gone.
    """
    project = settings.project
    known = _settle(project, settings.operator, _folders(project), settings.only)
    return next((mount for mount in known if mount.name == name), None)


def _folders(project: Project) -> dict[str, Path]:
    return {path.parent.name: path for path in sorted((project.root / "apps").glob("*/app.toml"))}


def _operator_mistakes(
    project: Project, operator: OperatorFile, folders: Mapping[str, Path]
) -> list[Mistake]:
    """Return what the operator file's own schema cannot see."""
    shown = project.shown(project.operator)
    mistakes = []
    claimed: dict[str, str] = {}
    for name, mount in operator.mounts.items():
        key = f"mounts.{name}"
        if fault := _name_fault(name):
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


def _name_fault(name: str) -> tuple[str, str] | None:
    if not schema.NAME.fullmatch(name):
        return f'"{name}" is not a name of a mount', "write lower-case letters, digits and _"
    if name in RESERVED_NAMES:
        return f'"{name}" is a name the host keeps for itself', "write another name"
    return None


def _only(
    environ: Mapping[str, str], names: set[str]
) -> tuple[frozenset[str] | None, list[Mistake]]:
    wanted = [part.strip() for part in environ.get("ROWHOUSE_ONLY", "").split(",")]
    wanted = [name for name in wanted if name]
    mistakes = []
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1) or sorted(names)
            found, write = f'there is no mount "{name}"', f"write {', '.join(near)}"
            mistakes.append(Mistake(file="ROWHOUSE_ONLY", found=found, write=write))
    return (frozenset(wanted) if wanted else None), mistakes


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Claim:
    """What one mount asks for, before the prefixes are settled."""

    mount: Mount
    by_operator: bool

    @property
    def rank(self) -> tuple[bool, bool, str]:
        """Sort key of claims to one prefix: the winner comes first."""
        own_folder = self.mount.prefix == f"/{self.mount.name}"
        return (not self.by_operator, not own_folder, self.mount.name)


def _settle(
    project: Project,
    operator: OperatorFile,
    folders: Mapping[str, Path],
    only: frozenset[str] | None,
) -> tuple[Mount, ...]:
    """Return every mount, each prefix given to one of those that claim it."""
    claims = [
        _claim(project, operator, name, folders.get(name), only)
        for name in sorted({*folders, *operator.mounts})
    ]
    holders: dict[str, str] = {}
    for claim in sorted(claims, key=lambda claim: claim.rank):
        if claim.mount.served and claim.mount.prefix is not None:
            holders.setdefault(claim.mount.prefix, claim.mount.name)
    return tuple(_seat(claim.mount, holders) for claim in claims)


def _seat(mount: Mount, holders: dict[str, str]) -> Mount:
    """Return ``mount`` as it is where a neighbour has its prefix: down, at a free one if any."""
    if not mount.served or mount.prefix is None or holders[mount.prefix] == mount.name:
        return mount
    lost = Mistake(
        file=mount.source or "rowhouse.toml",
        key="prefix",
        found=f'"{mount.prefix}" is the prefix of {holders[mount.prefix]}',
        write="write another prefix",
    )
    fallback = f"/{mount.name}"
    free = holders.setdefault(fallback, mount.name) == mount.name
    return dataclasses.replace(mount, prefix=fallback if free else None, conflict=lost)


def _claim(
    project: Project,
    operator: OperatorFile,
    name: str,
    path: Path | None,
    only: frozenset[str] | None,
) -> _Claim:
    """Lay the operator's word for one mount over its manifest."""
    ours = operator.mounts.get(name, OperatorMount())
    theirs, mistakes = _manifest(project, operator.host.limits, name, path, ours)
    given = ours.model_fields_set
    word = {key: getattr(ours if key in given else theirs, key) for key in Manifest.model_fields}
    mount = Mount(
        name=name,
        prefix=word["prefix"] or f"/{name}",
        target=word["app"] or f"apps.{name}:create_app()",
        title=word["title"] or name.replace("_", " ").capitalize(),
        description=word["description"],
        owner=word["owner"],
        contact=word["contact"],
        load=word["load"],
        cookies=word["cookies"],
        limits=_limits(operator.host.limits, theirs.limits, ours.limits),
        source=project.shown(path) if path else None,
        served=ours.enabled and (only is None or name in only),
        required=ours.required,
        identity=path is not None if ours.identity is None else ours.identity,
        manifest_config=theirs.config,
        operator_config=ours.config,
        mistakes=mistakes,
    )
    return _Claim(mount=mount, by_operator="prefix" in given or path is None)


def _manifest(
    project: Project, ceiling: Limits, name: str, path: Path | None, ours: OperatorMount
) -> tuple[Manifest, tuple[Mistake, ...]]:
    """Return a manifest and its mistakes, those included that only the operator may make right."""
    if path is None:
        return Manifest(), ()
    shown = project.shown(path)
    manifest = read(path, shown, Manifest)
    mistakes = list(manifest.mistakes)
    if fault := _name_fault(name):
        mistakes.append(Mistake(file=shown, found=fault[0], write=fault[1]))
    held = manifest.held
    if held.prefix == prefixes.ROOT and ours.prefix is None:
        found, write = 'found "/"', f"only the operator may give it: [mounts.{name}] prefix"
        mistakes.append(Mistake(file=shown, key="prefix", found=found, write=write))
        held = held.model_copy(update={"prefix": None})
    for key in sorted(held.limits.model_fields_set - ours.limits.model_fields_set):
        if held.limits.above(key, ceiling):
            most = getattr(ceiling, key)
            mistakes.append(
                Mistake(
                    file=shown,
                    key=f"limits.{key}",
                    found=f"{getattr(held.limits, key):g} is above the operator's ceiling",
                    write=f"write at most {most:g}, or ask the operator",
                )
            )
    return held, tuple(mistakes)


def _limits(*layers: Limits) -> Limits:
    """Lay limits over one another, lowest first; only what a layer names counts."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {key: getattr(layer, key) for key in layer.model_fields_set}
    return Limits(**merged)
