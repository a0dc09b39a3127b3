"""`python -m appliance.audio`: see `process.py`."""

import sys
import time

_begun_s = time.monotonic()  # before the imports, whose time is told

from appliance.audio.process import main  # noqa: E402

sys.exit(main(begun_s=_begun_s))
