"""Technical ground: database, vault, outbound HTTP, problems, wire format, clock, logs, metrics."""
