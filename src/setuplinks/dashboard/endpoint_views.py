"""What the pages of webhook endpoints show. Owns the shapes; no secret is among them."""

from dataclasses import dataclass, field
from typing import ClassVar

from setuplinks.dashboard.delivery_views import DeliveryLine
from setuplinks.dashboard.views import Frame
from setuplinks.dashboard.words import State


@dataclass(frozen=True)
class EndpointLine:
    """An endpoint among others."""

    id: int
    name: str
    description: str
    state: State
    takes: str


@dataclass(frozen=True)
class EndpointsPage:
    """The tenant's endpoints."""

    template: ClassVar[str] = "endpoints.html"
    frame: Frame
    rows: tuple[EndpointLine, ...]


@dataclass(frozen=True)
class HealthLine:
    """How an endpoint does; times in µs. `more`: not all that wait were counted.

    `why_disabled` and `fares` are sentences, the one for a disabled endpoint, the other for one without failures.
    """

    state: State
    failures: int
    since: int | None
    paused_until: int | None
    waiting: int
    more: bool
    why_disabled: str
    fares: str


@dataclass(frozen=True)
class EndpointPage:
    """One endpoint. `typed` is what was typed into a form that was refused."""

    template: ClassVar[str] = "endpoint.html"
    frame: Frame
    id: int
    name: str
    url: str
    description: str
    enabled: bool
    health: HealthLine
    facts: tuple[tuple[str, str], ...]
    latest: tuple[DeliveryLine, ...]
    recover_since: str
    replay_since: str
    replay_until: str
    typed: dict[str, str] = field(default_factory=dict)
