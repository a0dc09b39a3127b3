"""Commands for the evening."""

from __future__ import annotations

import json

import click

from appliance.commands.options import examples
from appliance.errors import BadRequest, ExitCode

_TIMEOUT_S = 600.0


@click.command(epilog=examples("appliance preflight", "appliance preflight --json"))
@click.option("--all", "every", is_flag=True, help="Every preset, not only tonight's set list.")
@click.option("--json", "as_json", is_flag=True, help="JSON: {go, words, rate_hz, period_frames, presets: [...]}.")
def preflight(every: bool, as_json: bool) -> int:
    """Look at, load, play and time every preset of tonight's set list on the running pedal: go or no-go.

    Ends with code 0 for go and 8 for no-go.
    """
    from appliance.bridge.client import PanelClient
    from appliance.bridge.commands import Status

    reply = PanelClient().request("preflight", timeout_s=_TIMEOUT_S, **({"setlist": None} if every else {}))
    if reply["status"] != Status.OK.value:
        raise BadRequest(str(reply.get("message")))
    report = reply["preflight"]
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for verdict in report["presets"]:
            click.echo(f"{'go   ' if verdict['go'] else 'NO GO'}  {verdict['name']}: {verdict['words']}")
        click.echo(report["words"])
    return ExitCode.OK if report["go"] else ExitCode.NOT_READY
