"""The log's lines: the same text by either way, in order, and a warning at once."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from setuplinks.core.logs import JsonLines, Lines, PlainLines, Together, act

OURS = logging.getLogger("setuplinks")
LOG = logging.getLogger("setuplinks.sample")


class Hears(logging.Handler):
    """Keeps what it is given."""

    def __init__(self, heard: list[logging.LogRecord]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the record."""
        self._heard.append(record)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What our own handler writes, as JSON; the logger is as before afterwards."""
    yield from _handled(JsonLines())


@pytest.fixture
def plainly() -> Iterator[io.StringIO]:
    """The same for a person."""
    yield from _handled(PlainLines())


def _handled(lines: Lines) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = Together(stream, lines)
    assert isinstance(lines, logging.Formatter)
    handler.setFormatter(lines)
    before, level, up = OURS.handlers[:], OURS.level, OURS.propagate
    OURS.handlers[:], OURS.propagate = [handler], False
    OURS.setLevel("INFO")
    try:
        yield stream
    finally:
        OURS.handlers[:], OURS.propagate = before, up
        OURS.setLevel(level)


def test_an_act_is_written_as_one_object_without_empty_fields(written: io.StringIO) -> None:
    act(LOG, "link.opened", link="01", why=None, visits=3)
    line = json.loads(written.getvalue())
    told = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert line == {
        "level": "info", "logger": "setuplinks.sample", "message": "link.opened", "link": "01", "visits": 3
    }  # fmt: skip


def test_what_comes_by_way_of_logging_looks_the_same(written: io.StringIO) -> None:
    act(LOG, "link.opened", link="01")
    LOG.info("link.opened", extra={"fields": {"link": "01"}})
    ours, theirs = (json.loads(line) for line in written.getvalue().splitlines())
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
    assert re.fullmatch(shape, ours.pop("time"))
    assert re.fullmatch(shape, theirs.pop("time"))
    assert ours == theirs


@pytest.mark.parametrize("instant", [0.0, 1_790_000_000.0004, 1_790_000_000.9996])
def test_the_time_is_cut_to_milliseconds(instant: float) -> None:
    line = json.loads(JsonLines().line(instant, logging.INFO, "setuplinks", "x", {}))
    assert line["time"] == datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")


def test_a_person_reads_level_act_and_fields(plainly: io.StringIO) -> None:
    act(LOG, "link.opened", link="01")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} info    link\.opened link=01\n", plainly.getvalue())


def test_a_level_that_is_off_writes_nothing(written: io.StringIO) -> None:
    act(LOG, "link.opened", logging.DEBUG, link="01")
    assert written.getvalue() == ""


async def test_lines_wait_for_a_moment_and_a_warning_takes_them_along(written: io.StringIO) -> None:
    act(LOG, "first")
    LOG.info("second")
    act(LOG, "third")
    assert written.getvalue() == ""
    act(LOG, "fourth", logging.WARNING)
    assert [json.loads(line)["message"] for line in written.getvalue().splitlines()] == [
        "first", "second", "third", "fourth"
    ]  # fmt: skip


async def test_lines_are_written_without_a_warning_too(written: io.StringIO) -> None:
    act(LOG, "first")
    async with asyncio.timeout(60):
        while not written.getvalue():  # noqa: ASYNC110 - the loop's timer writes it
            await asyncio.sleep(0.005)
    assert json.loads(written.getvalue())["message"] == "first"


def test_another_handler_on_the_logger_hears_acts_as_records(written: io.StringIO) -> None:
    heard: list[logging.LogRecord] = []
    other = Hears(heard)
    LOG.addHandler(other)
    try:
        act(LOG, "link.opened", link="01")
    finally:
        LOG.removeHandler(other)
    assert [(record.getMessage(), record.__dict__["fields"]) for record in heard] == [("link.opened", {"link": "01"})]
    assert json.loads(written.getvalue())["link"] == "01"
