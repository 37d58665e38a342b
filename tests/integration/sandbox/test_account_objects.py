"""Templates, flows, profile, QR codes and settings: made, read, changed, and out of another customer's reach."""

from typing import Any

import aiohttp
import pytest

from tests.integration.sandbox.calls import Customer, Meta
from tests.integration.sandbox.phones import phones, ready

ORDER: dict[str, Any] = {
    "name": "order_sent", "language": "es", "category": "UTILITY",
    "components": [{"type": "BODY", "text": "Hola {{1}}, tu pedido {{2}} salió."}],
}  # fmt: skip


def values(*texts: str) -> dict[str, Any]:
    """A template message's content with these values in the body."""
    rows = [{"type": "text", "text": text} for text in texts]
    return {"name": "order_sent", "language": {"code": "es"}, "components": [{"type": "body", "parameters": rows}]}


async def test_a_template_is_reviewed_told_and_sent_with_its_values() -> None:
    async with phones() as scene:
        path, token = f"{scene.customer.waba}/message_templates", scene.customer.token
        made = (await scene.meta.graph("POST", path, token, json=ORDER)).json
        assert (await scene.send("template", values("Ana", "7"))).codes[0] == 132001
        await scene.meta.ask("PATCH", f"/sandbox/templates/{made['id']}", json={"status": "APPROVED"})
        told = await scene.heard.next_value("message_template_status_update")
        assert (await scene.send("template", values("Ana"))).codes[0] == 132000
        assert (await scene.send("template", values("Ana", "7"))).status == 200
        state = (await scene.meta.ask("GET", "/sandbox/state")).json["messages"]
        await scene.meta.ask("PATCH", f"/sandbox/templates/{made['id']}", json={"status": "PAUSED"})
        assert (await scene.send("template", values("Ana", "7"))).codes[0] == 132015
    assert (told["event"], told["message_template_id"]) == ("APPROVED", int(made["id"]))
    assert state[-1]["content"]["shown"] == "Hola Ana, tu pedido 7 salió."


async def test_a_template_is_approved_by_itself_where_the_settings_say_so() -> None:
    async with phones() as scene:
        await scene.settings(templateReviewSeconds=60)
        path, token = f"{scene.customer.waba}/message_templates", scene.customer.token
        made = (await scene.meta.graph("POST", path, token, json=ORDER)).json
        assert made["status"] == "PENDING"
        await scene.meta.advance(60)
        told = await scene.heard.next_value("message_template_status_update")
        read = (await scene.meta.graph("GET", made["id"], token)).json
    assert (told["event"], read["status"]) == ("APPROVED", "APPROVED")


async def test_templates_are_listed_by_what_is_asked_changed_and_deleted(meta: Meta) -> None:
    mine, other = await ready(meta), await ready(meta)
    path = f"{mine.waba}/message_templates"
    made = (await meta.graph("POST", path, mine.token, json=ORDER)).json
    listed = [
        [row["name"] for row in (await meta.graph("GET", path, mine.token, params=wanted)).json["data"]]
        for wanted in ({"limit": "1"}, {"status": "PENDING"}, {"category": "MARKETING"}, {"language": "en_US"})
    ]
    assert listed == [["hello_world"], ["order_sent"], [], ["hello_world"]]
    changed = await meta.graph("POST", made["id"], mine.token, json={"category": "MARKETING"})
    assert changed.json["success"] is True
    assert (await meta.graph("GET", made["id"], mine.token, params={"fields": "category"})).json[
        "category"
    ] == "MARKETING"
    assert (await meta.graph("GET", made["id"], other.token)).codes == (100, 33)
    assert (await meta.graph("POST", made["id"], other.token, json={"category": "UTILITY"})).codes == (100, 33)
    assert (await meta.graph("DELETE", path, mine.token, params={"name": "order_sent"})).json == {"success": True}
    assert (await meta.graph("GET", made["id"], mine.token)).codes == (100, 33)


@pytest.mark.parametrize("changes", [
    {"name": "Order Sent"}, {"category": "GOSSIP"}, {"components": "BODY"}, {"components": [{"type": "SONG"}]},
    {"components": [{"type": "BODY", "text": "x" * 1025}]}, {"name": "hello_world", "language": "en_US"},
])  # fmt: skip
async def test_a_template_that_meta_would_not_take_is_refused(meta: Meta, changes: dict[str, Any]) -> None:
    customer = await ready(meta)
    path = f"{customer.waba}/message_templates"
    assert (await meta.graph("POST", path, customer.token, json=ORDER | changes)).codes[0] == 100


async def flow(meta: Meta, customer: Customer) -> str:
    body = {"name": "Booking", "categories": ["APPOINTMENT_BOOKING"]}
    made = await meta.graph("POST", f"{customer.waba}/flows", customer.token, json=body)
    assert made.json | {"id": ""} == {"id": "", "success": True, "validation_errors": []}
    found: str = made.json["id"]
    return found


