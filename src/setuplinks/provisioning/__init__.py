"""The whole connection: connect, reconnect, disconnect, off-board."""
