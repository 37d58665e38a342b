"""Which user agents are windows of another app, what the way out of it offers, and how the sign-in opens where."""

import pytest
from starlette.requests import Request

from setuplinks.signup.in_app import App, app_around, way_out
from setuplinks.signup.rendering import Renderer
from setuplinks.signup.starting import transport
from tests.support.sample_pages import sample_brand, sample_landing

IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPAD = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9 Build/AP3A; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
)
DESK = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
LINK = "https://connect.acme.example/signup/0190d0c4-7a10-7c51-9d0e-3f2a6b8c1d20-7k3v9x2m5q8r1t4w6y0z2b5d8f"

INSIDE = [
    (f"{IOS} Mobile/15E148 Instagram 385.0.0.20.76 (iPhone16,1; iOS 18_5; en_US; en; scale=3.00)", "Instagram", False),
    (f"{ANDROID} Version/4.0 Chrome/137.0 Mobile Safari/537.36 Instagram 385.0.0.47.74 Android (35/15)", "Instagram",
     True),
    (f"{IOS} Mobile/15E148 [FBAN/FBIOS;FBAV/517.0.0.47.108;FBBV/741;FBDV/iPhone16,1;FBMD/iPhone]", "Facebook", False),
    (f"{ANDROID} Version/4.0 Chrome/137.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/517.0.0.41.109;]", "Facebook", True),
    (f"{IOS} Mobile/15E148 [FBAN/MessengerForiOS;FBAV/512.0.0;FBBV/738]", "Messenger", False),
    (f"{ANDROID} Version/4.0 Chrome/137.0 Mobile Safari/537.36 [FB_IAB/Orca-Android;FBAV/512.0.0;]", "Messenger", True),
    (f"{ANDROID} Version/4.0 Chrome/137.0 Mobile Safari/537.36 WhatsApp/2.25.16.81", "WhatsApp", True),
    (f"{IOS} Mobile/15E148 WhatsApp/2.25.16", "WhatsApp", False),
    (f"{IOS} Mobile/15E148 Gmail/6.0.250601", "Gmail", False),
    (f"{IOS} GSA/373.0.770 Mobile/15E148 Safari/604.1", "Google", False),
    (f"{IOS} Mobile/15E148 [LinkedInApp]/9.31", "LinkedIn", False),
    (f"{IOS} Mobile/15E148 Twitter for iPhone/11.2", "X", False),
    (f"{ANDROID} Version/4.0 Chrome/137.0 Mobile Safari/537.36 TwitterAndroid", "X", True),
    (f"{ANDROID} Version/4.0 Chrome/137.0 Mobile Safari/537.36 trill_390 BytedanceWebview/d8a21c6", "TikTok", True),
    (f"{IOS} Mobile/15E148 Snapchat/13.4", "Snapchat", False),
    (f"{IOS} Mobile/15E148 Safari/604.1 [Pinterest/iOS] Pinterest/13.2", "Pinterest", False),
    (f"{IOS} Mobile/15E148 MicroMessenger/8.0.60 NetType/WIFI Language/en", "WeChat", False),
    (f"{IOS} Mobile/15E148 Safari Line/15.8.0", "LINE", False),
    (f"{DESK} Chrome/138.0 Safari/537.36 Teams/25153", "Teams", False),
    (f"{ANDROID} Version/4.0 Chrome/137.0.0.0 Mobile Safari/537.36", None, True),
    (f"{IOS} Mobile/15E148", None, False),
    (f"{IPAD} Mobile/15E148", None, False),
]  # fmt: skip
ORDINARY = [
    CHROME,
    f"{IOS} Version/18.5 Mobile/15E148 Safari/604.1",
    f"{IPAD} Version/18.5 Mobile/15E148 Safari/604.1",
    f"{IOS} CriOS/138.0.7204.33 Mobile/15E148 Safari/604.1",
    f"{IOS} FxiOS/140.0 Mobile/15E148 Safari/605.1.15",
    f"{IOS} EdgiOS/137.0 Version/17.0 Mobile/15E148 Safari/604.1",
    f"{IOS} Version/18.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 15; SM-S928B) AppleWebKit/537.36 SamsungBrowser/28.0 Chrome/130 Mobile Safari/537.36",
    "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
    "Mozilla/5.0 (Linux; Android 12; CUBOT X50) AppleWebKit/537.36 Chrome/138.0 Mobile Safari/537.36",
    f"{DESK} Chrome/138.0.0.0 Safari/537.36",
    f"{DESK} Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0",
    f"{DESK} Chrome/138.0.0.0 Safari/537.36 OPR/120.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80; U; en) Presto/2.5.25",
    "",
]
# They load pages for a preview or a scan; some carry an app's name.
FETCHERS = [
    "WhatsApp/2.25.16.81 A",
    "WhatsApp/2.2521.10 W",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
    "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "Twitterbot/1.0",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Pinterest/0.2 (+https://www.pinterest.com/bot.html)",
    "Mozilla/5.0 (compatible; Pinterestbot/1.0; +https://www.pinterest.com/bot.html)",
    "TelegramBot (like TwitterBot)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 SkypeUriPreview Preview/0.5 skype-url-preview",
    "Mozilla/5.0 (compatible; Barracuda Sentinel (EE) scanner)",
]


