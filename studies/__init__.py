"""Protocols of the default model, with their frozen prompt lists: `python -m studies --help`."""
