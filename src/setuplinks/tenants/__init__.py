"""Who uses the service: tenants, their API keys, redirects, the audit line, idempotency and the directory."""
