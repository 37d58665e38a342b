"""Instants that tests share, in microseconds since 1970 (UTC)."""

from datetime import UTC, datetime

TEST_BEGINS = int(datetime(2026, 5, 18, 12, 0, tzinfo=UTC).timestamp()) * 1_000_000
