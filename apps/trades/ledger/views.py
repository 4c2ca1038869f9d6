"""Pages of the ledger."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from apps.trades.ledger import chart, fields, forms, store
from apps.trades.ledger.books import book_of
from apps.trades.ledger.enums import Side
from apps.trades.ledger.fields import plain
from apps.trades.owners import owner


def index() -> str:
    """Show the newest trades, and a form for another."""
    return _page()


def record() -> ResponseReturnValue:
    """Store the trade that a form describes."""
    try:
        draft = forms.read(request.form)
    except forms.InvalidTradeError as error:
        return _page(form=request.form, errors=error.errors), 422
    trade = store.add(owner(), draft)
    said = f"{trade.side} {plain(trade.quantity)} {trade.symbol} at {plain(trade.price)}"
    flash(f"Recorded: {said}.", "success")
    return redirect(url_for("ledger.index"), 303)


def remove(trade_id: int) -> ResponseReturnValue:
    """Delete a trade."""
    if not store.remove(owner(), trade_id):
        abort(404, "You have no such trade.")
    flash("Deleted.", "success")
    return redirect(url_for("ledger.index"), 303)


def all_positions() -> str:
    """Show what is held, what it cost, and how the profit came about."""
    book = book_of(owner())
    return render_template("ledger/positions.html", book=book, chart=chart.draw(book.by_day))


def _page(**context: Any) -> str:
    wanted = _wanted()
    page = store.newest(owner(), wanted, size=current_app.config["PAGE_SIZE"], before=_before())
    query: dict[str, Any] = {name: text for name in _FILTERS if (text := request.args.get(name))}
    return render_template(
        "ledger/index.html",
        page=page,
        query=query,
        export=_export(wanted),
        newest_url=url_for("ledger.index", **query) if "before" in request.args else "",
        older_url=url_for("ledger.index", **query, before=page.older) if page.older else "",
        last_day=fields.last_day(),
        sides=[(side.value, side.value.capitalize()) for side in Side],
        plain=plain,
        **{"form": {}, "errors": {}} | context,
    )


_FILTERS = ("symbol", "side", "since", "until")


def _wanted() -> store.Filter:
    """Return which trades the query asks for."""
    given = {name: request.args.get(name, "").strip() for name in _FILTERS}
    symbol = given["symbol"]
    try:
        return store.Filter(
            symbol=fields.symbol(symbol) if fields.is_symbol(symbol) else symbol,
            side=fields.side(given["side"]) if given["side"] else None,
            since=fields.day(given["since"]) if given["since"] else None,
            until=fields.day(given["until"]) if given["until"] else None,
        )
    except ValueError as error:
        abort(400, str(error))


def _export(wanted: store.Filter) -> dict[str, Any]:
    """Return the same filter for the API, which is stricter."""
    given = {name: getattr(wanted, name) or None for name in _FILTERS}
    return given if fields.is_symbol(wanted.symbol) else given | {"symbol": None}


def _before() -> store.Place | None:
    if "before" not in request.args:
        return None
    try:
        return store.Place.parse(request.args["before"])
    except ValueError as error:
        abort(400, f"before: {error}")
