"""What a file may look like."""

from __future__ import annotations

COLUMNS = ("traded_on", "symbol", "side", "quantity", "price")
"""Columns that a file has to have, in any order, among others; an export has them in this one."""

OTHER_NAMES = {
    "date": "traded_on",
    "trade_date": "traded_on",
    "ticker": "symbol",
    "qty": "quantity",
    "shares": "quantity",
}
"""Names that other programs give these columns."""

DELIMITERS = ",;\t|"

MAX_LINE = 65_536
"""Characters of a line; a longer one is skipped without being held."""

MAX_ROW_LINES = 20
"""Lines of a row whose fields hold line breaks; past them, a quotation mark was not closed."""

FORMULA_SIGNS = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""

STEPS = 20
"""Batches in which a file is stored, so that a progress bar moves, within these bounds."""

SMALLEST_BATCH = 200
LARGEST_BATCH = 5000
"""Rows that are stored in one transaction: a few tenths of a second of the write lock."""

REFUSALS_KEPT = 100
"""Rows that could not be imported, of one file, of which we keep what was wrong; the others are
counted.
"""

UPLOAD_LIMIT = 16 * 1024 * 1024
"""Bytes of a file, where the config says nothing else; the host's ``max_body`` counts as well."""

UNFINISHED_LIMIT = 5
"""Imports that one person may have waiting or running: their files take up the disk."""
