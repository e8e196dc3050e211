"""What the hub remembers: pure folds of the log, and the views that read it (second floor)."""
