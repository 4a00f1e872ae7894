"""`livewatch ops`: what an operator does to a running system.

Each module brings its verbs with a `register(app)`, and imports what is heavy inside them.
"""

from __future__ import annotations

import typer

from deploy.operations import access, commands, figures, look, partitions

app = typer.Typer(
    name="ops",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Look after a running system. Where it runs stands in the LIVEWATCH_ variables.

    Each verb has a page in docs/runbooks.
    """,
)


@app.callback()
def _ops() -> None:
    """A group even while it has one verb only."""


commands.register(app)
look.register(app)
partitions.register(app)
figures.register(app)
access.register(app)
