"""What the pages know of a browser: its cookie, whether a post is its own, and the token of a form."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from setuplinks.core.clock import DAY, MINUTE, ManualClock
from setuplinks.core.vault import KeyRing
from setuplinks.signup.browser import Browser, Browsers, device, is_phone, is_prefetch
from tests.support.instants import TEST_BEGINS
from tests.unit.test_signup_limits import _settings

LINK = "0b54c2f6-4a25-4d43-9d0b-3f0f4a1f2c11"
SECRET = "a" * 43


def _browsers(url: str = "https://links.example.com", clock: ManualClock | None = None, fill: int = 1) -> Browsers:
    return Browsers(_settings(public_url=url), KeyRing({"k1": bytes([fill]) * 32}), clock or ManualClock(TEST_BEGINS))


def _request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def test_over_https_the_cookie_is_bound_to_the_host() -> None:
    response = Response()
    _browsers().remember(response, Browser(SECRET, False))
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"__Host-setuplinks={SECRET};")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_over_http_on_loopback_it_goes_without_prefix_and_secure() -> None:
    response = Response()
    _browsers("http://127.0.0.1:8080").remember(response, Browser(SECRET, False))
    assert response.headers["set-cookie"].startswith("setuplinks=")
    assert "Secure" not in response.headers["set-cookie"]


def test_a_browser_is_known_by_its_cookie_and_gets_a_fresh_secret_without_a_good_one() -> None:
    browsers = _browsers()
    assert browsers.of(_request(cookie=f"__Host-setuplinks={SECRET}")) == Browser(SECRET, True)
    for cookie in ("", "__Host-setuplinks=short", f"setuplinks={SECRET}", "__Host-setuplinks=" + "x" * 65):
        fresh = browsers.of(_request(cookie=cookie))
        assert not fresh.known
        assert len(fresh.secret) >= 43


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"origin": "https://links.example.com", "sec_fetch_site": "same-origin"}, True),
        ({"origin": "https://links.example.com"}, True),
        ({"origin": "https://links.example.com", "sec_fetch_site": "cross-site"}, False),
        ({"origin": "https://links.example.com", "sec_fetch_site": "same-site"}, False),
        ({"origin": "https://links.example.com.evil.example"}, False),
        ({"origin": "http://links.example.com"}, False),
        ({"origin": "null"}, False),
        ({"sec_fetch_site": "same-origin"}, False),
        ({}, False),
    ],
)
def test_a_post_is_our_own_only_with_the_exact_origin(headers: dict[str, str], own: bool) -> None:
    assert _browsers().is_own_post(_request(**headers)) is own


def test_a_form_token_is_good_for_its_link_for_a_day() -> None:
    clock = ManualClock(TEST_BEGINS)
    browsers = _browsers(clock=clock)
    token = browsers.form_token(LINK)
    assert browsers.token_is_good(token, LINK)
    assert not browsers.token_is_good(token, LINK.replace("0b", "0c"))
    assert not _browsers(fill=2).token_is_good(token, LINK)
    clock.advance(DAY)
    assert browsers.token_is_good(token, LINK)
    clock.advance(MINUTE)
    assert not browsers.token_is_good(token, LINK)


@pytest.mark.parametrize("token", ["", ".", "zz.zz", "-1.00", "é.é", "9" * 400 + ".x", "0x10.ab"])
def test_no_text_passes_for_a_token(token: str) -> None:
    assert not _browsers().token_is_good(token, LINK)


def test_a_token_of_the_former_master_key_is_good_after_a_rotation() -> None:
    clock = ManualClock(TEST_BEGINS)
    token = _browsers(clock=clock).form_token(LINK)
    rotated = Browsers(_settings(), KeyRing({"k2": bytes([2]) * 32, "k1": bytes([1]) * 32}), clock)
    assert rotated.token_is_good(token, LINK)


@pytest.mark.parametrize(
    ("agent", "words", "phone"),
    [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1",
            "phone, Safari",
            True,
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "phone, Chrome", True),
        ("Mozilla/5.0 (iPad; CPU OS 18_0) CriOS/140 Safari", "tablet, Chrome", True),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "computer, Edge", False),
        ("", "computer", False),
    ],
)
def test_a_device_is_named_in_two_words(agent: str, words: str, phone: bool) -> None:
    request = _request(user_agent=agent)
    assert device(request) == words
    assert is_phone(request) is phone


@pytest.mark.parametrize(
    "headers", [{"sec_purpose": "prefetch;prerender"}, {"purpose": "prefetch"}, {"x_moz": "prefetch"}]
)
def test_a_browser_that_loads_ahead_is_no_person(headers: dict[str, str]) -> None:
    assert is_prefetch(_request(**headers))
    assert not is_prefetch(_request(user_agent="x"))
