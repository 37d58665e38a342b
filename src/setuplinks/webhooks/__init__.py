"""What we tell the tenant: endpoints, events, deliveries and attempts."""
