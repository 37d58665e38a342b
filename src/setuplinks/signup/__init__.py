"""What the customer sees: pages, templates and static files."""
