"""What we tell the tenant: endpoints, events, deliveries, attempts, signing, retry, sender, runner."""
