"""One migration history for both databases."""
