"""Ranks are held against Demšar (2006), against scipy's own test, and against the null hypothesis itself."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from acoustic_nb.ranks import critical_difference, friedman, independent_blocks, mean_ranks, rank_over_machines

# Demšar (2006), table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets. For "voting" the paper ranks the first 0.975
# before the second.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967], [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931], [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875], [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970]])


def test_the_mean_ranks_of_demsar():
    assert np.round(mean_ranks(DEMSAR), 3).tolist() == [3.143, 2.000, 2.893, 1.964]


def test_the_friedman_test_of_demsar():
    # the paper does not correct for ties: three pairs and a four, 3 (2**3 - 2) + (4**3 - 4) = 78 of N k (k**2 - 1) = 840
    found, untied = friedman(DEMSAR), 1 - 78 / 840
    assert found["chi2"] * untied == pytest.approx(9.28, abs=0.005)
    corrected = 9.279 / untied  # 12 / (14 * 4 * 5) * (44**2 + 28**2 + 40.5**2 + 27.5**2) - 3 * 14 * 5 = 9.279; F would be 3.69
    assert found["F"] == pytest.approx(13 * corrected / (42 - corrected), rel=1e-3)
    assert (found["df_between"], found["df_within"]) == (3, 39)
    assert found["p"] < 0.05  # the paper: the critical value is 2.85, the hypothesis is rejected


def test_p_is_that_of_the_f_distribution():
    # rank sums 4, 6, 8: chi2 = 12 / (3 * 3 * 4) * (16 + 36 + 64) - 3 * 3 * 4 = 8 / 3, F = 2 * 8 / 3 / (6 - 8 / 3) = 1.6
    found = friedman([[3, 2, 1], [2, 3, 1], [3, 1, 2]])
    assert found["chi2"] == pytest.approx(8 / 3) and found["F"] == pytest.approx(1.6)
    assert found["p"] == pytest.approx((1 + 1.6 * 2 / 4) ** -2)  # F with 2 and d = 4 degrees of freedom: (1 + 2 F / d) ** (-d / 2)


@pytest.mark.parametrize("n_blocks, n_detectors", [(4, 3), (11, 5), (40, 6)])
@pytest.mark.parametrize("tied", [False, True])
def test_chi_square_is_that_of_scipy(n_blocks, n_detectors, tied):
    values = np.random.default_rng(n_blocks).random((n_blocks, n_detectors))
    values = values.round(1) if tied else values
    assert friedman(values)["chi2"] == pytest.approx(stats.friedmanchisquare(*values.T).statistic)


@pytest.mark.parametrize("n_blocks, n_detectors", [(11, 3), (11, 5), (20, 4)])
def test_one_in_twenty_is_rejected_where_nothing_differs(n_blocks, n_detectors):
    random = np.random.default_rng(0)
    rejected = np.mean([friedman(random.random((n_blocks, n_detectors)))["p"] <= 0.05 for _ in range(4000)])
    assert 0.038 < rejected < 0.062  # 0.05 and 3.5 standard errors, for the statistic is discrete


def test_a_difference_is_found():
    random = np.random.default_rng(0)
    assert np.mean([friedman(random.normal([0, 0, 0, 2], 1, (11, 4)))["p"] <= 0.05 for _ in range(200)]) > 0.95


def test_all_alike_and_all_agreed():
    assert friedman(np.ones((12, 4))) == {"chi2": 0, "F": 0, "p": 1, "df_between": 3, "df_within": 33}
    agreed = friedman(np.tile([0.9, 0.7, 0.7, 0.1], (12, 1)))
    assert agreed["chi2"] == 36 and agreed["F"] == np.inf and agreed["p"] == 0


def test_ranks_by_hand():
    assert mean_ranks([[0.9, 0.5, 0.5], [0.2, 0.4, 0.3]]).tolist() == [2, 1.75, 2.25]


@pytest.mark.parametrize("n_detectors, q", [
    (2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)])
def test_the_table_of_critical_values(n_detectors, q):  # Demšar (2006), table 5 (a)
    n_blocks = n_detectors * (n_detectors + 1) / 6  # at which the square root is 1
    assert critical_difference(n_detectors, n_blocks) == pytest.approx(q, abs=0.001)


def test_the_critical_difference_of_demsar():
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, confidence=0.9) == pytest.approx(1.12, abs=0.005)


def test_runs_that_share_a_name_or_a_recording_are_one_block():
    names = ["fan", "pump", "fan", "valve", "slider", "pipe"]
    recordings = [["a"], ["b", "c"], ["d"], ["e", "d"], ["c"], []]  # fan - fan by name, fan - valve by d, pump - slider by c
    assert independent_blocks(names, recordings).tolist() == [0, 1, 0, 0, 1, 2]


def test_blocks_joined_by_a_later_run_are_one():
    assert independent_blocks(["x", "y", "z"], [["a"], ["b"], ["a", "b"]]).tolist() == [0, 0, 0]


def test_a_recording_called_like_a_machine_joins_nothing():
    assert independent_blocks(["a", "b"], [["b"], ["a"]]).tolist() == [0, 1]
    assert independent_blocks([], []).tolist() == []


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(ValueError, match="1 missing; leave out"):
        mean_ranks([[1, np.nan]])
    with pytest.raises(ValueError, match="3 detectors at least, got 12 and 2"):
        friedman(np.ones((12, 2)))
    with pytest.raises(ValueError, match="2 detectors and 1 block"):
        critical_difference(1, 12)


# ---- over machines

def over_machines(values, names=None, *, columns="abc", recordings=None, ended=None):
    table = pd.DataFrame(values, columns=list(columns)[:len(values[0])], dtype=float)
    names = names or [f"m{row}" for row in range(len(table))]
    return rank_over_machines(table, names=names, recordings=recordings or [[] for _ in names],
                              ended=ended or [True] * len(names))


def test_runs_of_one_machine_count_once():
    values = [[0.9, 0.5], [0.1, 0.8], [0.1, 0.8], [0.6, 0.5]]  # x: means 0.367 and 0.7; y: 0.6 and 0.5
    found = over_machines(values, ["x", "x", "x", "y"])
    assert found["ranks"] == {"a": 1.5, "b": 1.5} and found["n_blocks"] == 2
    assert found["counted"] == [("x", 3, 3), ("y", 1, 1)]
    assert over_machines(values)["ranks"] == {"a": 1.5, "b": 1.5} and over_machines(values)["n_blocks"] == 4
    assert over_machines(values, ["x", "x2", "x3", "y"], recordings=[["1"], ["1", "2"], ["2"], ["3"]])["counted"] == [
        ("x, x2, x3", 3, 3), ("y", 1, 1)]


def test_many_runs_of_one_machine_are_no_evidence():
    same = np.tile([0.9, 0.8, 0.7], (30, 1))
    assert over_machines(same, ["x"] * 30)["test"] is None
    assert over_machines(same)["test"]["p"] < 1e-6


def test_a_machine_without_a_detector_is_left_out():
    found = over_machines([[0.9, 0.5, 0.7], [0.9, np.nan, np.nan], [0.2, 0.3, np.nan], [np.nan, 0.3, np.nan]], ["x", "y", "y", "z"])
    assert found["left_out"] == [("y", ["c"]), ("z", ["a", "c"])] and found["counted"] == [("x", 1, 1)]
    assert found["ranks"] == {"a": 1, "c": 2, "b": 3}


def test_of_a_machine_only_whole_runs_count():
    found = over_machines([[0.9, 0.5], [0.1, np.nan]], ["x", "x"])
    assert found["counted"] == [("x", 1, 2)] and found["ranks"] == {"a": 1, "b": 2}


def test_a_detector_that_no_ended_run_has_is_not_ranked():
    values = [[0.9, 0.5, np.nan], [0.8, 0.4, 0.7]]
    assert over_machines(values, ended=[True, False])["ranks"] == {"a": 1, "b": 2}
    assert over_machines(values, ended=[True, False])["n_blocks"] == 2
    assert over_machines(values)["left_out"] == [("m0", ["c"])]
    assert over_machines(values, ended=[False, False])["ranks"] == {}


@pytest.mark.parametrize("n_blocks, tested", [(10, False), (11, True)])
def test_ten_machines_are_too_few_for_a_test(n_blocks, tested):
    found = over_machines(np.random.default_rng(1).random((n_blocks, 3)))
    assert (found["test"] is not None) == tested and len(found["ranks"]) == 3


def test_two_detectors_carry_no_test():
    assert over_machines([[0.9, 0.5]] * 20)["test"] is None


def test_the_critical_difference_is_there_only_where_the_test_rejects():
    nothing = over_machines(np.ones((12, 3)))
    assert nothing["test"]["p"] == 1 and nothing["critical_difference"] is None and not nothing["apart"]
    clear = over_machines(np.tile([0.9, 0.8, 0.7], (14, 1)))
    assert clear["critical_difference"] == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 14)), abs=0.001) and clear["apart"]
    # Demšar's example: rejected, and yet no two of the four are 1.25 apart
    demsar = over_machines(DEMSAR, columns="abcd")
    assert demsar["critical_difference"] == pytest.approx(1.25, abs=0.005) and not demsar["apart"]
    assert list(demsar["ranks"]) == ["d", "b", "c", "a"]


def test_nothing_to_rank():
    assert rank_over_machines(pd.DataFrame(dtype=float), names=[], recordings=[], ended=[])["ranks"] == {}
    assert over_machines([[np.nan, np.nan]])["ranks"] == {} and over_machines([[0.5]])["ranks"] == {}
