"""What the pages of setup links show. Owns the shapes."""

from dataclasses import dataclass
from typing import ClassVar

from setuplinks.dashboard.asked import Asked
from setuplinks.dashboard.views import Frame
from setuplinks.dashboard.words import State


@dataclass(frozen=True)
class LinkLine:
    """A link among others; `last` is when something last happened to it."""

    id: str
    customer_id: int
    customer: str | None
    external_id: str | None
    state: State
    purpose: str
    last: int


@dataclass(frozen=True)
class LinksPage:
    """The tenant's links, with their filters."""

    template: ClassVar[str] = "links.html"
    frame: Frame
    asked: Asked
    rows: tuple[LinkLine, ...]
    older: str | None


@dataclass(frozen=True)
class StepLine:
    """A line of the timeline; `at` None for what is still awaited."""

    state: State
    cause: str
    at: int | None


@dataclass(frozen=True)
class Matter:
    """Why a link stopped, or what it waits for. `whose`: whose turn it is; `until` where that ends."""

    shape: str
    title: str
    detail: str
    whose: str
    until: int | None = None
    code: str | None = None


@dataclass(frozen=True)
class NumberLine:
    """A number that came of the link."""

    id: int
    display: str
    name: str | None
    state: State


@dataclass(frozen=True)
class LinkPage:
    """One link with its timeline. `url` only for who may make one, while the link is open."""

    template: ClassVar[str] = "link.html"
    frame: Frame
    id: str
    customer_id: int
    customer: str | None
    external_id: str | None
    state: State
    purpose: str
    types: str
    created_at: int
    expires_at: int
    url: str | None
    steps: tuple[StepLine, ...]
    matter: Matter | None
    numbers: tuple[NumberLine, ...]
    warnings: tuple[str, ...]
    may_withdraw: bool
