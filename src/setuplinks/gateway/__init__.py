"""The gateway: a stand-in for Meta's Graph API, by which a tenant's WhatsApp client reaches its customers' numbers.

Owns who may call what, the proxied call and our own rules. Graph's paths, parameters and error shapes are `meta`'s.
"""
