"""The pedal in a whole system: Debian booted in an emulated machine, the pedal put in by its own installer.

`make test-system`; how it works: docs/test-system.md.
"""
