"""The dialog's pages over HTTP: plain forms that work without JavaScript, in a full page and in the SDK's popup.

Sends no Cross-Origin-Opener-Policy: a dialog that does would cut the popup from its opener.
"""

from collections.abc import Awaitable, Callable
from io import BytesIO
from itertools import islice
from typing import Any

import segno
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from setuplinks.sandbox import flow, grants
from setuplinks.sandbox.pages import render
from setuplinks.sandbox.steps import STEPS
from setuplinks.sandbox.world import Business, Signup, World

PERSON_COOKIE = "sandbox_person"
BUSINESSES_SHOWN = 8
Endpoint = Callable[[Request], Awaitable[Response]]

TITLES = {
    "business": "Choose your business",
    "number": "Choose a WhatsApp number",
    "profile": "What people will see",
    "phone": "Add your phone number",
    "verify": "Confirm your number",
    "permissions": "What the app may do",
    "finish": "You are all set",
}
APP_TITLES = {"phone": "The number in your app", "verify": "Scan this with your app"}


def routes(world: World) -> list[Route]:
    return [
        Route("/{version}/dialog/oauth", _open(world)),
        Route("/dialog/{signup_id}", _show(world), methods=["GET"]),
        Route("/dialog/{signup_id}", _answer(world), methods=["POST"]),
        Route("/dialog/{signup_id}/closed", _closed(world), methods=["POST"]),
    ]


def _open(world: World) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.method == "HEAD":
            return Response()
        params = request.query_params
        person = params.get("sandbox_person") or request.cookies.get(PERSON_COOKIE) or "person"
        try:
            signup = flow.open_signup(world, request.path_params["version"], params, person=person)
        except flow.DialogRefused as refused:
            return render("refused.html", status=400, error=refused)
        return _page(world, signup)

    return endpoint


def _show(world: World) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        signup = world.signups.get(request.path_params["signup_id"])
        return _unknown() if signup is None else _page(world, signup)

    return endpoint


def _answer(world: World) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        signup = world.signups.get(request.path_params["signup_id"])
        if signup is None:
            return _unknown()
        form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        if form.get("action") == "cancel":
            flow.cancel(world, signup)
        elif form.get("step") == signup.step:  # an old tab's screen changes nothing
            try:
                flow.answer(world, signup, form)
            except flow.AnswerRefused as refused:
                return _page(world, signup, str(refused))
        target = flow.redirect_url(signup)
        return RedirectResponse(target or f"/dialog/{signup.id}", 303)

    return endpoint


def _closed(world: World) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        """The popup's window was closed by X; its page has told the opener already."""
        signup = world.signups.get(request.path_params["signup_id"])
        if signup is not None:
            flow.cancel(world, signup)
        return Response(status_code=204)

    return endpoint


def _unknown() -> HTMLResponse:
    error = flow.DialogRefused(1, "This sign-in has ended. Start again from the page that sent you here.")
    return render("refused.html", status=404, error=error)


def _page(world: World, signup: Signup, problem: str = "") -> Response:
    """The present screen, or the end."""
    popup = signup.redirect_uri is None
    shared: dict[str, Any] = {"signup": signup, "popup": popup, "app_name": world.config.app_name}
    if signup.outcome is not None:
        target = flow.redirect_url(signup)
        if target is not None:
            return RedirectResponse(target, 303)
        results = flow.popup_results(signup)
        return render("end.html", wire=_wire(world, signup, results["code"], results["message"]), **shared)
    step = signup.step
    code = signup.code.value if step == "finish" and signup.code and signup.scenario.send_code else None
    message: dict[str, Any] | None = flow.cancel_message(world, signup)
    if step == "finish":
        message = flow.finish_message(signup) if signup.code and signup.scenario.send_message else None
    visible = [name for name in signup.path if name != "finish"]
    return render(
        "screen.html",
        status=400 if problem else 200,
        step=step,
        title=APP_TITLES.get(step, TITLES[step]) if signup.coexistence else TITLES[step],
        problem=problem,
        error=flow.flow_error(signup),
        current_step=STEPS[step],
        scenario=signup.scenario,
        position=visible.index(step) + 1 if step in visible else len(visible),
        total=len(visible),
        wire=_wire(world, signup, code, message),
        **_screen(world, signup),
        **shared,
    )


def _wire(world: World, signup: Signup, code: str | None, message: dict[str, Any] | None) -> dict[str, Any]:
    """What popup.js needs to tell the opener; the opener's origin is exact, or nothing is told."""
    return {
        "id": signup.id,
        "origin": signup.opener_origin,
        "channel": signup.channel,
        "code": code,
        "message": message,
        "codeFirst": signup.scenario.code_first,
        "gapMs": world.settings.popup_gap_ms,
    }


def _screen(world: World, signup: Signup) -> dict[str, Any]:
    """What the present screen shows beside its words."""
    setup = flow.setup_of(signup)
    prefill: dict[str, Any] = {key: value for key, value in setup.items() if isinstance(value, dict)}
    match signup.step:
        case "business":
            wanted = flow.wanted_waba(world, signup)
            businesses = _offered(world, signup)
            if wanted is not None and wanted.business in businesses:
                selected = wanted.business.id
            else:
                selected = businesses[0].id if businesses and signup.scenario.reuse else "new"
            return {
                "businesses": businesses,
                "selected": selected,
                "business_name": prefill.get("business", {}).get("name") or "Sandbox Business",
            }
        case "number":
            wanted = flow.wanted_waba(world, signup)
            wabas = signup.business.wabas if signup.business else []
            existing = [number for waba in reversed(wabas) for number in waba.numbers]
            preferred = [n.id for n in existing if wanted is not None and n.waba is wanted]
            if signup.scenario.reuse and existing:
                preferred.append(existing[0].id)
            offered = flow.offered_number(world, signup)
            fallback = "none" if signup.scenario.numbers == 0 else "new" if offered is None else "preverified"
            return {"existing": existing, "offered": offered, "selected": preferred[0] if preferred else fallback}
        case "profile":
            name = prefill.get("phone", {}).get("displayName") or (
                signup.business.name if signup.business else signup.answers.get("business_name", "")
            )
            return {"display_name": name}
        case "phone":
            return {"phone_number": grants.free_display_number(world)}
        case "verify" if signup.coexistence:
            picture = BytesIO()
            segno.make(f"sandbox:{signup.id}", error="m").save(
                picture, kind="svg", border=2, xmldecl=False, omitsize=True
            )
            return {"qr": picture.getvalue().decode()}
        case _:
            return {}


def _offered(world: World, signup: Signup) -> list[Business]:
    """This person's businesses, newest first; one that the prefill names always among them."""
    if signup.scenario.reuse:
        grants.existing_for(world, signup.person)
    offered = list(islice(world.business_of(signup.person), BUSINESSES_SHOWN))
    wanted = flow.wanted_waba(world, signup)
    if wanted is not None and wanted.business.person == signup.person and wanted.business not in offered:
        offered.insert(0, wanted.business)
    return offered
