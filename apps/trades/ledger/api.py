"""The ledger for programs: record, read, list and delete trades; positions; all trades as CSV."""

from __future__ import annotations

from typing import Any

from apiflask import HTTPError
from flask import Response, abort, current_app, stream_with_context, url_for

from apps.trades.api import SECURITY, answers, blueprint, located, takes
from apps.trades.ledger import export, store
from apps.trades.ledger.books import book_of
from apps.trades.ledger.models import Draft, Trade
from apps.trades.ledger.positions import Book
from apps.trades.ledger.schemas import (
    PageQuery,
    PositionsOut,
    TradeIn,
    TradeOut,
    TradesOut,
    TradesQuery,
)
from apps.trades.owners import owner

api = blueprint("ledger_api", __name__, tag="Ledger")

_NO_TRADE = "You have no such trade."
_CSV: dict[int | str, Any] = {
    200: {
        "description": "All of them, oldest first, in the columns that an import reads.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@api.post("/trades")
@api.doc(
    security=SECURITY,
    responses=answers(_415="The body is not application/json.") | located(201),
)
@takes("application/json")
@api.input(TradeIn, arg_name="sent")
@api.output(TradeOut, status_code=201, description="It is recorded; `Location` is its URL.")
def record(sent: TradeIn) -> Any:
    """Record a trade."""
    trade = store.add(owner(), Draft(**dict(sent)))
    return trade, 201, {"Location": url_for("ledger_api.read", trade_id=trade.id)}


@api.get("/trades")
@api.doc(security=SECURITY, responses=answers())
@api.input(PageQuery, location="query", arg_name="query")
@api.output(TradesOut)
def page(query: PageQuery) -> Any:
    """List trades, newest first."""
    asked = query.model_dump(exclude_none=True)
    try:
        before = None if query.before is None else store.Place.parse(query.before)
    except ValueError as error:
        raise HTTPError(422, detail={"query": {"before": [str(error)]}}) from None
    found = store.newest(
        owner(),
        _filter(query),
        size=query.limit or current_app.config["PAGE_SIZE"],
        before=before,
    )
    older = found.older and url_for("ledger_api.page", **{**asked, "before": found.older})
    return {"trades": found.trades, "older": older}


@api.get("/trades/<int:trade_id>")
@api.doc(security=SECURITY, responses=answers(_404=_NO_TRADE))
@api.output(TradeOut)
def read(trade_id: int) -> Trade:
    """Read a trade."""
    return store.find(owner(), trade_id) or abort(404, _NO_TRADE)


@api.delete("/trades/<int:trade_id>")
@api.doc(security=SECURITY, responses=answers(_404=_NO_TRADE))
@api.output({}, status_code=204, description="It is deleted.")
def remove(trade_id: int) -> tuple[str, int]:
    """Delete a trade."""
    if not store.remove(owner(), trade_id):
        abort(404, _NO_TRADE)
    return "", 204


@api.get("/trades.csv")
@api.doc(
    security=SECURITY,
    responses=answers() | _CSV,
)
@api.input(TradesQuery, location="query", arg_name="query")
def export_csv(query: TradesQuery) -> Response:
    """Export trades as CSV."""
    return csv_response(_filter(query))


@api.get("/positions")
@api.doc(security=SECURITY, responses=answers())
@api.output(PositionsOut)
def all_positions() -> Book:
    """Read positions."""
    return book_of(owner())


def csv_response(wanted: store.Filter) -> Response:
    """Answer trades as a file, which is made while it is sent."""
    lines = export.csv_of(store.unhurried(owner(), wanted))
    return Response(
        stream_with_context(lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="trades.csv"'},
    )


def _filter(query: TradesQuery) -> store.Filter:
    return store.Filter(
        symbol=query.symbol or "", side=query.side, since=query.since, until=query.until
    )
