"""What operator and tenants see: pages, templates, static files."""
