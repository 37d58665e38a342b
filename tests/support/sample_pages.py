"""One sample of every signup page, the same people and numbers wherever a page is drawn without a running service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from setuplinks.branding.theme import build_palette
from setuplinks.signup.in_app import App, way_out
from setuplinks.signup.key_views import KeyOffer, ShownKey
from setuplinks.signup.question_views import ChooseNumbers, EnterPin, NoNumber, NumberGroup, OfferedNumber
from setuplinks.signup.views import (
    AlreadyConnected,
    Brand,
    Choose,
    ConnectedNumber,
    Disconnect,
    Disconnected,
    Done,
    Expired,
    Failed,
    Finishing,
    InApp,
    Landing,
    NewNumber,
    NoLink,
    Page,
    Resume,
    Revoked,
    SignIn,
    Stopped,
    Trouble,
    WrongBrowser,
    make_brand,
)
from setuplinks.signup.wording import finishing_steps

CUSTOMER = "Clínica San Lucas"
NUMBER = "+54 9 11 5555-0100"
UNTIL = "25 May 2026"
BACK = "https://app.acme.example/onboarding?status=failed"
TOKEN = "form-token"


def sample_brand(primary: str = "#10B981", logo_path: str | None = "/logo.png", background: str | None = None) -> Brand:
    """Acme SaaS as the pictures show it."""
    return make_brand(
        build_palette({"primaryColor": primary, "companyName": "Acme SaaS"}, "Acme SaaS"),
        asked_by="Acme SaaS",
        logo_path=logo_path,
        background_path=background,
        help_url="https://acme.example/help",
        privacy_url="https://acme.example/privacy",
        terms_url="https://acme.example/terms",
    )


def sample_landing(brand: Brand, *, choice: bool = True) -> Landing:
    """The landing page of the sample link."""
    return Landing(brand, CUSTOMER, choice, "/signup/x/start", TOKEN, "/signup/x/opened", UNTIL)


def sample_sign_in(brand: Brand) -> SignIn:
    """The popup page; its dialog stands on another origin."""
    return SignIn(
        brand=brand,
        steps=3,
        sdk_url="http://localhost:9/en_US/sdk.js",
        app_id="1234567890",
        config_id="9876543210",
        graph_version="v25.0",
        extras_json='{"setup":{},"featureType":"whatsapp_business_app_onboarding","sessionInfoVersion":"3"}',
        state="state-of-this-visit",
        message_origins=("http://localhost:9",),
        complete_url="/signup/visit/complete",
        cancel_url="/signup/visit/cancel",
        check_url="/signup/visit",
        form_token=TOKEN,
        valid_until=UNTIL,
        page_url="/signup/visit/dialog",
    )


def sample_done(brand: Brand) -> Done:
    """The end of a good signup, within the fifteen minutes of "not mine"."""
    return Done(
        brand=brand,
        customer_name=CUSTOMER,
        business_name=CUSTOMER,
        numbers=(ConnectedNumber(NUMBER, CUSTOMER, name_in_review=True),),
        return_url="https://app.acme.example/onboarding?status=success",
        disconnect=Disconnect("/signup/visit/disconnect", TOKEN, 15),
    )


def sample_key() -> KeyOffer:
    """The one view of the customer's own key."""
    shown = ShownKey("sl_waba_" + "7k3v9x2m5q8r1t4w6y0z2b5d8f" * 2, CUSTOMER, ((NUMBER, "106540352242922"),))
    return KeyOffer("", "", None, (shown,), "https://connect.acme.example/graph")


def sample_asking(brand: Brand) -> dict[str, Any]:
    """What the pages of an open question share."""
    here = "/signup/visit"
    return {
        "brand": brand, "steps": 3, "asks": "pin.1", "form_token": TOKEN, "status_url": f"{here}/status",
        "check_url": f"{here}/look", "again_url": f"{here}/choose-again", "keeps_until": "21 May 2026",
    }  # fmt: skip


def sample_pin(brand: Brand) -> EnterPin:
    """A number that was registered before."""
    return EnterPin(
        **sample_asking(brand), action_url="/signup/visit/pin", off_url="/signup/visit/turned-off", number=NUMBER,
        tries_left=8,
    )  # fmt: skip


