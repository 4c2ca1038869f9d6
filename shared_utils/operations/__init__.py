"""The operator's way to the host: what every worker does, and what may be done about it.

    from shared_utils.operations import Operations

    host = Operations.of(current_app)      # NoHostError where there is none
    host.overview().rows                   # a row for each mount, those in trouble first
    host.stack(worker, thread, request_id) # where a request is
    host.rebuild("trades")                 # a mount that is down, now and in every worker

Workers are asked over sockets in ``instance/run``, by whoever may write there: any process of this
machine's user can ask, a sibling of theirs or not. Figures are those of all workers.
"""

from __future__ import annotations

from shared_utils.operations.host import Inside, NoHostError, Operations, Outcome, Recent

__all__ = ["Inside", "NoHostError", "Operations", "Outcome", "Recent"]
