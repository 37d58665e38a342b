"""A tenant's look: theme, images. What signup, dashboard and e-mails share."""
