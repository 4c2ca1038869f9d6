"""What an operator can do: each view asks first, and does it when its own form is sent."""

from __future__ import annotations

from collections.abc import Callable

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from apps.ops import audit
from apps.ops.forms import CloseForm, ConfirmForm
from apps.ops.views.apps import there
from shared_utils.forms import PageForm
from shared_utils.operations import Operations
from shared_utils.operations.rows import MountRow
from shared_utils.sibling import sibling_of


def close(name: str) -> ResponseReturnValue:
    """Put an app into maintenance."""
    host = Operations.of(current_app)
    row, form = _row(host, name), CloseForm()
    if name == sibling_of(current_app).name:
        abort(409, f"The console cannot close itself; run: rowhouse maintenance {name} on")

    def do() -> str:
        host.close(name, form.message.data or "")
        return "closed"

    return _asked("close", row, form, do, message=form.message.data or "")


def open_again(name: str) -> ResponseReturnValue:
    """End the maintenance of an app."""
    host = Operations.of(current_app)

    def do() -> str:
        host.open(name)
        return "open again"

    return _asked("open", _row(host, name), ConfirmForm(), do)


def rebuild(name: str) -> ResponseReturnValue:
    """Have an app that is down be built again now."""
    host = Operations.of(current_app)

    def do() -> str:
        outcome = host.rebuild(name)
        told = "nothing to build again"
        if outcome.done:
            workers = outcome.done + len(outcome.refused)
            told = f"being built again in {outcome.done} of {workers} workers"
        return told + "".join(f"; worker {pid}: {why}" for pid, why in outcome.refused.items())

    return _asked("rebuild", _row(host, name), ConfirmForm(), do)


def _row(host: Operations, name: str) -> MountRow:
    return there(host.overview().row(name), name)


def _asked(
    action: str, row: MountRow, form: PageForm, do: Callable[[], str], *, message: str = ""
) -> ResponseReturnValue:
    """Ask; where the answer was sent, do it, write it down, and go back to the app's page."""
    if not form.validate_on_submit():
        page = render_template(f"ops/{action}.html", row=row, form=form)
        return page, 422 if request.method == "POST" else 200
    try:
        outcome = audit.act(action, row.name, do, message=message)
    except (OSError, ValueError) as error:
        current_app.logger.error("%s %s: %s", action, row.name, error)
        flash(f"Nothing was done: {error}", "error")
    else:
        flash(f"{row.title}: {outcome}.", "success")
    return redirect(url_for("apps.show", name=row.name), 303)
