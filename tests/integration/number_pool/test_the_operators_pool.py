"""The operator adds numbers, has them verified, sees when they end, takes them out."""

from pathlib import Path

import pytest

from setuplinks.core.clock import DAY, HOUR, MINUTE, ManualClock
from setuplinks.core.db.database import Database
from tests.integration.number_pool.pool import ARGENTINE, CHILEAN, CODE, GERMAN, Pool
from tests.support.service import RunningService, Tenant, running_service


async def test_a_number_is_added_gets_a_code_and_is_verified_for_ninety_days(
    pool: Pool, service: RunningService
) -> None:
    added = await pool.add("+54 9 351 555-0101")
    assert (added["number"], added["country"], added["state"]) == (ARGENTINE, "AR", "added")
    sent = await pool.ask(added["id"], "request-code", method="VOICE", language="es_AR")
    assert (sent.json["state"], sent.json["codeSentAt"]) == ("code_sent", "2026-05-18T12:00:00Z")
    verified = (await pool.ask(added["id"], "verify-code", code="123-456")).json
    assert (verified["state"], verified["expiresAt"]) == ("verified", "2026-08-16T12:00:00Z")
    assert (verified["reverifyFrom"], verified["warning"]) == ("2026-07-02T12:00:00Z", None)
    assert [row["id"] for row in await pool.all()] == [added["id"]]
    assert [call["path"].rpartition("/")[2] for call in await service.sandbox.calls("verify_code")] == ["verify_code"]


async def test_the_log_warns_once_a_day_before_a_number_ends(
    pool: Pool, service: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "setuplinks.number_pool")
    await pool.ready()
    await service.advance(75 * DAY + 30 * MINUTE)
    caplog.clear()
    for _ in range(48):
        await service.advance(HOUR)
    said = [record for record in caplog.records if "number_pool.ends_soon" in record.getMessage()]
    assert len(said) in {1, 2}


async def test_time_warns_ends_and_lets_verify_again(pool: Pool, service: RunningService) -> None:
    number = await pool.ready()
    early = await pool.ask(number["id"], "request-code")
    assert (early.status, early.code) == (409, "pool_number_state")
    assert "2026-07-02T12:00:00Z" in early.json["detail"]
    await service.advance(77 * DAY)
    [soon] = await pool.all()
    assert soon["state"] == "verified"
    assert "2026-08-16T12:00:00Z" in soon["warning"]
    await service.advance(14 * DAY)
    [ended] = await pool.all()
    assert (ended["state"], "Verify" in ended["warning"] or "verify" in ended["warning"]) == ("expired", True)
    assert (await pool.ask(number["id"], "request-code")).status == 200
    again = (await pool.ask(number["id"], "verify-code", code=CODE)).json
    assert (again["state"], again["expiresAt"], again["warning"]) == ("verified", "2026-11-15T12:00:00Z", None)


async def test_a_wrong_code_is_told_and_the_number_stays_as_it_was(pool: Pool) -> None:
    added = await pool.add(ARGENTINE)
    await pool.ask(added["id"], "request-code")
    for code, status in (("000000", 422), ("12345", 422), ("١٢٣٤٥٦", 422)):
        reply = await pool.ask(added["id"], "verify-code", code=code)
        assert (reply.status, reply.fields) == (status, {"code"})
    assert await pool.states() == {ARGENTINE: "code_sent"}


async def test_the_country_is_read_from_the_number_or_named(pool: Pool) -> None:
    assert (await pool.add(CHILEAN))["country"] == "CL"
    assert (await pool.add(GERMAN, country="AT"))["country"] == "AT"
    assert (await pool.add("+88213000001"))["country"] is None


@pytest.mark.parametrize("number", ["0351 555", "54935155", "+0123456789", "+54abc3515550101", "", "+" + "1" * 30])
async def test_what_is_no_number_is_refused_before_meta_is_asked(
    pool: Pool, service: RunningService, number: str
) -> None:
    reply = await service.operator.post("/admin/number-pool", {"number": number})
    assert (reply.status, reply.fields) == (422, {"number"})
    assert await service.sandbox.calls("add_phone_numbers") == []


