"""What each signup page needs to be drawn: one frozen value per page, texts and URLs ready to print.

Owns the shape of the pages' data. Does not know rows, requests or Meta; times arrive as words
("25 May 2026", "14:18") in the customer's time zone, URLs as the browser shall use them.
How a page becomes HTML stands in `rendering`, the sentences that depend on a code in `wording`.

URLs: `action_url` takes a form POST, `back_url` and `return_url` are plain links (GET), `None` hides the link.
Every form carries the hidden field `form_token`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from setuplinks.branding.theme import Palette, neutral_palette
from setuplinks.signup.key_views import KeyOffer
from setuplinks.signup.question_views import ChooseNumbers, EnterPin, NoNumber

ConnectionType = Literal["dedicated", "coexistence"]
StepState = Literal["done", "now", "open"]

# What the product's own login configuration asks for; the landing page derives its two lists from it.
DEFAULT_PERMISSIONS = frozenset({"whatsapp_business_management", "whatsapp_business_messaging"})


@dataclass(frozen=True, slots=True)
class Brand:
    """Who asks, and how that looks. `logo_path` and `background_path` are paths of our own server."""

    company: str
    initials: str
    palette_css: str
    logo_path: str | None = None
    background_path: str | None = None
    asked_by: str | None = None  # the operator's name of the tenant, where the theme shows another one
    help_url: str | None = None
    privacy_url: str | None = None
    terms_url: str | None = None


def initials(name: str) -> str:
    """At most two capitals for a tile without a picture: "Clínica San Lucas" gives "CS"."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper()


def make_brand(palette: Palette, asked_by: str | None = None, **paths: str | None) -> Brand:
    """A brand from a palette. `paths`: logo_path, background_path, help_url, privacy_url, terms_url.

    `asked_by` is the tenant's name as the operator entered it; it is shown only where the theme's company differs.
    """
    company = palette.company
    return Brand(
        company=company,
        initials=initials(company),
        palette_css=palette.css(),
        asked_by=asked_by if asked_by and asked_by != company else None,
        **paths,
    )


def neutral_brand() -> Brand:
    """For pages that belong to no tenant: brand roles are ink, no company is named."""
    return Brand(company="", initials="", palette_css=neutral_palette().css())


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the finishing page: `time` is "14:02" or None, `detail` a second line."""

    key: str
    state: StepState
    title: str
    detail: str | None = None
    time: str | None = None
    detail_is_number: bool = False


@dataclass(frozen=True, slots=True)
class ConnectedNumber:
    """A number of the done page: as people dial it, the name that they see, whether WhatsApp still reviews the name.

    `waits`: WhatsApp lets it send later, by itself. `history`: earlier chats of a number whose app stays, where the
    link asked for them; `progress` in percent, None before Meta told of any.
    """

    number: str
    name: str | None
    name_in_review: bool = False
    waits: bool = False
    history: Literal["coming", "here", "declined"] | None = None
    progress: int | None = None


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The "not mine" form of the done page, offered for `minutes` more."""

    action_url: str
    form_token: str
    minutes: int


@dataclass(frozen=True, slots=True)
class NewNumber:
    """What a customer without a number is told. `pool`: a number is `kept` for this link, one is `ready`, the company's
    pool is `empty` for the countries that it allows, or there is no pool (`off`). `metas`: Meta's own free ones do.
    """

    pool: Literal["kept", "ready", "empty", "off"]
    metas: bool
    number: str = ""  # where one is kept


@dataclass(frozen=True, slots=True)
class Landing:
    """The what-to-expect page. POST `action_url` starts a visit; POST `beacon_url` says that a person saw the page."""

    template: ClassVar[str] = "landing.html"
    brand: Brand
    customer_name: str
    connection_choice: bool
    action_url: str
    form_token: str
    beacon_url: str
    valid_until: str
    connection_type: ConnectionType = "dedicated"  # counts only without a choice
    sync_history: bool = False
    reconnect_number: str | None = None  # a reconnect names the number that it is about
    permissions: frozenset[str] = DEFAULT_PERMISSIONS
    new_number: NewNumber | None = None  # its number stands in `kept_number`, so that one drawing serves many links
    kept_number: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """Instead of the landing page while the work runs: POST `action_url` shows it, or its open question, in here too.

    `asks`: the customer is waited for.
    """

    template: ClassVar[str] = "resume.html"
    brand: Brand
    customer_name: str
    action_url: str
    form_token: str
    asks: bool


@dataclass(frozen=True, slots=True)
class InApp:
    """Instead of the landing page inside of another app, where Facebook's sign-in often fails.

    `app` is the app's name where it is known, `menu` the sign on its menu. `link` is the link's own address, `qr` the
    same as a picture (SVG). `intent_url` opens it in the phone's browser, where apps obey that.
    """

    template: ClassVar[str] = "in_app.html"
    brand: Brand
    customer_name: str
    app: str | None
    menu: str
    link: str
    qr: str
    anyway_url: str
    beacon_url: str
    valid_until: str
    intent_url: str | None = None


