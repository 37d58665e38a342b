"""What the soak measures by: its plan is the same for one seed, its canary finds what may not stand anywhere."""

from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from benchmarks.soak import plan
from benchmarks.soak.__main__ import shown
from benchmarks.soak.canary import Canary
from benchmarks.soak.tenant import Receiver
from benchmarks.trial import Verdict
from setuplinks.sandbox.bad_weather import Weather, refusal
from setuplinks.sandbox.scenarios import SCENARIOS
from tests.support.api import Api

TOKEN, PIN = "EAASx7_-Qk" + "z" * 40, "417093"


def test_one_seed_is_one_plan_and_every_scenario_of_it_exists() -> None:
    assert plan.goes(1, 7) == plan.goes(1, 7)
    assert [plan.goes(1, person) for person in range(50)] != [plan.goes(2, person) for person in range(50)]
    assert {go.scenario for person in range(3_000) for go in plan.goes(1, person)} == {"default", *plan.SCENARIOS}
    assert plan.SCENARIOS.keys() <= SCENARIOS.keys()


def test_a_tenth_of_everything_goes_wrong_in_every_way() -> None:
    assert refusal(Weather(rates=plan.RATES)) is None
    assert sum(plan.RATES.values()) == pytest.approx(0.1, abs=0.01)
    faults = [plan.receiver_fault(1, number) for number in range(5_000)]
    assert {*faults} == {None, *plan.RECEIVER}
    assert 0.08 < sum(fault is not None for fault in faults) / len(faults) < 0.12


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'{{"why":"token {TOKEN} is dead"}}', True), (f"?access_token={TOKEN}&x=1", True), ('{"pin":"417093"}', True),
        (f"PIN {PIN} refused", True), (f"{TOKEN[:11]}", False), (f'"time":"2026-11-22T20:13:45.{PIN}+00:00"', False),
        (f'"waba":"52{PIN}1"', False), ('"duration_ms":1.57', False), (f"52.{PIN}", False),
    ],
)  # fmt: skip
def test_the_canary_finds_tokens_anywhere_and_pins_as_words(text: str, found: bool, tmp_path: Path) -> None:
    canary, log = Canary([TOKEN], [PIN]), tmp_path / "serve.log"
    log.write_text(f"fine\n{text}\n")
    hits = canary.in_logs([log])
    assert bool(hits) == found
    assert all(TOKEN not in hit for hit in hits)
    assert bool(canary.in_rows("event_payload", [{"id": 1, "body": text.encode(), "due_at": int(PIN)}])) == found


async def test_the_receiver_counts_what_is_signed_and_tells_of_what_is_not() -> None:
    receiver = Receiver(1)
    receiver.well = True
    async with receiver.listening(), aiohttp.ClientSession() as session:
        reply = await Api(receiver.url, None, session).post("/north", {"type": "x"})
    assert (reply.status, len(receiver.seen), len(receiver.problems)) == (204, 0, 1)


def test_the_table_names_what_is_wrong_with_an_example() -> None:
    text = shown("SQLite", [Verdict("a", "1", []), Verdict("b", "2", ["x is lost"])], Counter(started=2), Counter())
    assert "ok     1" in text
    assert "WRONG  2" in text
    assert "    x is lost" in text
