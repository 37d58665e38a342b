"""Limits per address on what strangers may ask of the signup pages. A limit slows an address down; it disables no link.

Owns which limits there are; the counting is `core/rate_limits`.
"""

from setuplinks.core.clock import HOUR, MINUTE, Clock
from setuplinks.core.rate_limits import RateLimits
from setuplinks.settings import Settings


class Limits(RateLimits):
    """Views and misses a minute and address, starts an hour and link."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        on = settings.rate_limits == "on"
        rules = {
            "view": (settings.rate_page_views if on else 0, MINUTE),
            "miss": (settings.rate_misses if on else 0, MINUTE),
            "start": (settings.rate_starts if on else 0, HOUR),
        }
        super().__init__(rules, clock, settings.proxy_networks)
