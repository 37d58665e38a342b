"""What a tenant may ask for: each broken rule names its field."""

import pytest

from setuplinks.core.clock import DAY, MINUTE, SECOND
from setuplinks.core.problems import Problem
from setuplinks.core.wire import decode
from setuplinks.setup_links.request import ChangedSetupLink, NewSetupLink, Wanted, changes, wanted
from setuplinks.tenants.models import Tenant

NOW = 1_779_105_600 * SECOND  # 2026-05-18T12:00:00Z


def _tenant() -> Tenant:
    given = {
        "id": 1, "name": "Acme SaaS", "status": "active", "theme": {}, "default_success_url": None,
        "default_failure_url": None, "allowed_redirect_hosts": [], "language": None, "time_zone": "UTC",
        "redirect_key": b"", "redirect_key_previous": None, "redirect_key_previous_until": None, "version": 0,
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Tenant(**{name: given[name] for name in Tenant.__struct_fields__})


def _wanted(raw: bytes) -> Wanted:
    return wanted(decode(raw, NewSetupLink), _tenant(), NOW, loopback=False)


def _field(raw: bytes) -> set[str]:
    with pytest.raises(Problem) as caught:
        _wanted(raw)
    assert caught.value.status == 422
    return set(caught.value.fields)  # type: ignore[attr-defined]


def test_an_empty_body_asks_for_seven_days_and_both_connection_types() -> None:
    asked = _wanted(b"{}")
    assert asked.expires_at == NOW + 7 * DAY
    assert asked.connection_types == ("dedicated", "coexistence")
    assert not asked.types_given
    assert asked.country_isos == []


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"successRedirectUrl": "javascript:alert(1)"}', "successRedirectUrl"),
        (b'{"failureRedirectUrl": "http://your-app.com/x"}', "failureRedirectUrl"),
        (b'{"failure_redirect_url": "//your-app.com/x"}', "failureRedirectUrl"),
        (b'{"expiresAt": "2026-05-18T11:00:00Z"}', "expiresAt"),
        (b'{"expiresAt": "2026-05-18T12:04:00Z"}', "expiresAt"),
        (b'{"expiresAt": "2026-09-01T12:00:00Z"}', "expiresAt"),
        (b'{"expiresAt": "2026-05-25T23:59:59"}', "expiresAt"),
        (b'{"allowedConnectionTypes": []}', "allowedConnectionTypes"),
        (b'{"allowedConnectionTypes": ["dedicated", "dedicated"]}', "allowedConnectionTypes"),
        (b'{"allowedConnectionTypes": ["shared"]}', "allowedConnectionTypes"),
        (b'{"phoneNumberCountryIsos": ["US", "XX"]}', "phoneNumberCountryIsos"),
        (b'{"phoneNumberCountryIsos": ["USA"]}', "phoneNumberCountryIsos"),
        (b'{"phoneNumberCountryIsos": ["EU"]}', "phoneNumberCountryIsos"),
        (b'{"language": "not a language"}', "language"),
        (b'{"state": "' + b"x" * 513 + b'"}', "state"),
        (b'{"metadata": {"x": "' + b"y" * 17_000 + b'"}}', "metadata"),
    ],
)
def test_a_broken_rule_names_its_field(raw: bytes, field: str) -> None:
    assert _field(raw) == {field}


@pytest.mark.parametrize("raw", [b'{"prefill": {"nothing": 1}}', b'{"prefill": {"business": []}}'])
def test_a_broken_prefill_names_prefill(raw: bytes) -> None:
    assert all(name.startswith("prefill") for name in _field(raw))


@pytest.mark.parametrize("colour", ["red; } body { display: none", "url(https://evil.example/x)", "expression(1)"])
def test_a_colour_that_is_css_is_refused(colour: str) -> None:
    assert all(
        name.startswith("themeConfig") for name in _field(b'{"themeConfig": {"primaryColor": "%b"}}' % colour.encode())
    )


def test_expiry_takes_five_minutes_to_ninety_days_to_the_second() -> None:
    for raw, ahead in ((b"2026-05-18T12:05:00Z", 5 * MINUTE), (b"2026-08-16T12:00:00Z", 90 * DAY)):
        assert _wanted(b'{"expiresAt": "%b"}' % raw).expires_at == NOW + ahead


def test_countries_are_kept_once_in_capitals() -> None:
    assert _wanted(b'{"phoneNumberCountryIsos": ["us", "AR", "US"]}').country_isos == ["US", "AR"]


def test_types_are_kept_in_one_order() -> None:
    asked = _wanted(b'{"allowedConnectionTypes": ["coexistence", "dedicated"]}')
    assert asked.connection_types == ("dedicated", "coexistence")
    assert asked.types_given


def test_both_spellings_are_taken() -> None:
    asked = _wanted(b'{"success_redirect_url": "https://your-app.com/x", "sync_history": true}')
    assert asked.success_url == "https://your-app.com/x"
    assert asked.sync_history


def test_a_change_leaves_alone_what_it_does_not_name_and_null_clears() -> None:
    changed = changes(
        decode(b'{"language": null, "themeConfig": null}', ChangedSetupLink), _tenant(), NOW, loopback=False
    )
    assert changed == {"language": None, "theme": {}}
    assert changes(decode(b"{}", ChangedSetupLink), _tenant(), NOW, loopback=False) == {}
