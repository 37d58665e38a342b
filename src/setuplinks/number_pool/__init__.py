"""Pre-verified numbers that the operator offers to customers who have none."""