async def test_a_number_stands_in_the_pool_once(pool: Pool, service: RunningService) -> None:
    first = await pool.add(ARGENTINE)
    reply = await service.operator.post("/admin/number-pool", {"number": "+54 9 (351) 5550101"})
    assert (reply.status, reply.code, reply.json["existingId"]) == (409, "pool_number_exists", first["id"])


async def test_a_number_that_meta_took_without_an_answer_is_taken_over_at_the_next_try(
    pool: Pool, service: RunningService
) -> None:
    await service.sandbox.fault("add_phone_numbers", status=502, body="<html>")
    lost = await service.operator.post("/admin/number-pool", {"number": ARGENTINE})
    assert (lost.status, lost.code) == (503, "meta_unavailable")
    first = await pool.ready()
    assert (await service.operator.delete(f"/admin/number-pool/{first['id']}")).status == 204
    assert await pool.all() == []
    again = await pool.add(ARGENTINE)
    assert (again["id"], again["state"], again["expiresAt"]) == (first["id"], "verified", first["expiresAt"])
    assert len(await service.sandbox.calls("add_phone_numbers")) == 2


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"code": 200}, 409, "meta_refused"),
        ({"code": 190, "subcode": 463}, 409, "meta_refused"),
        ({"code": 4}, 503, "meta_unavailable"),
        ({"status": 500, "body": ""}, 503, "meta_unavailable"),
    ],
)
async def test_what_meta_answers_is_told_in_plain_words(
    pool: Pool, service: RunningService, fault: dict[str, object], status: int, code: str
) -> None:
    added = await pool.add(ARGENTINE)
    await service.sandbox.fault("request_code", **fault)
    reply = await pool.ask(added["id"], "request-code")
    assert (reply.status, reply.code) == (status, code)
    assert reply.json["detail"].count("EAA") == 0
    assert await pool.states() == {ARGENTINE: "added"}


async def test_only_the_operator_reaches_the_pool(pool: Pool, service: RunningService, acme: Tenant) -> None:
    number = await pool.ready()
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{number['id']}"),
                         ("POST", f"/{number['id']}/request-code"), ("POST", "/999/verify-code")):  # fmt: skip
        reply = await acme.api.call(method, f"/admin/number-pool{path}", {} if method == "POST" else None)
        assert (reply.status, reply.code) == (403, "forbidden")
    assert await pool.states() == {ARGENTINE: "verified"}


async def test_numbers_that_are_not_there_are_not_found(pool: Pool, service: RunningService) -> None:
    for path in ("/7/request-code", "/x/request-code", "/99999999999999999999/request-code"):
        assert (await service.operator.post(f"/admin/number-pool{path}", {})).status == 404
    assert (await service.operator.delete("/admin/number-pool/7")).status == 404


async def test_a_number_that_left_the_portfolio_is_offered_to_nobody_and_gone_at_the_second_look(
    pool: Pool, service: RunningService
) -> None:
    await pool.ready()
    await service.drain()
    await service.sandbox.ask("POST", "/sandbox/reset")
    await service.advance(HOUR)
    [missed] = await pool.all()
    assert (missed["state"], "Meta's list" in missed["warning"]) == ("verified", True)
    await service.advance(HOUR)
    assert await pool.states() == {ARGENTINE: "claimed"}


async def test_a_look_that_meta_does_not_answer_changes_nothing(pool: Pool, service: RunningService) -> None:
    number = await pool.ready()
    await service.sandbox.fault("preverified_numbers", status=500, body="<html>", times=9)
    for _ in range(3):
        await service.advance(HOUR)
    assert [row["warning"] for row in await pool.all()] == [None]
    assert await pool.states() == {number["number"]: "verified"}


async def test_without_the_portfolios_settings_every_route_says_what_is_missing(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None
) -> None:
    async with running_service(db, clock, data_dir, database_url, meta_system_token=None) as service:
        for method, path, body in (
            ("GET", "", None),
            ("POST", "", {"number": ARGENTINE}),
            ("POST", "/1/request-code", {}),
            ("POST", "/1/verify-code", {"code": CODE}),
            ("DELETE", "/1", None),
        ):
            reply = await service.operator.call(method, f"/admin/number-pool{path}", body)
            assert (reply.status, reply.code) == (409, "number_pool_off")
            assert "SETUPLINKS_META_SYSTEM_TOKEN" in reply.json["detail"]
        await service.advance(HOUR)
        assert await service.sandbox.calls("preverified_numbers") == []
