"""Ports for programs that a test starts, kills and starts again."""

import asyncio
import os
import sys

from tests.support.ports import EPHEMERAL, reserved_port


def test_a_port_is_given_once_and_never_one_of_the_kernels_own() -> None:
    ports = {reserved_port() for _ in range(20)}
    low, high = map(int, EPHEMERAL.read_text().split())
    assert len(ports) == 20
    assert not [port for port in ports if low <= port <= high]


async def test_no_other_process_is_given_it_while_this_one_lives() -> None:
    mine = {reserved_port() for _ in range(20)}
    program = (
        "import os, sys; os.getpid = lambda: int(sys.argv[1]); from tests.support.ports import reserved_port;"
        "print(*(reserved_port() for _ in range(20)))"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(os.getpid()), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await other.communicate()
    theirs = {int(port) for port in out.split()}
    assert len(theirs) == 20
    assert not mine & theirs
