"""The phone: one page, its API and its live events. Least rights: it parses what strangers send and never touches
audio memory; everything it wants is asked of the panel (`bridge/commands.py`)."""
