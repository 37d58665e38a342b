"""What browser tests ask for: one Chromium for all of them, people with browsers of their own, and a scene at work.

Everything here lives in the session's event loop, since the browser does; a test says so by its `pytestmark`.
"""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import FILE_NAME
from tests.e2e.certificate import self_signed
from tests.e2e.person import SLOW_MS, Person
from tests.e2e.scene import Scene, staged
from tests.e2e.stage import Stage
from tests.support.chromium import running_chromium

expect.set_options(timeout=SLOW_MS)
NewPerson = Callable[..., Awaitable[Person]]
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "user_agent": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Mobile Safari/537.36",
    "is_mobile": True,
    "has_touch": True,
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser of all these tests; people are told apart by its contexts."""
    async with running_chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def scene(clock: ManualClock, data_dir: Path, sqlite_template: Path) -> AsyncIterator[Scene]:
    """The scene on SQLite, by http on loopback: cookies without `__Host-` and Secure."""
    shutil.copy(sqlite_template / FILE_NAME, data_dir / FILE_NAME)
    async with staged(clock, data_dir) as at_work:
        yield at_work


@pytest_asyncio.fixture(loop_scope="session")
async def any_scene(clock: ManualClock, data_dir: Path, database_url: str | None) -> AsyncIterator[Scene]:
    """The same, once on each database."""
    async with staged(clock, data_dir, database_url) as at_work:
        yield at_work


@pytest_asyncio.fixture(loop_scope="session")
async def secure_scene(
    clock: ManualClock, data_dir: Path, sqlite_template: Path, tmp_path: Path
) -> AsyncIterator[Scene]:
    """The scene by https, as in production: `__Host-` cookies with Secure."""
    shutil.copy(sqlite_template / FILE_NAME, data_dir / FILE_NAME)
    async with staged(clock, data_dir, tls=self_signed(tmp_path)) as at_work:
        yield at_work


@pytest_asyncio.fixture(loop_scope="session")
async def new_person(chromium: Browser, request: pytest.FixtureRequest) -> AsyncIterator[NewPerson]:
    """Makes people; at the end none of their browsers may have complained of a page."""
    people: list[Person] = []
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")

    async def make(**how: Any) -> Person:
        context = await chromium.new_context(ignore_https_errors=True, **how)
        album = test if not people else f"{test}/person-{len(people) + 1}"
        person = await Person.of(context, album)
        people.append(person)
        return person

    yield make
    for person in people:
        await person.context.close()
    assert [complaint for person in people for complaint in person.complaints] == []


@pytest_asyncio.fixture(loop_scope="session")
async def person(new_person: NewPerson) -> Person:
    """Somebody at a desk."""
    return await new_person(viewport={"width": 1280, "height": 900})


@pytest_asyncio.fixture(loop_scope="session")
async def person_on_a_phone(new_person: NewPerson) -> Person:
    """Somebody with a phone: the full-page way."""
    return await new_person(**PHONE)


@pytest_asyncio.fixture(loop_scope="session")
async def stage(chromium: Browser) -> AsyncIterator[Stage]:
    """A phone's browser on pages from memory, which must not have had an error at the end."""
    context = await chromium.new_context(viewport={"width": 390, "height": 844})
    stage = Stage(context)
    await context.route("**/*", stage.answer)
    yield stage
    await context.close()
    assert stage.complaints == []
