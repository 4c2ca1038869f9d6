"""``rowhouse maintenance NAME on|off``: close one mount for a while, and open it again."""

from __future__ import annotations

import json

import click

from shared_utils.cli.names import unknown
from shared_utils.cli.project import project_root
from shared_utils.hosting.maintenance import FOLDER, Maintenance, default_message, messages_in
from shared_utils.hosting.settings import table
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.mounts import Project


@click.command("maintenance")
@click.argument("name")
@click.argument("switch", type=click.Choice(["on", "off"]), required=False)
@click.option("--message", help="What clients are told.  [default: that it is closed]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_context
def maintenance_command(
    context: click.Context, name: str, switch: str | None, message: str | None, as_json: bool
) -> None:
    """Put the mount NAME into maintenance (on), end it (off), or say how it is.

    In maintenance its prefix answers 503 with the message, in every worker within a second, until
    it is switched off.
    """
    if message is not None and switch != "on":
        raise click.UsageError("--message goes with on")
    project = Project.at(project_root(context))
    settings, mistakes = table.survey(project)  # no app is run for this, and none has to be sound
    mount = settings.find(name)
    if mount is None:
        if mistakes:  # it may be a mount of an operator file that cannot be read
            click.echo(f"Error: {ConfigError(mistakes)}", err=True)
        raise unknown(name, (mount.name for mount in settings.known))
    folder = project.instance / FOLDER
    try:
        if switch == "on":
            Maintenance(folder).switch_on(name, message or "")
        elif switch == "off":
            Maintenance(folder).switch_off(name)
        told = messages_in(folder).get(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{project.shown(folder)}: {error.strerror}") from None
    if told == "":
        told = default_message(mount.title)
    if as_json:
        click.echo(json.dumps({"name": name, "maintenance": told is not None, "message": told}))
    elif told is None:
        click.echo(f"{name} is not in maintenance.")
    else:
        click.echo(f"{name} is in maintenance: {told}")
