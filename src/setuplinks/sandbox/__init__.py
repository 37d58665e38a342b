"""A stand-in for Meta (dialog, SDK, Graph API, notifications) and for a tenant's server. A reading of Meta's documents of its own."""
