"""Why a call got no answer: a kind for the program, plain words for people, a detail for whoever looks deeper.

Owns the words. It does not own what a failure means for a delivery (`webhooks/sender`).
"""

import errno
import ssl
from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why there is no answer."""

    BAD_URL = "bad_url"
    REFUSED_ADDRESS = "refused_address"
    NAME = "name"
    CONNECT = "connect"
    TLS_NAME = "tls_name"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Failure:
    """`words` for people ("certificate expired"), `detail` for whoever looks deeper."""

    kind: FailureKind
    words: str
    detail: str = ""


class Failed(Exception):
    """A call that came to this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.words)
        self.failure = failure


_CERTIFICATE_WORDS = {
    9: "certificate not yet valid",
    10: "certificate expired",
    18: "certificate is self-signed",
    19: "certificate is self-signed",
    20: "certificate issuer is not known",
    21: "certificate issuer is not known",
}
_CERTIFICATE_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_CONNECT_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection closed",
    errno.EHOSTUNREACH: "host not reachable",
    errno.ENETUNREACH: "network not reachable",
}


def of_name(error: Exception) -> Failure:
    """A name without an address."""
    return Failure(FailureKind.NAME, "name does not resolve", _detail(error))


def of_connect(error: OSError) -> Failure:
    """No address of the name took the connection."""
    return Failure(FailureKind.CONNECT, _CONNECT_WORDS.get(error.errno or 0, "cannot connect"), _detail(error))


def of_handshake(error: Exception) -> Failure:
    """The connection stood, and ended before a request could be sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_failure(error, _detail(error))
    if isinstance(error, ssl.SSLError | ValueError):
        return Failure(FailureKind.TLS, "TLS handshake failed", _detail(error))
    return Failure(FailureKind.BROKEN, "connection closed", _detail(error))


def _detail(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _certificate_failure(error: Exception, detail: str) -> Failure:
    code = getattr(error, "verify_code", 0)
    if code in _CERTIFICATE_NAME:
        return Failure(FailureKind.TLS_NAME, "certificate is for another name", detail)
    return Failure(FailureKind.TLS, _CERTIFICATE_WORDS.get(code, "certificate is not valid"), detail)
