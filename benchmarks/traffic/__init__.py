"""What flows through the service: Meta's notifications in, webhooks out; each measured beside its limit."""
