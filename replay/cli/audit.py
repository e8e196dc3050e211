"""``replay audit``: the audit log, a view of the log (GOV-7)."""

from __future__ import annotations

import click

from replay.cli import offers
from replay.cli.common import Asked, asks
from replay.cli.filters import AGENT, LIMIT, REVERSE, SESSION, SINCE, UNTIL, filtered
from replay.cli.rows import event_table
from replay.query import Query
from replay.render.sentences import sentence
from replay.render.table import Column

COLUMNS = (Column("kind", 20, "cyan"), Column("what"))


@click.command("audit", short_help="The audit log: refusals, violations, endings.")
@click.option("--kind", metavar="KIND", shell_complete=offers.kinds, help="Only this kind, such as access_denied.")
@filtered((AGENT, SESSION, SINCE, UNTIL, LIMIT, REVERSE))
@asks
def command(asked: Asked, kind: str | None, **wanted: object) -> None:
    """List the audit log: who registered, what was refused, violated, closed, failed."""
    history, screen = asked.history, asked.screen
    records = history.audit(Query(**wanted), kind)  # type: ignore[arg-type]
    if screen.as_json:
        for _, record in records:
            screen.json(record)
    else:
        rows = ((event, (record["kind"], sentence(event, history.names))) for event, record in records)
        screen.show(event_table(asked, rows, COLUMNS), history.evidence)
