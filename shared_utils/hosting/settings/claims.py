"""Which app gets which prefix.

The operator's choice wins; between manifests the app whose folder has that name, then the first by
name. The losers are down.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared_utils.hosting.settings import names, prefixes, schema
from shared_utils.hosting.settings.mistakes import Mistake
from shared_utils.hosting.settings.mounts import Mount, Project
from shared_utils.hosting.settings.reading import read
from shared_utils.hosting.settings.schema import Limits, Manifest, OperatorFile, OperatorMount

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """What one mount asks for, before the prefixes are settled."""

    mount: Mount
    by_operator: bool

    @property
    def rank(self) -> tuple[bool, bool, str]:
        """Sort key of claims to one prefix: the winner comes first."""
        own_folder = self.mount.prefix == f"/{self.mount.name}"
        return (not self.by_operator, not own_folder, self.mount.name)


def settle(
    project: Project,
    operator: OperatorFile,
    folders: Mapping[str, Path],
    only: frozenset[str] | None,
) -> tuple[Mount, ...]:
    """Return every mount, each prefix given to one of those that claim it."""
    claims = [
        claim_of(project, operator, name, folders.get(name), only)
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
    file, key = mount.prefix_at
    lost = Mistake(
        file=file,
        key=key,
        found=f'"{mount.prefix}" is the prefix of {holders[mount.prefix]}',
        write="write another prefix",
    )
    fallback = f"/{mount.name}"
    free = holders.setdefault(fallback, mount.name) == mount.name
    return dataclasses.replace(mount, prefix=fallback if free else None, conflict=lost)


def claim_of(
    project: Project,
    operator: OperatorFile,
    name: str,
    path: Path | None,
    only: frozenset[str] | None,
) -> Claim:
    """Lay the operator's word for one mount over its manifest."""
    ours = operator.mounts.get(name, OperatorMount())
    theirs, mistakes = _manifest(project, operator.host.limits, name, path, ours)
    given = ours.model_fields_set
    word = {key: getattr(ours if key in given else theirs, key) for key in Manifest.model_fields}
    by_operator = "prefix" in given or path is None
    operator_file = project.shown(project.operator)
    mount = Mount(
        name=name,
        prefix=word["prefix"] or f"/{name}",
        prefix_at=(operator_file, f"mounts.{name}.prefix")
        if path is None or by_operator
        else (project.shown(path), "prefix"),
        target=word["app"] or f"apps.{name}:create_app()",
        title=word["title"] or names.title(name),
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
    return Claim(mount=mount, by_operator=by_operator)


def _manifest(
    project: Project, ceiling: Limits, name: str, path: Path | None, ours: OperatorMount
) -> tuple[Manifest, tuple[Mistake, ...]]:
    """Return a manifest and its mistakes, those included that only the operator may make right."""
    if path is None:
        return Manifest(), ()
    shown = project.shown(path)
    try:
        manifest = read(path, shown, Manifest)
    except Exception as error:  # a second net: no team's file may stop the host
        logger.exception("%s cannot be read", shown)
        found, write = f"reading it raised {type(error).__name__}", "write it more plainly"
        return Manifest(), (Mistake(file=shown, found=found, write=write),)
    mistakes = list(manifest.mistakes)
    if fault := names.fault(name):
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
                    found=_above(getattr(held.limits, key)),
                    write=f"write at most {schema.spelt(most)}, or ask the operator",
                )
            )
    return held, tuple(mistakes)


def _above(value: float) -> str:
    """Say that a limit is above its ceiling; 0 stands for no deadline there."""
    if value == 0:
        return "0 is no deadline at all, and the operator has set a ceiling"
    return f"{schema.spelt(value)} is above the operator's ceiling"


def _limits(*layers: Limits) -> Limits:
    """Lay limits over one another, lowest first; only what a layer names counts."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {key: getattr(layer, key) for key in layer.model_fields_set}
    return Limits(**merged)
