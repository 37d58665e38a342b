"""`setuplinks walk`: plays one customer and prints where the browser would go, as one JSON object."""

import asyncio
import json

import typer

from setuplinks.walk import WalkStopped, Wishes, walk


def run(link_url: str, wishes: Wishes) -> int:
    """Prints `finalUrl` (null where no redirect leaves) and `page` to standard output; the exit code."""
    why = None
    try:
        walked = asyncio.run(walk(link_url, wishes))
        final_url, page = walked.final_url, walked.page or None
        if final_url is None:
            why = f"the walk ended on the page {page}, which leads nowhere by itself"
    except WalkStopped as stopped:
        final_url, page, why = None, stopped.page, str(stopped)
    if why is not None:
        typer.echo(f"setuplinks walk: {why}", err=True)
    typer.echo(json.dumps({"finalUrl": final_url, "page": page}, ensure_ascii=False))
    return 0 if final_url is not None else 1
