"""The revisions, in order of their numbers; each is frozen once released."""
