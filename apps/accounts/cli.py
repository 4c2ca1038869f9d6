"""Commands for the operator: ``flask --app apps.accounts create-user ann``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError

from apps.accounts.sessions import PRIVATE_KEY
from apps.accounts.users import fields, models
from apps.accounts.users.enums import Role

OPERATOR = "operator"
"""Name of the first operator."""

_from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of input."
)


def init_app(app: Flask) -> None:
    """Give ``app`` its commands."""
    for command in (create_user, reset_password, rotate_key, prepare):
        app.cli.add_command(command)


@click.command("create-user")
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default="user", show_default=True
)
@click.option("--one-time", is_flag=True, help="Print a password that has to be changed at once.")
@_from_stdin
@with_appcontext
def create_user(name: str, role: str, one_time: bool, password_stdin: bool) -> None:
    """Make the user NAME; asks for the password where no option says how to get one."""
    if one_time and password_stdin:
        raise click.UsageError("--one-time and --password-stdin do not go together")
    name = fields.plain_name(name)
    if fault := fields.name_fault(name):
        raise click.BadParameter(f"{name!r}: {fault}", param_hint="NAME")
    password = models.one_time_password() if one_time else _asked_for(name, password_stdin)
    with _told():
        models.add(name, password, role=Role(role), must_change_password=one_time)
    click.echo(f"{name} is made, with the role {role}.")
    if one_time:
        _show(name, password)


@click.command("reset-password")
@click.argument("name")
@with_appcontext
def reset_password(name: str) -> None:
    """Print a one-time password for NAME, who has forgotten theirs."""
    password = models.one_time_password()
    with _told():
        user = models.named(name)
        if user is None:
            raise click.ClickException(f"there is no user {name!r}")
        models.set_password(user, password, must_change=True)
    _show(user.name, password)


@click.command("rotate-key")
@click.option("--retire", is_flag=True, help="End all tokens of the keys before.")
@with_appcontext
def rotate_key(retire: bool) -> None:
    """Sign tokens with a new key; those of the key before stay valid for their 12 hours."""
    private_key = current_app.extensions[PRIVATE_KEY]
    try:
        key = private_key.rotate()
        retired = private_key.retire() if retire else 0
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Tokens are signed with {key.kid} from now on.")
    if retired:
        click.echo(f"Keys taken away: {retired}. Everybody has to sign in again.")


@click.command("prepare")
@with_appcontext
def prepare() -> None:
    """Make the first operator, where there is none; prints a one-time password."""
    password = models.one_time_password()
    name = OPERATOR
    with _told():
        if models.has_operator():
            return
        try:
            models.add(name, password, role=Role.OPERATOR, must_change_password=True)
        except models.NameTakenError:
            if models.has_operator():
                return  # another process was quicker
            raise click.ClickException(
                f"there is no operator, and {name!r} is a user's name; "
                "run: flask --app apps.accounts create-user NAME --role operator"
            ) from None
    click.echo("The first operator is made.")
    _show(name, password)


def _show(name: str, password: str) -> None:
    click.echo(f"  name:               {name}")
    click.echo(f"  one-time password:  {password}")
    click.echo("It is shown this once, and has to be changed at the first sign-in.")


def _asked_for(name: str, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, type=str)
    if fault := fields.password_fault(fields.plain_password(password), name):
        raise click.ClickException(f"the password: {fault}")
    return password


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except models.NameTakenError as error:
        raise click.ClickException(str(error)) from None
    except DBAPIError as error:
        raise click.ClickException(
            f"the database: {str(error.orig).strip()}; for its tables run: rowhouse db upgrade"
        ) from None
