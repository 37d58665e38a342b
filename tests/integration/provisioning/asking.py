"""Words for tests of open questions: a link that waits, the answers, and what must be left when it is over."""

from typing import Any

from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer

PIN = "654321"  # of the sandbox's numbers that were registered before


async def asked(desk: Desk, customer: Customer, scenario: str, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A link whose work waits for the customer, and what the sandbox says of the signup."""
    link = await desk.link(**fields)
    played = await customer.walk(link["url"], desk.service.sandbox, scenario=scenario)
    await desk.service.drain()
    shown = await desk.of(link)
    assert (shown["phase"], shown["status"]) == ("action_required", "pending")
    return shown, played


async def pick(desk: Desk, link: dict[str, Any], *ids: str) -> None:
    """The customer ticks these numbers."""
    await desk.service.db.unit(desk.service.parts.questions.answer_numbers, desk.acme.id, link["id"], ids)
    await desk.service.drain()


async def give_pin(desk: Desk, link: dict[str, Any], pin: str) -> None:
    """The customer enters a PIN."""
    await desk.service.db.unit(desk.service.parts.questions.answer_pin, desk.acme.id, link["id"], pin)
    await desk.service.drain()


async def check(desk: Desk, link: dict[str, Any]) -> None:
    """The customer has us look again."""
    await desk.service.db.unit(desk.service.parts.questions.check_again, desk.acme.id, link["id"])
    await desk.service.drain()


async def is_completed(desk: Desk, link: dict[str, Any]) -> None:
    """The link has completed, and nothing of the question or of a secret is left in the run."""
    assert await desk.phase(link) == "completed"
    shown = await desk.of(link)
    assert shown["actionRequired"] is None
    [run] = await desk.rows("provisioning")
    assert (run["status"], run["question"], run["token"], run["pin"]) == ("done", None, None, None)


async def nothing_is_left(desk: Desk, played: dict[str, Any]) -> None:
    """The run is over, with no secret, and our app hears none of its accounts."""
    [run] = await desk.rows("provisioning")
    assert (run["question"], run["token"], run["pin"], run["due_at"]) == (None, None, None, None)
    assert await desk.rows("credential") == []
    assert await desk.rows("connected_number") == []
    for waba in played["wabaIds"]:
        assert (await desk.service.sandbox.ask("GET", f"/sandbox/wabas/{waba}"))["subscribedApps"] == {}