def inside(agent: str) -> App | None:
    headers = [(b"user-agent", agent.encode())]
    return app_around(Request({"type": "http", "headers": headers}))


@pytest.mark.parametrize(("agent", "name", "android"), INSIDE)
def test_a_window_of_another_app_is_known_as_one(agent: str, name: str | None, android: bool) -> None:
    assert inside(agent) == App(name, android)


@pytest.mark.parametrize("agent", ORDINARY)
def test_ordinary_browsers_stay_ordinary(agent: str) -> None:
    assert inside(agent) is None


@pytest.mark.parametrize("agent", FETCHERS)
def test_what_fetches_pages_without_a_person_gets_the_page_that_everybody_gets(agent: str) -> None:
    assert inside(agent) is None


def test_a_very_long_user_agent_is_read_no_further_than_needed() -> None:
    assert inside(CHROME + " x" * 100_000) is None
    assert inside("Mozilla/5.0 " + "(" * 50_000) is None


@pytest.mark.parametrize(
    ("app", "opens_by_intent"),
    [
        (App("Instagram", True), True), (App("Facebook", True), True), (App("Messenger", True), True),
        (App("Instagram", False), False), (App("WhatsApp", True), False), (App(None, True), False),
    ],
)  # fmt: skip
def test_androids_own_way_to_the_browser_is_offered_where_apps_obey_it(app: App, opens_by_intent: bool) -> None:
    page = way_out(app, sample_landing(sample_brand()), LINK)
    path = LINK.removeprefix("https://")
    wanted = (
        f"intent://{path}#Intent;scheme=https;action=android.intent.action.VIEW;"
        "category=android.intent.category.BROWSABLE;end"
    )
    assert page.intent_url == (wanted if opens_by_intent else None)
    assert way_out(app, sample_landing(sample_brand()), LINK.replace("https", "http")).intent_url is None


def test_the_way_out_can_always_be_copied_and_there_is_a_way_on_without_it() -> None:
    for app in (App("Instagram", True), App(None, False)):
        page = way_out(app, sample_landing(sample_brand()), LINK)
        html = Renderer().render(page, "n")
        assert f'value="{LINK}"' in html
        assert f'<a class="link" href="{LINK.removeprefix("https://connect.acme.example")}?here">' in html
        assert html.count("<svg aria-hidden") == 1  # the link once more, for another device
        assert "<form" not in html
    assert "You are inside another app." in html


@pytest.mark.parametrize(
    ("connection_type", "wanted", "phone", "opens", "may_use_page", "taken"),
    [
        ("dedicated", None, False, True, True, "popup"),
        ("dedicated", None, True, True, True, "page"),
        ("dedicated", None, True, False, True, "page"),
        ("dedicated", None, False, False, True, "page"),
        ("coexistence", None, False, True, True, "popup"),
        ("coexistence", None, True, True, True, "popup"),
        ("coexistence", None, True, False, True, "page"),
        # META_PAGE_EXTRAS=off: coexistence by popup only, whatever else is wanted
        ("coexistence", None, True, False, False, "popup"),
        ("coexistence", "page", True, True, False, "popup"),
        # a setting or a button of the page decides
        ("dedicated", "popup", True, True, True, "popup"),
        ("dedicated", "page", False, True, True, "page"),
        ("coexistence", "page", False, True, True, "page"),
        ("dedicated", "popup", True, False, True, "popup"),
    ],
)
def test_the_sign_in_opens_where_it_works_best(
    connection_type: str, wanted: str | None, phone: bool, opens: bool, may_use_page: bool, taken: str
) -> None:
    assert transport(connection_type, wanted, phone=phone, opens=opens, may_use_page=may_use_page) == taken
