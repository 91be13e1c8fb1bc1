"""Compiled steady state: a training step of a small network, called again and again."""

from __future__ import annotations

from functools import partial

from benchmarks import models
from benchmarks.transformer import steady


def run(bench):
    for batch in (64, 256, 1024):
        inputs = partial(models.mlp_inputs, batch=batch)
        steady(bench, f"MLP training step, batch {batch}", 1.0, models.mlp_step, inputs, seconds=0.05)
