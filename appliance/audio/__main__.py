"""`python -m appliance.audio`: see `process.py`."""

import sys

from appliance.audio.process import main

sys.exit(main())
