"""Faults under load: programs and databases that are killed, networks that are cut, while Meta's notifications come."""
