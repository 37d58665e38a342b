"""Opening Meta's sign-in and reading what comes back to the browser."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.meta.embedded_signup import (
    NotForUs,
    cancel_code,
    csp_sources,
    denial,
    dialog_url,
    extras,
    login_options,
    message_origins,
    origin_allowed,
    parse_message,
)

META = "https://www.facebook.com"
SANDBOX = "http://localhost:9000"
COEXISTENCE = {"setup": {}, "featureType": "whatsapp_business_app_onboarding", "sessionInfoVersion": "3"}


def message(event: str, data: dict[str, Any] | None = None, **more: Any) -> str:
    return json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": event, "data": data or {}, **more})


def read(text: Any) -> Any:
    return parse_message(text, "https://web.facebook.com", META)


def test_the_dialogs_address_is_metas_with_every_parameter_encoded() -> None:
    url = dialog_url(
        META + "/",
        "v25.0",
        app_id="4711",
        config_id="222",
        redirect_uri="https://links.example/meta/callback?a=1&b=2",
        state="s t&=",
        extras={"setup": {"business": {"name": "Clínica & Co"}}},
    )
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query, strict_parsing=True).items()}
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://www.facebook.com/v25.0/dialog/oauth"
    assert json.loads(query.pop("extras")) == {"setup": {"business": {"name": "Clínica & Co"}}}
    assert query == {
        "client_id": "4711",
        "config_id": "222",
        "redirect_uri": "https://links.example/meta/callback?a=1&b=2",
        "state": "s t&=",
        "response_type": "code",
        "override_default_response_type": "true",
    }


def test_extras_are_left_out_where_they_are_switched_off() -> None:
    url = dialog_url(META, "v25.0", app_id="1", config_id="2", redirect_uri="https://x.example/", state="s")
    assert "extras" not in url


def test_extras_have_the_shape_of_version_four() -> None:
    prefill = {"phone": {"displayName": "Demo"}}
    assert extras("dedicated") == {"setup": {}}
    assert extras("dedicated", prefill) == {"setup": prefill}
    assert extras("coexistence") == COEXISTENCE
    assert extras("dedicated", preverified_ids=("9",)) == {"setup": {"preVerifiedPhone": {"ids": ["9"]}}}
    assert extras("dedicated", waba_id="5") == {"setup": {"whatsAppBusinessAccount": {"id": ["5"]}}}
    assert prefill == {"phone": {"displayName": "Demo"}}


def test_the_sdk_is_asked_for_a_code_by_the_configuration() -> None:
    assert login_options("222", extras("coexistence")) == {
        "config_id": "222",
        "response_type": "code",
        "override_default_response_type": True,
        "extras": COEXISTENCE,
    }


@pytest.mark.parametrize(
    ("origin", "dialog", "allowed"),
    [
        ("https://www.facebook.com", META, True),
        ("https://web.facebook.com", META, True),
        ("https://business.facebook.com", META, True),
        ("https://facebook.com", META, True),
        ("https://evilfacebook.com", META, False),
        ("https://facebook.com.evil.example", META, False),
        ("http://www.facebook.com", META, False),
        ("https://www.facebook.com:8443", META, False),
        ("https://www.facebook.com/", META, False),
        ("https://user@www.facebook.com", META, False),
        ("https://evil.example#.facebook.com", META, False),
        ("https://evil.example?.facebook.com", META, False),
        ("null", META, False),
        ("", META, False),
        ("https://[::1", META, False),
        ("https://www.facebook.com:99999", META, False),
        ("http://localhost:9000", SANDBOX, True),
        ("http://localhost:9001", SANDBOX, False),
        ("https://localhost:9000", SANDBOX, False),
        ("http://127.0.0.1:9000", SANDBOX, False),
        ("http://sub.localhost:9000", SANDBOX, False),
        ("https://www.facebook.com", SANDBOX, False),
        ("https://evilfacebook.com", "https://evilfacebook.com", True),
        ("https://www.facebook.com", "https://evilfacebook.com", False),
    ],
)
def test_only_the_dialogs_own_origin_is_heard(origin: str, dialog: str, allowed: bool) -> None:
    assert origin_allowed(origin, dialog) is allowed


def test_the_page_gets_the_same_origins_as_a_list() -> None:
    assert message_origins(META) == ["https://facebook.com", "https://*.facebook.com"]
    assert message_origins(SANDBOX + "/some/path") == [SANDBOX]
    assert message_origins("https://meta.test:443") == ["https://meta.test"]


FINISHED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "FINISH",
        {"phone_number_id": "106", "waba_id": "524", "business_id": "272", "page_ids": ["1"]},
        {"phone_number_id": "106", "waba_id": "524", "business_id": "272"},
    ),
    ("FINISH", {"waba_ids": ["524", 525, "x"], "waba_id": 524}, {"waba_ids": ("524", "525"), "waba_id": "524"}),
    ("FINISH_ONLY_WABA", {"waba_id": "524", "business_id": "272"}, {"phone_number_id": None, "waba_id": "524"}),
    ("FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING", {"waba_id": "524"}, {"waba_id": "524", "claims_coexistence": True}),
    ("FINISH_OBO_MIGRATION", {}, {"waba_id": None}),
    ("FINISH_GRANT_ONLY_API_ACCESS", {"waba_id": "524", "phone_number_id": "106"}, {"phone_number_id": "106"}),
    ("FINISH_SOMETHING_OF_NEXT_YEAR", {}, {"waba_id": None}),
]


@pytest.mark.parametrize(("event", "data", "expected"), FINISHED)
def test_every_way_to_finish_is_read(event: str, data: dict[str, Any], expected: dict[str, Any]) -> None:
    found = read(message(event, data, version=3))
    assert (found.event, found.finished, found.stopped, found.version) == (event, True, False, 3)
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_message_may_come_as_a_string_an_object_or_a_string_in_a_string() -> None:
    text = message("FINISH", {"waba_id": "524"})
    shapes = [text, text.encode(), json.loads(text), json.dumps(text)]
    assert {read(shape).waba_id for shape in shapes} == {"524"}
    assert {read(shape).version for shape in shapes} == {None}


@pytest.mark.parametrize("bad", ["<script>", "12 34", "-5", "1.5", "٣", "9" * 41, "", None, [], {"a": 1}, True])
def test_an_id_that_is_no_number_is_no_claim(bad: object) -> None:
    found = read(message("FINISH", {"waba_id": bad, "phone_number_id": bad, "business_id": bad, "waba_ids": [bad]}))
    assert found.claims() == {"event": "FINISH"}


def test_claims_are_ready_to_be_stored() -> None:
    found = read(message("CANCEL", {"current_step": "PHONE_NUMBER_SETUP\x00\n", "error_code": 524126}, version="3"))
    assert json.loads(json.dumps(found.claims())) == {
        "event": "CANCEL",
        "version": 3,
        "current_step": "PHONE_NUMBER_SETUP  ",
        "error_code": "524126",
    }


@pytest.mark.parametrize(
    "text",
    [
        "sandbox-frame-ready",
        "cb=f1234&domain=x",
        "",
        "null",
        "7",
        "[]",
        "{}",
        '{"type":"other"}',
        '"text"',
        "[" * 20_000,
        '{"type":"WA_EMBEDDED_SIGNUP","pad":"' + "x" * 40_000 + '"}',
        b"\xff\xfe",
    ],
)
def test_what_else_flies_around_is_passed_over(text: str | bytes) -> None:
    with pytest.raises(NotForUs):
        read(text)


def test_a_message_of_another_origin_is_passed_over_whatever_it_says() -> None:
    with pytest.raises(NotForUs, match="origin"):
        parse_message(message("FINISH", {"waba_id": "524"}), "https://evilfacebook.com", META)


@given(st.text(max_size=60) | st.dictionaries(st.text(max_size=6), st.text(max_size=6) | st.integers(), max_size=4))
def test_no_message_of_any_kind_breaks_the_reading(data: object) -> None:
    found = read(json.dumps({"type": "WA_EMBEDDED_SIGNUP", "event": data, "data": data}))
    assert isinstance(cancel_code(found), str)


CODES = {
    "waba_limit_reached": ["2388098", "2494067", "1690114"],
    "verification_failed": ["2388091", "2388093", "2494158", "3441033"],
    "account_restricted": ["2655089"],
    "number_in_use": ["3441049", "3441030"],
    "meta_refused": ["2655049", "2494028", "3441045", "3441042", "4563015", "2655093", "524126", "not a number"],
}


@pytest.mark.parametrize(("ours", "code"), [(ours, code) for ours, codes in CODES.items() for code in codes])
@pytest.mark.parametrize("event", ["CANCEL", "ERROR"])
def test_the_codes_of_metas_flow_have_ours(ours: str, code: str, event: str) -> None:
    data = {"error_message": "Oops", "error_code": code, "session_id": "f1", "timestamp": "1790000000"}
    found = read(message(event, data))
    assert (cancel_code(found), found.stopped, found.timestamp) == (ours, True, 1790000000)


def test_leaving_the_flow_is_the_only_thing_called_cancelled() -> None:
    assert cancel_code(read(message("CANCEL", {"current_step": "PERMISSIONS"}))) == "cancelled"
    assert cancel_code(read(message("CANCEL"))) == "cancelled"
    assert cancel_code(read(message("CANCEL", {"error_message": "Oops"}))) == "meta_refused"
    assert cancel_code(read(message("ERROR"))) == "meta_refused"


def test_a_denial_on_the_callback_never_reads_as_cancelled() -> None:
    query = {
        "error": "access_denied",
        "error_code": "200",
        "error_description": "Permissions error",
        "error_reason": "user_denied",
        "state": "s",
    }
    found = denial(query)
    assert found is not None
    assert (found.code, found.error, found.reason) == ("meta_refused", "access_denied", "user_denied")
    assert denial({"error_message": "x" * 9000, "error_code": "1349048"}) is not None
    assert denial({"code": "AQD", "state": "s"}) is None


def test_the_sign_in_page_may_do_what_metas_sdk_does_and_no_more() -> None:
    sources = csp_sources("https://connect.facebook.net/en_US/sdk.js", META, "https://graph.facebook.com")
    assert sources == {
        "script-src": ["https://connect.facebook.net"],
        "connect-src": [
            "https://connect.facebook.net",
            "https://www.facebook.com",
            "https://graph.facebook.com",
            "https://*.facebook.com",
        ],
        "frame-src": ["https://connect.facebook.net", "https://www.facebook.com", "https://*.facebook.com"],
        "img-src": ["https://connect.facebook.net", "https://www.facebook.com", "https://*.facebook.com"],
        "style-src": ["'unsafe-inline'"],
        "form-action": ["https://www.facebook.com", "https://*.facebook.com"],
    }


def test_beside_a_sandbox_only_its_one_origin_is_allowed() -> None:
    sources = csp_sources(SANDBOX + "/en_US/sdk.js", SANDBOX, SANDBOX)
    assert {tuple(found) for name, found in sources.items() if name != "style-src"} == {(SANDBOX,)}
