"""What doctor finds of the Meta app: each row once as it should be, once not, by the sandbox's state and settings."""

import pytest

from setuplinks.core.clock import SystemClock
from tests.integration.doctor.examined import graph, rows
from tests.support.sandbox import BUSINESS_ID, VERIFY_TOKEN
from tests.support.service import RunningService

OBJECT = "whatsapp_business_account"


async def test_an_app_that_is_set_up_rightly_passes(service: RunningService) -> None:
    found = await rows(service, SystemClock())
    names = (
        "App id and secret", "Configuration", "App domains", "Permissions", "JavaScript SDK", "Clock", "Callback",
        "Default callback", "Fields", "Deauthorize callback",
    )  # fmt: skip
    assert {name: found[name].verdict for name in names} == dict.fromkeys(names, "pass")
    assert "Sandbox App" in found["App id and secret"].said


async def test_a_wrong_secret_is_one_failure_and_nothing_else_is_blamed(service: RunningService) -> None:
    found = await rows(service, meta_app_secret="not-the-secret")
    assert found["App id and secret"].verdict == "fail"
    assert "SETUPLINKS_META_APP_SECRET" in found["App id and secret"].fix
    for name in ("App domains", "Permissions", "Default callback", "Fields", "Deauthorize callback"):
        assert found[name].verdict == "warn"
        assert found[name].said.startswith("not looked at")
    assert not any("not-the-secret" in f"{row.said} {row.fix}" for row in found.values())


async def test_an_app_id_that_is_another_apps_or_no_number_fails(service: RunningService) -> None:
    assert (await rows(service, meta_app_id="999"))["App id and secret"].verdict == "fail"
    wrong = (await rows(service, meta_app_id="my-app"))["App id and secret"]
    assert (wrong.verdict, wrong.said) == ("fail", "the app's id is not a number")


async def test_a_graph_that_fails_for_the_moment_says_to_try_again(service: RunningService) -> None:
    await service.sandbox.fault("debug_token", status=503, code=2)
    assert (await rows(service))["App id and secret"].fix == "try again in a minute"


async def test_a_graph_that_is_not_there_fails_in_plain_words(service: RunningService) -> None:
    found = await rows(service, meta_graph_url="http://localhost:9")
    assert found["App id and secret"].said == "http://localhost:9 cannot be reached from here"
    assert found["App id and secret"].verdict == "fail"
    assert found["Clock"].verdict == "warn"


async def test_without_a_subscription_meta_tells_nothing_and_doctor_fails(service: RunningService) -> None:
    await graph(service, "DELETE", f"/subscriptions?object={OBJECT}")
    found = await rows(service)
    assert found["Default callback"].verdict == "fail"
    assert f"{service.url}/meta/notifications" in found["Default callback"].fix
    assert found["Fields"].verdict == "warn"


async def test_a_callback_that_leads_elsewhere_fails_and_names_both_addresses(service: RunningService) -> None:
    elsewhere = f"{service.url}/meta/notifications?former=1"
    body = {"object": OBJECT, "callback_url": elsewhere, "verify_token": VERIFY_TOKEN, "fields": "messages"}
    assert await graph(service, "POST", "/subscriptions", body) == {"success": True}
    found = (await rows(service))["Default callback"]
    assert found.verdict == "fail"
    assert found.said == f"Meta sends to {elsewhere} and not to {service.url}/meta/notifications"


@pytest.mark.parametrize(
    ("fields", "verdict", "said"),
    [("messages", "fail", "Meta does not tell messages"), ("history,security", "warn", "2 are not subscribed")],
)
async def test_a_field_that_is_not_subscribed_is_named_with_what_is_lost(
    service: RunningService, fields: str, verdict: str, said: str
) -> None:
    await graph(service, "DELETE", f"/subscriptions?object={OBJECT}&fields={fields}")
    found = (await rows(service))["Fields"]
    assert found.verdict == verdict
    assert found.said.startswith(said)
    assert all(field in found.fix for field in fields.split(","))


async def test_a_host_that_is_not_among_the_apps_domains_is_a_warning(service: RunningService) -> None:
    await service.sandbox.ask("PUT", "/sandbox/app", {"domains": ["example.com"]})
    found = (await rows(service))["App domains"]
    assert (found.verdict, "127.0.0.1" in found.fix) == ("warn", True)
    sub = (await rows(service, public_url="https://connect.example.com"))["App domains"]
    assert sub.verdict == "pass"