async def test_a_flow_is_made_described_published_and_names_its_account(meta: Meta) -> None:
    mine, other = await ready(meta), await ready(meta)
    flow_id = await flow(meta, mine)
    assert (await meta.graph("POST", f"{flow_id}/publish", mine.token)).codes[0] == 100
    form = aiohttp.FormData({"name": "flow.json", "asset_type": "FLOW_JSON"})
    form.add_field("file", b'{"version":"7.2","screens":[]}', filename="flow.json", content_type="application/json")
    assert (await meta.graph("POST", f"{flow_id}/assets", mine.token, data=form)).json["success"] is True
    [asset] = (await meta.graph("GET", f"{flow_id}/assets", mine.token)).json["data"]
    async with meta.http.get(asset["download_url"], headers={"Authorization": f"Bearer {mine.token}"}) as answer:
        assert (await answer.json())["version"] == "7.2"
    assert (await meta.graph("POST", f"{flow_id}/publish", mine.token)).json == {"success": True}
    fields = {"fields": "status,json_version,whatsapp_business_account{id}"}
    read = (await meta.graph("GET", flow_id, mine.token, params=fields)).json
    assert read == {
        "status": "PUBLISHED", "json_version": "7.2", "whatsapp_business_account": {"id": mine.waba}, "id": flow_id,
    }  # fmt: skip
    assert (await meta.graph("GET", flow_id, other.token)).codes == (100, 33)
    assert (await meta.graph("DELETE", flow_id, mine.token)).codes[0] == 139000
    assert (await meta.graph("POST", f"{flow_id}/deprecate", mine.token)).json == {"success": True}


async def test_flows_are_listed_renamed_and_drafts_deleted(meta: Meta) -> None:
    customer = await ready(meta)
    flow_id = await flow(meta, customer)
    assert (await meta.graph("POST", flow_id, customer.token, json={"name": "Visits"})).json == {"success": True}
    listed = (await meta.graph("GET", f"{customer.waba}/flows", customer.token)).json["data"]
    assert [(row["id"], row["name"], row["status"]) for row in listed] == [(flow_id, "Visits", "DRAFT")]
    assert (await meta.graph("DELETE", flow_id, customer.token)).json == {"success": True}
    wrong = {"name": "x", "categories": ["GOSSIP"]}
    assert (await meta.graph("POST", f"{customer.waba}/flows", customer.token, json=wrong)).codes[0] == 100


async def test_a_business_profile_is_remembered(meta: Meta) -> None:
    customer = await ready(meta)
    path = f"{customer.number}/whatsapp_business_profile"
    body = {"messaging_product": "whatsapp", "about": "Bread", "websites": ["https://a"], "vertical": "RESTAURANT"}
    assert (await meta.graph("POST", path, customer.token, json=body)).json == {"success": True}
    read = await meta.graph("GET", path, customer.token, params={"fields": "about,websites,vertical"})
    assert read.json == {"data": [body]}
    for wrong in ({"about": "x" * 140}, {"vertical": "MAGIC"}, {"websites": ["1", "2", "3"]}):
        refused = await meta.graph("POST", path, customer.token, json={"messaging_product": "whatsapp"} | wrong)
        assert refused.codes == (100, None)


async def test_qr_codes_and_settings_are_remembered(meta: Meta) -> None:
    customer = await ready(meta)
    path = f"{customer.number}/message_qrdls"
    made = (await meta.graph("POST", path, customer.token, json={"prefilled_message": "Hola"})).json
    one = (await meta.graph("GET", f"{path}/{made['code']}", customer.token)).json["data"]
    assert one == [made]
    assert (await meta.graph("DELETE", f"{path}/{made['code']}", customer.token)).json == {"success": True}
    assert (await meta.graph("GET", path, customer.token)).json["data"] == []
    settings, calling = f"{customer.number}/settings", {"calling": {"status": "ENABLED"}}
    await meta.graph("POST", settings, customer.token, json=calling)
    assert (await meta.graph("GET", settings, customer.token)).json["calling"]["status"] == "ENABLED"
    automation = f"{customer.number}/conversational_automation"
    await meta.graph("POST", automation, customer.token, json={"prompts": ["Hours?"]})
    fields = {"fields": "conversational_automation"}
    read = (await meta.graph("GET", customer.number, customer.token, params=fields)).json
    assert read["conversational_automation"]["prompts"] == ["Hours?"]


async def test_commerce_settings_and_the_key_for_flows_are_remembered(meta: Meta) -> None:
    customer = await ready(meta)
    commerce, encryption = (
        f"{customer.number}/{edge}" for edge in ("whatsapp_commerce_settings", "whatsapp_business_encryption")
    )
    await meta.graph("POST", commerce, customer.token, params={"is_catalog_visible": "true"})
    assert (await meta.graph("GET", commerce, customer.token)).json["data"][0]["is_catalog_visible"] is True
    assert (await meta.graph("GET", encryption, customer.token)).json == {"data": []}
    await meta.graph("POST", encryption, customer.token, data={"business_public_key": "-----BEGIN"})
    [row] = (await meta.graph("GET", encryption, customer.token)).json["data"]
    assert row["business_public_key"] == "-----BEGIN"


async def test_an_account_reads_its_edges_along_by_field_expansion(meta: Meta) -> None:
    customer = await ready(meta)
    fields = {"fields": "phone_numbers{id},message_templates{name},subscribed_apps"}
    read = (await meta.graph("GET", customer.waba, customer.token, params=fields)).json
    assert read["phone_numbers"] == {"data": [{"id": customer.number}]}
    assert read["message_templates"] == {"data": [{"name": "hello_world"}]}
    assert len(read["subscribed_apps"]["data"]) == 1
