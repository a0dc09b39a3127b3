"""The command line: parse, call, print. The work is done elsewhere; heavy modules are imported by the command that
needs them, so that `appliance --help` is quick.

Exit codes are `errors.ExitCode`. A user's mistake is one sentence on stderr, never a traceback.
"""

from __future__ import annotations

import sys

import click

from appliance import __version__
from appliance.commands.backup import backup, restore
from appliance.commands.bench import bench
from appliance.commands.capture import data_command, signal_command
from appliance.commands.export import export
from appliance.commands.network import card
from appliance.commands.options import OrderedGroup
from appliance.commands.panel import panel
from appliance.commands.performance import preflight
from appliance.commands.play import devices, import_, inspect, render, run
from appliance.commands.power import readonly
from appliance.commands.report import report
from appliance.commands.train import train
from appliance.commands.update import bundle, update
from appliance.errors import ApplianceError, ExitCode


@click.group(cls=OrderedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="appliance")
def cli() -> None:
    """A stage amp: neural models of real amps and pedals."""


def main() -> None:
    """Entry point of `appliance`."""
    try:
        result = cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ApplianceError as error:
        click.echo(f"appliance: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing to tell, nobody to tell it
        sys.exit(ExitCode.OK)
    sys.exit(result if isinstance(result, int) else ExitCode.OK)


for _command in (
    *(run, render, inspect, import_, devices, preflight, panel, readonly, card),
    *(signal_command, data_command, train, report, export, bench),
):
    cli.add_command(_command)
for _command in (update, bundle, backup, restore):
    cli.add_command(_command)
