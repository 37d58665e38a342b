"""A theme's pictures: fetched through the guard, made anew, served by us; a picture never holds up a link."""

import io

import pytest
from PIL import Image

from setuplinks.branding.images import PictureRefused, made_anew
from tests.support.service import RunningService, Tenant


def _png(width: int, height: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGBA", (width, height), (16, 185, 129, 255)).save(made, "PNG")
    return made.getvalue()


def test_a_logo_is_made_anew_as_a_png_of_our_size() -> None:
    picture = made_anew(_png(4000, 1000), "logo")
    assert picture.media_type == "image/png"
    assert Image.open(io.BytesIO(picture.body)).size == (640, 160)


def test_a_background_becomes_a_jpeg_without_what_was_hidden_in_the_file() -> None:
    hidden = _png(300, 200) + b"<script>alert(1)</script>"
    picture = made_anew(hidden, "background")
    assert picture.media_type == "image/jpeg"
    assert b"<script>" not in picture.body


@pytest.mark.parametrize("raw", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(PictureRefused, match="no PNG"):
        made_anew(raw, "logo")


async def test_a_logo_that_does_not_come_is_a_warning_of_the_link_and_the_page_goes_without(
    service: RunningService, acme: Tenant, clinic: int
) -> None:
    theme = {"logoUrl": "https://127.0.0.1:9/logo.png", "primaryColor": "#EF4444"}
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {"themeConfig": theme})
    await service.drain()
    shown = (await acme.api.get(f"/admin/setup-links/{link['id']}")).json
    assert any(warning.startswith("logoUrl: the picture is left out") for warning in shown["warnings"])
    assert len(shown["warnings"]) > 1  # the colour was repaired too
    page = await service.operator.with_key(None).get(link["url"].removeprefix(service.url))
    assert page.status == 200
    assert b"/signup/images/" not in page.body
