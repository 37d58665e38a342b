"""Files: upload, what Meta knows of one, its address and what is behind it, delete (contract 3.8)."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlencode

from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from setuplinks.sandbox.graph_call import Answer, GraphCall, injected_fault
from setuplinks.sandbox.graph_errors import GraphError, bad_parameter, missing_object
from setuplinks.sandbox.media_types import LARGEST, TAKEN, kind_of
from setuplinks.sandbox.spool import PIECE, Kept
from setuplinks.sandbox.world import Media, Number, Token, Waba, World

ATTACHMENTS = "/whatsapp_business/attachments/"
URL_LIVES = 300  # seconds
KEPT = 1_000


async def upload(call: GraphCall, _token: Token, number: Number) -> Answer:
    """The part's own type counts, as at Meta; the field `type` stands in where the part has none."""
    if call.text("messaging_product") != "whatsapp":
        raise bad_parameter("The parameter messaging_product is required.")
    file = call.params.get("file")
    if not isinstance(file, UploadFile):
        raise bad_parameter("The parameter file is required.")
    mime_type = file.content_type or call.text("type") or "application/octet-stream"
    kind = kind_of(mime_type)
    if kind is None:
        raise bad_parameter(
            f"Param file must be a file with one of the following types: {', '.join(TAKEN)}. "
            f"Received file of type '{mime_type}'."
        )
    size = file.size or 0
    if size == 0 or size > LARGEST[kind]:
        raise bad_parameter(
            "Param file is empty" if size == 0 else f"Param file is too large: {kind} files go up to {LARGEST[kind]} B",
            details=f"{size} bytes of {mime_type}",
        )
    content = await call.world.spool.keep(_pieces(file.file))
    return {"id": keep(call.world, number.waba, number, mime_type, content, file.filename).id}


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece


def keep(
    world: World, waba: Waba, number: Number | None, mime_type: str, content: Kept, filename: str | None = None
) -> Media:
    """A file with an id; the oldest is forgotten where there are too many."""
    made = Media(world.next_id("18"), waba, number, mime_type, content, filename)
    world.media[made.id] = made
    while len(world.media) > KEPT:
        forget(world, next(iter(world.media.values())))
    return made


def forget(world: World, file: Media) -> None:
    world.media.pop(file.id, None)
    world.spool.drop(file.content)


def _of_that_number(call: GraphCall, file: Media) -> None:
    """`phone_number_id` makes Meta check whose file it is."""
    asked = call.text("phone_number_id")
    if asked and (file.number is None or file.number.id != asked):
        raise missing_object(file.id, call.method)


async def read(call: GraphCall, file: Media) -> Answer:
    """What Meta knows of a file, with the address to fetch it from."""
    _of_that_number(call, file)
    return {
        "messaging_product": "whatsapp",
        "url": address(call.world, call.base_url, file),
        "mime_type": file.mime_type,
        "sha256": file.content.sha256,
        "file_size": str(file.content.size),  # a text in Meta's OpenAPI
        "id": file.id,
    }


async def delete(call: GraphCall, file: Media) -> Answer:
    """Gone for good."""
    _of_that_number(call, file)
    forget(call.world, file)
    return {"success": True}


def address(world: World, base_url: str, file: Media) -> str:
    """Names the moment at which it ends; good for five minutes, and only with a token that reaches the account."""
    ends = str(int(world.clock.now()) + URL_LIVES)
    query = {"mid": file.id, "source": "getMedia", "ext": ends, "hash": _hash(world, file.id, ends)}
    return f"{base_url}{ATTACHMENTS}?{urlencode(query)}"


def _hash(world: World, media_id: str, ends: str) -> str:
    return hmac.new(world.app_secret.encode(), f"{media_id}:{ends}".encode(), hashlib.sha256).hexdigest()


async def download(call: GraphCall) -> Response:
    """The bytes. 401 without a live token, 404 where the address is over, changed, or not this token's."""
    call.name = "media_download"
    await injected_fault(call)
    token, world = call.token(), call.world
    file, ends = world.media.get(call.text("mid")), call.text("ext")
    right = _hash(world, call.text("mid"), ends).encode()
    if (
        file is None
        or not hmac.compare_digest(right, call.text("hash").encode("utf-8", "replace"))
        or world.clock.now() >= int(ends)
        or file.waba not in token.wabas
        or file.content not in world.spool
    ):
        raise GraphError(100, "The media was not found, or its address is over. Ask for a new one.", status=404)
    call.usage_id = file.waba.id
    headers = {"Content-Length": str(file.content.size), "Content-Disposition": _disposition(file)}
    return StreamingResponse(file.content.pieces(), 200, headers, media_type=file.mime_type)


def _disposition(file: Media) -> str:
    """Its name, as far as a header can carry it."""
    name = "".join(char for char in file.filename or "" if char.isascii() and char.isprintable() and char not in '"\\')
    return f'attachment; filename="{name or file.id}"'
