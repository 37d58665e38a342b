"""From which addresses a WABA's key is taken."""

import pytest

from setuplinks.whatsapp.waba_keys import WabaKey


def key(*addresses: str) -> WabaKey:
    """A key with this list."""
    return WabaKey(1, 2, 3, 4, "5", "n", "sl_waba_abcd", frozenset({"send"}), addresses, None, "cli", None, 0, None)


@pytest.mark.parametrize(
    ("addresses", "address", "taken"),
    [
        ((), "203.0.113.9", True), ((), "unknown", True),
        (("203.0.113.7",), "203.0.113.7", True), (("203.0.113.7",), "203.0.113.8", False),
        (("203.0.113.0/24", "2001:db8::/32"), "203.0.113.200", True),
        (("203.0.113.0/24", "2001:db8::/32"), "2001:db8:1::1", True),
        (("203.0.113.0/24",), "::ffff:203.0.113.200", True), (("2001:db8::/32",), "203.0.113.200", False),
        (("203.0.113.0/24",), "unknown", False), (("0.0.0.0/0",), "2001:db8::1", False),
    ],
)  # fmt: skip
def test_a_list_is_held_and_no_list_is_anywhere(addresses: tuple[str, ...], address: str, taken: bool) -> None:
    assert key(*addresses).takes(address) is taken
