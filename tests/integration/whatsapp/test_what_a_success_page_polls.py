"""WABAs and numbers over HTTP: the lists and objects that a success page polls."""

import pytest

from tests.integration.setup_links.desk import Desk
from tests.support.customer import Customer

NUMBER_FIELDS = {
    "id", "tenantId", "customerId", "wabaId", "metaWabaId", "metaPhoneNumberId", "displayPhoneNumber",
    "displayPhoneNumberNormalized", "verifiedName", "nameStatus", "qualityRating", "throughputTier", "messagingLimit",
    "connectionType", "isCoexistence", "isOfficialBusinessAccount", "status", "disconnectReason", "metaStatus",
    "historySync", "readiness",
    "tokenExpiresAt", "connectedAt",
}  # fmt: skip
WABA_FIELDS = {
    "id", "tenantId", "customerId", "metaWabaId", "name", "currency", "timezoneId", "businessId", "accountReviewStatus",
    "status", "connectionType", "createdAt",
}  # fmt: skip


async def test_a_connected_number_has_all_its_fields(desk: Desk, customer: Customer) -> None:
    await desk.connected(customer)
    [number] = await desk.numbers()
    assert set(number) == NUMBER_FIELDS
    assert number["displayPhoneNumberNormalized"] == "+" + "".join(filter(str.isdigit, number["displayPhoneNumber"]))
    assert number["connectedAt"] == "2026-05-18T12:00:00Z"
    assert number["tokenExpiresAt"] == "2026-07-17T12:00:00Z"
    assert {check["check"]: check["passed"] for check in number["readiness"]} == dict.fromkeys(
        ("token", "subscribed", "registered", "name", "can_send"), True
    )
    assert (await desk.acme.api.get(f"/admin/phone-numbers/{number['id']}")).json == number
    [same] = (await desk.acme.api.get(f"/admin/tenants/{desk.acme.id}/phone-numbers")).json["data"]
    assert same == number


async def test_a_connected_waba_has_all_its_fields(desk: Desk, customer: Customer) -> None:
    link = await desk.connected(customer)
    [waba] = (await desk.acme.api.get(f"/admin/customers/{desk.clinic}/wabas")).json["data"]
    assert set(waba) == WABA_FIELDS
    assert (waba["id"], waba["status"], waba["connectionType"]) == (link["resultingWabaId"], "active", "dedicated")
    assert (await desk.acme.api.get(f"/admin/wabas/{waba['id']}")).json == waba


@pytest.mark.parametrize(
    ("query", "count"),
    [("status=active", 1), ("status=pending", 0), ("status=deleted", 0), ("customerId=999", 0), ("limit=1", 1)],
)
async def test_numbers_are_filtered(desk: Desk, customer: Customer, query: str, count: int) -> None:
    await desk.connected(customer)
    reply = await desk.acme.api.get(f"/admin/tenants/{desk.acme.id}/phone-numbers?{query}")
    assert len(reply.json["data"]) == count


async def test_what_is_not_there_is_a_404(desk: Desk) -> None:
    for path in ("phone-numbers/1", "wabas/1", "phone-numbers/x", "wabas/99999999999999999999", "customers/77/wabas"):
        assert (await desk.acme.api.get(f"/admin/{path}")).status == 404, path


async def test_no_answer_of_the_api_holds_a_token_or_a_pin(desk: Desk, customer: Customer) -> None:
    link = await desk.connected(customer)
    sealer = await desk.service.parts.vault.tenant(desk.acme.id)
    [row] = await desk.rows("credential")
    token = sealer.open(row["token"], "credential", row["waba_id"], "token").decode()
    for path in (
        f"setup-links/{link['id']}", f"setup-links/{link['id']}/timeline", f"wabas/{row['waba_id']}",
        f"customers/{desk.clinic}/phone-numbers", f"tenants/{desk.acme.id}/events", f"tenants/{desk.acme.id}",
    ):  # fmt: skip
        reply = await desk.acme.api.get(f"/admin/{path}")
        assert reply.status == 200
        assert token not in reply.body.decode()
