"""Many signups against a bad Meta, bad receivers, restless people and sudden deaths: is anything lost or doubled?"""