async def test_permissions_that_are_not_approved_are_a_warning_and_those_not_told_are_for_the_eye(
    service: RunningService,
) -> None:
    live, pending = "whatsapp_business_management", "whatsapp_business_messaging"
    await service.sandbox.ask("PUT", "/sandbox/app", {"permissions": {live: "live", pending: "pending"}})
    assert (await rows(service))["Permissions"].said.startswith(f"{pending} is pending")
    await service.sandbox.ask("PUT", "/sandbox/app", {"permissions": {live: "live"}})
    found = (await rows(service))["Permissions"]
    assert (found.verdict, pending in found.said) == ("by_eye", True)
    await service.sandbox.fault("app_permissions", code=100)
    assert (await rows(service))["Permissions"].verdict == "by_eye"


@pytest.mark.parametrize("url", [None, "https://elsewhere.example.com/bye"])
async def test_a_deauthorize_callback_that_is_not_ours_is_a_warning(service: RunningService, url: str | None) -> None:
    await service.sandbox.ask("PUT", "/sandbox/app", {"deauthorizeUrl": url})
    found = (await rows(service))["Deauthorize callback"]
    assert found.verdict == "warn"
    assert found.fix.endswith(f"{service.url}/meta/deauthorize")


async def test_a_configuration_that_is_no_number_fails(service: RunningService) -> None:
    assert (await rows(service, meta_config_id="Embedded Signup"))["Configuration"].verdict == "fail"


async def test_beside_a_stand_in_for_meta_the_app_mode_is_a_warning_and_no_dashboard_is_named(
    service: RunningService,
) -> None:
    found = await rows(service)
    assert found["App mode"].verdict == "warn"
    assert "stands in for Meta" in found["App mode"].said
    assert not any(row.link for row in found.values())


async def test_what_no_call_tells_is_for_the_eye_with_its_place_in_metas_dashboard(service: RunningService) -> None:
    found = await rows(service, meta_dialog_url="https://www.facebook.com")
    by_eye = {name: row for name, row in found.items() if row.verdict == "by_eye"}
    assert set(by_eye) == {"App mode", "Configuration", "Redirect addresses", "Data deletion"}
    for row in by_eye.values():
        assert row.fix.startswith("developers.facebook.com → My apps → 1234567890 → ")
        assert (row.link or "").startswith("https://developers.facebook.com/apps/1234567890/")
    assert f"{service.url}/meta/callback" in by_eye["Redirect addresses"].said


async def test_a_system_token_is_held_against_its_portfolio(service: RunningService) -> None:
    none = (await rows(service, meta_business_id=None, meta_system_token=None))["System token"]
    assert (none.verdict, none.said) == ("warn", "automatic recovery and the number pool are off")
    good = (await rows(service))["System token"]
    assert (good.verdict, good.said) == ("pass", f"it reaches the portfolio {BUSINESS_ID} (Sandbox App portfolio)")
    other = (await rows(service, meta_business_id="900000000000777"))["System token"]
    assert (other.verdict, "SETUPLINKS_META_BUSINESS_ID" in other.fix) == ("fail", True)
    dead = (await rows(service, meta_system_token="EAAformer"))["System token"]
    assert (dead.verdict, "EAAformer" in dead.said) == ("fail", False)


async def test_a_sign_in_script_that_is_missing_fails_and_one_out_of_reach_is_a_warning(
    service: RunningService,
) -> None:
    await service.sandbox.change_settings(sdk="missing")
    assert (await rows(service))["JavaScript SDK"].verdict == "fail"
    assert (await rows(service, meta_sdk_url="http://localhost:9/sdk.js"))["JavaScript SDK"].verdict == "warn"


async def test_our_clock_is_held_against_that_of_metas_answer(service: RunningService) -> None:
    for seconds, verdict in ((0, "pass"), (60, "warn"), (-60, "warn"), (400, "fail"), (-400, "fail")):
        service.clock.set(SystemClock().now() + seconds * 1_000_000)
        assert (await rows(service))["Clock"].verdict == verdict
