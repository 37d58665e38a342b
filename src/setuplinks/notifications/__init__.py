"""What Meta tells us: verify, store, answer."""
