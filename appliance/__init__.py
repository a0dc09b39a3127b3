"""A stage amp: neural models of real amps and pedals, played by a Raspberry Pi.

Reading order for newcomers: `audio/loop.py` (the period), `engine/native/` (what happens in it),
`formats/description.py` (what a model is), `panel/` (who owns the state), `web/` (the phone).
"""

__version__ = "0.1.0"
