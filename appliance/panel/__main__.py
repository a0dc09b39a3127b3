"""`python -m appliance.panel`: the panel as a process of its own. Settings come from the environment (`paths.py`)."""

from __future__ import annotations

import logging
import sys

from appliance.errors import ApplianceError, ExitCode
from appliance.panel.process import run


def main() -> int:
    """Run the panel; errors end in one sentence and an exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        run()
    except ApplianceError as error:
        logging.getLogger(__name__).error("%s", error)
        return error.exit_code
    return ExitCode.OK


sys.exit(main())
