"""Pages and JSON of the ledger."""

from __future__ import annotations

import datetime
import json
from typing import Any

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from apps.trades.ledger import forms, models
from apps.trades.ledger.enums import Side
from shared_utils.logging import app_name, request_id
from shared_utils.problems import problem

OWNER = ""
"""Whose trades the pages show: those that belong to nobody."""


def index() -> str:
    """Show the newest trades, and a form for another."""
    return _page()


def trades() -> dict[str, Any]:
    """Return the trades that the page of the same query would show."""
    page = _asked_for()
    older = _older_url("ledger.trades", page)
    return {"trades": [_as_json(trade) for trade in page.trades], "older": older}


def trade(trade_id: int) -> dict[str, str | int]:
    """Return one trade."""
    found = models.find(trade_id, owner=OWNER)
    if found is None:
        abort(404, f"There is no trade {trade_id}.")
    return _as_json(found)


def record() -> ResponseReturnValue:
    """Store the trade that a form or a JSON object describes."""
    if request.mimetype == "application/json":
        return _record_json()
    try:
        draft = forms.read(request.form)
    except forms.InvalidTradeError as error:
        return _page(form=request.form, errors=error.errors), 422
    added = models.add(draft, owner=OWNER)
    flash(f"Recorded: {added.side} {added.quantity:f} {added.symbol} at {added.price:f}.")
    return redirect(url_for("ledger.index"), 303)


def _record_json() -> ResponseReturnValue:
    try:
        draft = forms.read(_json_object())
    except forms.InvalidTradeError as error:
        return problem(
            422,
            str(error),
            app=app_name.get() or current_app.name,
            request_id=request_id.get() or None,
            errors=error.errors,
        )
    added = models.add(draft, owner=OWNER)
    return _as_json(added), 201, {"Location": url_for("ledger.trade", trade_id=added.id)}


def _json_object() -> dict[str, object]:
    """Return the JSON object that was sent, its numbers as they were written: as exact text."""
    try:
        sent = json.loads(request.get_data(), parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        abort(400, 'The body is not JSON; send an object, such as {"symbol": "ACME", ...}.')
    if not isinstance(sent, dict):
        abort(400, 'The body is not a JSON object, such as {"symbol": "ACME", ...}.')
    return sent


def _page(**context: Any) -> str:
    page = _asked_for()
    return render_template(
        "ledger/index.html",
        page=page,
        older_url=_older_url("ledger.index", page),
        today=datetime.date.today(),
        sides=list(Side),
        **{"form": {}, "errors": {}} | context,
    )


def _asked_for() -> models.Page:
    """Return the page of trades that the query asks for."""
    side = request.args.get("side", "")
    if side and side not in list(Side):
        abort(400, "side is buy or sell.")
    last = request.args.get("before", type=int)
    before = None if last is None else models.find(last, owner=OWNER)
    if "before" in request.args and before is None:
        abort(400, "before is the id of a trade, as the link to older trades has it.")
    return models.newest(
        owner=OWNER,
        size=current_app.config["PAGE_SIZE"],
        symbol=_symbol_filter(),
        side=Side(side) if side else None,
        before=before,
    )


def _symbol_filter() -> str:
    return request.args.get("symbol", "").strip().upper()


def _older_url(endpoint: str, page: models.Page) -> str | None:
    if page.older is None:
        return None
    return url_for(
        endpoint,
        before=page.older,
        symbol=_symbol_filter() or None,
        side=request.args.get("side") or None,
    )


def _as_json(trade: models.Trade) -> dict[str, str | int]:
    """Return a trade for JSON; decimals as text, which keeps them exact."""
    return {
        "id": trade.id,
        "symbol": trade.symbol,
        "side": trade.side.value,
        "quantity": f"{trade.quantity:f}",
        "price": f"{trade.price:f}",
        "traded_on": trade.traded_on.isoformat(),
    }
