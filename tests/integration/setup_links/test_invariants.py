"""The invariants of a link's life, held against whatever order people, Meta, time and the tenant act in.

Drives the whole service over HTTP on SQLite: each run is a random story, and after each act the invariants are checked.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from setuplinks.core.clock import HOUR, MINUTE, ManualClock
from setuplinks.core.db.open import open_database
from setuplinks.migrations.apply import migrate
from setuplinks.provisioning.questions import QuestionClosed
from setuplinks.setup_links.machine import ENDED, WORKING, Phase
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer, a_customer
from tests.support.instants import TEST_BEGINS
from tests.support.service import running_service

SCENARIOS = st.sampled_from(
    [
        "default",
        "default",
        "denied",
        "no_number",
        "several_numbers",
        "code_used",
        "transient_register",
        "already_registered_pin",
    ]
)
PEOPLE = 2


class Stories(RuleBasedStateMachine):
    """One customer of one tenant, two browsers, any number of links."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = contextlib.AsyncExitStack()
        self.links: list[dict[str, Any]] = []
        self.backs: list[str] = []
        self.ended: dict[str, str] = {}
        self.do(self._open())

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    async def _open(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        await migrate(None, folder)
        db = await open_database(None, folder)
        self.stack.push_async_callback(db.close)
        service = await self.stack.enter_async_context(running_service(db, ManualClock(TEST_BEGINS), folder))
        acme = await service.new_tenant("Acme SaaS")
        made = await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clínica San Lucas"})
        self.desk = Desk(service, acme, made["id"])
        self.people: list[Customer] = [
            await self.stack.enter_async_context(a_customer(service.url)) for _ in range(PEOPLE)
        ]

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.loop.close()

    @initialize()
    def first_link(self) -> None:
        self.do(self._make(None))

    async def _make(self, expires: int | None) -> None:
        body: dict[str, Any] = {"allowedConnectionTypes": ["dedicated"]}
        if expires is not None:
            body["expiresAt"] = f"2026-05-{18 + expires:02d}T23:00:00Z"
        reply = await self.desk.acme.api.post(f"/admin/customers/{self.desk.clinic}/setup-links", body)
        assert reply.status in {201, 409, 422}
        if reply.status == 201:
            self.links.append(reply.json)

    @rule(expires=st.one_of(st.none(), st.integers(0, 3)))
    def a_newer_link(self, expires: int | None) -> None:
        self.do(self._make(expires))

    @rule(who=st.integers(0, PEOPLE - 1), which=st.integers(0, 3), scenario=SCENARIOS)
    def somebody_goes_to_meta(self, who: int, which: int, scenario: str) -> None:
        self.do(self._go(self.people[who], self.links[-1 - which % len(self.links)], scenario))

    async def _go(self, person: Customer, link: dict[str, Any], scenario: str) -> None:
        await person.open(link["url"])
        if person.page != "landing":
            return
        await person.press()
        if person.left_to is None and person.page == "signin":
            await person.press("/page")
        if person.left_to is not None:
            played = await self.desk.service.sandbox.play(person.left_to, scenario=scenario)
            if played["redirectUrl"]:
                self.backs.append(played["redirectUrl"].partition("#")[0])

    @rule(who=st.integers(0, PEOPLE - 1), which=st.integers(0, 5))
    def somebody_comes_back(self, who: int, which: int) -> None:
        """Any callback, by any browser, as often as it likes."""
        if self.backs:
            self.do(self.people[who].open(self.backs[-1 - which % len(self.backs)]))

    @rule(which=st.integers(0, 5))
    def both_come_back_at_once(self, which: int) -> None:
        if self.backs:
            self.do(self._together(self.backs[-1 - which % len(self.backs)]))

    async def _together(self, back: str) -> None:
        await asyncio.gather(*(person.open(back) for person in self.people for _ in range(2)))

    @rule(minutes=st.sampled_from([1, 5, 59, 60, 121, 24 * 60, 72 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.do(self.desk.service.advance(minutes * MINUTE))

    @rule()
    def the_workers_work(self) -> None:
        self.do(self.desk.service.drain())

    @rule(which=st.integers(0, 3), right=st.booleans())
    def somebody_answers(self, which: int, right: bool) -> None:
        """Whatever is asked, answered once or, where the question was closed meanwhile, refused."""
        self.do(self._answer(self.links[-1 - which % len(self.links)], right))

    async def _answer(self, link: dict[str, Any], right: bool) -> None:
        question = (await self.desk.of(link))["actionRequired"]
        kind = question["kind"] if question else "no_number"
        options = question["options"] if question else []
        verbs = self.desk.service.parts.questions
        answers: dict[str, Any] = {
            "no_number": lambda tx: verbs.check_again(tx, self.desk.acme.id, link["id"]),
            "pin": lambda tx: verbs.answer_pin(tx, self.desk.acme.id, link["id"], "654321" if right else "111111"),
            "choose_number": lambda tx: verbs.answer_numbers(
                tx, self.desk.acme.id, link["id"], [option["metaPhoneNumberId"] for option in options[: 1 + right]]
            ),
        }  # fmt: skip
        with contextlib.suppress(QuestionClosed):
            await self.desk.service.db.unit(answers[kind])
            assert question is not None

    @rule(which=st.integers(0, 3))
    def the_tenant_revokes(self, which: int) -> None:
        link = self.links[-1 - which % len(self.links)]
        reply = self.do(self.desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke"))
        assert reply.status in {200, 409}

    @rule(which=st.integers(0, 3), who=st.integers(0, PEOPLE - 1))
    def somebody_only_looks(self, which: int, who: int) -> None:
        link = self.links[-1 - which % len(self.links)]
        before = self.do(self.desk.row(link))
        self.do(self.people[who].open(link["url"]))
        assert self.do(self.desk.row(link)) == before

    @invariant()
    def the_invariants_hold(self) -> None:
        self.do(self._check())

    async def _check(self) -> None:
        desk = self.desk
        rows = {row["id"]: row for row in await desk.rows("setup_link")}
        runs = await desk.rows("provisioning")
        events = await desk.rows("event")
        completed = {link_id for link_id, row in rows.items() if row["phase"] == "completed"}
        # Completion, its event and the run's end stand together, and happen once.
        told = [event["link_id"] for event in events if event["type"] == "setup_link.completed"]
        assert sorted(told) == sorted(completed)
        assert sorted(run["link_id"] for run in runs if run["status"] == "done") == sorted(completed)
        # An ended link stays as it ended, and holds no secret of its URL.
        for link_id, row in rows.items():
            if row["phase"] in ENDED:
                assert self.ended.setdefault(link_id, row["phase"]) == row["phase"]
                assert (row["url_secret"], row["due_at"]) == (None, None)
            else:
                assert link_id not in self.ended
        # Every open phase has a timer that leaves it; a run that works stands behind each link that is worked on.
        working = {run["link_id"] for run in runs if run["status"] == "running"}
        for link_id, row in rows.items():
            phase = Phase(row["phase"])
            if phase in WORKING:
                assert link_id in working
            elif phase not in ENDED:
                assert row["due_at"] is not None
        assert all(run["due_at"] is not None for run in runs if run["status"] == "running")
        # A question stands open exactly where the link waits for its answer, in the run's row and in the link's.
        asking = {link_id for link_id, row in rows.items() if row["phase"] == Phase.ACTION_REQUIRED}
        assert asking == {run["link_id"] for run in runs if run["question"] is not None}
        assert asking == {link_id for link_id, row in rows.items() if row["action_required"] is not None}
        assert all(run["token"] is None for run in runs if run["status"] in {"done", "rejected", "failed", "revoked"})
        assert len(working) == len([run for run in runs if run["status"] == "running"])
        # A state works once: no more exchanges than spent states, no more runs than exchanges.
        spent = [row for row in await desk.rows("authorization_state") if row["used_at"] is not None]
        exchanges = await desk.service.sandbox.calls("exchange")
        assert len(runs) <= len(exchanges)
        if desk.service.clock.now() - TEST_BEGINS < HOUR:  # spent states are forgotten later
            assert len(exchanges) <= len(spent)
        # A number that is connected came by a completed link; a revoked or expired one never gained a credential.
        assert len(await desk.rows("credential")) == len({rows[c]["resulting_waba_id"] for c in completed})


@pytest.mark.timeout(240)
def test_no_story_breaks_the_invariants() -> None:
    stories = settings(
        max_examples=15, stateful_step_count=18, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Stories, settings=stories)
    assert Stories.TestCase is not None
