"""Whatever happens to a job, in whatever order, its row and a model of it say the same."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from shared_utils.tasks import jobs
from shared_utils.tasks.jobs import ClaimLost, State
from tests.shared_utils.tasks.works import START, Base, Job


class JobMachine(RuleBasedStateMachine):
    """Runners that claim, beat, end, die and wake up too late."""

    @initialize()
    def begin(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        Base.metadata.create_all(self.engine)
        with self.write() as session:
            session.add(Job(id=1, created=START, ring_at=START + Job.RING_AGAIN))
        self.now = START
        self.tokens: list[str] = []
        self.owner: str | None = None
        self.beaten = START
        self.state, self.progress, self.attempts = State.QUEUED, 0, 0

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        with Session(self.engine) as session, session.begin():
            yield session

    @property
    def is_stale(self) -> bool:
        return self.state == State.RUNNING and self.now - self.beaten > Job.STALE_AFTER

    @rule(seconds=st.sampled_from([1, 10, 29, 31, 100]))
    def time_goes_on(self, seconds: int) -> None:
        self.now += datetime.timedelta(seconds=seconds)

    @rule()
    def claim(self) -> None:
        with self.write() as session:
            token = jobs.claim(session, Job, 1, now=self.now)
        if not (self.state == State.QUEUED or self.is_stale):
            assert token is None
        elif self.attempts >= Job.MAX_ATTEMPTS:
            assert token is None
            self.state, self.owner = State.FAILED, None
        else:
            assert token
            assert token not in self.tokens
            self.tokens.append(token)
            self.owner, self.beaten = token, self.now
            self.state, self.attempts = State.RUNNING, self.attempts + 1

    def act(self, action: Any, token: str, **options: Any) -> bool:
        try:
            with self.write() as session:
                action(session, Job, 1, token, now=self.now, **options)
        except ClaimLost:
            assert token != self.owner
            return False
        assert token == self.owner
        return True

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), progress=st.integers(0, 5))
    def beat(self, data: st.DataObject, progress: int) -> None:
        token = data.draw(st.sampled_from(self.tokens))
        if self.act(jobs.beat, token, progress=progress):
            self.beaten = self.now
            if progress > self.progress:
                self.progress, self.attempts = progress, 1

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), end=st.sampled_from(["finish", "fail", "release"]))
    def end(self, data: st.DataObject, end: str) -> None:
        token = data.draw(st.sampled_from(self.tokens))
        options = {"error": "no"} if end == "fail" else {}
        if self.act(getattr(jobs, end), token, **options):
            self.owner = None
            self.state = {"finish": State.DONE, "fail": State.FAILED}.get(end, State.QUEUED)

    @rule(all_waiting=st.booleans())
    def sweep(self, all_waiting: bool) -> None:
        with self.write() as session:
            found = jobs.left_behind(session, Job, all_waiting=all_waiting, now=self.now)
            waits = self.state == State.QUEUED or self.is_stale
            assert len(found) <= waits
            if all_waiting:
                assert len(found) == waits
            for job_id, ring_at in found:
                assert jobs.take_for_ringing(session, Job, job_id, ring_at, now=self.now)
                assert not jobs.take_for_ringing(session, Job, job_id, ring_at, now=self.now)

    @invariant()
    def the_row_says_the_same(self) -> None:
        with self.write() as session:
            row = session.get_one(Job, 1)
            assert (row.state, row.token) == (self.state, self.owner)
            assert (row.progress, row.attempts) == (self.progress, self.attempts)
            assert (row.finished is None) == (row.state in (State.QUEUED, State.RUNNING))
            assert row.attempts <= Job.MAX_ATTEMPTS


TestJobMachine = JobMachine.TestCase
TestJobMachine.settings = settings(max_examples=50, stateful_step_count=20)
