"""What passes through the gateway's hands: who asks, what is asked, whose it is, what is answered. Values only."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from setuplinks.meta.gateway_language import GraphPath, Use

Headers = tuple[tuple[bytes, bytes], ...]
Kind = Literal["phone_number", "waba", "media", "template", "flow", "upload"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key may reach. `customer_id` and `waba_id` are None for a tenant key, which reaches all of its tenant's.

    `key` is the key itself, as the client sent it: it stands in the addresses that lead back through us.
    """

    tenant_id: int
    key_id: int
    actor: str
    scopes: frozenset[str]
    key: str = field(repr=False)
    customer_id: int | None = None
    waba_id: int | None = None
    meta_waba_id: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The object that a call is about, proven to be the key's. Ids are ours, `meta_…` are Meta's.

    The number's own columns are None where the object is not a number's; `meta_phone_number_id` stands for media too.
    """

    kind: Kind
    meta_id: str
    tenant_id: int
    customer_id: int
    waba_id: int
    meta_waba_id: str
    phone_id: int | None = None
    meta_phone_number_id: str | None = None
    connection_type: str | None = None
    throughput_tier: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as the client made it. `headers` as they came (names in lower case), `query` without our key.

    `body` is None where it is handed on as it comes.
    """

    method: str
    path: GraphPath
    use: Use
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes | None = b""

    def header(self, name: bytes) -> str | None:
        """The header's first value; `name` in lower case."""
        return next((value.decode("latin-1") for given, value in self.headers if given == name), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, Meta's or ours: headers as they go out, without a length."""

    status: int
    headers: Headers
    body: bytes


Call = Callable[[], Awaitable[Answer]]
"""The call to Meta, made once each time it is awaited anew."""
