"""What stands behind each command: how the service, the sandbox, the demo and the verbs are run from a terminal."""
