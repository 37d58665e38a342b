"""What a key may do by its scopes, and the calls that would cut the service's connection, which it keeps to itself."""

import asyncio
from typing import Any

import pytest

from tests.integration.gateway.line import HELLO, Line, error_of
from tests.integration.gateway.neighbours import PNG

pytestmark = pytest.mark.one_database

FORM = "multipart/form-data; boundary=cut"
TEMPLATE = {
    "name": "a", "language": "es", "category": "UTILITY", "components": [{"type": "BODY", "text": "Hola"}]
}  # fmt: skip


async def test_each_scope_opens_its_own_calls_and_no_others(line: Line) -> None:
    number, waba = line.path(line.number), line.path(line.waba)
    calls: dict[str, list[tuple[str, str, Any]]] = {
        "send": [
            ("POST", f"{number}/messages", HELLO),
            (
                "POST",
                f"{number}/messages",
                {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"},
            ),
            ("POST", f"{number}/media", PNG),
        ],
        "manage": [
            ("POST", f"{waba}/message_templates", TEMPLATE),
            ("DELETE", f"{waba}/message_templates?name=a", None),
            ("POST", f"{waba}/flows", {"name": "f", "categories": ["OTHER"]}),
            ("POST", f"{number}/whatsapp_business_profile", {"messaging_product": "whatsapp", "about": "Hola"}),
        ],
        "read": [("GET", number, None), ("GET", f"{waba}/message_templates", None), ("GET", f"{waba}/flows", None)],
    }
    for scope, opened in calls.items():
        api = await line.other_key(scopes=[scope])
        for kind, tried in calls.items():
            for method, path, body in tried:
                headers = {"Content_Type": FORM} if body is PNG else {}
                reply = await api.call(method, path, body, **headers)
                if kind == scope:
                    assert reply.status == 200, (scope, path, reply.body)
                else:
                    assert error_of(reply) == (403, 200, None), (scope, path)
        assert opened


async def test_what_would_cut_the_services_own_connection_is_refused_and_meta_not_asked(line: Line) -> None:
    number, waba = line.path(line.number), line.path(line.waba)
    override = {"override_callback_uri": "https://acme.example.com/", "verify_token": "v"}
    refused: list[tuple[str, str, Any]] = [
        ("POST", f"{number}/register", {"messaging_product": "whatsapp", "pin": "123456"}),
        ("POST", f"{number}/deregister", {}),
        ("POST", f"{number}/request_code", {"code_method": "SMS", "language": "es"}),
        ("POST", f"{number}/verify_code", {"code": "123456"}),
        ("POST", f"{number}/smb_app_data", {"sync_type": "history"}),
        ("POST", number, {"pin": "123456"}),
        ("POST", number, {"webhook_configuration": override}),
        ("DELETE", number, None),
        ("POST", f"{waba}/subscribed_apps", None),
        ("POST", f"{waba}/subscribed_apps", override),
        ("DELETE", f"{waba}/subscribed_apps", None),
        ("POST", f"{waba}/assigned_users", {"user": "1", "tasks": ["MANAGE"]}),
        ("POST", f"{waba}/phone_numbers", {"cc": "54", "phone_number": "1", "verified_name": "A"}),
        ("POST", waba, override),
        ("DELETE", waba, None),
    ]
    answers = {f"{how} {path}": error_of(await line.api.call(how, path, body)) for how, path, body in refused}
    assert {name: answer for name, answer in answers.items() if answer != (403, 10, None)} == {}
    form = b"webhook_configuration[override_callback_uri]=https%3A%2F%2Facme.example.com"
    reply = await line.api.post(number, form, Content_Type="application/x-www-form-urlencoded")
    assert error_of(reply) == (403, 10, None)
    assert error_of(await line.api.post(f"{number}?pin=123456")) == (403, 10, None)
    assert await line.met() == []
    assert (await line.api.get(f"{waba}/subscribed_apps")).status == 200
    sandbox = line.standing.service.sandbox
    assert (await sandbox.ask("GET", f"/sandbox/wabas/{line.waba}"))["subscribedApps"] != {}


async def test_a_body_that_cannot_be_looked_at_is_not_passed_on(line: Line) -> None:
    path = line.path(line.waba, "message_templates")
    refused = [
        await line.api.post(path, b"{", Content_Type="application/json"),
        await line.api.post(path, b"[1]", Content_Type="application/json"),
        await line.api.post(path, b"ids=1", Content_Type="text/plain"),
        await line.api.post(path, b"\x1f\x8b", Content_Type="application/json", Content_Encoding="gzip"),
        await line.api.post(path, b"--cut", Content_Type="multipart/form-data"),
        await line.api.call("OPTIONS", path),
    ]
    assert [reply.json["error"]["code"] for reply in refused] == [100] * len(refused)
    assert [reply.status for reply in refused] == [400, 400, 415, 400, 400, 405]
    assert await line.met() == []


async def test_a_body_without_a_file_that_is_too_long_is_refused_before_it_has_come(line: Line) -> None:
    host, _, port = line.api.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = line.path(line.waba, "message_templates")
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {line.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 5000000\r\n\r\n{".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    assert await line.met() == []


async def test_the_apps_upload_for_a_template_s_picture_goes_through(line: Line) -> None:
    """The sandbox has no such edge: that Meta answers is enough."""
    reply = await line.api.post(line.path("1234567890", "uploads"), {"file_length": 3, "file_type": "image/png"})
    assert (await line.met())[-1]["path"] == "/v25.0/1234567890/uploads"
    assert not reply.json["error"]["fbtrace_id"].startswith("sl")
    reader = await line.other_key(scopes=["read", "send"])
    assert error_of(await reader.post(line.path("1234567890", "uploads"), {})) == (403, 200, None)
    await line.standing.service.sandbox.forget_calls()
    for method in ("GET", "DELETE"):
        reply = await line.api.call(method, line.path("1234567890", "uploads"))
        assert error_of(reply) == (400, 100, 33), "the uploads of all who use the app"
    assert await line.met() == []
