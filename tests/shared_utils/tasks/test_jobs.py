from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Result, event, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import ORMExecuteState, Session

from shared_utils.tasks import jobs
from shared_utils.tasks.jobs import Claim, ClaimLost, State
from shared_utils.tasks.rows import utc_now
from tests.shared_utils.tasks.works import START, Job, db, job

NOW = START
LATER = NOW + Job.STALE_AFTER + datetime.timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("app")


def claim(now: datetime.datetime = NOW, job_id: int = 1) -> str | None:
    with db.write() as session:
        return jobs.claim(session, Job, job_id, now=now)


def claimed(now: datetime.datetime = NOW) -> str:
    token = claim(now)
    assert token
    return token


def beat(token: str, now: datetime.datetime = NOW, progress: int | None = None) -> None:
    with db.write() as session:
        jobs.beat(session, Job, 1, token, progress=progress, total=50, now=now)


def test_a_queued_job_has_one_runner() -> None:
    assert claim()
    assert claim() is None
    assert (job().state, job().attempts, job().heartbeat) == (State.RUNNING, 1, NOW)
    assert claim(job_id=2) is None


def test_many_who_claim_at_once(app: Flask) -> None:
    tokens: list[str | None] = []
    together = threading.Barrier(6)

    def run() -> None:
        with app.app_context():
            together.wait()
            tokens.append(claim())

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 6
    assert sum(token is not None for token in tokens) == 1


def test_a_runner_that_beats_keeps_its_job() -> None:
    token = claimed()
    beat(token, LATER)
    assert claim(LATER) is None


def test_a_stale_job_has_a_new_runner_and_the_old_one_can_do_nothing() -> None:
    old = claimed()
    new = claimed(LATER)
    assert new != old
    late: Callable[[Session], None]
    for late in (
        lambda session: jobs.beat(session, Job, 1, old),
        lambda session: jobs.finish(session, Job, 1, old),
        lambda session: jobs.fail(session, Job, 1, old, "late"),
        lambda session: jobs.release(session, Job, 1, old),
    ):
        with pytest.raises(ClaimLost), db.write() as session:
            session.add(Job(id=7))  # what it was about to write
            session.flush()
            late(session)
    with db.write() as session:
        assert session.get(Job, 7) is None
    beat(new, LATER)
    assert job().attempts == 2


def test_a_heartbeat_of_a_clock_that_went_wrong_does_not_count_for_ever() -> None:
    claimed(NOW + datetime.timedelta(days=300))
    assert claim(NOW)


def test_progress_never_goes_back_and_makes_it_the_first_attempt_again() -> None:
    claimed()
    token = claimed(LATER)
    assert job().attempts == 2
    beat(token, LATER, progress=10)
    assert (job().progress, job().total, job().attempts) == (10, 50, 1)
    token = claimed(LATER + Job.STALE_AFTER * 2)
    beat(token, LATER + Job.STALE_AFTER * 2, progress=10)
    beat(token, LATER + Job.STALE_AFTER * 2, progress=4)
    assert (job().progress, job().attempts) == (10, 2)


def test_a_job_that_gets_nowhere_is_given_up_with_a_clear_error() -> None:
    now = NOW
    for _ in range(Job.MAX_ATTEMPTS):
        claimed(now)
        now += Job.STALE_AFTER * 2
    assert claim(now) is None
    given_up = job()
    assert (given_up.state, given_up.finished, given_up.token) == (State.FAILED, now, None)
    assert given_up.error == "given up: it was begun 3 times and got no further"
    assert claim(now) is None


def test_a_job_given_back_while_another_claims_it_is_not_given_up(app: Flask) -> None:
    """By a second bell, whose claim has found the job taken a moment before."""
    if db.engine.dialect.name == "sqlite":
        pytest.skip("writers of a file come one after the other")
    token = claimed()
    given_back = False

    def give_back() -> None:
        nonlocal given_back
        if not given_back:
            given_back = True
            with app.app_context(), db.write() as session:
                jobs.release(session, Job, 1, token, error="the database was away")

    with db.write() as session:
        event.listen(session, "do_orm_execute", lambda state: executed(state, give_back))
        assert jobs.claim(session, Job, 1, now=NOW) is None
    assert given_back
    assert job().state is State.QUEUED
    assert claim()


def executed(state: ORMExecuteState, then: Callable[[], None]) -> Result[Any]:
    """Execute a statement, and do something before its session executes another."""
    result = state.invoke_statement()
    then()
    return result


def test_given_up_says_what_the_last_attempt_said() -> None:
    for _ in range(Job.MAX_ATTEMPTS):
        with db.write() as session:
            jobs.release(session, Job, 1, claim_in(session), error="disk full", now=NOW)
    assert claim() is None
    assert job().error == "disk full (given up: it was begun 3 times and got no further)"


def claim_in(session: Session) -> str:
    token = jobs.claim(session, Job, 1, now=NOW)
    assert token
    return token


