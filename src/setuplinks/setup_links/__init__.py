"""The product: a one-time setup link, its visits, its status moves and its funnel."""
