"""Where a browser may be sent, and how the parameters are signed."""

import hashlib
import hmac
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.core.clock import MINUTE, SECOND
from setuplinks.tenants.redirects import RedirectRefused, check_redirect, check_rule, signed_redirect, verify

NOW = 1_779_105_600 * SECOND
KEY, FORMER = b"rk_current", b"rk_former"


@pytest.mark.parametrize(
    ("url", "rules", "loopback"),
    [
        ("https://your-app.com/onboarding/success", [], False),
        ("https://your-app.com:8443/a?b=c#d", [], False),
        ("HTTPS://Your-App.com/", ["your-app.com"], False),
        ("https://a.b.your-app.com/", ["*.your-app.com"], False),
        ("https://your-app.com:3000/", ["your-app.com"], False),
        ("http://localhost:3000/done", [], True),
        ("http://127.0.0.1/done", ["your-app.com"], True),
        ("http://[::1]:3000/", [], True),
        ("http://app.localhost:3000/", [], True),
        ("http://localhost:3000/done", ["http://localhost:3000"], False),
        ("http://localhost:4000/done", ["http://localhost"], False),
        ("myapp://onboarding/done", ["myapp:"], False),
        ("com.acme.app:/done", ["com.acme.app:"], False),
        ("https://xn--clnica-2va.example/", [], False),
        ("https://example.com/%C3%AD?q=%20", [], False),
        ("https://example.com/í", [], False),
        ("https://example.com/" + "a" * 2000, [], False),
    ],
)
def test_a_good_url_is_taken(url: str, rules: list[str], loopback: bool) -> None:
    check_redirect(url, rules, loopback=loopback)
    assert verify(signed_redirect(url, {"status": "success"}, [KEY], NOW), KEY, NOW)


@pytest.mark.parametrize(
    ("url", "rules", "loopback"),
    [
        ("javascript:alert(1)", [], True),
        ("JavaScript:alert(1)", ["javascript:"], True),
        (" javascript:alert(1)", [], True),
        ("java\tscript:alert(1)", [], True),
        ("data:text/html,x", ["data:"], True),
        ("vbscript:x", ["vbscript:"], True),
        ("file:///etc/passwd", ["file:"], True),
        ("blob:https://a.example/x", ["blob:"], True),
        ("intent://x#Intent;end", ["intent:"], True),
        ("//your-app.com/", [], True),
        ("/onboarding", [], True),
        ("your-app.com", [], True),
        ("", [], True),
        ("https:", [], True),
        ("https://", [], True),
        ("https:///path", [], True),
        ("https:/your-app.com", [], True),
        ("https://user@your-app.com/", [], True),
        ("https://user:pw@your-app.com/", [], True),
        ("https://@your-app.com/", [], True),
        ("https://your-app.com\\@evil.example/", [], True),
        ("https://your-app.com\n.evil.example/", [], True),
        ("https://your-app.com/a b", [], True),
        ("https://your-app.com/\x00", [], True),
        ("https://your-app.com/%zz", [], True),
        ("https://your-app.com:99999/", [], True),
        ("https://your-app.com:abc/", [], True),
        ("https://your-app.com:22/", [], True),
        ("https://[::1/", [], True),
        ("https://[zz]/", [], True),
        ("https://clínica.example/", [], True),
        ("https://a..example/", [], True),
        ("https://0x7f.1/", [], True),
        ("https://127.1/", [], True),
        ("https://example.com/" + "a" * 2050, [], True),
        ("https://evil.example/", ["your-app.com"], True),
        ("https://your-app.com.evil.example/", ["your-app.com"], True),
        ("https://evilyour-app.com/", ["*.your-app.com"], True),
        ("https://your-app.com/", ["*.your-app.com"], True),
        ("https://a.your-app.com/", ["your-app.com"], True),
        ("http://your-app.com/", [], True),
        ("http://your-app.com/", ["your-app.com"], True),
        ("http://localhost:3000/", [], False),
        ("http://localhost:3000/", ["http://localhost:4000"], False),
        ("http://127.0.0.1.evil.example/", [], True),
        ("myapp://done", [], True),
        ("other://done", ["myapp:"], True),
        ("myapp://user@done", ["myapp:"], True),
    ],
)
def test_a_bad_url_is_refused(url: str, rules: list[str], loopback: bool) -> None:
    with pytest.raises(RedirectRefused) as caught:
        check_redirect(url, rules, loopback=loopback)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("rule", "stored"),
    [
        ("your-app.com", "your-app.com"),
        ("Your-App.COM", "your-app.com"),
        ("*.your-app.com", "*.your-app.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://LOCALHOST/", "http://localhost"),
        ("MyApp:", "myapp:"),
    ],
)
def test_a_host_rule_is_stored_in_one_spelling(rule: str, stored: str) -> None:
    assert check_rule(rule) == stored


