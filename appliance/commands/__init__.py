"""The commands of `cli.py`, by area: parse, call, print."""
