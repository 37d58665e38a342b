"""Whom a tenant onboards."""
