"""RESULTS.md and RESULTS.json: the rows of a run with the machine, the versions and the date."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform

from benchmarks.harness import OURS, PEERS, amount

HERE = pathlib.Path(__file__).parent
PACKAGES = ("numpy", "jaxlib", "jax", "torch", "autograd")


def machine():
    """What the numbers depend on: processor, cores, Python, and the versions of the packages that took part."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), platform.processor())


def markdown(about, rows):
    """The whole of RESULTS.md: what was measured where, a table per group, and the notes written by hand."""
    versions = ", ".join(f"{name} {about[name]}" for name in ("python", *PACKAGES) if about[name])
    missing = [name for name in PEERS if not about[name]]
    parts = [
        "# Results\n",
        "Written by `make bench`. Contestants take turns in every round; a cell is the median; a ratio is ours divided",
        "by the peer's, in the same run: small is good, and targets bound it from above. `ok within noise`: above the",
        "target by less than half the interquartile range of the ratio.\n",
        f"{about['date']}, {about['processor']}, {about['cores']} cores, {about['system']}.",
        f"{versions}.\n",
    ]
    if missing:
        parts.append(f"Not installed, so not measured: {', '.join(missing)}.\n")
    counted = [r for r in rows if r.target is not None]
    good = sum(r.verdict.startswith("ok") for r in counted)
    parts.append(f"Targets reached: {good} of {len(counted)}.\n")
    for group in dict.fromkeys(r.group for r in rows):
        parts.append(f"## {group}\n")
        parts.append(_table([r for r in rows if r.group == group]))
    notes = HERE / "NOTES.md"
    return "\n".join(parts) + ("\n" + notes.read_text() if notes.exists() else "")


def _table(rows):
    names = [n for n in (OURS, "jax", "numpy", "torch", "autograd") if any(n in r.medians for r in rows)]
    names += sorted({n for r in rows for n in r.medians} - set(names))
    head = ["work", *names, "ratio", "target", "verdict"]
    lines = [head, ["---", *["---:"] * (len(names) + 2), "---"]]
    for r in rows:
        ratio = "" if r.ratio is None else f"{r.ratio:.3f}"
        cells = [amount(r.medians[n], r.unit) if n in r.medians else "" for n in names]
        target = "" if r.target is None else f"{r.target:g}"
        lines.append([r.work, *cells, ratio, target, " ".join(filter(None, (r.verdict, r.note)))])
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines) + "\n"


def write(about, rows):
    """Writes both files, and returns the path of the readable one."""
    described = [{**dataclasses.asdict(r), "ratio": r.ratio, "verdict": r.verdict} for r in rows]
    (HERE / "RESULTS.json").write_text(json.dumps({"about": about, "rows": described}, indent=1) + "\n")
    path = HERE / "RESULTS.md"
    path.write_text(markdown(about, rows))
    return path
