"""A stand-in for Meta over HTTP, and a stand-in tenant inbox: a reading of Meta's documents of its own."""
