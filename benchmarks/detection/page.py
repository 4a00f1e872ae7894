"""The report as a page: index.html with its plots beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Template

from benchmarks.detection.alerts import Alerts, Found
from benchmarks.detection.matched import FALSE_RATES, Result
from pipelines.core.detect import SpikePolicy

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_PAGE = Template(
    """<!doctype html><html lang="en"><meta charset="utf-8">
<title>Complaint spikes: what is found</title>
<style>body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:right}
td:first-child,th:first-child{text-align:left}img{max-width:100%}.behind{background:#fdd}</style>
<h1>Complaint spikes: what is found, missed and cried wolf about</h1>
<p>Simulated; thresholds: watch {{ p.watch }}, raised {{ p.raised }}, critical
{{ p.critical }} log odds. Seeds of this report are not those of the thresholds.</p>
<h2>False alerts a day over 50,000 series</h2><img src="alerts.png" alt="Alerts by threshold">
<h2>Found within an hour at grade critical</h2><img src="found.png" alt="Share found by delay">
<table><tr><th>figure</th><th>value</th></tr>
{% for k, v in figures %}<tr><td>{{ k }}</td><td>{{ v }}</td></tr>{% endfor %}</table>
<h2>Beside others at the same rate of false bins</h2>
<p>Each cell: share of raised bins, share of rises, at {{ rates }} false bins; red where
ours is not ahead in every one of them.</p>
<table><tr><th>scenario</th><th>complaints more</th>
{% for n in names %}<th>{{ n }}</th>{% endfor %}</tr>
{% for r in rows %}<tr><td>{{ r.name }}</td><td>{{ r.yields }}</td>
{% for n in names %}<td{% if n in r.below %} class="behind"{% endif %}>{{ r.cells[n] }}</td>
{% endfor %}
</tr>{% endfor %}</table>
{% if city %}<h2>The sparse city</h2>
<pre>{{ city }}</pre>{% endif %}</html>
"""
)


def write(
    out: Path,
    policy: SpikePolicy,
    quiet: dict[float, Alerts],
    lifted: dict[tuple[str, float], tuple[Found, float]],
    matched: list[Result],
    line: dict[str, Any],
) -> None:
    """index.html, alerts.png and found.png into ``out``."""
    _alerts(out / "alerts.png", policy, quiet)
    _found(out / "found.png", policy, lifted)
    figures = [(k, v) for k, v in line.items() if isinstance(v, int | float)]
    text = _PAGE.render(
        p=policy,
        figures=figures,
        rates=", ".join(f"{r:.1%}" for r in FALSE_RATES),
        names=list(matched[0].found),
        rows=[_row(r) for r in matched],
        city=json.dumps(line["city"], indent=1) if "city" in line else "",
    )
    (out / "index.html").write_text(text, "utf-8")


def _row(result: Result) -> dict[str, Any]:
    cells = {
        name: "; ".join(f"{a:.0%}, {b:.0%}" for a, b in pairs)
        for name, pairs in result.found.items()
    }
    scenario = result.scenario
    return {
        "name": scenario.name,
        "yields": f"{scenario.yields:.0f}",
        "cells": cells,
        "below": result.below(),
    }


def _alerts(path: Path, policy: SpikePolicy, quiet: dict[float, Alerts]) -> None:
    figure, axes = plt.subplots(figsize=(8, 4))
    for drift, alerts in quiet.items():
        ladder = alerts.ladders[policy.min_count_critical]
        rate = np.maximum(ladder.alerts, 0.3) * alerts.per_city_day(1.0)
        axes.semilogy(ladder.thresholds, rate, label=f"drift {drift} a day")
    axes.axvline(policy.critical, color="grey", linestyle=":", label="critical")
    axes.set(xlabel="threshold, log odds", ylabel="alerts a day per 50,000 series")
    axes.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _found(
    path: Path, policy: SpikePolicy, lifted: dict[tuple[str, float], tuple[Found, float]]
) -> None:
    figure, axes = plt.subplots(figsize=(8, 4))
    for (name, drift), (found, _) in lifted.items():
        reached = np.maximum.accumulate(found.scores, axis=0) >= policy.critical
        minutes = 5 * np.arange(1, len(reached) + 1)
        style = "-" if drift == min(d for _, d in lifted) else "--"
        axes.plot(minutes, reached.mean(axis=1), style, label=f"{name}, drift {drift}")
    axes.set(xlabel="minutes from the onset", ylabel="share found", ylim=(0, 1))
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
