"""`python -m benchmarks.run [group ...]`: all groups write RESULTS.md and RESULTS.json, a choice of them only prints.

Every group runs in a process of its own: what one has cached or allocated does not touch the next.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import report
from benchmarks.harness import Bench, Row

# XLA's own log would stand between the rows. And glibc gives freed memory back, or keeps it, by where it happens to
# lie: then one contestant, now this one and now that one, pays for hundreds of page faults in every call.
KEPT = str(1 << 28)  # bytes
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "1", "MALLOC_TRIM_THRESHOLD_": KEPT, "MALLOC_MMAP_THRESHOLD_": KEPT}

# Eight devices of the CPU, which both libraries read before they start.
DEVICES = {"FUNCTORCH_LITE_CPU_DEVICES": "8", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}

GROUPS = ("imports", "eager", "derivatives", "jit", "tracing", "scaling", "counts", "transformer", "steady", "control",
          "pmap")  # fmt: skip


def run_group(group):
    """The rows of one group, measured in a fresh process; a process that dies becomes a row that says so."""
    print(f"-- {group}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rows.json")
        env = {**ENVIRONMENT, **os.environ, **(DEVICES if group == "pmap" else {})}
        command = [sys.executable, "-m", "benchmarks.run", "--inside", group, str(path)]
        code = subprocess.run(command, env=env).returncode
        rows = [Row(**fields) for fields in json.loads(path.read_text())] if path.exists() else []
    if code:
        rows.append(Row(group, "the whole group", {}, note=f"failed: its process ended with {code}"))
    return rows


def inside(group, path):
    bench = Bench(group)
    try:
        importlib.import_module(f"benchmarks.{group}").run(bench)
    finally:
        pathlib.Path(path).write_text(json.dumps([dataclasses.asdict(row) for row in bench.rows]))


def main(groups):
    unknown = [g for g in groups if g not in GROUPS]
    if unknown:
        sys.exit(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    about = report.machine()
    rows = [row for group in groups or GROUPS for row in run_group(group)]
    if not groups:
        print(f"written: {report.write(about, rows)}")
    missed = [r for r in rows if r.verdict in ("MISSED", "FAILED")]
    print(f"{len(rows)} rows, {sum(r.target is not None for r in rows)} targets, {len(missed)} missed or failed")
    if any(r.verdict == "FAILED" for r in rows):
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        main(tuple(sys.argv[1:]))
