"""The report as a page: index.html with its plots beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Template

from benchmarks.detection import plots
from benchmarks.detection.alerts import Alerts
from benchmarks.detection.matched import FALSE_RATES, Result
from benchmarks.detection.sizes import DRIFTS, RISES
from benchmarks.detection.summary import Lifted, suffix
from pipelines.core.detect import SpikePolicy

GOALS = {
    "null_critical": 1,
    "drift_critical": 5,
    "x5_on_1": 0.82,
    "x10_on_0_3": 0.88,
    "x3_on_5": 0.90,
    "x2_on_20": 0.56,
    "x5_on_1_drift_0_35": 0.25,
}
_PAGE = Template(
    """<!doctype html><html lang="en"><meta charset="utf-8">
<title>Complaint spikes: what is found</title>
<style>body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.2em .6em;
text-align:right}td:first-child,th:first-child{text-align:left}img{max-width:100%}
.behind{background:#fdd}</style>
<h1>Complaint spikes: what is found, missed and cried wolf about</h1>
<p>Simulated; thresholds: watch {{ p.watch }}, raised {{ p.raised }}, critical
{{ p.critical }} log odds. Seeds of this report are not those of the thresholds. Red: a goal that is
not met, or a peer that is ahead.</p>
<h2>False alerts a day over 50,000 series</h2><img src="alerts.png" alt="Alerts by threshold">
<table><tr><th>world</th><th>critical</th><th>goal</th><th>raised</th><th>watch</th></tr>
{% for r in quiet %}<tr><td>{{ r.name }}</td>
<td{% if r.critical > r.goal %} class="behind"{% endif %}>
{{ r.critical }} ({{ r.alerts }} alerts)</td><td>{{ r.goal }}</td><td>{{ r.raised }}</td>
<td>{{ r.watch }}</td></tr>{% endfor %}
{% for name, rate in published.items() %}<tr><td>{{ name }}, as published</td>
<td>{{ "{:,}".format(rate) }}</td><td></td><td></td><td></td></tr>{% endfor %}</table>
<h2>Found within an hour</h2><img src="found.png" alt="Share found at critical by delay">
<table><tr><th>rise</th><th>critical</th><th>goal</th><th>oracle</th><th>median delay, min</th>
<th>raised</th><th>median delay, min</th></tr>
{% for r in rises %}<tr><td>{{ r.name }}</td>
<td{% if r.goal and r.found < r.goal %} class="behind"{% endif %}>
{{ "{:.1%}".format(r.found) }}</td><td>{{ "{:.0%}".format(r.goal) if r.goal }}</td>
<td>{{ "{:.1%}".format(r.oracle) }}</td>
<td>{{ r.delay }}</td><td>{{ "{:.1%}".format(r.raised) }}</td><td>{{ r.delay_raised }}</td></tr>
{% endfor %}</table>
<h2>Beside others at the same rate of false bins</h2>
<p>Each cell: share of raised bins / share of rises found, at {{ rates }} false bins. A rise that
adds fewer than 5 complaints is not asked for.</p>
<table><tr><th>scenario</th><th>complaints more</th>
{% for n in names %}<th>{{ n }}</th>{% endfor %}</tr>
{% for r in rows %}<tr><td>{{ r.name }}</td><td>{{ r.yields }}</td>
{% for n in names %}<td{% if n in r.below %} class="behind"{% endif %}>
{% for cell in r.cells[n] %}{{ cell }}<br>{% endfor %}</td>{% endfor %}
</tr>{% endfor %}</table>
<h2>The sparse city: {{ "{:,}".format(city.complaints_per_day) }} complaints a day</h2>
<table><tr><th>false alerts a day</th><th>watch</th><th>raised</th><th>critical</th></tr>
{% for lane in ("merchant", "session") %}{% set f = city[lane + "_false_per_day"] %}
<tr><td>{{ lane }}s</td><td>{{ f.watch }}</td><td>{{ f.raised }}</td><td>{{ f.critical }}</td></tr>
{% endfor %}</table>
{% for lane in ("merchant", "session") %}<p>Found within two hours, by {{ lane }}
{{ "(at least one of the merchant's)" if lane == "session" }}; median minutes in brackets.</p>
<table><tr><th>merchants</th><th>complaints per order</th>
{% for g in grades %}<th>{{ g }}</th>{% endfor %}</tr>
{% for r in city[lane + "_rises"] %}<tr><td>{{ r.merchants }}</td>
<td>{{ "{:.1%}".format(r.complaints_per_order) }}</td>
{% for g in grades %}<td>{{ "{:.0%}".format(r[g]) }}
{% if r[g] %}({{ r[g + "_minutes_p50"] | int }}){% endif %}</td>{% endfor %}</tr>
{% endfor %}</table>{% endfor %}</html>
"""
)


def write(
    out: Path,
    policy: SpikePolicy,
    quiet: dict[float, Alerts],
    lifted: Lifted,
    matched: list[Result],
    line: dict[str, Any],
) -> None:
    """index.html, alerts.png and found.png into ``out``."""
    plots.alerts(out / "alerts.png", policy, quiet)
    plots.found(out / "found.png", policy, lifted)
    text = _PAGE.render(
        p=policy,
        quiet=[_world(line, name) for name in ("null", "drift")],
        published=line["peers_as_published_per_day"],
        rises=[_rise(line, name, drift) for drift in DRIFTS for name in RISES],
        rates=", ".join(f"{r:.1%}" for r in FALSE_RATES),
        names=list(matched[0].found),
        rows=[_row(r) for r in matched],
        city=line["city"],
        grades=("watch", "raised", "critical"),
    )
    (out / "index.html").write_text(text, "utf-8")


def _world(line: dict[str, Any], name: str) -> dict[str, Any]:
    rates = {g: line[f"{name}_{g}_per_day"] for g in ("watch", "raised", "critical")}
    title = f"{name}: rates walk {DRIFTS[name == 'drift']} a day"
    alerts, goal = line[f"{name}_critical_alerts"], GOALS[f"{name}_critical"]
    return rates | {"name": title, "alerts": alerts, "goal": goal}


def _rise(line: dict[str, Any], name: str, drift: float) -> dict[str, Any]:
    key = name + suffix(drift)
    delays = (line[f"delay_{kind}p50_bins_{key}"] for kind in ("", "raised_"))
    minutes = [f"{5 * d:.0f}" if d is not None else "" for d in delays]
    return {
        "name": f"{plots.title(name)}, drift {drift}",
        "found": line[f"found_{key}"],
        "goal": GOALS.get(key),
        "oracle": line[f"oracle_{key}"],
        "delay": minutes[0],
        "raised": line[f"found_raised_{key}"],
        "delay_raised": minutes[1],
    }


def _row(result: Result) -> dict[str, Any]:
    scenario = result.scenario
    return {
        "name": scenario.name,
        "yields": f"{scenario.yields:.0f}",
        "cells": {n: [f"{a:.0%} / {b:.0%}" for a, b in v] for n, v in result.found.items()},
        "below": result.below() if result.asked else [],
    }
