"""Files: upload, what Meta knows of one, delete (contract 3.8)."""

import hashlib

from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import bad_parameter
from setuplinks.sandbox.world import Media, Number, Token

URL_LIVES = 300  # seconds
KEPT = 1_000


async def upload(call: GraphCall, _token: Token, number: Number) -> Answer:
    if call.text("messaging_product") != "whatsapp":
        raise bad_parameter("The parameter messaging_product is required.")
    file, kind = call.params.get("file"), call.text("type")
    if not isinstance(file, tuple):
        raise bad_parameter("The parameter file is required.")
    content = file[1]
    world = call.world
    made = Media(world.next_id("18"), number, kind or file[0], hashlib.sha256(content).hexdigest(), len(content))
    world.media[made.id] = made
    while len(world.media) > KEPT:
        del world.media[next(iter(world.media))]
    return {"id": made.id}


async def read(call: GraphCall, file: Media) -> Answer:
    """The address names the moment at which it ends; nothing is served there, for the content is not kept."""
    ends = int(call.world.clock.now()) + URL_LIVES
    return {
        "messaging_product": "whatsapp",
        "url": f"{call.base_url}/media?mid={file.id}&ext={ends}",
        "mime_type": file.mime_type,
        "sha256": file.sha256,
        "file_size": str(file.size),  # a text in Meta's OpenAPI
        "id": file.id,
    }


async def delete(call: GraphCall, file: Media) -> Answer:
    del call.world.media[file.id]
    return {"success": True}
