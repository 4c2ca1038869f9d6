from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared_utils.operations.totals import Total, quantile, totals_of


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    answered = Counter("rowhouse_requests", "", ["app", "method", "status"], registry=made)
    answered.labels("shop", "GET", "200").inc(7)
    answered.labels("shop", "POST", "201").inc(2)
    answered.labels("shop", "GET", "503").inc(1)
    answered.labels("wiki", "GET", "404").inc(4)
    took = Histogram(
        "rowhouse_request_duration_seconds", "", ["app"], buckets=[0.1, 1], registry=made
    )
    for seconds in (0.05, 0.05, 0.5, 3):
        took.labels("shop").observe(seconds)
    Gauge("rowhouse_requests_running", "", ["app"], registry=made).labels("shop").set(3)
    Gauge("rowhouse_requests_parked", "", ["app"], registry=made).labels("shop").set(2)
    shed = Counter("rowhouse_requests_shed", "", ["app", "reason"], registry=made)
    shed.labels("shop", "threads").inc(5)
    shed.labels("shop", "queue_timeout").inc(6)
    Counter("rowhouse_requests_unserved", "", ["app"], registry=made).labels("shop").inc(9)
    Counter("rowhouse_app_cpu_seconds", "", ["app"], registry=made).labels("shop").inc(1.5)
    Counter("rowhouse_deadline_exceeded", "", ["app"], registry=made).labels("shop").inc()
    Gauge("of_somebody_else", "", ["app"], registry=made).labels("shop").set(99)
    Counter("rowhouse_without_app", "", registry=made).inc()
    return made


SHOP = Total(
    requests=10,
    errors=1,
    cpu=1.5,
    shed=11,
    unserved=9,
    late=1,
    running=3,
    parked=2,
    bounds=(0.1, 1.0, math.inf),
    counts=(2.0, 3.0, 4.0),
)


@pytest.mark.parametrize("parsed", [False, True], ids=["collected", "parsed from the page"])
def test_samples_of_all_labels_add_up_by_app(parsed: bool) -> None:
    made = registry()
    families = (
        text_string_to_metric_families(generate_latest(made).decode()) if parsed else made.collect()
    )
    assert totals_of(families) == {"shop": SHOP, "wiki": Total(requests=4)}


def test_quantiles_lie_evenly_within_a_bucket() -> None:
    bounds = (1.0, 2.0, math.inf)
    assert quantile(0.5, bounds, (10, 10, 10)) == pytest.approx(0.5)
    assert quantile(0.99, bounds, (0, 100, 100)) == pytest.approx(1.99)
    assert quantile(0.99, bounds, (0, 0, 5)) == 2.0  # beyond what is known
    assert quantile(0.5, bounds, (0, 0, 0)) is None
    assert quantile(0.5, (), ()) is None


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_greater_share_takes_at_least_as_long(grown: list[int], one: float, other: float) -> None:
    bounds = (*map(float, range(1, len(grown))), math.inf)
    counts = tuple(float(sum(grown[: n + 1])) for n in range(len(grown)))
    lower, higher = (quantile(share, bounds, counts) for share in sorted((one, other)))
    assert (lower is None) == (sum(grown) == 0)
    assert lower is None or higher is None or 0 <= lower <= higher <= len(grown)
