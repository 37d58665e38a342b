"""What may be done about a delivery that failed: its last error's words in, a sentence out.

Owns the cures. The words are of those who call and judge (`core/outbound`, `webhooks/sender`); one that is not known
here has no cure, and the attempt's own detail has to do.
"""

_NO_WAY = "There is no way to this address from here: a firewall or a route is in between."
_CURES = {
    "certificate expired": "Renew your server’s certificate.",
    "certificate not yet valid": "Your server’s certificate begins later than now. Take one that holds already.",
    "certificate is for another name": "Your server shows a certificate for another name than its address has.",
    "certificate is self-signed": "Take a certificate of a public issuer: nobody vouches for one that signed itself.",
    "certificate issuer is not known": "Take a certificate of a public issuer, and send its whole chain.",
    "certificate is not valid": "Look at your server’s certificate; the detail below says what is wrong with it.",
    "TLS handshake failed": "Your server and this service found no common TLS. Does this port speak https?",
    "name does not resolve": "The name has no address. Look at its DNS entry, or at the endpoint’s address.",
    "connection refused": "Nothing listens at this address and port. Is your server up?",
    "connection closed": "Your server, or a proxy before it, ended the connection before it had answered.",
    "the answer is not HTTP": "What answers there speaks no HTTP. Look at the port of the endpoint’s address.",
    "host not reachable": _NO_WAY,
    "network not reachable": _NO_WAY,
    "cannot connect": _NO_WAY,
    "refused: http to a public address": "Give the endpoint an https address: nothing goes openly over the internet.",
    "not sent: its secrets stay closed": "The operator’s turn: a master key is missing. It is tried again by itself.",
}
_BEGINNINGS = {
    "no answer within": "Answer 2xx first and work later.",
    "refused: ": "Give the endpoint a public address, or ask the operator to allow this one.",
}
_ANSWERS = {
    401: "Your server refuses the caller or the signature: compare the secret, and read the body as it came.",
    403: "Your server refuses the caller or the signature: compare the secret, and read the body as it came.",
    404: "Your server has nothing at this path. Look at the endpoint’s address.",
    405: "Your server takes no POST at this path. Look at the endpoint’s address.",
    410: "410 says that your server wants no more, so the endpoint was disabled.",
    429: "Your server asks for less at a time: give the endpoint a rate limit.",
}


def cure(error: str | None) -> str:
    """What to do about this error; "" where nothing is known."""
    if error is None:
        return ""
    known, text = error.partition("answered ")[::2]
    if not known and text.isdigit():
        return _of_status(int(text))
    beginnings = (words for beginning, words in _BEGINNINGS.items() if error.startswith(beginning))
    return _CURES.get(error) or next(beginnings, "")


def _of_status(status: int) -> str:
    if 300 <= status < 400:
        return "Redirects are not followed: give the endpoint the address that it leads to."
    if status >= 500:
        return "Your server, or a proxy before it, was not ready; its own log says why."
    return _ANSWERS.get(status, "Your server did not take it; what it answered stands below.")
