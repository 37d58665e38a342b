"""The pages of webhook endpoints: health in words, test, enable, send again."""

from setuplinks.core.clock import MINUTE, SECOND
from tests.integration.dashboard.desk import Person
from tests.support.inbox import Answer, Inbox
from tests.support.service import RunningService, Tenant


async def _endpoint(acme: Tenant, inbox: Inbox, **fields: object) -> str:
    made = await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": inbox.url, **fields})
    return f"/dashboard/{acme.id}/endpoints/{made['id']}"


async def test_a_test_leads_to_its_delivery(
    service: RunningService, acme: Tenant, inbox: Inbox, person: Person
) -> None:
    page = await _endpoint(acme, inbox)
    await person.open(page)
    await person.press("/test")
    assert person.path.startswith(f"/dashboard/{acme.id}/deliveries/")
    await service.drain()
    await person.open(person.path)
    assert "Delivered, first attempt" in person.words
    assert len(inbox.of_type("webhook.test")) == 1
    [row] = await service.db.read("SELECT actor FROM audit WHERE action = 'webhook_endpoint.tested'")
    assert row["actor"].startswith("key:")


async def test_an_endpoint_that_fails_says_since_when_and_when_it_is_tried_next(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    page = await _endpoint(acme, inbox, headers={"X-Team": "a secret of theirs"}, description="Production")
    inbox.otherwise = Answer(500)
    await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    await service.drain()
    await person.open(page)
    assert "Failing 1 failure in a row since 12:00." in person.words
    for _ in range(5):
        await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
        await service.advance(SECOND)
    await person.open(page)
    assert "Paused" in person.words
    assert "Next attempt:" in person.words
    assert "X-Team" in person.words
    assert "a secret of theirs" not in person.text
    assert "whsec_" not in person.text
    await person.open(f"/dashboard/{acme.id}/endpoints")
    assert "Paused" in person.words
    await person.open(f"/dashboard/{acme.id}")
    assert "Endpoints that need a look" in person.words


async def test_a_disabled_endpoint_is_enabled_and_what_it_missed_is_sent(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    page = await _endpoint(acme, inbox)
    inbox.otherwise = Answer(410)
    await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    await service.drain()
    await person.open(page)
    assert "It answered 410 Gone" in person.words
    assert "Send a test" not in person.words
    inbox.otherwise = Answer(200)
    service.clock.advance(MINUTE)
    await person.press("/enable")
    assert "The endpoint is enabled" in person.words
    await person.press("/recover", since="2026-05-18T11:00")
    assert "On the way" in person.words
    assert "1 delivery again" in person.words
    await service.drain()
    assert len(inbox.of_type("setup_link.created")) == 2
    actions = [row["action"] for row in await service.db.read("SELECT action FROM audit ORDER BY id")]
    assert actions[-2:] == ["webhook_endpoint.updated", "webhook_endpoint.recovered"]


async def test_a_range_is_replayed_and_one_that_cannot_be_is_refused_on_the_same_page(
    service: RunningService, acme: Tenant, clinic: int, inbox: Inbox, person: Person
) -> None:
    await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    service.clock.advance(MINUTE)
    page = await _endpoint(acme, inbox)
    await person.open(page)
    await person.press("/replay", **{"from": "2026-05-18T12:00", "until": "2026-05-18T11:00"})
    assert (person.status, "“Until” has to be later than “From”." in person.words) == (422, True)
    assert 'value="2026-05-18T11:00"' in person.text
    await person.press("/replay", **{"from": "soon", "until": "2026-05-18T11:00"})
    assert (person.status, "Nothing was sent again" in person.words) == (422, True)
    await person.press("/replay", **{"from": "2026-05-18T11:00", "until": "2026-05-18T12:02"})
    assert "1 event that was never sent" in person.words
    await service.drain()
    assert len(inbox.of_type("setup_link.created")) == 1
    [row] = await service.db.read("SELECT actor FROM audit WHERE action = 'webhook_endpoint.replayed'")
    assert row["actor"].startswith("key:")


async def test_without_an_endpoint_the_page_says_how_to_make_one(acme: Tenant, person: Person) -> None:
    await person.open(f"/dashboard/{acme.id}/endpoints")
    assert "nobody is told anything" in person.words
    await person.open(f"/dashboard/{acme.id}")
    assert "Nobody is told anything." in person.words
