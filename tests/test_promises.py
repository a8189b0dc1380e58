"""Promises: what thresholds realise that are called promised, and what those that are aimed at, where the true rate is known.

Scores are AR(1), Gaussian or with heavy tails (Student t with 3 degrees of freedom, of the same ranks); the true false-alarm
rate of a threshold is the tail of that marginal above it. ``python tests/test_promises.py`` prints the whole table.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import signal, stats

from acoustic_nb.thresholds import calibrate, rate_range

DRAWS = 300
SIZES = (19, 25, 40, 60, 100, 140, 200)
DEPENDENCE = (0.0, 0.5, 0.8)
WANTED = (0.05, 0.1)
MARGINALS = {"gaussian": stats.norm, "heavy": stats.t(3)}


def autoregressive(n, r, draws, seed):
    """Stationary AR(1) series of variance 1, shape (draws, n)."""
    steps = np.random.default_rng(seed).standard_normal((draws, n))
    steps[:, 1:] *= np.sqrt(1 - r**2)
    return signal.lfilter([1], [1, -r], steps, axis=1)


@cache
def simulated(draws):
    """One row per calibration: marginal, n, r, wanted, used, promised, realised, and whether the range holds it."""
    rows = []
    for n in SIZES:
        for r in DEPENDENCE:
            gaussian = autoregressive(n, r, draws, seed=[n, round(10 * r)])
            for marginal, distribution in MARGINALS.items():
                series = gaussian if marginal == "gaussian" else distribution.ppf(stats.norm.cdf(gaussian))
                for wanted in WANTED:
                    found = [calibrate(scores, wanted) for scores in series]
                    realised = distribution.sf([each.threshold for each in found])
                    ranges = np.array([rate_range(each) for each in found])
                    inside = (ranges[:, 0] <= realised) & (realised <= ranges[:, 1])
                    promised = [each.promised for each in found]
                    rows.append(pd.DataFrame({"marginal": marginal, "n": n, "r": r, "wanted": wanted, "used": found[0].used_rate,
                                              "promised": promised, "realised": realised, "inside": inside}))
    return pd.concat(rows, ignore_index=True)


def figures(draws=DRAWS):
    """Share promised, mean rate realised where promised, where aimed at and overall, for every kind of calibration."""
    cells = simulated(draws).groupby(["wanted", "r", "n", "marginal"])
    only = {name: cells.apply(lambda cell, promised=promised: cell["realised"][cell["promised"] == promised].mean(),
                              include_groups=False) for name, promised in (("if_promised", True), ("if_aimed_at", False))}
    return pd.DataFrame({"used": cells["used"].first(), "share": cells["promised"].mean(), **only,
                         "overall": cells["realised"].mean(), "in_range": cells["inside"].mean()}).reset_index()


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("n", SIZES)
def test_what_is_promised_is_kept(n, wanted):
    draws = simulated(DRAWS)
    # whatever the sound is like: of independent and dependent calibrations of this size, those that get the word
    promised = draws[(draws["n"] == n) & (draws["wanted"] == wanted) & draws["promised"]]
    assert len(promised) > 50
    excess = promised["realised"] - promised["used"]
    assert excess.mean() < 0.01 + 2 * excess.sem()
    # one kind of sound by itself: the word, given where it should not be, costs less than a percentage point over all draws
    for _, kind in promised.groupby(["r", "marginal"]):
        assert (kind["realised"] - kind["used"]).sum() / DRAWS < 0.01


def test_promised_where_it_is_the_rule_is_kept_by_each_kind():
    cells = figures()
    often = cells[cells["share"] > 0.5]
    assert set(often["r"]) == {0.0, 0.5}
    assert (often["if_promised"] - often["used"]).max() < 0.015  # 0.01 and what 300 draws leave open
    assert (often[often["r"] == 0]["if_promised"] - often[often["r"] == 0]["used"]).max() < 0.01


def test_dependent_calibrations_that_are_too_small_hardly_ever_get_the_word():
    cells = figures()
    size = cells["n"] * (1 - cells["r"]) / (1 + cells["r"])  # the effective size as it is, not as it is estimated
    assert cells["share"][size < 1 / cells["used"] - 1].max() < 0.06


def test_independent_calibrations_earn_the_word():
    cells = figures()
    independent = cells[(cells["r"] == 0) & (cells["marginal"] == "gaussian")]
    share = independent.set_index(["wanted", "n"])["share"]
    assert share[0.05, 19] > 0.1  # 19 is the least that 5 % needs
    assert share[0.05, 40] > 0.45 and share[0.1, 40] > 0.8 and share[0.1, 19] > 0.35
    assert share[0.05, 100] > 0.97 and share[0.1, 60] > 0.97


def test_what_is_aimed_at_is_missed():
    aimed = figures().set_index(["wanted", "r", "n", "marginal"])["if_aimed_at"]
    for marginal in MARGINALS:
        assert aimed[0.05, 0.8, 19, marginal] > 0.10
        assert aimed[0.05, 0.8, 40, marginal] > 0.07
        assert aimed[0.1, 0.8, 19, marginal] > 0.15
        assert aimed[0.05, 0.5, 19, marginal] > 0.06


def test_the_range_holds_the_true_rate():
    cells = figures()
    assert cells[cells["r"] < 0.8]["in_range"].min() > 0.93
    assert cells["in_range"].min() > 0.86
    assert cells[cells["n"] >= 100]["in_range"].min() > 0.94


@pytest.mark.parametrize(("sizes", "promised"), [([5] * 19, True), ([2, 3, 4] * 8, True), ([40] + [1] * 18, False),
                                                 ([20, 20] + [1] * 17, False), ([6] * 3 + [1] * 22, False)])
def test_recordings_of_units(sizes, promised):
    # all recordings of a unit score the same but for a trace, the worst case
    rng, units = np.random.default_rng(0), np.repeat(np.arange(len(sizes)), sizes)
    found = [calibrate(rng.standard_normal(len(sizes))[units] + 1e-6 * rng.standard_normal(len(units)), 0.05, units=units)
             for _ in range(1500)]
    assert {each.promised for each in found} == {promised}
    realised = np.mean(stats.norm.sf([each.threshold for each in found]))
    assert realised < 0.06 if promised else realised > 0.06


if __name__ == "__main__":
    print(figures(3000).to_string(float_format="{:.3f}".format))
