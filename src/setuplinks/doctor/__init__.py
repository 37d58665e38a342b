"""Is this installation ready for its first customer?"""
