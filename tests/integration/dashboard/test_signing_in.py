"""Signing in to the dashboard: whose key opens what, how a session begins and ends, and what doctor shows there."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import aiohttp
import pytest

from setuplinks.core.clock import HOUR, MINUTE, ManualClock
from setuplinks.core.db.database import Database
from setuplinks.dashboard.answers import POLICY
from tests.e2e.certificate import self_signed
from tests.integration.dashboard.desk import Person, a_person
from tests.support.service import OPERATOR_KEY, RunningService, Tenant, running_service

PAGE, HOME, SIGN_IN = "/dashboard/doctor", "/dashboard/tenants", "/dashboard/sign-in"


@pytest.fixture
async def operator(service: RunningService) -> AsyncIterator[Person]:
    """Somebody with a browser of their own, who is not signed in."""
    async with a_person(service.url) as person:
        yield person


async def test_who_is_not_signed_in_is_asked_for_the_key_and_sees_nothing(operator: Person) -> None:
    for path in ("/dashboard", "/dashboard/1/deliveries", "/operator", "/operator/doctor", PAGE):
        await operator.open(path)
        assert operator.status == 200
        assert operator.path == SIGN_IN
        assert "Installation" not in operator.text


async def test_the_key_opens_doctors_page_and_stays_nowhere(operator: Person) -> None:
    await operator.sign_in(OPERATOR_KEY)
    assert operator.path == HOME
    await operator.open("/operator/doctor")
    assert operator.path == PAGE
    assert "Default callback" in operator.text
    assert OPERATOR_KEY not in operator.text
    [cookie] = operator.cookies
    assert OPERATOR_KEY not in cookie.value
    assert cookie["httponly"]
    assert (cookie["samesite"].lower(), cookie["path"], cookie["max-age"]) == ("strict", "/", "")


async def test_by_https_the_cookie_is_the_hosts_own(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path)
    async with (
        running_service(db, clock, data_dir, database_url, tls=certificate) as service,
        a_person(service.url, certificate) as person,
    ):
        await person.sign_in(OPERATOR_KEY)
        [cookie] = person.cookies
        assert (cookie.key, cookie["secure"]) == ("__Host-setuplinks-dashboard", True)
        assert person.headers["Strict-Transport-Security"].startswith("max-age=")


async def test_a_wrong_key_and_none_are_refused(operator: Person, acme: Tenant) -> None:
    for key in ("wrong", acme.key + "x", "", "x" * 600, OPERATOR_KEY + "x"):
        await operator.sign_in(key)
        assert (operator.status, operator.cookies) == (403, [])
        assert "This key is not known" in operator.text
        assert not key or key not in operator.text


async def test_after_five_wrong_keys_in_a_minute_the_address_waits_even_with_the_right_one(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> None:
    limits = {"rate_limits": "on", "trusted_proxies": "127.0.0.0/8"}
    async with running_service(db, clock, data_dir, database_url, **limits) as service:
        guesser, other = {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "203.0.113.10"}
        async with a_person(service.url) as person:
            for _ in range(5):
                await person.sign_in("wrong", **guesser)
                assert person.status == 403
            await person.sign_in(OPERATOR_KEY, **guesser)
            assert (person.status, person.cookies) == (429, [])
            assert 0 < int(person.headers["Retry-After"]) <= 61
            await person.sign_in(OPERATOR_KEY, **other)
            assert person.path == HOME
        clock.advance(MINUTE)
        async with a_person(service.url) as person:
            await person.sign_in(OPERATOR_KEY, **guesser)
            assert person.path == HOME


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example.com"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": ""}],
)
async def test_a_form_of_another_site_signs_nobody_in_or_out(operator: Person, headers: dict[str, str]) -> None:
    await operator.sign_in(OPERATOR_KEY, **headers)
    assert (operator.status, operator.cookies) == (403, [])
    await operator.sign_in(OPERATOR_KEY)
    await operator.sign_out(**headers)
    assert operator.status == 403
    await operator.open(PAGE)
    assert "Default callback" in operator.text


async def test_a_form_without_its_pages_token_or_with_an_old_one_is_refused(
    operator: Person, service: RunningService
) -> None:
    await operator.post(SIGN_IN, key=OPERATOR_KEY)
    assert (operator.status, "open for too long" in operator.text) == (403, True)
    await operator.open(SIGN_IN)
    token = operator.token
    service.clock.advance(HOUR + MINUTE)
    await operator.post(SIGN_IN, key=OPERATOR_KEY, form_token=token)
    assert (operator.status, operator.cookies) == (403, [])


async def test_a_token_of_the_sign_in_page_does_not_sign_out(operator: Person) -> None:
    await operator.open(SIGN_IN)
    stranger = operator.token
    await operator.sign_in(OPERATOR_KEY)
    await operator.post("/dashboard/sign-out", form_token=stranger)
    assert operator.status == 403


async def test_signing_out_ends_the_session_in_this_browser(operator: Person) -> None:
    await operator.sign_in(OPERATOR_KEY)
    await operator.sign_out()
    assert (operator.path, operator.cookies) == (SIGN_IN, [])


async def test_a_session_ends_after_half_an_hour_of_rest_and_after_eight_hours_in_any_case(
    operator: Person, service: RunningService
) -> None:
    await operator.sign_in(OPERATOR_KEY)
    for _ in range(16):
        service.clock.advance(29 * MINUTE)
        await operator.open(PAGE)
        assert operator.path == PAGE
    service.clock.advance(17 * MINUTE)  # eight hours and a minute since the sign-in
    await operator.open(PAGE)
    assert operator.path == SIGN_IN
    await operator.sign_in(OPERATOR_KEY)
    service.clock.advance(31 * MINUTE)
    await operator.open(PAGE)
    assert operator.path == SIGN_IN


async def test_a_cookie_that_was_tampered_with_is_no_session(operator: Person, service: RunningService) -> None:
    await operator.sign_in(OPERATOR_KEY)
    [cookie] = operator.cookies
    began, seen, nonce, holder, mac = cookie.value.split(".")
    later = f"{int(seen, 16) + 600:x}"
    for value in (
        f"{began}.{later}.{nonce}.{holder}.{mac}", f"{began}.{seen}.{nonce}.{holder}.{mac[:-1]}0x",
        f"{began}.{seen}.{nonce}.1-1.{mac}", f"{began}.{seen}.{nonce}.{mac}", f"{began}.{seen}.{nonce}", "", ".....",
        f"{began}.{seen}.{nonce}.{holder}.", "é.é.é.é.é",
    ):  # fmt: skip
        assert await operator.path_with_cookie(PAGE, value) == SIGN_IN


async def test_a_new_operator_key_ends_every_session(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> None:
    async with running_service(db, clock, data_dir, database_url) as before, a_person(before.url) as person:
        await person.sign_in(OPERATOR_KEY)
        [cookie] = person.cookies
        assert await person.path_with_cookie(PAGE, cookie.value) == PAGE
    changed = {"operator_key": "sl_op_another_key_0123456789"}
    async with (
        running_service(db, clock, data_dir, database_url, **changed) as after,
        a_person(after.url) as person,
    ):
        assert await person.path_with_cookie(PAGE, cookie.value) == SIGN_IN


async def test_every_page_carries_a_policy_without_scripts_and_is_kept_by_nobody(operator: Person) -> None:
    for path in (SIGN_IN, PAGE, HOME):
        await operator.open(path)
        assert operator.headers["Content-Security-Policy"] == POLICY
        assert "script" not in POLICY
        assert operator.headers["Cache-Control"] == "no-store"
        assert operator.headers["X-Frame-Options"] == "DENY"
        assert not re.search(r"<script|<style| style=| on\w+=", operator.text)
        if path == SIGN_IN:
            await operator.sign_in(OPERATOR_KEY)
            assert operator.path == HOME
    css = re.search(r'href="(/static/dashboard/[^"]+)"', operator.text)
    assert css
    await operator.open(css[1])
    assert operator.headers["Cache-Control"].endswith("immutable")


async def test_the_page_shows_each_row_with_its_word_and_names_what_fails_first(
    operator: Person, service: RunningService
) -> None:
    await service.sandbox.fault("app_subscriptions", code=190, times=None)
    await operator.sign_in(OPERATOR_KEY)
    await operator.open(PAGE)
    assert "Not ready yet" in operator.text  # the test's clock is not the machine's
    assert '<li><a href="#clock">Clock</a></li>' in operator.text
    assert "Not looked at: Meta does not answer to this app&#39;s token" in operator.text
    for word in ("Pass", "Warn", "Fail"):
        assert f"</span>{word}</span>" in operator.text


async def test_the_api_gives_the_operator_the_same_and_a_tenant_nothing(service: RunningService, acme: Tenant) -> None:
    report = (await service.operator.get("/admin/doctor")).json
    assert report["checkedAt"] == "2026-05-18T12:00:00Z"
    rows = {row["name"]: row for row in report["checks"]}
    assert rows["Default callback"]["verdict"] == "pass"
    assert set(rows["Public URL"]) == {"area", "name", "verdict", "said", "fix", "link"}
    assert (await acme.api.get("/admin/doctor")).status == 403
    assert (await service.operator.with_key(None).get("/admin/doctor")).status == 401


async def test_after_signing_in_one_goes_on_where_one_wanted_to_go(operator: Person) -> None:
    await operator.open(f"{PAGE}?x=1")
    assert (operator.path, unquote(operator.query)) == (SIGN_IN, "next=/dashboard/doctor?x=1")
    await operator.press("/sign-in", key=OPERATOR_KEY, next="/dashboard/doctor?x=1")
    assert (operator.path, operator.query) == (PAGE, "x=1")


@pytest.mark.parametrize(
    "place",
    ["https://evil.example.com", "//evil.example.com", "/\\evil", "/dashboard//evil", "/dashboard/../admin", "x"],
)
async def test_a_sign_in_leads_nowhere_else(operator: Person, place: str) -> None:
    await operator.open(SIGN_IN)
    await operator.press("/sign-in", key=OPERATOR_KEY, next=place)
    assert operator.path == HOME


async def test_those_who_look_at_the_same_time_share_one_examination(service: RunningService) -> None:
    await service.sandbox.forget_calls()
    replies = await asyncio.gather(*(service.operator.get("/admin/doctor") for _ in range(5)))
    assert {reply.status for reply in replies} == {200}
    assert len(await service.sandbox.calls("app_permissions")) == 1


async def test_somebody_who_goes_away_does_not_end_the_examination_for_the_others(service: RunningService) -> None:
    await service.sandbox.hold("app_permissions")
    waiting = asyncio.create_task(service.operator.get("/admin/doctor"))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as hasty:
        with contextlib.suppress(TimeoutError):
            key = {"Authorization": f"Bearer {OPERATOR_KEY}"}
            await hasty.get(f"{service.url}/admin/doctor", headers=key)
    await service.sandbox.let_go("app_permissions")
    assert (await waiting).json["verdict"] == "fail"
