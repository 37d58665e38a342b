"""What the dashboard's pages show, as values; the templates only print them.

Owns the shapes of what stands around every page, and of the pages of nobody's room: signing in, tenants, doctor.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from setuplinks.dashboard.clockface import Clockface
from setuplinks.doctor.models import Report


@dataclass(frozen=True)
class Place:
    """An entry of the side bar."""

    name: str
    path: str
    icon: str
    current: bool


@dataclass(frozen=True)
class Said:
    """A sentence at the head of a page: what was done (`pass`), or why it was not (`fail`)."""

    shape: str
    title: str
    detail: str = ""


@dataclass(frozen=True)
class Frame:
    """What stands around a page. `base` is the tenant's path; `holder` says who is signed in."""

    form_token: str
    face: Clockface
    places: tuple[Place, ...]
    heading: str
    initials: str
    holder: str
    base: str = "/dashboard"
    may_change: bool = False
    may_switch: bool = False
    said: Said | None = None


class Page(Protocol):
    """A value that its template prints."""

    template: ClassVar[str]


@dataclass(frozen=True)
class SignInPage:
    """Asks for a key; `refusal` is why the last one was not taken, `onward` where the person wanted to go."""

    template: ClassVar[str] = "sign_in.html"
    form_token: str
    onward: str = ""
    refusal: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class TroublePage:
    """What cannot be shown, and the way on."""

    template: ClassVar[str] = "trouble.html"
    heading: str
    lead: str
    onward: str = "/dashboard"
    onward_words: str = "To the dashboard"


@dataclass(frozen=True)
class TenantRow:
    """A tenant among others."""

    id: int
    name: str
    status: str
    created_at: int


@dataclass(frozen=True)
class TenantsPage:
    """The operator picks a tenant."""

    template: ClassVar[str] = "tenants.html"
    frame: Frame
    rows: tuple[TenantRow, ...]
    older: str | None


@dataclass(frozen=True)
class DoctorPage:
    """An examination. `checked_at` in µs."""

    template: ClassVar[str] = "doctor.html"
    frame: Frame
    report: Report
