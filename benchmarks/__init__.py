"""Programs that measure the service against its budgets; `python -m benchmarks [--quick]` runs them all."""
