"""Every row of Meta's error tables, from the wire to what the customer sees, the API shows and the event tells."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from setuplinks.core.clock import MINUTE
from setuplinks.meta.error_table import EXCHANGE, TABLE
from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer
from tests.support.service import RunningService, Tenant

Code = tuple[int, int | None]


@dataclass(frozen=True)
class End:
    """Where a link stands after one such answer: its phase, the code of its last visit or failure, and the page."""

    phase: str
    code: str | None
    page: str


COMPLETES = End("completed", None, "done")
AGAIN = End("started", "permission_missing", "stopped")
EXCHANGE_FAILED = End("started", "code_exchange_failed", "stopped")
RESTRICTED = End("failed", "account_restricted", "failed")
REFUSED = End("failed", "meta_refused", "failed")


def plain(*codes: int) -> list[Code]:
    """Codes without a subcode."""
    return [(code, None) for code in codes]


# The classes of Meta's tables, with what a signup makes of each where it is the answer to the list of numbers.
LISTING: list[tuple[End, list[Code]]] = [
    (COMPLETES, plain(1, 2, 4, 17, 80007, 130429, 131000, 131016, 131056, 131057, 133004, 133015)),
    (AGAIN, plain(0, 102, 190, 452)),
    (AGAIN, [(190, subcode) for subcode in (452, 458, 459, 460, 463, 464, 467, 492)]),
    (AGAIN, [*plain(3, 10, 200, 230, 299, 131005, 3962, 803), (100, 33)]),
    (RESTRICTED, plain(368, 131031, 130497)),
    (REFUSED, plain(131042, 131044, 134011, 141006)),
    (REFUSED, plain(131047, 131049, 131050, 131026, 131048, 130403, 130472, 131021, 131051)),
    (REFUSED, plain(33, 100, 131008, 131009, 132000, 132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069)),
    (REFUSED, plain(135000, 131037, 131045, 133000, 133005, 133006, 133008, 133009, 133010, 133016, 136024, 136025)),
    (REFUSED, plain(2593107, 2593108, 2593109, 424242)),
    (COMPLETES, plain(101, 191, 2200)),  # the operator's to mend; the grant is good and waits
]
# A registration that Meta refuses is never "sign in again": the grant is good.
REGISTERING: list[tuple[End, list[Code]]] = [
    (COMPLETES, plain(133000, 133004, 133008, 133009, 133010, 133015, 133016, 131037, 131045)),
    (End("action_required", None, "pin"), plain(133005)),
    (End("started", "verification_failed", "stopped"), plain(133006)),
]
SYNCING: list[tuple[End, list[Code]]] = [(COMPLETES, plain(2593107, 2593108))]
EXCHANGING: list[tuple[End, list[Code]]] = [
    (EXCHANGE_FAILED, [(100, 36007), (100, 36008), (100, 36009), *plain(100, 1, 101, 191, 2, 4, 190, 200)])
]


@pytest.fixture
async def desk(service: RunningService, acme: Tenant, clinic: int) -> Desk:
    """Acme SaaS and its customer, the clinic, at the service."""
    return Desk(service, acme, clinic)


async def end_of(desk: Desk, customer: Customer, call: str, code: Code, **how: Any) -> End:
    """One signup in which Meta answers `call` once with this code."""
    sandbox = desk.service.sandbox
    kind = how.get("connection_type", "dedicated")
    link = await desk.link(allowedConnectionTypes=[kind])
    await sandbox.fault(call, code=code[0], subcode=code[1], times=1)
    await customer.walk(link["url"], sandbox, **how)
    for _ in range(20):
        await desk.service.drain()
        if await desk.phase(link) != "provisioning":
            break
        await desk.service.advance(10 * MINUTE)
    await sandbox.no_more_faults()
    await customer.look_again()
    shown = await desk.of(link)
    end = End(shown["phase"], await told_code(desk, link, shown), customer.page)
    assert str(code[0]) not in re.findall(r"\d{3,}", customer.text), "a person is not shown Meta's numbers"
    if shown["phase"] in {"started", "action_required"}:
        await desk.acme.api.post(f"/admin/setup-links/{link['id']}/revoke")
        await desk.service.drain()
    return end


async def told_code(desk: Desk, link: dict[str, Any], shown: dict[str, Any]) -> str | None:
    """The code that the newest event of the link tells; the API's own is the same."""
    of_link = [event for event in await desk.told() if event.get("setup_link_id") == link["id"]]
    wanted = {"failed": "setup_link.failed", "started": "setup_link.visit_ended"}.get(shown["phase"])
    if wanted is None:
        assert [event for event in of_link if event["type"] == f"setup_link.{shown['phase']}"]
        return None
    told = next(event for event in reversed(of_link) if event["type"] == wanted)
    if wanted == "setup_link.visit_ended":
        return str(told["code"])
    assert shown["failure"] == told["failure"]
    return str(shown["failure"]["code"])


async def ends(
    desk: Desk, customer: Customer, call: str, rows: list[tuple[End, list[Code]]], **how: Any
) -> dict[Code, tuple[End, End]]:
    """The rows that end otherwise than they should: code → (how it ended, how it should)."""
    other = {}
    for expected, codes in rows:
        for code in codes:
            found = await end_of(desk, customer, call, code, **how)
            if found != expected:
                other[code] = (found, expected)
    return other


async def test_every_answer_to_the_list_of_numbers_ends_in_a_named_state(desk: Desk, customer: Customer) -> None:
    assert await ends(desk, customer, "phone_numbers", LISTING) == {}


async def test_every_answer_to_a_registration_ends_in_a_named_state(desk: Desk, customer: Customer) -> None:
    assert await ends(desk, customer, "register", REGISTERING) == {}


async def test_every_answer_to_a_synchronisation_ends_in_a_named_state(desk: Desk, customer: Customer) -> None:
    how = {"connection_type": "coexistence", "scenario": "coexistence"}
    assert await ends(desk, customer, "smb_app_data", SYNCING, **how) == {}


async def test_every_answer_to_the_exchange_ends_the_visit_and_keeps_the_link(desk: Desk, customer: Customer) -> None:
    assert await ends(desk, customer, "exchange", EXCHANGING) == {}


def test_no_row_of_the_tables_is_left_out() -> None:
    tried = {code for _, codes in LISTING for code in codes}
    assert set(TABLE) - tried == set()
    assert set(EXCHANGE) - {code for _, codes in EXCHANGING for code in codes} == set()
