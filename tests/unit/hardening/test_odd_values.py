"""Values that lie beyond what can be stored or written again: refused or left out, never an error of ours."""

import io
from pathlib import Path

import pytest
from PIL import Image

from setuplinks.branding.images import PictureRefused, made_anew
from setuplinks.core import wire
from setuplinks.meta.payloads import PhoneNumber, TokenGrant, TokenInfo
from tests.support.instants import TEST_BEGINS
from tests.support.service import settings_for


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_time_that_has_no_year_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no such time"):
        wire.parse_instant(text)


def test_the_last_second_of_the_calendar_is_read_and_written() -> None:
    assert wire.instant(wire.parse_instant("9999-12-31T23:59:59Z")) == "9999-12-31T23:59:59Z"


@pytest.mark.parametrize("seconds", [10**18, 2**53, 253_402_300_800, -5])
def test_a_token_whose_end_no_calendar_holds_counts_as_one_without_end(seconds: int) -> None:
    grant = TokenGrant.of({"access_token": "EAAx", "expires_in": seconds})
    info = TokenInfo.of({"data": {"is_valid": True, "expires_at": seconds, "data_access_expires_at": seconds}})
    assert (grant.expires_at_us(TEST_BEGINS), info.expires_at_us, info.data_access_expires_at_us) == (None, None, None)


def test_a_name_of_metas_with_a_nul_is_storable() -> None:
    assert PhoneNumber.of({"id": "1", "verified_name": "Lucky\0Shrub"}).verified_name == "Lucky Shrub"


def test_a_gif_whose_frame_is_larger_than_the_picture_is_refused_before_it_fills_the_memory() -> None:
    made = io.BytesIO()
    Image.new("P", (20, 10)).save(made, "GIF")
    raw = bytearray(made.getvalue())
    place = raw.index(b"\x2c", 13)  # the frame: its place, width and height, two bytes each
    raw[place + 5 : place + 9] = b"\x00\x30\x00\x30"  # 12288 by 12288
    with pytest.raises(PictureRefused):
        made_anew(bytes(raw), "logo")


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://Links.Example.COM/", "https://links.example.com"),
        ("HTTPS://links.example.com:443", "https://links.example.com"),
        ("https://links.example.com:8443", "https://links.example.com:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_public_url_is_kept_as_browsers_write_an_origin(tmp_path: Path, written: str, origin: str) -> None:
    assert settings_for(written, "http://localhost:1", tmp_path, None).public_url == origin


@pytest.mark.parametrize("written", ["https://münchen.example", "https://links.example.com:99999"])
def test_a_public_url_that_no_browser_writes_so_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(ValueError, match=r"public_url"):
        settings_for(written, "http://localhost:1", tmp_path, None)
