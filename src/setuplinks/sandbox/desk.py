"""`/sandbox/desk`: where a person says what happens next, by forms: the scenario, the clock, tokens, messages,
limits, reviews, faults.

Plain forms that end in a redirect back; whatever they do can be done over the control API as well.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from setuplinks.sandbox import signed_requests, views
from setuplinks.sandbox.bad_weather import Weather
from setuplinks.sandbox.clock import rfc3339
from setuplinks.sandbox.config import Settings
from setuplinks.sandbox.end_users import CannotWrite, written
from setuplinks.sandbox.graph_templates import review
from setuplinks.sandbox.pages import render
from setuplinks.sandbox.scenario_groups import GROUPS
from setuplinks.sandbox.scenarios import DEFAULT, SCENARIOS
from setuplinks.sandbox.telling import EVENTS, tell_account_update
from setuplinks.sandbox.world import Number, Waba, World, digits_of

PATH = "/sandbox/desk"
SHOWN = 50  # accounts and numbers offered, the newest first
FORWARD = {
    "31 seconds": 31,
    "5 minutes": 300,
    "1 hour": 3_600,
    "1 day": 86_400,
    "3 days": 259_200,
    "60 days": 5_184_000,
}
DEATHS = {463: "expired", 460: "password changed", 458: "app removed"}
KILL_EVENTS = ("PARTNER_APP_UNINSTALLED", "PARTNER_REMOVED")
BAD = {"500": 0.03, "reset": 0.02, "lost": 0.02, "empty": 0.01, "html": 0.01, "throttle": 0.01}
SKIES = {
    "calm": Weather(),
    "slow": Weather(latency_ms=400),
    "bad": Weather(rates=BAD, latency_ms=50),
}
Form = Mapping[str, str]
Verb = Callable[[Form], Awaitable[str]]


class Refused(Exception):
    """The form asks for what cannot be; the sentence is shown."""


def routes(world: World) -> list[Route]:
    """The page and its forms."""
    desk = Desk(world)
    verbs: dict[str, Verb] = {
        "scenario": desk.scenario, "clock": desk.clock, "inbound": desk.inbound, "name": desk.name,
        "kill": desk.kill, "account": desk.account, "person": desk.person, "sky": desk.sky,
        "sending": desk.sending, "template": desk.template,
    }  # fmt: skip
    return [
        Route(PATH, desk.page, methods=["GET"]),
        *(Route(f"{PATH}/{name}", desk.taking(verb), methods=["POST"]) for name, verb in verbs.items()),
    ]


class Desk:
    """The verbs, over one world. `said` is what the last form came to; it is shown once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: tuple[str, bool] | None = None

    def taking(self, verb: Verb) -> Callable[[Request], Awaitable[Response]]:
        """A form's POST: does it, remembers what to say, leads back to its place on the page."""

        async def endpoint(request: Request) -> Response:
            form = {name: value.strip() for name, value in (await request.form()).items() if isinstance(value, str)}
            try:
                self.said = await verb(form), True
            except Refused as refused:
                self.said = str(refused), False
            return RedirectResponse(f"{PATH}#said", 303)

        return endpoint

    async def page(self, _request: Request) -> Response:
        """The page."""
        world, said, self.said = self.world, self.said, None
        return render(
            "desk.html",
            said=said,
            groups=[(g.title, [(SCENARIOS[name], expect) for name, expect in g.expect.items()]) for g in GROUPS],
            queue=[scenario.name for scenario in world.queue],
            standing=world.standing,
            now=rfc3339(world.clock.now()),
            frozen=world.clock.frozen,
            forward=FORWARD,
            deaths=DEATHS,
            kill_events=KILL_EVENTS,
            events=EVENTS,
            wabas=list(reversed(list(world.wabas.values())))[:SHOWN],
            numbers=list(reversed(list(world.numbers.values())))[:SHOWN],
            weather=None if world.forecast.weather is None else views.camel_fields(world.forecast.weather),
            struck=dict(world.forecast.struck),
            public_url=world.config.public_url,
            settings=world.settings,
            templates=[(w, t) for w in reversed(list(world.wabas.values())[-SHOWN:]) for t in reversed(w.templates)],
        )

    async def scenario(self, form: Form) -> str:
        """The next signup's, or every one's from now on."""
        world = self.world
        if form.get("clear"):
            world.queue.clear()
            world.standing = DEFAULT
            return "Every signup goes well again, unless it says otherwise."
        chosen = SCENARIOS.get(form.get("name", ""))
        if chosen is None:
            raise Refused("Choose a scenario first.")
        if form.get("how") == "standing":
            world.standing = chosen
            return f"Every signup is {chosen.name} from now on."
        world.queue.append(chosen)
        return f"The next signup is {chosen.name}."

    async def clock(self, form: Form) -> str:
        """Forward, stopped, going on."""
        clock = self.world.clock
        if form.get("seconds"):
            try:
                clock.advance(float(min(int(form["seconds"]), 10 * 365 * 86_400)))
            except ValueError:
                raise Refused("Seconds are a whole number.") from None
        if form.get("frozen"):
            clock.freeze(form["frozen"] == "yes")
        return f"It is {rfc3339(clock.now())} here{' and stays so' if clock.frozen else ''}."

    async def inbound(self, form: Form) -> str:
        """An end user writes."""
        number = self._number(form)
        try:
            message = written(self.world, number, {name: form.get(name, "") for name in ("from", "name", "text")})
        except CannotWrite as refused:
            raise Refused(f"{str(refused)[:1].upper()}{str(refused)[1:]}.") from None
        return f"{message.person.name}, +{message.person.wa_id}, has written to {number.display}."

    async def name(self, form: Form) -> str:
        """A display name's review ends."""
        number, verdict = self._number(form), form.get("verdict", "APPROVED")
        if verdict not in {"APPROVED", "DECLINED"}:
            raise Refused("A name is APPROVED or DECLINED.")
        number.name_status = verdict
        value: dict[str, Any] = {"display_phone_number": digits_of(number.display), "decision": verdict}
        value |= {"requested_verified_name": number.verified_name, "rejection_reason": None}
        self.world.notify("phone_number_name_update", number.waba.id, value)
        return f"The name “{number.verified_name}” is {verdict.lower()}."

    async def kill(self, form: Form) -> str:
        """A token dies, with or without word of it."""
        waba, subcode, event = self._waba(form), form.get("subcode", ""), form.get("event", "")
        if not subcode.isdecimal():
            raise Refused("Say how the token dies.")
        tokens = self.world.tokens_of([waba.id])
        if event in KILL_EVENTS:
            tell_account_update(self.world, waba, event, {}, with_waba_info=form.get("wabaInfo") == "yes")
        for token in tokens:
            token.dead_subcode = int(subcode)
        told = f", and {event} is told" if event in KILL_EVENTS else ", and nobody is told"
        return f"{len(tokens)} tokens of {waba.name} answer 190/{subcode}{told}."

    async def account(self, form: Form) -> str:
        """Something happens to an account."""
        waba, event = self._waba(form), form.get("event", "")
        if event not in EVENTS:
            raise Refused("Choose what happens.")
        tell_account_update(self.world, waba, event, {}, with_waba_info=True)
        return f"{event} of {waba.name} is told."

    async def person(self, form: Form) -> str:
        """The person behind a token removes the app, or wants everything deleted."""
        waba, kind = self._waba(form), form.get("kind", "")
        if kind not in signed_requests.PATHS:
            raise Refused("Choose what the person wants.")
        tokens = self.world.tokens_of([waba.id])
        if not tokens:
            raise Refused(f"No token was granted for {waba.name}: there is no person to name.")
        told = await signed_requests.post(self.world, kind, tokens[-1].user_id)
        if told["problem"] is not None:
            raise Refused(f"The service answered {told['status']}: {told['problem']}.")
        return f"The service answered {told['status']}: {told['answer'][:200]}"

    async def sky(self, form: Form) -> str:
        """A share of Graph's calls goes wrong, or none."""
        sky = form.get("sky", "")
        if sky not in SKIES:
            raise Refused("Choose a weather.")
        self.world.forecast.set(None if sky == "calm" else SKIES[sky])
        return {"calm": "Meta is well.", "slow": "Meta is slow.", "bad": "One call in ten goes wrong."}[sky]

    async def sending(self, form: Form) -> str:
        """Meta's limits and the 24 hours: enforced, or not."""
        settings = self.world.settings
        match form.get("limits"), form.get("window"):
            case "on", _:
                settings.limits = True
                return "Too many messages answer 130429 and 131056, too many calls 80007."
            case "off", _:
                settings.limits = False
                return "Messages and calls can come as fast as they like."
            case _, "on":
                settings.service_window_hours = Settings().service_window_hours
                return "Outside of the 24 hours free-form messages fail by 131047."
            case _, "off":
                settings.service_window_hours = 0.0
                return "Free-form messages always arrive."
            case _:
                raise Refused("Choose what is to be enforced.")

    async def template(self, form: Form) -> str:
        """Meta's review of a template ends, or Meta stops it."""
        template = review(self.world, form.get("template", ""), form.get("status", ""), "NONE")
        if template is None:
            raise Refused("Choose a template; an account has one when it is made.")
        return f"{template['name']} is {template['status'].lower()}, and that is told."

    def _number(self, form: Form) -> Number:
        number = self.world.numbers.get(form.get("number", ""))
        if number is None:
            raise Refused("Choose a number; a signup makes one.")
        return number

    def _waba(self, form: Form) -> Waba:
        waba = self.world.wabas.get(form.get("waba", ""))
        if waba is None:
            raise Refused("Choose an account; a signup makes one.")
        return waba
