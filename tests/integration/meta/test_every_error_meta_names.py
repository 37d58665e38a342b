"""Each row of Meta's error tables, from the bytes on the wire to what we do about it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from setuplinks.meta.error_table import EXCHANGE, TABLE
from setuplinks.meta.errors import GraphError, OutcomeUnknown
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from tests.integration.meta.scripted_meta import ScriptedMeta, answer, refusal

TOKEN = Secret("EAAcustomertoken0123456789")

# kind, who, retryable, and the codes (with a subcode where it decides)
CLASSES: list[tuple[str, str | None, bool, list[tuple[int, int | None]]]] = [
    ("retry", "meta", True, [(code, None) for code in (1, 2, 4, 17, 80007, 130429, 131000, 131016, 131056, 131057)]),
    ("retry", "meta", True, [(133004, None)]),
    ("relogin", "customer", False, [(0, None), (102, None), (190, None), (452, None)]),
    ("relogin", "customer", False, [(190, sub) for sub in (452, 458, 459, 460, 463, 464, 467, 492, 999)]),
    ("permission", None, False, [(code, None) for code in (3, 10, 131005, 3962, 200, 201, 230, 299)]),
    ("not_found", "customer", False, [(100, 33), (803, None)]),
    ("payment", "customer", False, [(code, None) for code in (131042, 131044, 134011, 141006)]),
    ("account", "customer", False, [(code, None) for code in (368, 131031, 130497)]),
    ("never_retry", None, False, [(code, None) for code in (131047, 131049, 131050, 131026, 131048)]),
    ("never_retry", None, False, [(code, None) for code in (130403, 130472, 131021, 131051)]),
    ("fix_request", None, False, [(code, None) for code in (33, 100, 131008, 131009, 132000, 132001, 132005, 132007)]),
    ("fix_request", None, False, [(code, None) for code in (132012, 132015, 132016, 132068, 132069, 135000)]),
    ("fix_request", None, False, [(131009, 2494010)]),
    ("registration", None, False, [(code, None) for code in (131037, 131045, 133000, 133005, 133006, 133008, 133009)]),
    ("registration", None, False, [(code, None) for code in (133010, 133016, 133099, 136024, 136025)]),
    ("registration", "meta", True, [(133015, None)]),
    ("coexistence", None, False, [(code, None) for code in (2593107, 2593108, 2593109)]),
    ("configuration", "operator", False, [(101, None), (191, None), (2200, None)]),
    ("unknown", "meta", False, [(424242, None)]),
]
ROWS = [(kind, who, retryable, *code) for kind, who, retryable, codes in CLASSES for code in codes]


async def failure(awaited: Awaitable[object]) -> GraphError:
    with pytest.raises(GraphError) as caught:
        await awaited
    return caught.value


def words(error: GraphError) -> bool:
    """The sentence can be shown to a person: a whole one, without a number of Meta's."""
    return error.sentence.endswith(".") and str(error.code) not in error.sentence


@pytest.mark.parametrize(("kind", "who", "retryable", "code", "subcode"), ROWS)
async def test_a_code_of_metas_has_one_meaning(
    graph: Graph, meta: ScriptedMeta, *, kind: str, who: str | None, retryable: bool, code: int, subcode: int | None
) -> None:
    said = refusal(400, code, subcode, error_data={"messaging_product": "whatsapp", "details": "The reason."})
    meta.plan(*[said] * (2 if code == 133000 else 1))  # 133000 is answered by deregistering, which fails as well here
    error = await failure(graph.register(TOKEN, "106", Secret("123456")))
    assert (error.kind, error.retryable, error.code, error.subcode) == (kind, retryable, code, subcode)
    assert who in {None, error.who}
    assert (error.status, error.details, error.fbtrace_id) == (400, "The reason.", "AbC123xyz")
    assert words(error)


def test_the_table_holds_no_row_that_is_not_tried_here() -> None:
    assert set(TABLE) - {(code, subcode) for _, _, _, code, subcode in ROWS} == set()
    assert set(EXCHANGE) == {key for key, _, _ in EXCHANGE_ROWS} - {(101, None), (191, None)}


EXCHANGE_ROWS: list[tuple[tuple[int, int | None], str, tuple[str, str]]] = [
    ((100, 36007), "This authorization code has expired.", ("code_exchange", "customer")),
    ((100, 36009), "This authorization code has been used.", ("code_exchange", "customer")),
    (
        (100, 36008),
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in"
        " the OAuth dialog request",
        ("code_exchange", "operator"),
    ),
    ((100, None), "Invalid verification code format.", ("code_exchange", "customer")),
    ((1, None), "Error validating client secret.", ("configuration", "operator")),
    ((101, None), "Error validating application. Invalid application ID.", ("configuration", "operator")),
    ((101, None), "Error validating application. Cannot get application info due to a system error.",
     ("configuration", "operator")),
    ((191, None), "Can't load URL: the domain of this URL isn't included in the app's domains.",
     ("configuration", "operator")),
]  # fmt: skip


