"""One small interface over SQLite and PostgreSQL: reads run at once, writes are data."""
