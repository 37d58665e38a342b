"""Browsers inside of other apps: which app it is, and the page that helps out of it.

Owns the reading of the user agent for that, and the page. Facebook's sign-in often fails in there, and cookies do not
outlive the window. What is not known for sure counts as an ordinary browser, and every way on stays open.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import segno
from starlette.requests import Request

from setuplinks.signup.views import InApp, Landing

# The query of "go on here anyway": the landing page itself, in whatever browser.
ANYWAY = "here"
LONGEST_AGENT = 1_000
_APPS = (
    (re.compile(r"\bInstagram "), "Instagram"),
    (
        re.compile(r"FBAN/Messenger|\bFB_IAB/(?:Orca|MESSENGER)|\bOrca-Android|MessengerForiOS|MessengerLite"),
        "Messenger",
    ),
    (re.compile(r"\bFBA[NV]/|\bFB_IAB/|\[FB"), "Facebook"),
    (re.compile(r"\bWhatsApp/"), "WhatsApp"),
    (re.compile(r"\bGmail/|\bGoogleMail/"), "Gmail"),
    (re.compile(r"\bGSA/"), "Google"),
    (re.compile(r"\bLinkedInApp\b"), "LinkedIn"),
    (re.compile(r"\bTwitter(?:Android| for iP)"), "X"),
    (re.compile(r"\bBytedanceWebview|\bmusical_ly|\btrill_|\bTikTok\b"), "TikTok"),
    (re.compile(r"\bSnapchat\b"), "Snapchat"),
    (re.compile(r"\bPinterest/"), "Pinterest"),
    (re.compile(r"\bMicroMessenger/"), "WeChat"),
    (re.compile(r"\bLine/"), "LINE"),
    (re.compile(r"\bTeams/|\bTeamsMobile"), "Teams"),
)
# Apps that hand `intent:` addresses on to the phone; in others such a link ends in an error page.
_OBEY_INTENTS = frozenset({"Instagram", "Messenger", "Facebook"})
_ANDROID_VIEW = re.compile(r"\bAndroid\b.*; ?wv\)")
_IOS_VIEW = re.compile(r"\((?:iPhone|iPad|iPod)[^)]*\) AppleWebKit/")
_IOS_BROWSER = re.compile(r"\bSafari/|\bCriOS/|\bFxiOS/|\bEdgiOS/|\bOPT/|\bDuckDuckGo/")
# Programs that fetch a page for its preview, some of them with an app's name. They get the page that everybody gets.
_FETCHERS = re.compile(r"facebookexternalhit|Facebot|bot/|crawl|spider|preview|scanner|^(?!Mozilla/)", re.IGNORECASE)


@dataclass(frozen=True)
class App:
    """The app around a browser: its name where it is known, and whether the phone is an Android."""

    name: str | None
    android: bool


def app_around(request: Request) -> App | None:
    """The app whose window this is; None for a browser of its own, and for what fetches pages without a person."""
    return _app_of(request.headers.get("user-agent", "")[:LONGEST_AGENT])


@lru_cache(maxsize=2_048)
def _app_of(agent: str) -> App | None:
    if _FETCHERS.search(agent):
        return None
    android = "Android" in agent
    for mark, name in _APPS:
        if mark.search(agent):
            return App(name, android)
    if _ANDROID_VIEW.search(agent):
        return App(None, android=True)
    if _IOS_VIEW.search(agent) and not _IOS_BROWSER.search(agent):
        return App(None, android=False)
    return None


def way_out(app: App, landing: Landing, link: str) -> InApp:
    """The page "open in your browser" instead of the landing page; `link` is the link's own address."""
    return InApp(
        brand=landing.brand,
        customer_name=landing.customer_name,
        app=app.name,
        menu="⋮" if app.android else "⋯",
        link=link,
        qr=_picture(link),
        anyway_url=f"{urlsplit(link).path}?{ANYWAY}",
        beacon_url=landing.beacon_url,
        valid_until=landing.valid_until,
        intent_url=_intent(link) if app.android and app.name in _OBEY_INTENTS else None,
    )


def _picture(link: str) -> str:
    """A QR code as inline SVG without sizes or styles of its own; the stylesheet has them."""
    picture: str = segno.make(link, error="m", micro=False).svg_inline(
        border=0, omitsize=True, dark="#14150F", svgclass=None, lineclass=None
    )
    return picture.replace("<svg ", '<svg aria-hidden="true" ', 1)


def _intent(link: str) -> str | None:
    """Android's own way to say "open this with the browser"; https only, as apps take no other."""
    parts = urlsplit(link)
    if parts.scheme != "https":
        return None
    action = "action=android.intent.action.VIEW;category=android.intent.category.BROWSABLE"
    return f"intent://{parts.netloc}{parts.path}#Intent;scheme=https;{action};end"