@dataclass(frozen=True, slots=True)
class Choose:
    """Choice of the connection type. POST `action_url`: form_token, connection_type."""

    template: ClassVar[str] = "choose.html"
    brand: Brand
    action_url: str
    form_token: str
    valid_until: str
    back_url: str | None = None
    sync_history: bool = False
    chosen: ConnectionType = "coexistence"
    new_number: NewNumber | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """The popup page. signin.js opens the dialog and posts what comes back (PAGES: complete, cancel).

    `extras_json` is the `extras` object of FB.login as JSON. `message_origins` are exact origins, or
    `https://*.facebook.com` for every host below it. `page_url` takes a POST and leads to the full-page dialog.
    """

    template: ClassVar[str] = "signin.html"
    brand: Brand
    steps: Literal[2, 3]
    sdk_url: str
    app_id: str
    config_id: str
    graph_version: str
    extras_json: str
    state: str
    message_origins: tuple[str, ...]
    complete_url: str
    cancel_url: str
    check_url: str
    form_token: str
    valid_until: str
    page_url: str | None = None
    new_number: NewNumber | None = None


@dataclass(frozen=True, slots=True)
class Finishing:
    """Waiting for the server's work. finishing.js polls `status_url`; without script the page reloads itself."""

    template: ClassVar[str] = "finishing.html"
    brand: Brand
    customer_name: str
    steps: tuple[Step, ...]
    status_url: str
    leave_url: str | None = None  # success redirect with status=pending, offered after 60 s
    slow: bool = False  # the server already knows that the 60 s are over
    said: str = ""  # a query that the page after this one shall have

    @property
    def own_url(self) -> str:
        """This page's address without a fragment: Meta adds `#_=_`, and with one a browser does not load it anew."""
        return self.status_url.removesuffix("/status") + self.said


@dataclass(frozen=True, slots=True)
class Done:
    """Connected. With `return_url` and `seconds` the browser leaves by itself unless she stays, or a key is told of."""

    template: ClassVar[str] = "done.html"
    brand: Brand
    customer_name: str
    business_name: str
    numbers: tuple[ConnectedNumber, ...]
    return_url: str | None = None
    seconds: int = 3
    disconnect: Disconnect | None = None
    key: KeyOffer | None = None

    @property
    def all_wait(self) -> bool:
        """True where none of the numbers may send yet."""
        return bool(self.numbers) and all(number.waits for number in self.numbers)


@dataclass(frozen=True, slots=True)
class Disconnected:
    """After "not mine": the numbers of this link were off-boarded."""

    template: ClassVar[str] = "disconnected.html"
    brand: Brand
    customer_name: str
    numbers: tuple[str, ...]
    back_url: str | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """This visit ended, the link is still good. `step` is Meta's `current_step` where it told one."""

    template: ClassVar[str] = "stopped.html"
    brand: Brand
    customer_name: str
    code: str
    action_url: str
    form_token: str
    valid_until: str
    step: str | None = None
    back_url: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The link itself ended with `code`. With `back_url` the browser leaves after `seconds`."""

    template: ClassVar[str] = "failed.html"
    brand: Brand
    customer_name: str
    code: str
    back_url: str | None = None
    seconds: int = 5


@dataclass(frozen=True, slots=True)
class AlreadyConnected:
    """A used link, opened again."""

    template: ClassVar[str] = "already_connected.html"
    brand: Brand
    customer_name: str
    numbers: tuple[str, ...]
    since: str
    back_url: str | None = None
    key: KeyOffer | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """Past its date. POST `ask_url` (form_token) asks the company for a new link; `asked` says that this was done."""

    template: ClassVar[str] = "expired.html"
    brand: Brand
    customer_name: str
    worked_until: str
    form_token: str
    ask_url: str | None = None
    asked: bool = False
    back_url: str | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    """Withdrawn by the company, or replaced by a newer link."""

    template: ClassVar[str] = "revoked.html"
    brand: Brand
    customer_name: str
    superseded: bool = False
    back_url: str | None = None


@dataclass(frozen=True, slots=True)
class NoLink:
    """Unknown, malformed or wrong secret: one page for all."""

    template: ClassVar[str] = "no_link.html"
    brand: Brand = field(default_factory=neutral_brand)


@dataclass(frozen=True, slots=True)
class WrongBrowser:
    """Meta sent a browser back that did not begin this visit; nothing was exchanged."""

    template: ClassVar[str] = "wrong_browser.html"
    brand: Brand = field(default_factory=neutral_brand)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A page that cannot be shown now. `retry_url` is a plain link, `wait_seconds` what Retry-After says."""

    template: ClassVar[str] = "trouble.html"
    kind: Literal["rate_limited", "form_expired", "unavailable", "error"]
    brand: Brand = field(default_factory=neutral_brand)
    retry_url: str | None = None
    wait_seconds: int | None = None


Page = (
    Landing
    | Resume
    | InApp
    | Choose
    | SignIn
    | Finishing
    | EnterPin
    | ChooseNumbers
    | NoNumber
    | Done
    | Disconnected
    | Stopped
    | Failed
    | AlreadyConnected
    | Expired
    | Revoked
    | NoLink
    | WrongBrowser
    | Trouble
)
