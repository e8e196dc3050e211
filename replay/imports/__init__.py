"""Logs made of what was not one: an export of a log, or the folder of another hub."""
