"""The judgement of the benchmarks: ratios, verdicts, and the count of operations in a module."""

import json

import numpy as np
import pytest

from benchmarks import report
from benchmarks.counts import operations
from benchmarks.harness import Bench, Row, agree, amount


def row(ours, theirs, target, noise=0.0):
    return Row("g", "w", {"ours": ours, "jax": theirs}, target, noise)


def test_verdicts():
    assert row(1.0, 2.0, 0.5).verdict == "ok"
    assert row(1.1, 2.0, 0.5, noise=0.06).verdict == "ok within noise"
    assert row(1.1, 2.0, 0.5, noise=0.01).verdict == "MISSED"
    assert row(1.0, 2.0, None).verdict == ""
    assert Row("g", "w", {"ours": 1.0}, 0.5).verdict == "not measured"


def test_a_race_measures_everybody_and_leaves_out_a_peer_that_fails(capsys):
    bench = Bench("g")
    row = bench.race(
        "w", 1.0, rounds=3, seconds=1e-4, ours=lambda: 1.0, jax=lambda: 1.0, torch=lambda: 1 / 0, numpy=None
    )
    assert set(row.medians) == {"ours", "jax"} and "torch left out: ZeroDivisionError" in row.note
    assert "ratio" in capsys.readouterr().out


def test_a_race_of_ours_that_fails_or_disagrees_says_so():
    bench = Bench("g")
    assert bench.race("w", 1.0, ours=lambda: 1 / 0, jax=lambda: 1.0).verdict == "FAILED"
    assert bench.race("w", 1.0, ours=lambda: 2.0, jax=lambda: 1.0).verdict == "FAILED"


def test_agree_compares_leaf_by_leaf():
    agree({"b": 1.0, "a": [2.0]}, {"a": [2.0], "b": 1.0})
    with pytest.raises(AssertionError):
        agree([1.0], [1.0, 2.0])
    with pytest.raises(AssertionError):
        agree(np.ones(3), np.ones(3) + 1e-3)


def test_amounts_are_readable():
    assert amount(1.234e-6, "s") == "1.23 us"
    assert amount(0.0123, "s") == "12.3 ms"
    assert amount(3.0, "s") == "3 s"
    assert amount(311.0, "count") == "311"


def test_a_private_function_counts_once_per_call():
    text = """
  func.func public @main(%arg0: tensor<3xf32>) -> tensor<3xf32> {
    %0 = stablehlo.sine %arg0 : tensor<3xf32>
    %1 = func.call @f(%0) : (tensor<3xf32>) -> tensor<3xf32>
    %2 = call @f(%1) : (tensor<3xf32>) -> tensor<3xf32>
    return %2 : tensor<3xf32>
  }
  func.func private @f(%arg0: tensor<3xf32>) -> tensor<3xf32> {
    %0 = stablehlo.add %arg0, %arg0 : tensor<3xf32>
    %1 = "stablehlo.sine"(%0) : (tensor<3xf32>) -> tensor<3xf32>
    return %1 : tensor<3xf32>
  }
"""
    assert operations(text) == {"sine": 3, "add": 2}


def test_the_report_names_missing_peers_and_every_row(tmp_path, monkeypatch):
    about = {"date": "today", "processor": "p", "cores": 2, "system": "s", "python": "3"}
    about |= {"numpy": "2", "jaxlib": "1", "jax": None, "torch": None, "autograd": "1"}
    rows = [row(1e-6, 2e-6, 0.6), Row("h", "v", {}, 1.0, note="failed: ValueError: x")]
    monkeypatch.setattr(report, "HERE", tmp_path)
    text = report.write(about, rows).read_text()
    assert "Not installed, so not measured: jax, torch." in text
    assert "| w | 1 us | 2 us | 0.500 | 0.6 | ok |" in text and "FAILED failed: ValueError: x" in text
    assert "Targets reached: 1 of 2." in text
    stored = json.loads((tmp_path / "RESULTS.json").read_text())
    assert [r["ratio"] for r in stored["rows"]] == [0.5, None]