def sample_numbers(brand: Brand) -> ChooseNumbers:
    """A business with two WhatsApp accounts; one number belongs to somebody else."""
    return ChooseNumbers(
        **sample_asking(brand),
        action_url="/signup/visit/numbers",
        groups=(
            NumberGroup(
                "San Lucas",
                (
                    OfferedNumber("101", NUMBER, CUSTOMER),
                    OfferedNumber("102", "+54 9 11 5555-0177", "San Lucas Turnos"),
                ),
            ),
            NumberGroup(
                "San Lucas Interior",
                (OfferedNumber("103", "+54 9 351 555-0142", "San Lucas Córdoba", taken=True),),
            ),
        ),
    )


def sample_in_app(brand: Brand, app: App | None = None) -> InApp:
    """The landing page's address, opened from a message inside Instagram."""
    link = "https://connect.acme.example/signup/0190d0c4-7a10-7c51-9d0e-3f2a6b8c1d20-7k3v9x2m5q8r1t4w6y0z2b5d8f"
    return way_out(app or App("Instagram", android=True), sample_landing(brand), link)


def sample_pages(brand: Brand) -> dict[str, Page]:
    """Every page by the name of its picture."""
    finishing = finishing_steps("Acme SaaS", {"permission": "14:02", "number": "14:02"}, number=NUMBER)
    return {
        "landing": sample_landing(brand),
        "landing-new-number": replace(
            sample_landing(brand, choice=False), new_number=NewNumber("kept", True), kept_number="+12025550143"
        ),
        "choose-new-number": Choose(
            brand, "/signup/visit/choose", TOKEN, UNTIL, new_number=NewNumber("empty", True), chosen="dedicated"
        ),
        "choose": Choose(brand, "/signup/visit/choose", TOKEN, UNTIL, back_url="/signup/visit?back"),
        "signin": sample_sign_in(brand),
        "finishing": Finishing(brand, CUSTOMER, finishing, "/signup/visit/status", leave_url=BACK),
        "resume": Resume(brand, CUSTOMER, "/signup/x", TOKEN, asks=True),
        "resume-working": Resume(brand, CUSTOMER, "/signup/x", TOKEN, asks=False),
        "pin": sample_pin(brand),
        "pin-wrong": replace(sample_pin(brand), wrong=2, tries_left=6),
        "pin-locked": replace(sample_pin(brand), wrong=4, locked_until="21 May 2026, 09:40"),
        "numbers": sample_numbers(brand),
        "no-number": NoNumber(**sample_asking(brand), reason="no_number", looked=True),
        "no-account": NoNumber(**sample_asking(brand), reason="no_waba"),
        "in-app": sample_in_app(brand),
        "done": sample_done(brand),
        "done-chats": replace(
            sample_done(brand), numbers=(ConnectedNumber(NUMBER, CUSTOMER, history="coming", progress=40),)
        ),
        "done-key": replace(sample_done(brand), key=KeyOffer("/signup/visit/key#key", TOKEN)),
        "done-key-shown": replace(sample_done(brand), key=sample_key()),
        "done-key-over": replace(sample_done(brand), key=KeyOffer("", "", "18 May 2026, 14:05")),
        "disconnected": Disconnected(brand, CUSTOMER, (NUMBER,), BACK),
        "stopped": Stopped(
            brand, CUSTOMER, "cancelled", "/go", TOKEN, UNTIL, step="PHONE_NUMBER_VERIFICATION", back_url=BACK
        ),
        "failed": Failed(brand, CUSTOMER, "visits_exhausted", BACK),
        "already-connected": AlreadyConnected(brand, CUSTOMER, (NUMBER,), "18 May 2026", BACK),
        "expired": Expired(brand, CUSTOMER, UNTIL, TOKEN, "/ask", back_url=BACK),
        "expired-asked": Expired(brand, CUSTOMER, UNTIL, TOKEN, "/ask", asked=True, back_url=BACK),
        "revoked": Revoked(brand, CUSTOMER, back_url=BACK),
        "no-link": NoLink(),
        "wrong-browser": WrongBrowser(),
        "rate-limited": Trouble("rate_limited", wait_seconds=600, retry_url="/signup/x"),
    }
