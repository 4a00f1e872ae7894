"""What a dashboard is made of, in both languages and apart from how Grafana writes it.

A definition is written once; `render` makes Grafana's classic JSON of it with Grafana's own
Foundation SDK. The committed JSON is what Grafana provisions and what the local screen draws:
there is no second description of a panel anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from grafana.dashboards.text import Text

Kind = Literal["stat", "timeseries", "table", "barchart", "state-timeline", "heatmap"]


@dataclass(frozen=True)
class Label:
    """What a code shows as. The text carries a shape where the colour carries a meaning.

    A code between slashes is a pattern: what fits it keeps its own words and gets the colour.
    """

    code: str
    text: Text
    color: str | None = None


@dataclass(frozen=True)
class Link:
    """Where a figure leads. `url` is Grafana's: /d/<uid>?var-…, with ${__data.fields.x}.

    In English the dashboard's uid has the suffix -en, which `render` puts in.
    """

    title: Text
    board: str
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Field:
    """How one column shows: its name in both languages, unit, width, labels of its codes.

    `absent`: what stands where there is no value, if that is no unknown (has not happened yet).
    """

    name: str
    title: Text
    unit: str | None = None
    decimals: int | None = None
    width: int | None = None
    labels: tuple[Label, ...] = ()
    badge: bool = False
    wrap: bool = False
    hidden: bool = False
    color: str | None = None
    link: Link | None = None
    absent: Text | None = None


@dataclass(frozen=True)
class Step:
    """From `value` on (None: from the start) the figure has this colour."""

    value: float | None
    color: str


@dataclass(frozen=True)
class Prom:
    """A query to Prometheus and the name of its lines, with {{label}}."""

    expr: str
    legend: Text
    instant: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel. `sql` is Text because names and sentences differ by language.

    `pick`: which fields a stat shows, a pattern; `graph`: its course behind it. `series`: the
    column that tells lines apart. `x`: the column that names the bars. `labels`: what states
    are called. `limit`: a line to compare with, drawn across.
    """

    id: int
    kind: Kind
    title: Text
    description: Text
    unit: str
    sql: Text | None = None
    prom: tuple[Prom, ...] = ()
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    fields: tuple[Field, ...] = ()
    labels: tuple[Label, ...] = ()
    steps: tuple[Step, ...] = ()
    pick: str = ""
    graph: bool = False
    series: str = ""
    x: str = ""
    bars: bool = False
    provisional: bool = False
    limit: bool = False
    interval: str = "1m"

    @property
    def over_time(self) -> bool:
        return self.kind in ("timeseries", "state-timeline", "heatmap") or (
            self.kind == "stat" and self.graph
        )


@dataclass(frozen=True)
class Row:
    """Panels beside each other: (width of 24, panel) and the height of all."""

    height: int
    cells: tuple[tuple[int, Panel], ...]


def row(height: int, *cells: tuple[int, Panel]) -> Row:
    return Row(height, cells)


@dataclass(frozen=True)
class Variable:
    """A template variable: the data source, a closed list of codes, or a query's values."""

    name: str
    title: Text
    kind: Literal["datasource", "custom", "query"]
    options: tuple[tuple[str, Text], ...] = ()
    query: str = ""
    all: bool = True


@dataclass(frozen=True)
class Annotation:
    """Marks over the time axis: columns time, timeEnd and text."""

    name: Text
    sql: Text
    color: str


@dataclass(frozen=True)
class Dashboard:
    """A dashboard in both languages; the English one has its own uid and file."""

    uid: str
    title: Text
    description: Text
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...] = ()
    refresh: str = "10s"

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for _, panel in row.cells)

    def placed(self) -> Iterator[tuple[int, int, int, int, Panel]]:
        """(x, y, width, height, panel) on Grafana's grid of 24 columns."""
        y = 0
        for one in self.rows:
            x = 0
            for width, panel in one.cells:
                yield x, y, width, one.height, panel
                x += width
            y += one.height
