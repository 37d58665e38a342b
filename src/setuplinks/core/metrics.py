"""Counters and times for Prometheus.

Owns the registry and the names. Whoever does the work counts it; `/metrics` shows it.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

registry = CollectorRegistry()
requests = Counter(
    "setuplinks_http_requests_total", "Answered requests.", ("method", "route", "status"), registry=registry
)
seconds = Histogram(
    "setuplinks_http_request_seconds", "Time to the answer.", ("route",), buckets=BUCKETS, registry=registry
)
runs = Counter("setuplinks_runner_items_total", "Items that a runner handled.", ("runner",), registry=registry)
crashes = Counter("setuplinks_runner_crashes_total", "Rounds of a runner that failed.", ("runner",), registry=registry)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(registry)