@pytest.mark.parametrize(
    ("end", "state", "error"),
    [
        (lambda session, token: jobs.finish(session, Job, 1, token, now=NOW), State.DONE, ""),
        (lambda session, token: jobs.fail(session, Job, 1, token, "no", now=NOW), "failed", "no"),
    ],
    ids=["done", "failed"],
)
def test_an_end_is_an_end(end: Callable[..., None], state: State, error: str) -> None:
    token = claimed()
    with db.write() as session:
        end(session, token)
    assert (job().state, job().error, job().finished) == (state, error, NOW)
    assert claim(LATER) is None
    with pytest.raises(ClaimLost):
        beat(token)


def left(now: datetime.datetime, all_waiting: bool = False) -> list[int]:
    found = jobs.left_behind(db.session, Job, all_waiting=all_waiting, now=now)
    db.session.rollback()
    return [job_id for job_id, _ in found]


def test_what_is_left_behind() -> None:
    assert left(NOW) == []
    assert left(NOW, all_waiting=True) == [1]
    due = NOW + Job.RING_AGAIN
    assert left(due) == [1]
    token = claimed(due)
    assert left(due) == left(due, all_waiting=True) == []
    stale = due + Job.STALE_AFTER * 2
    assert left(stale) == [1]
    beat(token, stale)
    assert left(stale) == []
    with db.write() as session:
        jobs.finish(session, Job, 1, token, now=stale)
    assert left(stale + Job.STALE_AFTER * 2, all_waiting=True) == []


def test_what_a_clock_that_went_wrong_has_put_off_is_not_waited_for() -> None:
    wrong = NOW + datetime.timedelta(days=300)
    with db.write() as session:
        session.execute(update(Job).values(created=wrong, ring_at=wrong + Job.RING_AGAIN))
    assert left(NOW) == [1]
    with db.write() as session:
        assert jobs.take_for_ringing(session, Job, 1, wrong + Job.RING_AGAIN, now=NOW)
    assert left(NOW) == []
    assert left(NOW + Job.RING_AGAIN) == [1]


def test_a_job_given_back_is_rung_for_when_that_was_asked_for_within_ten_minutes() -> None:
    for after in (datetime.timedelta(minutes=2), datetime.timedelta(hours=1)):
        token = claimed()
        with db.write() as session:
            jobs.release(session, Job, 1, token, after=after, now=NOW)
        due = NOW + min(after, datetime.timedelta(minutes=10))
        assert left(due - datetime.timedelta(seconds=1)) == []
        assert left(due) == [1]


def test_one_sweeper_rings_and_more_seldom_each_time() -> None:
    ring_at = job().ring_at
    waits = []
    for _ in range(12):
        with db.write() as session:
            assert jobs.take_for_ringing(session, Job, 1, ring_at, now=ring_at)
        with db.write() as session:
            assert not jobs.take_for_ringing(session, Job, 1, ring_at, now=ring_at)
        waits.append((job().ring_at - ring_at).total_seconds())
        ring_at = job().ring_at
    assert waits[:4] == [30, 60, 120, 240]
    assert waits[-1] == jobs.LONGEST_PAUSE.total_seconds()
    with db.write() as session:
        assert not jobs.take_for_ringing(session, Job, 5, ring_at)


def test_perform_does_a_job_once() -> None:
    done = []

    def work(own: Claim) -> None:
        with db.write() as session:
            own.beat(session, progress=1, total=1)
        done.append(own.id)

    jobs.perform(db, Job, 1, work)
    jobs.perform(db, Job, 1, work)
    assert done == [1]
    assert (job().state, job().progress, job().error) == (State.DONE, 1, "")


def test_an_error_fails_the_job_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def work(own: Claim) -> None:
        raise ValueError("row 3: no such symbol")

    jobs.perform(db, Job, 1, work)
    assert (job().state, job().error) == (State.FAILED, "ValueError: row 3: no such symbol")
    assert "Job 1 failed" in caplog.text
    assert "Traceback" in caplog.text


def test_a_job_that_is_wrong_itself_fails_in_its_own_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def work(own: Claim) -> None:
        raise jobs.JobError("The file is empty.")

    jobs.perform(db, Job, 1, work)
    assert (job().state, job().error) == (State.FAILED, "The file is empty.")
    assert "Traceback" not in caplog.text


def test_an_error_of_the_databases_puts_it_off() -> None:
    def work(own: Claim) -> None:
        raise OperationalError("SELECT secret", {}, Exception("the server is away"))

    jobs.perform(db, Job, 1, work)
    put_off = job()
    assert (put_off.state, put_off.error) == (
        State.QUEUED,
        "OperationalError: the server is away",
    )
    assert left(utc_now()) == []
    jobs.perform(db, Job, 1, lambda own: None)
    assert (job().state, job().error) == (State.DONE, "")


@pytest.mark.parametrize("error", [None, ValueError("late")], ids=["returns", "raises"])
def test_a_runner_that_was_taken_for_dead_changes_nothing(error: Exception | None) -> None:
    def work(own: Claim) -> None:
        with db.write() as session:
            stale = utc_now() + Job.STALE_AFTER * 2
            assert jobs.claim(session, Job, 1, now=stale)
        if error:
            raise error
        with db.write() as session:
            own.beat(session)

    jobs.perform(db, Job, 1, work)
    assert (job().state, job().error, job().attempts) == (State.RUNNING, "", 2)
