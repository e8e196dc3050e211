"""Ask a log what happened, and why."""
