"""What the gateway is measured beside: Meta at no cost, a plain aiohttp reverse proxy, nginx. Each is a process.

Owns the three and nothing of what is measured. Meta's stand-in here is a socket that answers a send at once, so that
what is left of a figure is the proxy's own; it refuses whoever does not come with a customer's token.
Run: `python -m benchmarks.proxies meta|aiohttp|nginx PORT [PORT OF META [FOLDER]]`.
"""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import cast

import aiohttp
import uvloop
from aiohttp import web

NGINX_PLACES = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
HEAD_END, CHUNKS_END = b"\r\n\r\n", b"0\r\n\r\n"
TOKEN = b"authorization: bearer eaa"
SENT = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"5491155550000","wa_id":"5491155550000"}],'
    b'"messages":[{"id":"wamid.HBgNNTQ5MTE1NTU1MDAwMBUCABEYEjlBM0NBNUI3RDQ2RjhCMUMyRAA="}]}'
)
REFUSED = b'{"error":{"message":"Invalid OAuth access token","type":"OAuthException","code":190,"fbtrace_id":"A1b2"}}'
HEADERS = (
    b"Content-Type: application/json; charset=UTF-8\r\nx-fb-request-id: A1b2C3d4\r\nx-fb-trace-id: E5f6G7h8\r\n"
    b'X-App-Usage: {"call_count":1,"total_cputime":1,"total_time":1}\r\nfacebook-api-version: v23.0\r\n'
)
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  upstream meta {{ server 127.0.0.1:{meta}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://meta; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def nginx() -> str | None:
    """Where nginx is on this machine; Debian keeps it out of most people's PATH."""
    return shutil.which("nginx", path=NGINX_PLACES)


def _answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, HEADERS, len(body), body)


class _Meta(asyncio.Protocol):
    """Answers every whole request at once."""

    ok, refused = _answer(b"200 OK", SENT), _answer(b"401 Unauthorized", REFUSED)

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for a request."""
        # uvloop's transports are not of asyncio's class, though they do the same.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers once the request is whole, whichever way its length is told."""
        self._read += data
        end = self._read.find(HEAD_END)
        if end < 0:
            return
        head = self._read[: end + 2].lower()
        length = head.find(b"content-length:")
        if length >= 0:
            whole = len(self._read) >= end + 4 + int(head[length + 15 : head.index(b"\r", length)])
        else:
            whole = b"transfer-encoding: chunked" not in head or self._read.endswith(CHUNKS_END)
        if whole and self._transport is not None:
            self._read = b""
            self._transport.write(self.ok if TOKEN in head else self.refused)
            if b"connection: close" in head:
                self._transport.close()


async def _serve_meta(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Meta, "127.0.0.1", port)
    await server.serve_forever()


class _Plain:
    """A reverse proxy as one writes it in ten minutes: whole bodies, no look at what they hold."""

    own = frozenset({"host", "connection", "content-length", "transfer-encoding", "content-encoding", "date", "server"})

    def __init__(self, meta: int) -> None:
        self._base = f"http://127.0.0.1:{meta}"

    async def serve(self, port: int) -> None:
        """Until the process ends."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

            async def passed_on(request: web.Request) -> web.Response:
                headers = {name: value for name, value in request.headers.items() if name.lower() not in self.own}
                body = await request.read()
                async with session.request(
                    request.method, self._base + request.raw_path, headers=headers, data=body
                ) as answer:
                    kept = {name: value for name, value in answer.headers.items() if name.lower() not in self.own}
                    return web.Response(body=await answer.read(), status=answer.status, headers=kept)

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", passed_on)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await asyncio.Event().wait()


def _become_nginx(port: int, meta: int, folder: Path) -> None:
    """This process becomes nginx, so that its id, its CPU and its end are the ones that were started."""
    program = nginx()
    if program is None:
        sys.exit("nginx is not on this machine")
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, meta=meta))
    os.execv(  # noqa: S606 - there is no shell to be had here
        program, [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    )


def main() -> None:
    """Reads the command line."""
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "nginx":
        _become_nginx(port, int(sys.argv[3]), Path(sys.argv[4]))
    uvloop.run(_serve_meta(port) if kind == "meta" else _Plain(int(sys.argv[3])).serve(port))


if __name__ == "__main__":
    main()
