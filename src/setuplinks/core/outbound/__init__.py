"""The guarded HTTP client for every URL that a tenant gave us."""
