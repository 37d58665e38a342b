"""The whole examination: every part at once, each with a time of its own, so that nothing that hangs holds up the rest.

It changes nothing, neither here nor at Meta, and no row holds a secret.
"""

import asyncio
import logging
from collections.abc import Awaitable
from ipaddress import ip_network

import aiohttp

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.logs import act
from setuplinks.core.outbound.client import Outbound
from setuplinks.core.problems import Problem
from setuplinks.doctor import storage
from setuplinks.doctor.hosts import of_hosts
from setuplinks.doctor.installation import of_settings, wrong_settings
from setuplinks.doctor.meta_app import AppChecks
from setuplinks.doctor.models import Area, Check, Report
from setuplinks.doctor.public_address import of_public_address
from setuplinks.doctor.resolving import UnjoinedResolver
from setuplinks.doctor.work import of_work
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.meta.transport import Timeouts
from setuplinks.settings import Settings, SettingsInvalid

PART_SECONDS = 8.0  # the command and the page promise an answer within 10
CALL_SECONDS, CONNECT_SECONDS = 6.0, 4.0
EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))  # only addresses of our own settings are asked
INSTALLATION, DATABASE, META, NOTIFICATIONS, WORK = "Installation", "Database", "Meta app", "Notifications", "Work"
ORDER = (INSTALLATION, DATABASE, META, NOTIFICATIONS, WORK)

Rows = dict[str, list[Check]]

log = logging.getLogger("setuplinks.doctor")


def without_settings(invalid: SettingsInvalid, clock: Clock) -> Report:
    """Where settings are missing or wrong nothing else can be looked at."""
    return Report(clock.now(), (Area(INSTALLATION, tuple(wrong_settings(invalid))),))


async def examine(settings: Settings, clock: Clock, db: Database | None = None) -> Report:
    """All areas. `db` where the process has it open already; else it is opened for this and closed again."""
    outbound = Outbound(EVERYWHERE, total_seconds=CALL_SECONDS, resolver=UnjoinedResolver())
    times = Timeouts(connect=CONNECT_SECONDS, exchange=CALL_SECONDS, read=CALL_SECONDS, write=CALL_SECONDS)
    secret = Secret(settings.meta_app_secret.get_secret_value())
    try:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=UnjoinedResolver()), cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            graph = Graph(
                settings.meta_graph_url, settings.meta_graph_version, settings.meta_app_id, secret,
                session=session, timeouts=times, clock=clock,
            )  # fmt: skip
            found = await asyncio.gather(
                _in_time(INSTALLATION, "Public URL", _of_address(settings, outbound)),
                _in_time(DATABASE, "Database", _of_database(settings, clock, db)),
                _in_time(META, "App id and secret", _of_app(settings, graph)),
                _in_time(META, "JavaScript SDK", _of_hosts(settings, outbound, clock)),
            )
    finally:
        await outbound.close()
    rows: Rows = {INSTALLATION: of_settings(settings)}
    for part in found:
        for area, checks in part.items():
            rows.setdefault(area, []).extend(checks)
    return Report(clock.now(), tuple(Area(name, tuple(rows[name])) for name in ORDER if rows.get(name)))


async def _in_time(area: str, name: str, part: Awaitable[Rows]) -> Rows:
    """The part's rows, or one that says that they did not come."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await part
    except TimeoutError:
        return {area: [Check(name, "fail", f"no answer within {PART_SECONDS:g} seconds", "the network from here")]}
    except Exception as error:  # a fault in one part must not hide what the others found
        act(log, "doctor.part_failed", logging.ERROR, part=name, error=type(error).__name__)
        return {area: [Check(name, "fail", f"it could not be looked at ({type(error).__name__})", "our own fault")]}


async def _of_address(settings: Settings, outbound: Outbound) -> Rows:
    rows = await of_public_address(settings, outbound)
    return {
        INSTALLATION: [check for check in rows if check.name != "Callback"],
        NOTIFICATIONS: [check for check in rows if check.name == "Callback"],
    }


async def _of_database(settings: Settings, clock: Clock, db: Database | None) -> Rows:
    sqlite = settings.database_url is None
    folder = [await asyncio.to_thread(storage.data_folder, settings.data_dir)] if sqlite else []
    if db is not None:
        return {DATABASE: [*await storage.of_database(db, settings), *folder], WORK: await of_work(db, clock)}
    if (absent := storage.not_there_yet(settings)) is not None:
        return {DATABASE: [absent, *folder]}
    try:
        async with storage.opened(settings) as own:
            return await _of_database(settings, clock, own)
    except Problem as problem:
        return {DATABASE: [storage.away(settings, problem), *folder]}


async def _of_app(settings: Settings, graph: Graph) -> Rows:
    about, told = await AppChecks(settings, graph).rows()
    return {META: about, NOTIFICATIONS: told}


async def _of_hosts(settings: Settings, outbound: Outbound, clock: Clock) -> Rows:
    return {META: await of_hosts(settings, outbound, clock)}
