"""What the customer ends up with: WABA, phone number, credential."""
