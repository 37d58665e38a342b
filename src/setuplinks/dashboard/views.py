"""What the dashboard's pages show, as values; the templates only print them."""

from dataclasses import dataclass
from typing import ClassVar

from setuplinks.doctor.models import Report


@dataclass(frozen=True)
class SignInPage:
    """Asks for the operator's key; `refusal` is why the last one was not taken."""

    template: ClassVar[str] = "sign_in.html"
    form_token: str
    refusal: str | None = None


@dataclass(frozen=True)
class DoctorPage:
    """An examination. `checked_at` is an instant as it stands in answers."""

    template: ClassVar[str] = "doctor.html"
    form_token: str
    report: Report
    checked_at: str


@dataclass(frozen=True)
class TroublePage:
    """What cannot be shown, and the way on."""

    template: ClassVar[str] = "trouble.html"
    heading: str
    lead: str


Page = SignInPage | DoctorPage | TroublePage