@pytest.mark.parametrize(("key", "message", "expected"), EXCHANGE_ROWS)
async def test_a_refused_exchange_says_whose_fault_it_is_and_is_not_tried_again(
    graph: Graph, meta: ScriptedMeta, key: tuple[int, int | None], message: str, expected: tuple[str, str]
) -> None:
    meta.plan(refusal(400, *key, message=message))
    error = await failure(graph.exchange_code(Secret("AQDcode")))
    assert ((error.kind, error.who), error.retryable) == (expected, False)
    assert (error.message, error.token_death, words(error)) == (message, None, True)
    assert len(meta.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "unknown"),
    [(500, 1, True), (500, 2, True), (503, 131000, True), (400, 4, False), (400, 190, False), (400, 555, False)],
)
async def test_no_exchange_is_ever_retryable(
    graph: Graph, meta: ScriptedMeta, status: int, code: int, unknown: bool
) -> None:
    meta.plan(refusal(status, code, is_transient=True))
    error = await failure(graph.exchange_code(Secret("AQDcode")))
    assert (error.retryable, isinstance(error, OutcomeUnknown), error.token_death) == (False, unknown, None)


@pytest.mark.parametrize("code", [1, 2, 131000, 131016])
async def test_a_message_that_may_be_out_already_is_not_sent_again(graph: Graph, meta: ScriptedMeta, code: int) -> None:
    meta.plan(refusal(500, code))
    error = await failure(graph.send_text(TOKEN, "106", "54935155", "Hola"))
    assert (type(error), error.retryable, error.code) == (OutcomeUnknown, False, code)


@pytest.mark.parametrize(("subcode", "reason"), [(463, "token_expired"), (458, "app_removed"), (460, "token_revoked"),
                                                 (467, "token_revoked"), (None, "token_revoked")])  # fmt: skip
async def test_a_dead_token_says_why_it_died(
    graph: Graph, meta: ScriptedMeta, subcode: int | None, reason: str
) -> None:
    meta.plan(refusal(401, 190, subcode))
    assert (await failure(graph.waba(TOKEN, "524"))).token_death == reason


async def test_a_session_that_has_expired_is_known_by_metas_words_too(graph: Graph, meta: ScriptedMeta) -> None:
    said = "Error validating access token: Session has expired on Friday, 26-Apr-24 06:00:00 PDT."
    meta.plan(refusal(401, 190, message=said))
    assert (await failure(graph.waba(TOKEN, "524"))).token_death == "token_expired"


async def test_what_meta_calls_transient_kills_no_token(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(refusal(401, 190, is_transient=True), refusal(400, 131047, is_transient=True))
    passing, never = [await failure(graph.waba(TOKEN, "524")) for _ in range(2)]
    assert (passing.kind, passing.retryable, passing.token_death) == ("retry", True, None)
    assert (never.kind, never.retryable) == ("never_retry", False)


@pytest.mark.parametrize(
    ("code", "details", "wait_s", "locks"),
    [
        (133008, "Please try again after 2 hours.", 7200, True),
        (133009, "Wait 90 seconds before the next try", 90, True),
        (133009, "Too fast", 300, True),
        (133016, None, 72 * 3600, True),
        (133015, None, 300, False),
        (133005, "Two step verification PIN mismatch", None, False),
    ],
)
async def test_a_locked_registration_names_its_wait(
    graph: Graph, meta: ScriptedMeta, *, code: int, details: str | None, wait_s: int | None, locks: bool
) -> None:
    data: dict[str, Any] = {"error_data": {"details": details}} if details else {}
    meta.plan(refusal(400, code, **data))
    error = await failure(graph.register(TOKEN, "106", Secret("123456")))
    assert (error.wait_s, error.locks_registration) == (wait_s, locks)


TEXTS: list[tuple[Callable[[Graph], Awaitable[object]], str, tuple[str, str]]] = [
    (
        lambda graph: graph.waba(TOKEN, "524"),
        "API calls from the server require an appsecret_proof argument",
        ("configuration", "operator"),
    ),
    (
        lambda graph: graph.waba(TOKEN, "524"),
        "Invalid appsecret_proof provided in the API argument",
        ("configuration", "operator"),
    ),
    (
        lambda graph: graph.subscribe(TOKEN, "524"),
        "(#100) Before override the current callback uri, your app must be subscribed to receive messages for WhatsApp"
        " Business Account",
        ("fix_request", "us"),
    ),
    (
        lambda graph: graph.deregister(TOKEN, "106"),
        "Deregister endpoint is not available for API solution for SMB businesses.",
        ("fix_request", "us"),
    ),
]


@pytest.mark.parametrize(("verb", "message", "expected"), TEXTS)
async def test_where_only_the_text_tells_the_text_decides(
    graph: Graph,
    meta: ScriptedMeta,
    verb: Callable[[Graph], Awaitable[object]],
    message: str,
    expected: tuple[str, str],
) -> None:
    meta.plan(refusal(400, 100, message=message))
    error = await failure(verb(graph))
    assert ((error.kind, error.who), error.message) == (expected, message)


async def test_error_data_may_be_a_plain_text(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(refusal(400, 131009, error_data="just words"), answer(400, {"error": {"error_data": [1]}}))
    text, odd = [await failure(graph.waba(TOKEN, "524")) for _ in range(2)]
    assert (text.details, odd.details, odd.kind) == ("just words", None, "unknown")
