"""What may be done about a delivery that failed: each word of those who call has its sentence."""

import errno
import ssl

import pytest

from setuplinks.core.outbound.failures import of_connect, of_handshake, of_name
from setuplinks.dashboard.cures import cure


def _refused_certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    return error


def test_every_way_in_which_a_call_fails_before_an_answer_has_a_cure() -> None:
    numbers = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EIO)
    failures = [of_name(OSError("no such name")), of_handshake(ssl.SSLError()), of_handshake(ConnectionResetError())]
    failures += [of_connect(OSError(number, "no")) for number in numbers]
    failures += [of_handshake(_refused_certificate(code)) for code in (1, 9, 10, 18, 19, 20, 21, 62, 64)]
    assert [failure.words for failure in failures if not cure(failure.words)] == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("no answer within 15 s", "Answer 2xx first"), ("refused: private address", "public address"),
        ("refused: http to a public address", "https"), ("answered 302", "Redirects"), ("answered 401", "signature"),
        ("answered 404", "nothing at this path"), ("answered 410", "disabled"), ("answered 418", "did not take it"),
        ("answered 503", "was not ready"), ("the answer is not HTTP", "no HTTP"),
    ],
)  # fmt: skip
def test_a_cure_speaks_of_its_error(error: str, says: str) -> None:
    assert says in cure(error)


@pytest.mark.parametrize("error", [None, "payload erased", "endpoint is gone", "answered nothing"])
def test_what_nobody_can_cure_has_no_sentence(error: str | None) -> None:
    assert cure(error) == ""