@pytest.mark.parametrize(
    "rule",
    [
        "", "*", "*.", "*.com", "https://your-app.com", "http://", "http://a/b", "http://u@a", "http://a:1",
        "javascript:", "https:", "http:", "data:", "x:", ":", "a b", "a/b", "your-app.com:443", "**.a.b", "http://a?x",
        "http://a#x", "clínica.es",
    ],
)  # fmt: skip
def test_a_rule_of_another_shape_is_refused(rule: str) -> None:
    with pytest.raises(RedirectRefused) as caught:
        check_rule(rule)
    assert str(caught.value)


def test_parameters_are_appended_and_the_tenants_own_and_fragment_stay() -> None:
    url = signed_redirect(
        "https://your-app.com/done?plan=a%20b&x&status=old&ts=1&sig=&empty=#part",
        {"status": "success", "waba_id": "524", "state": None},
        [KEY],
        NOW,
    )
    parts = urlsplit(url)
    assert parts.fragment == "part"
    assert parts.query.startswith("plan=a%20b&x&empty=&status=success&waba_id=524&ts=1779105600&sig=")
    assert [name for name, _ in parse_qsl(parts.query)].count("status") == 1
    assert "state" not in parts.query


def test_the_signature_is_the_hmac_of_the_sorted_encoded_parameters() -> None:
    params = {"status": "success", "phone_number_id": "106,107", "state": "a b+c/ñ&=~", "external_id": "clinic_001"}
    url = signed_redirect("https://your-app.com/done?own=1", params, [KEY], NOW)
    signed = {**params, "ts": "1779105600"}
    text = "&".join(f"{name}={quote(signed[name], safe='-._~')}" for name in sorted(signed))
    given_ = dict(parse_qsl(urlsplit(url).query))
    assert given_["sig"] == hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
    assert {name: given_[name] for name in signed} == signed


def test_during_a_rotation_either_key_verifies() -> None:
    url = signed_redirect("https://your-app.com/", {"status": "success"}, [KEY, FORMER], NOW)
    assert [verify(url, key, NOW) for key in (KEY, FORMER, b"other")] == [True, True, False]
    assert len(dict(parse_qsl(urlsplit(url).query))["sig"].split(",")) == 2


def test_a_redirect_is_refused_after_ten_minutes_and_when_changed() -> None:
    url = signed_redirect("https://your-app.com/", {"status": "failed", "error_code": "cancelled"}, [KEY], NOW)
    assert verify(url, KEY, NOW + 10 * MINUTE)
    assert not verify(url, KEY, NOW + 10 * MINUTE + SECOND)
    assert not verify(url.replace("failed", "success"), KEY, NOW)
    assert not verify(url + "&waba_id=1", KEY, NOW)
    assert not verify("https://your-app.com/?status=success", KEY, NOW)


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("myapp://done", "myapp://done?status="),
        ("myapp:done?x=1", "myapp:done?x=1&status="),
        ("myapp:///done#f", "myapp:///done?status="),
        ("com.acme.app:/done", "com.acme.app:/done?status="),
        ("https://your-app.com", "https://your-app.com?status="),
        ("https://your-app.com/í?ñ=1", "https://your-app.com/%C3%AD?%C3%B1=1&status="),
    ],
)
def test_app_schemes_and_other_scripts_keep_their_shape(url: str, start: str) -> None:
    built = signed_redirect(url, {"status": "success"}, [KEY], NOW)
    assert built.startswith(start)
    assert built.isascii()


@given(st.dictionaries(st.sampled_from(["status", "state", "external_id", "waba_id"]), st.text(max_size=30)))
def test_whatever_the_values_are_the_url_verifies_and_stays_on_its_host(params: dict[str, str]) -> None:
    cleaned = {name: value.encode("utf-8", "replace").decode() for name, value in params.items()}
    url = signed_redirect("https://your-app.com/done?own=1#f", cleaned, [KEY, FORMER], NOW)
    assert verify(url, KEY, NOW)
    assert (urlsplit(url).hostname, urlsplit(url).fragment) == ("your-app.com", "f")
    assert "\n" not in url
