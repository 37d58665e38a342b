"""Renders the sandbox's templates and serves its few static files, read once."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

HERE = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
STATIC = {path.name: path.read_bytes() for path in (HERE / "static").iterdir() if path.is_file()}
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


def render(name: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    page = TEMPLATES.get_template(name).render(**values)
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})


async def static_file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return Response("no such file", 404)
    return Response(STATIC[name], headers={"Cache-Control": "no-store"}, media_type=TYPES.get(Path(name).suffix))
