"""What the verbs of `number-pool` do, through the same service as the API. Meta is asked: all settings count."""

from typing import TYPE_CHECKING

from setuplinks.commands.desk import ACTOR, LATEST, done, said, show, show_all
from setuplinks.core.wire import convert
from setuplinks.number_pool import api, store
from setuplinks.number_pool.models import PoolNumber
from setuplinks.settings import load

if TYPE_CHECKING:
    from setuplinks.app import Service

COLUMNS = ("id", "number", "country", "state", "expiresAt", "setupLinkId", "warning")


def add_number(number: str, country: str | None, *, as_json: bool) -> None:
    """Adds a number. Raises Invalid, PoolNumberTaken, RefusedByMeta, MetaAway, PoolOff, SettingsInvalid."""
    given = {"number": number} if country is None else {"number": number, "country": country.upper()}
    body = convert(given, api.NewPoolNumber)

    async def act(desk: "Service") -> PoolNumber:
        return await desk.number_pool.add(body.number, body.country, ACTOR)

    _show(done(act, load()), as_json=as_json)


def list_numbers(limit: int, *, as_json: bool) -> None:
    """The pool's numbers. Raises PoolOff, SettingsInvalid."""

    async def act(desk: "Service") -> list[api.PoolNumberView]:
        desk.number_pool.need()
        rows = await desk.db.read(store.PAGE, LATEST, LATEST, limit)
        return [api.show(PoolNumber.of(row), desk.clock.now()) for row in rows]

    show_all(done(act, load()), COLUMNS, as_json=as_json, what="numbers in the pool")


def request_code(number_id: int, method: str, language: str, *, as_json: bool) -> None:
    """Has a code sent. Raises Invalid, NotFound, PoolNumberBusy, RefusedByMeta, MetaAway, PoolOff, SettingsInvalid."""
    wish = convert({"method": method, "language": language}, api.CodeWish)

    async def act(desk: "Service") -> PoolNumber:
        return await desk.number_pool.request_code(number_id, wish.method, wish.language, ACTOR)

    _show(done(act, load()), as_json=as_json)


def verify_code(number_id: int, code: str, *, as_json: bool) -> None:
    """Hands in a code. Raises Invalid, NotFound, PoolNumberBusy, RefusedByMeta, MetaAway, PoolOff, SettingsInvalid."""

    async def act(desk: "Service") -> PoolNumber:
        return await desk.number_pool.verify_code(number_id, code, ACTOR)

    _show(done(act, load()), as_json=as_json)


def remove_number(number_id: int) -> None:
    """Takes a number out of the pool. Raises NotFound, PoolNumberBusy, PoolOff, SettingsInvalid."""

    async def act(desk: "Service") -> None:
        await desk.db.unit(desk.number_pool.remove, number_id, ACTOR)

    done(act, load())
    said(f"Number {number_id} is out of the pool. At Meta it stays in your portfolio.")


def _show(number: PoolNumber, *, as_json: bool) -> None:
    show(api.show(number, number.updated_at), as_json=as_json)
