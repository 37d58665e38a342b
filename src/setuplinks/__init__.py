"""Self-hosted setup links: a tenant's customers connect their own WhatsApp number."""
