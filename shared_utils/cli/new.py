"""``rowhouse new NAME``: a small app that works, with tests, to grow from."""

from __future__ import annotations

from pathlib import Path

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared_utils.cli.names import name_fault
from shared_utils.cli.project import project_root
from shared_utils.hosting.settings import names, prefixes, table
from shared_utils.hosting.settings.mounts import Project

_SKELETONS = Path(__file__).parent / "skeletons"
_SUFFIX = ".jinja"


@click.command("new")
@click.argument("name")
@click.option(
    "--layout",
    type=click.Choice(["function", "division"]),
    default="function",
    show_default=True,
    help="Group files by what they are (routes, views, templates), or by service.",
)
@click.option("--prefix", help="Where it is mounted.  [default: /NAME]")
@click.option("--owner", default="", help="The team that owns it.")
@click.pass_context
def new_command(
    context: click.Context, name: str, layout: str, prefix: str | None, owner: str
) -> None:
    """Make the app NAME in apps/NAME, with tests in tests/apps/NAME."""
    root = project_root(context)
    settings, _ = table.survey(Project.at(root))  # what is mistaken in it is not this app's matter
    if fault := name_fault(name, settings):
        raise click.BadParameter(f"{name!r}: {fault}", param_hint="NAME")
    prefix = prefix or f"/{name}"
    if problem := prefixes.problem(prefix):
        raise click.BadParameter(f"{prefix!r} {problem[0]}; {problem[1]}", param_hint="--prefix")
    if prefix == prefixes.ROOT:
        raise click.BadParameter(
            f'only the operator may mount at "/": write prefix = "/" under [mounts.{name}] '
            "in rowhouse.toml",
            param_hint="--prefix",
        )
    for mount in settings.mounts:
        if mount.prefix == prefix:
            fault = f"{prefix!r} is the prefix of {mount.name}; write another"
            raise click.BadParameter(fault, param_hint="--prefix")
    facts = {"name": name, "prefix": prefix, "owner": owner, "title": names.title(name)}
    written = [
        *_write(_SKELETONS / "common", root / "apps" / name, facts),
        *_write(_SKELETONS / layout, root / "apps" / name, facts),
        *_write(_SKELETONS / "tests", root / "tests" / "apps" / name, facts | {"layout": layout}),
    ]
    for path in written:
        click.echo(f"  {path.relative_to(root)}")
    click.echo(f"\n{facts['title']} is made. Look at it: rowhouse run, then {prefix}/")


def _write(skeleton: Path, target: Path, facts: dict[str, str]) -> list[Path]:
    """Write every file of ``skeleton`` below ``target``; ``NAME`` in a path becomes the name."""
    environment = Environment(
        loader=FileSystemLoader(skeleton),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        # The app's own templates have the usual signs.
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
    )
    environment.filters["toml"] = _toml_text
    written = []
    for source in sorted(skeleton.rglob(f"*{_SUFFIX}")):
        relative = source.relative_to(skeleton).as_posix()
        path = target / relative.removesuffix(_SUFFIX).replace("NAME", facts["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(environment.get_template(relative).render(facts))
        written.append(path)
    return written


def _toml_text(text: str) -> str:
    """Return ``text`` as a TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
    )
