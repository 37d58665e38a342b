"""What the pages' policies allow, what they tell others, and what moves nothing: previews, prefetches, mere looking."""

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Request, Response, expect
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import HTMLResponse
from starlette.routing import Route

from setuplinks.sandbox.server import listening
from tests.e2e.conftest import PHONE, NewPerson
from tests.e2e.person import CONNECTED, DEDICATED, Person
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
ALWAYS = {
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
}


class Traffic:
    """All that a person's browser asked for, and the documents that came."""

    def __init__(self, person: Person, service_url: str) -> None:
        self.requests: list[Request] = []
        self.documents: list[Response] = []
        self._service = service_url
        person.context.on("request", self._asked)
        person.context.on("response", self._came)

    def _asked(self, request: Request) -> None:
        self.requests.append(request)

    def _came(self, response: Response) -> None:
        of_us = response.url.startswith(self._service) and response.request.is_navigation_request()
        if of_us and not 300 <= response.status < 400:
            self.documents.append(response)


async def test_metas_script_may_do_what_it_needs_on_the_sign_in_page(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.begins(link["url"])
    await person.sees("Go on in the Facebook window")
    await person.is_ready_for_the_window()
    checks = await person.page.evaluate("() => FB.sandboxChecks")
    assert checks == {"style": "ok", "iframe": "ok", "connect": "ok"}


async def test_every_page_of_a_flow_is_locked_down_and_only_sign_in_knows_meta(scene: Scene, person: Person) -> None:
    traffic = Traffic(person, scene.service.url)
    link = await scene.link()
    await person.connects(link["url"])
    await person.goes_back_to_the_company()
    assert len(traffic.documents) >= 4
    for document in traffic.documents:
        headers = await document.all_headers()
        rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert {name: headers[name] for name in ALWAYS} == ALWAYS
        assert (rules["default-src"], rules["base-uri"], rules["frame-ancestors"]) == ("'none'",) * 3
        assert "'unsafe-inline'" not in rules["script-src"]
        if headers["cross-origin-opener-policy"] == "same-origin-allow-popups":
            assert scene.sandbox.url in rules["script-src"]
            assert headers["referrer-policy"] == "strict-origin"
            assert link["url"] not in document.url
        else:
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["referrer-policy"] == "same-origin"
            assert scene.sandbox.url not in " ".join(rules[name] for name in rules if name != "form-action")


async def test_nobody_else_learns_the_links_secret(scene: Scene, new_person: NewPerson) -> None:
    link = await scene.link()
    secret = link["url"].rpartition("-")[2]
    for how in ({}, PHONE):
        person = await new_person(**how)
        traffic = Traffic(person, scene.service.url)
        await person.begins(link["url"])
        at_facebook = person.at_facebook() if how else await person.opens_facebook()
        await at_facebook.go_to("profile")
        elsewhere = [one for one in traffic.requests if not one.url.startswith(scene.service.url)]
        assert {urlsplit(one.url).netloc for one in elsewhere} == {urlsplit(scene.sandbox.url).netloc}
        for one in elsewhere:
            told = f"{one.url} {await one.all_headers()} {one.post_data}"
            assert secret not in told


async def test_a_page_that_a_person_sees_is_told_once(scene: Scene, person: Person) -> None:
    beacons: list[Request] = []
    person.page.on("request", lambda one: beacons.append(one) if one.url.endswith("/opened") else None)
    link = await scene.link()
    async with person.page.expect_request("**/opened"):
        await person.opens(link["url"])
    await person.page.keyboard.press("Tab")
    await person.page.mouse.click(5, 5)
    await scene.told("setup_link.opened")
    assert len(beacons) == 1
    opened = await scene.of(link)
    assert (opened["phase"], opened["openedAt"]) == ("pending", "2026-05-18T12:00:00Z")
    async with person.page.expect_response("**/opened") as again:
        await person.page.reload()
    assert (await again.value).status == 204
    assert len(await scene.events("setup_link.opened")) == 1
    assert (await scene.steps(link)).count("opened") == 1


async def test_a_preview_that_nobody_looks_at_tells_nothing(scene: Scene, new_person: NewPerson) -> None:
    link = await scene.link()
    scanner = await new_person(java_script_enabled=False, user_agent="MailScanner/1.0")
    await scanner.opens(link["url"])
    await scanner.sees("Connect your WhatsApp to Acme SaaS")
    looked = await scanner.context.request.head(link["url"])
    assert (looked.status, await looked.text()) == (200, "")
    after = await scene.of(link)
    assert (after["phase"], after["openedAt"], after["usedAt"]) == ("pending", None, None)
    assert await scene.steps(link) == ["created"]


async def test_a_link_that_a_browser_fetches_ahead_stays_untouched(scene: Scene, person: Person) -> None:
    link = await scene.link()
    mail = (
        f'<!doctype html><title>Mail</title><link rel="icon" href="data:,"><link rel="prefetch" href="{link["url"]}">'
    )

    async def show_the_mail(_: StarletteRequest) -> HTMLResponse:
        return HTMLResponse(f'{mail}<a href="{link["url"]}">go</a>')

    async with (
        listening(Starlette(routes=[Route("/mail", show_the_mail)]), name="mail.localhost") as mailbox,
        person.page.expect_event("requestfailed", lambda one: one.url == link["url"]) as fetched,
        person.context.expect_event("console", lambda one: "NotSameOrigin" in one.text),
    ):
        await person.opens(f"{mailbox.url}/mail")
    ahead = await fetched.value
    assert (await ahead.all_headers())["sec-purpose"] == "prefetch"
    # The page is ours alone (Cross-Origin-Resource-Policy): what was fetched ahead is thrown away, not shown later.
    [refused] = person.complaints
    assert "NotSameOrigin" in refused
    person.complaints.clear()
    after = await scene.of(link)
    assert (after["phase"], after["openedAt"]) == ("pending", None)
    await person.follows("go")
    await person.sees("Connect your WhatsApp to Acme SaaS")
    await scene.told("setup_link.opened")
    assert (await scene.of(link))["phase"] == "pending"


@pytest.mark.parametrize("how", ["head", "prefetch"])
async def test_metas_answer_is_taken_by_a_real_visit_only(scene: Scene, person_on_a_phone: Person, how: str) -> None:
    person = person_on_a_phone
    link = await scene.link()
    await person.begins(link["url"])
    callback = await person.at_facebook().finish_without_going()
    if how == "head":
        answer = await person.context.request.head(callback.partition("#")[0], max_redirects=0)
    else:
        ahead = {"sec-purpose": "prefetch;prerender"}
        answer = await person.context.request.get(callback.partition("#")[0], headers=ahead, max_redirects=0)
    assert (answer.status, await answer.text()) == (204, "")
    assert (await scene.of(link))["phase"] == "authorizing"
    assert await scene.sandbox.calls("exchange") == []
    await person.opens(callback)
    await person.sees(CONNECTED)
    assert (await scene.of(link))["status"] == "completed"


async def test_a_button_pressed_twice_begins_one_visit(scene: Scene, person: Person) -> None:
    link = await scene.link()
    await person.opens(link["url"])
    posts: list[Request] = []
    person.page.on(
        "request", lambda one: posts.append(one) if one.method == "POST" and one.url == link["url"] else None
    )
    await person.page.get_by_role("button", name="Continue with Facebook").first.dblclick()
    await person.sees("How will you use this number?")
    assert len(posts) == 1
    assert (await scene.steps(link)).count("continued") == 1


async def test_anothers_page_cannot_start_a_link(scene: Scene, person: Person) -> None:
    link = await scene.link()

    async def show_the_trap(_: StarletteRequest) -> HTMLResponse:
        return HTMLResponse(
            f'<!doctype html><link rel="icon" href="data:,"><form method="post" action="{link["url"]}">'
            "<button>Win a prize</button></form>"
        )

    async with listening(Starlette(routes=[Route("/", show_the_trap)]), name="prize.localhost") as trap:
        await person.opens(trap.url)
        async with person.page.expect_navigation() as answered:
            await person.presses("Win a prize")
    assert (await answered.value).status == 403
    await person.photograph("trap")
    assert (await scene.of(link))["usedAt"] is None
    await person.opens(link["url"])
    await person.presses("Continue with Facebook")
    await person.chooses(DEDICATED)
    await expect(person.page.locator("[data-open]")).to_be_visible()
