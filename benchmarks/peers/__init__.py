"""What ledgerhub is measured against, each used through its public API."""
