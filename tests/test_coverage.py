"""Coverage: a small part of benchmarks/coverage.py, with bounds that only intervals which know of dependence can meet."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "coverage.py"  # by its path: a package has the same name
spec = importlib.util.spec_from_file_location("benchmark_coverage", SCRIPT)
benchmark = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)


@pytest.mark.parametrize("kind", benchmark.KINDS)
def test_the_simulation_has_the_auc_and_the_false_alarm_rate_it_claims(kind):
    shift, threshold = benchmark.true_shift(kind, 0.5, 0.76)
    normal, anomalous = benchmark.series(kind, (2, 400, 300), 0.5, np.random.default_rng(9))
    assert roc_auc_score(np.repeat([0, 1], normal.size), np.concatenate([normal.ravel(), anomalous.ravel() + shift])) == (
        pytest.approx(0.76, abs=0.01))
    assert np.mean(normal > threshold) == pytest.approx(0.05, abs=0.006)
    assert kind != "AR(1)" or shift == pytest.approx(np.sqrt(2) * norm.ppf(0.76))


def test_independent_windows_are_covered_by_all():
    found = benchmark.coverage("AR(1)", 70, 0.0, 0.76, repetitions=150, bootstrap=False)
    assert found["ours"] >= 0.92
    assert found["DeLong"] >= 0.90


@pytest.mark.parametrize(("n", "r", "auc"), [(40, 0.8, 0.76), (70, 0.8, 0.92), (150, 0.5, 0.5)])
def test_ours_covers_dependent_windows_and_delong_does_not(n, r, auc):
    found = benchmark.coverage("AR(1)", n, r, auc, repetitions=150, bootstrap=False)
    assert found["ours"] >= 0.90  # 0.95 less three standard errors
    assert found["ours"] - found["DeLong"] >= 0.09
    assert r < 0.8 or found["DeLong"] < 0.7
    assert found["rate"] >= 0.93


def test_slow_drift_is_covered_better():
    found = benchmark.coverage("slow", 360, 0.5, 0.76, repetitions=80, bootstrap=False)
    assert found["ours"] >= 0.78
    assert found["DeLong"] < 0.5


def test_blocks_cover_better_than_windows_drawn_one_by_one():
    found = benchmark.coverage("AR(1)", 150, 0.8, 0.76, repetitions=60)
    assert found["block bootstrap"] >= 0.78
    assert found["bootstrap"] < 0.7


def test_equally_good_detectors_are_rarely_told_apart():
    found = benchmark.false_differences("AR(1)", 70, 0.8, 0.76, repetitions=30)
    assert found["ours"] <= 0.08
    assert found["ours, any"] <= 0.16
    assert found["DeLong"] > 0.25
    assert found["DeLong, any"] > 0.5
