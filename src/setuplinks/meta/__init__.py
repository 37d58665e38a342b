"""Meta's language: Graph client, errors, payloads, Embedded Signup, signatures. Nothing of ours."""
