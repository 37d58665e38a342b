"""Signatures, held against the Standard Webhooks package: a second reading of the same scheme."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from setuplinks.webhooks import signing

NOW = 1_779_105_600
BODY = '{"type":"setup_link.created","data":{"name":"Clínica San Lucas"}}'


def test_a_fresh_secret_is_whsec_and_32_bytes_and_never_the_same() -> None:
    one, two = signing.new_secret(), signing.new_secret()
    assert one.startswith("whsec_")
    assert len(signing.key_of(one)) == 32
    assert one != two


@given(text=st.text(max_size=200), message=st.uuids())
def test_every_body_is_signed_as_the_oracle_signs_it(text: str, message: object) -> None:
    body = text.encode("utf-8", "replace").decode()
    secret = signing.new_secret()
    oracle = Webhook(secret).sign(str(message), datetime.fromtimestamp(NOW, UTC), body)
    assert signing.sign([secret], str(message), NOW, body.encode()) == oracle


def test_the_oracle_accepts_our_headers_under_the_new_and_the_old_secret() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    now = int(time.time())
    headers = signing.headers([new, old], "01981111-0000-7000-8000-000000000000", now, BODY.encode())
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers)["type"] == "setup_link.created"
    assert len(headers["webhook-signature"].split(" ")) == 2


def test_what_we_sign_we_verify_with_any_of_the_secrets_and_any_header_case() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    headers = {k.title(): v for k, v in signing.headers([new], "evt", NOW, BODY.encode()).items()}
    signing.verify([old, new], headers, BODY.encode(), NOW + 200)
    with pytest.raises(signing.SignatureInvalid, match="no signature matches"):
        signing.verify([old], headers, BODY.encode(), NOW)


def test_garbage_beside_a_good_signature_does_not_refuse_it() -> None:
    secret = signing.new_secret()
    headers = signing.headers([secret], "evt", NOW, b"{}")
    headers["webhook-signature"] = "v1a,xx v1,%%% nonsense " + headers["webhook-signature"]
    signing.verify([secret], headers, b"{}", NOW)
    headers["webhook-signature"] = "v1,é"
    with pytest.raises(signing.SignatureInvalid):
        signing.verify([secret], headers, b"{}", NOW)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"webhook-timestamp": str(NOW - 301)}, "too old or too new"),
        ({"webhook-timestamp": str(NOW + 301)}, "too old or too new"),
        ({"webhook-timestamp": "soon"}, "not a number"),
        ({"webhook-id": ""}, "missing"),
        ({"webhook-id": "other"}, "no signature"),
    ],
)
def test_a_message_that_is_not_as_it_was_signed_is_refused(change: dict[str, str], words: str) -> None:
    secret = signing.new_secret()
    headers = signing.headers([secret], "evt", NOW, b"{}") | change
    with pytest.raises(signing.SignatureInvalid, match=words):
        signing.verify([secret], headers, b"{}", NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "plain", "whsec_%%%", "whsec_é"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="webhook secret"):
        signing.key_of(secret)
