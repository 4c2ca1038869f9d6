from __future__ import annotations

import math

import pytest

from shared_utils.operations.figures import Figures, Sample, between, latest
from shared_utils.operations.totals import Total

BOUNDS = (0.1, 1.0, math.inf)


def sample(at: float, **apps: Total) -> Sample:
    return Sample(at=at, apps=apps)


def test_figures_are_what_lies_between_two_samples() -> None:
    older = sample(
        100,
        shop=Total(requests=50, errors=5, cpu=2, shed=1, bounds=BOUNDS, counts=(50, 50, 50)),
        wiki=Total(requests=1, cpu=1),
    )
    newer = sample(
        110,
        shop=Total(
            requests=150,
            errors=45,
            cpu=5,
            shed=21,
            late=2,
            running=7,
            parked=3,
            bounds=BOUNDS,
            counts=(50, 150, 150),
        ),
        wiki=Total(requests=1, cpu=2),
    )
    figures = between(older, newer)
    shop = figures["shop"]
    assert (shop.requests, shop.rate, shop.errors, shop.error_rate) == (100, 10, 20, 0.25)
    assert (shop.shed, shop.late, shop.running, shop.parked) == (20, 2, 7, 3)
    assert (shop.cpu, shop.cpu_share) == (0.3, 0.75)
    assert shop.p50 == pytest.approx(0.55)  # all of them took between 0.1 and 1 s
    assert shop.p99 == pytest.approx(0.991)
    assert figures["wiki"] == Figures(cpu=0.1, cpu_share=0.25)


def test_what_the_host_refuses_is_no_error_of_the_app() -> None:
    older = sample(0, shop=Total(requests=100, errors=10, shed=10))
    newer = sample(10, shop=Total(requests=200, errors=103, shed=100))
    shop = between(older, newer)["shop"]
    assert (shop.errors, shop.error_rate, shop.shed_rate) == (3, 0.3, 9)  # 3 of 10
    newer = sample(10, shop=Total(requests=190, errors=99, shed=100))  # counted meanwhile
    shop = between(older, newer)["shop"]
    assert (shop.errors, shop.error_rate) == (0, None)


def test_nor_is_what_it_answers_while_the_app_is_closed() -> None:
    older = sample(0, shop=Total(requests=100, errors=10, unserved=10))
    newer = sample(10, shop=Total(requests=200, errors=103, shed=20, unserved=80))
    shop = between(older, newer)["shop"]
    assert (shop.errors, shop.error_rate, shop.shed) == (3, 0.3, 20)


def test_counters_that_begin_anew_count_from_there() -> None:
    older = sample(0, shop=Total(requests=900, cpu=9, bounds=BOUNDS, counts=(9, 9, 9)))
    newer = sample(10, shop=Total(requests=20, cpu=1, bounds=BOUNDS, counts=(2, 2, 2)))
    shop = between(older, newer)["shop"]
    assert (shop.requests, shop.cpu) == (20, 0.1)
    assert shop.p50 == pytest.approx(0.05)


def test_an_app_that_is_new_counts_from_zero() -> None:
    assert between(sample(0), sample(10, shop=Total(requests=20)))["shop"].rate == 2


def test_latest_are_those_of_the_window() -> None:
    samples = [sample(at, shop=Total(requests=at**2)) for at in range(0, 60, 5)]
    assert latest(samples, 15)["shop"].requests == 55**2 - 40**2
    assert latest(samples[:2], 15)["shop"].requests == 25
    assert latest(samples[:1]) == latest([]) == {}


def test_latest_after_a_gap_are_those_since_the_last_sample() -> None:
    samples = [sample(0, shop=Total(requests=1)), sample(500, shop=Total(requests=501))]
    assert latest(samples, 15)["shop"].rate == 1
