"""Pictures of a theme: fetched once by the server, checked, made anew, served by us.

Owns the table `theme_image`, the fetching runner and the rule what a picture may be. A picture never holds up a link:
until it is there, or when it never comes, the page goes without it.
"""

import asyncio
import hashlib
import io
import logging
import warnings as python_warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from setuplinks.core.clock import HOUR, MINUTE, Clock
from setuplinks.core.db.database import Claim, Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.outbound.client import Outbound
from setuplinks.core.problems import Problem

CHANNEL = "images"
LEASE = MINUTE
AT_ONCE = 8
LARGEST = 4_000_000  # bytes as fetched
MOST_PIXELS = 24_000_000
AGAIN_AFTER = (MINUTE, 10 * MINUTE, HOUR)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
KINDS = {"logoUrl": "logo", "backgroundImage": "background"}
LOGO_BOX = (640, 160)
BACKGROUND_BOX = (1920, 960)

ADD = (
    "INSERT INTO theme_image (tenant_id, id, url, kind, status, due_at, created_at) "
    "VALUES ($1, $2, $3, $4, 'wanted', $5, $5) ON CONFLICT (tenant_id, id) DO NOTHING"
)
FORGET = "DELETE FROM theme_image WHERE tenant_id = $1"
FIND = "SELECT media_type, body FROM theme_image WHERE tenant_id = $1 AND id = $2 AND status = 'ready'"
FAILED = "SELECT url, kind, error FROM theme_image WHERE tenant_id = $1 AND status = 'failed' AND url IN ($2, $3)"
_TAKE = "UPDATE theme_image SET lease_until = $2, tries = tries + 1 WHERE (tenant_id, id) IN ("
_PICK = (
    "SELECT tenant_id, id FROM theme_image "
    "WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) ORDER BY due_at LIMIT $3"
)
CLAIM = Claim(
    sqlite=(f"{_TAKE}{_PICK}) RETURNING *",),
    postgres=f"{_TAKE}{_PICK} FOR UPDATE SKIP LOCKED) RETURNING *",
)
READY = (
    "UPDATE theme_image SET status = 'ready', media_type = $3, body = $4, fetched_at = $5, due_at = NULL, "
    "lease_until = NULL, error = NULL WHERE tenant_id = $1 AND id = $2"
)
LATER = (
    "UPDATE theme_image SET status = $3, error = $4, due_at = $5, lease_until = NULL WHERE tenant_id = $1 AND id = $2"
)

log = logging.getLogger("setuplinks.images")


class PictureRefused(ValueError):
    """The bytes are no picture that we show; the message says why."""


class Reads(Protocol):
    """A unit or the database."""

    async def few(self, sql: str, *params: object) -> list[Row]:
        """All rows of a short list."""
        ...


@dataclass(frozen=True)
class Picture:
    """A picture as we serve it."""

    media_type: str
    body: bytes


def image_id(url: str, kind: str) -> str:
    """The picture's id at its tenant: the same URL in the same place is fetched once."""
    return hashlib.sha256(f"{kind}|{url}".encode()).hexdigest()[:32]


def want(tx: Unit, tenant_id: int, theme: Mapping[str, str], now: int) -> None:
    """Notes the theme's pictures, to be fetched by a worker; those that are known already are left alone."""
    for key, kind in KINDS.items():
        url = theme.get(key)
        if url:
            tx.add(ADD, tenant_id, image_id(url, kind), url, kind, now)
            tx.wake(CHANNEL)


def forget(tx: Unit, tenant_id: int) -> None:
    """Erases all pictures of a tenant that leaves."""
    tx.add(FORGET, tenant_id)


async def warnings(db: Reads, tenant_id: int, theme: Mapping[str, str]) -> list[str]:
    """What is to be said of the theme's pictures that did not come."""
    urls = [theme.get(key, "") for key in KINDS]
    if not any(urls):
        return []
    names = {kind: key for key, kind in KINDS.items()}
    rows = await db.few(FAILED, tenant_id, *urls)
    return [f"{names[row['kind']]}: the picture is left out: {row['error']}" for row in rows]


class ImageRunner:
    """Fetches what is wanted; one of the worker's runners."""

    name = "images"
    channel = CHANNEL

    def __init__(self, db: Database, clock: Clock, outbound: Outbound) -> None:
        self._db, self._clock, self._outbound = db, clock, outbound
        self._decoding = asyncio.Lock()  # one at a time: a picture of 24 million points takes some 300 MB

    async def run_once(self) -> int:
        """Takes what is due, at most `AT_ONCE`; how many were taken."""
        now = self._clock.now()
        rows = await self._db.claim(CLAIM, now, now + LEASE, AT_ONCE)
        await asyncio.gather(*(self._fetch(row) for row in rows))
        return len(rows)

    async def _fetch(self, row: Row) -> None:
        key = (row["tenant_id"], row["id"])
        answer = await self._outbound.fetch(row["url"], LARGEST)
        error = None
        if answer.failure is not None:
            error = answer.failure.words
        elif answer.status != 200:
            error = f"the server answered {answer.status}"
        else:
            try:
                async with self._decoding:
                    picture = await asyncio.to_thread(made_anew, answer.body, row["kind"])
            except PictureRefused as refused:
                error = str(refused)
        now = self._clock.now()
        try:
            async with self._db.transaction() as tx:
                if error is None:
                    tx.add(READY, *key, picture.media_type, picture.body, now)
                else:
                    wait = AGAIN_AFTER[row["tries"] - 1] if row["tries"] <= len(AGAIN_AFTER) else None
                    tx.add(LATER, *key, "failed", error, None if wait is None else now + wait)
        except Problem as problem:
            act(log, "image.put_off", logging.WARNING, image=row["id"], why=problem.code)
            return
        act(log, "image.fetched", image=row["id"], tenant=row["tenant_id"], kind=row["kind"], error=error)


def made_anew(raw: bytes, kind: str) -> Picture:
    """The picture, decoded and encoded again, so that nothing but its pixels is passed on. Raises PictureRefused.

    `kind` is logo (PNG, at most 640 × 160) or background (JPEG, at most 1920 × 960).
    """
    from PIL import Image, ImageOps  # noqa: PLC0415 - costs start time

    # A GIF's frame may be larger than the picture says; Pillow refuses twice this, and only warns before.
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2
    python_warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise PictureRefused("the picture has too many pixels")
            upright = ImageOps.exif_transpose(opened)
            picture = upright.convert("RGBA" if kind == "logo" else "RGB")
    except PictureRefused:
        raise
    except Exception:  # the decoders fail in every way there is: struct.error, KeyError, EOFError, TypeError …
        raise PictureRefused("it is no PNG, JPEG, WebP or GIF picture") from None
    picture.thumbnail(LOGO_BOX if kind == "logo" else BACKGROUND_BOX)
    made = io.BytesIO()
    if kind == "logo":
        picture.save(made, "PNG", optimize=True)
        return Picture("image/png", made.getvalue())
    picture.save(made, "JPEG", quality=80, optimize=True, progressive=True)
    return Picture("image/jpeg", made.getvalue())
