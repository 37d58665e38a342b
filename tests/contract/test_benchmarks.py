"""The benchmarks' table on made-up figures, and that the bare handlers are a fair yardstick. Nothing is timed here."""

import json
import re
from pathlib import Path

import aiohttp
import pytest

from benchmarks import gateway, table
from benchmarks.bare import Bare
from benchmarks.table import Round, Row
from setuplinks.core.clock import ManualClock
from setuplinks.core.db.open import FILE_NAME
from setuplinks.core.db.sqlite import SqliteDatabase
from setuplinks.core.db.unit import Row as DatabaseRow
from setuplinks.core.db.unit import Write
from setuplinks.migrations.apply import migrate
from tests.support.service import running_service


def rounds(*rates: float, time: float = 0.01) -> list[Round]:
    return [Round(rate, (time,) * 10, cpu=0.002) for rate in rates]


def test_a_ratio_is_the_median_of_pairs_and_not_of_sums() -> None:
    ours, bare = rounds(800, 80, 790), rounds(1000, 100, 1000)
    assert table.ratio(ours, bare) == pytest.approx(0.8)


@pytest.mark.parametrize(("rate", "verdict", "code"), [(700, "ok", 0), (690, "MISS", 1)])
def test_a_ratio_below_its_limit_fails_the_run(rate: float, verdict: str, code: int) -> None:
    rows = table.compared("create", "SQLite", rounds(rate), rounds(1000), at_least=0.7, rate=100)
    assert (rows[0].verdict, table.exit_code(rows)) == (verdict, code)


def test_absolute_rates_and_times_are_shown_and_decide_nothing() -> None:
    slow = rounds(9, time=0.5)
    rows = table.compared("create", "SQLite", slow, rounds(10), at_least=0.7, rate=1_800, p99_ms=60)
    assert [row.verdict for row in rows] == ["ok", "below"]
    assert rows[1].figure == "9/s, p50 500 ms, p99 500 ms, CPU 200 µs (bare 200)"
    assert table.exit_code(rows) == 0


def test_the_whole_signup_is_a_guide() -> None:
    rows = table.flows("SQLite", 40, [0.3] * 100)
    assert [row.verdict for row in rows] == ["below", "below"]
    assert table.exit_code(rows) == 0


@pytest.mark.parametrize(("seconds", "megabytes", "code"), [(1.2, 90.0, 0), (1.6, 90.0, 1), (1.2, 130.0, 1)])
def test_a_slow_start_or_a_large_memory_fails_the_run(seconds: float, megabytes: float, code: int) -> None:
    rows = table.cold("SQLite", [seconds, 9.0, 0.1], [megabytes, 400.0, 1.0])
    assert table.exit_code(rows) == code


def test_a_route_that_slows_down_on_large_tables_fails_the_run() -> None:
    kept = table.kept("create", "PostgreSQL", rounds(850), rounds(1000), 1_000_000)
    lost = table.kept("create", "PostgreSQL", rounds(750), rounds(1000), 1_000_000)
    assert (table.exit_code([kept]), table.exit_code([kept, lost])) == (0, 1)


def through(gateway_rate: float, gateway_time: float) -> list[Row]:
    """The gateway's rows: alone each way takes so long, with others it manages so many."""
    alone = {"gateway": rounds(1, time=gateway_time), "aiohttp": rounds(1, time=0.0005), "Meta": rounds(1, time=0.0001)}
    return gateway.rows("SQLite", alone, {"gateway": rounds(gateway_rate), "aiohttp": rounds(1000)})


@pytest.mark.parametrize(("rate", "time", "code"), [(510, 0.0015, 0), (490, 0.0015, 1), (510, 0.0017, 1)])
def test_a_gateway_that_adds_too_much_fails_the_run(rate: float, time: float, code: int) -> None:
    assert table.exit_code(through(rate, time)) == code


def test_what_the_gateway_adds_is_told_without_metas_own_time() -> None:
    adds, _, absolute = through(700, 0.0012)
    assert adds.figure == "p50 1.10 ms (p50 of aiohttp 0.40)"
    assert absolute.limit == "nginx is not here"


def test_the_table_has_each_row_beside_its_limit_and_verdict() -> None:
    text = table.drawn([Row("create", "SQLite", "0.65", ">= 0.7", False, "deciding")])
    assert re.split(" {2,}", text.splitlines()[1]) == ["create", "SQLite", "0.65", ">= 0.7", "MISS"]


def test_a_percentile_is_a_time_that_was_measured() -> None:
    times = [number / 100 for number in range(100)]
    assert (table.percentile(times, 0.5), table.percentile(times, 0.99)) == (0.5, 0.99)


class Recording(SqliteDatabase):
    """SQLite that remembers every text that it was asked to run."""

    def __init__(self, path: Path, lock: int | None) -> None:
        super().__init__(path, lock)
        self.texts: list[str] = []

    async def one(self, sql: str, *params: object) -> DatabaseRow | None:
        self.texts.append(sql)
        return await super().one(sql, *params)

    async def few(self, sql: str, *params: object) -> list[DatabaseRow]:
        self.texts.append(sql)
        return await super().few(sql, *params)

    async def _commit(self, writes: list[Write]) -> None:
        self.texts += [write.sql for write in writes]
        await super()._commit(writes)


async def test_the_bare_handlers_send_the_services_own_statements(tmp_path: Path, clock: ManualClock) -> None:
    await migrate(None, tmp_path)
    db = Recording(tmp_path / FILE_NAME, None)
    async with running_service(db, clock, tmp_path) as service:
        acme = await service.new_tenant("Acme SaaS")
        await acme.api.made(f"/admin/tenants/{acme.id}/webhook-endpoints", {"url": "http://127.0.0.1:9/hooks"})
        clinic = (await acme.api.made(f"/admin/tenants/{acme.id}/customers", {"name": "Clínica"}))["id"]
        asked = {"successRedirectUrl": "https://a.example/done", "failureRedirectUrl": "https://a.example/failed"}
        headers = {"Authorization": f"Bearer {acme.key}"}
        path = f"{service.url}/admin/customers/{clinic}/setup-links"
        async with aiohttp.ClientSession() as session:
            for key in ("first", "second"):
                db.texts.clear()
                async with session.post(path, json=asked, headers={**headers, "Idempotency-Key": key}) as made:
                    assert made.status == 201
                    link = await made.json()
            create = db.texts.copy()
            db.texts.clear()
            async with session.get(link["url"]) as page:
                assert page.status == 200
            show = db.texts.copy()
            db.texts.clear()
        await db.unit(
            Bare(db, {}).write,
            acme.id,
            clinic,
            json.dumps(asked).encode(),
            "third",
            link["id"].replace(link["id"][:8], "0" * 8),
        )
        assert db.texts == create
        assert len(create) == 6 + 13
        assert len(show) == 1
    await db.close()
