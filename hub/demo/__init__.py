"""A network that looks like life, played in seconds: what ``ledgerhub demo`` shows."""
