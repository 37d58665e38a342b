"""Ids and secrets that are made before the write."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from setuplinks.core import ids


@given(st.integers(0, 2**47 * 1_000))
def test_a_uuid7_tells_its_instant_to_the_millisecond(now: int) -> None:
    text = ids.uuid7(now)
    assert uuid.UUID(text).version == 7
    assert ids.instant_of(text) == now // 1_000 * 1_000


def test_uuid7s_of_one_millisecond_stand_in_their_order() -> None:
    made = [ids.uuid7(1_779_105_600_000_000) for _ in range(10_000)]  # more than the 12 bits within one ms can count
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert ids.instant_of(made[-1]) - ids.instant_of(made[0]) <= 3_000


def test_a_links_secret_is_26_characters_that_nobody_misreads() -> None:
    secrets = [ids.crockford(130) for _ in range(200)]
    assert {len(secret) for secret in secrets} == {26}
    assert len(set(secrets)) == 200
    assert not set("".join(secrets)) & set("ilouILOU")


def test_a_token_of_256_bits_has_43_characters() -> None:
    assert {len(ids.token(256)) for _ in range(50)} == {43}


def test_link_ids_tell_nothing() -> None:
    assert {uuid.UUID(ids.uuid4()).version for _ in range(20)} == {4}


def test_only_a_digest_of_a_secret_is_kept() -> None:
    assert ids.digest("a") != ids.digest("b")
    assert len(ids.digest("a")) == 32
