"""Meta's signatures, against values computed by the standard library alone."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import (
    BadSignedRequest,
    appsecret_proof,
    body_is_signed,
    body_signature,
    read_signed_request,
)

SECRET = Secret("13750c9911fec5865d01f3bd00bdf4db")
BODY = b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":"\\u00fc"}]}]}'
SECOND = 1_000_000


def hexed(message: bytes) -> str:
    return hmac.new(SECRET.reveal().encode(), message, hashlib.sha256).hexdigest()


def signed(payload: object, secret: str = SECRET.reveal()) -> str:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    encoded = base64.urlsafe_b64encode(raw).rstrip(b"=")
    mark = hmac.new(secret.encode(), encoded, hashlib.sha256).digest()
    return (base64.urlsafe_b64encode(mark).rstrip(b"=") + b"." + encoded).decode()


def test_the_proof_of_the_app_secret_is_the_tokens_hmac() -> None:
    assert appsecret_proof(SECRET, Secret("EAAtoken")) == hexed(b"EAAtoken")


def test_metas_signature_of_a_raw_body_is_known() -> None:
    header = "sha256=" + hexed(BODY)
    assert body_signature(SECRET, BODY) == header
    assert body_is_signed(SECRET, BODY, header)
    assert body_is_signed(SECRET, BODY, header.upper().replace("SHA256", "sha256"))


def test_a_body_that_was_written_again_has_another_signature() -> None:
    again = json.dumps(json.loads(BODY), ensure_ascii=False).encode()
    assert not body_is_signed(SECRET, again, body_signature(SECRET, BODY))


@pytest.mark.parametrize("header", [None, "", "sha256=", "sha1=" + "0" * 40, hexed(BODY), "sha256=\udcff", "sha256=ü"])
def test_an_odd_header_is_no_signature(header: str | None) -> None:
    assert body_is_signed(SECRET, BODY, header) is False


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_signature_fits_one_body_only(body: bytes, other: bytes) -> None:
    assert body_is_signed(SECRET, other, body_signature(SECRET, body)) is (body == other)


def test_a_signed_request_names_its_person() -> None:
    payload = {"user_id": "218471", "algorithm": "HMAC-SHA256", "issued_at": 1291836800, "expires": 1291840400}
    request = read_signed_request(SECRET, signed(payload), now=1291840000 * SECOND)
    assert (request.user_id, request.issued_at, request.expires_at) == ("218471", 1291836800, 1291840400)
    assert read_signed_request(SECRET, signed({"user_id": 218471, "algorithm": "hmac-sha256"})).user_id == "218471"


GOOD: dict[str, Any] = {"user_id": "1", "algorithm": "HMAC-SHA256", "expires": 1000}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "two parts", id="nothing"),
        pytest.param("abc", "two parts", id="no dot"),
        pytest.param(".", "two parts", id="a dot alone"),
        pytest.param("a.b", "base64url", id="no base64"),
        pytest.param("ü.b", "base64url", id="no ASCII"),
        pytest.param(signed(GOOD, "another secret"), "not this app's", id="another app's"),
        pytest.param(signed(GOOD)[:-2], "not this app's", id="cut"),
        pytest.param(signed(b"{broken"), "not JSON", id="broken JSON"),
        pytest.param(signed([1]), "not an object", id="a list"),
        pytest.param(signed({**GOOD, "algorithm": "none"}), "algorithm", id="another algorithm"),
        pytest.param(signed({"user_id": "1"}), "algorithm", id="no algorithm"),
        pytest.param(signed({**GOOD, "user_id": ""}), "no user", id="no person"),
        pytest.param(signed({**GOOD, "user_id": True}), "no user", id="an odd person"),
        pytest.param(signed({**GOOD, "expires": 999}), "expired", id="expired"),
        pytest.param("a." * 9000, "too long", id="too long"),
    ],
)
def test_a_signed_request_that_is_not_metas_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadSignedRequest, match=reason):
        read_signed_request(SECRET, text, now=1000 * SECOND)
