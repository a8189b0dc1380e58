"""Pairs of detectors: the paired test by hand, ties of all kinds, and items that do not belong together."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from acoustic_nb.paired import COLUMNS, compare_pairs, holm

LABEL = np.repeat([0, 1], 20)
ZIGZAG = np.tile([0.0, 1.0], 20)  # of two recordings whose neighbours differ: 20 windows of each are 20


def items_of(scores, *, label=LABEL, recording=None, unit=None, **more):
    recording = label if recording is None else recording
    return pd.DataFrame({"recording": recording, "label": label, "score": np.asarray(scores, dtype=float),
                         "unit": recording if unit is None else unit, **more})


def pairs(scores, label):
    """Which anomalous item lies above which normal one, pair by pair: shape (anomalous, normal)."""
    anomalous, normal = scores[label == 1][:, None], scores[label == 0]
    return (anomalous > normal) + (anomalous == normal) / 2


def one(first, second, *, judged_by="window", **how):
    return compare_pairs({"a": items_of(first, **how), "b": items_of(second, **how)}, judged_by=judged_by).iloc[0]


def test_recordings_of_their_own_are_the_paired_test_of_delong():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], [30, 12])
    first = np.round(rng.standard_normal(42) + label, 1)
    second = np.round(first + rng.standard_normal(42), 1)
    found = one(first, second, judged_by="recording", label=label, recording=np.arange(42))
    # Var A + Var B - 2 Cov, of the means over rows and columns; no difference is formed
    variance = 0
    for axis, n in ((1, 12), (0, 30)):
        covariance = np.cov(pairs(first, label).mean(axis=axis), pairs(second, label).mean(axis=axis)) / n
        variance += covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference, error = roc_auc_score(label, first) - roc_auc_score(label, second), np.sqrt(variance)
    half = t.ppf(0.975, 11) * error
    assert found["difference"] == pytest.approx(difference)
    assert found["p"] == found["p_holm"] == pytest.approx(2 * t.sf(abs(difference) / error, 11))
    assert [found["low"], found["high"]] == pytest.approx([difference - half, difference + half])
    assert found["n_eff"] == 12
    assert found["more_times"] == pytest.approx(((norm.ppf(0.975) + norm.ppf(0.8)) * error / difference) ** 2)


def test_the_more_sound_the_fewer_times_more():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 400)
    good, poor = rng.standard_normal(800) + 2 * label, rng.standard_normal(800) + label
    few = np.r_[0:50, 400:450]
    much = one(good, poor, label=label, judged_by="recording", recording=np.arange(800))
    little = one(good[few], poor[few], label=label[few], judged_by="recording", recording=np.arange(100))
    assert much["distinguishable"] and much["more_times"] < 1
    assert little["more_times"] == pytest.approx(8 * much["more_times"], rel=0.5)


def test_dependent_windows_tell_less():
    rng = np.random.default_rng(1)
    label = np.repeat([0, 1], 100)
    first, second = rng.standard_normal(200) + 1.5 * label, rng.standard_normal(200) + label
    independent = one(first, second, label=label)
    # the same five times over tells nothing new; neighbours alone, with r = 0.8, would make it 500 / 9
    repeated = one(np.repeat(first, 5), np.repeat(second, 5), label=np.repeat(label, 5))
    assert repeated["difference"] == pytest.approx(independent["difference"])
    assert 500 / 10 < repeated["n_eff"] < independent["n_eff"]
    assert 1 < (repeated["high"] - repeated["low"]) / (independent["high"] - independent["low"]) < 1.6
    ordinary = one(np.repeat(first, 5), np.repeat(second, 5), label=np.repeat(label, 5), judged_by="recording",
                   recording=np.arange(1000))
    assert ordinary["p"] < 0.1 * repeated["p"]


def test_every_pair_in_the_order_of_the_dict_and_holm_over_all():
    rng = np.random.default_rng(0)
    base = rng.standard_normal(40)
    table = compare_pairs({name: items_of(base + shift * LABEL + 0.5 * rng.standard_normal(40))
                           for name, shift in (("b", 0), ("a", 1), ("c", 3))}, judged_by="window")
    assert list(table.columns) == COLUMNS
    assert table[["first", "second"]].to_numpy().tolist() == [["b", "a"], ["b", "c"], ["a", "c"]]
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"]).tolist())
    assert (table["p_holm"] >= table["p"]).all()
    assert (table["distinguishable"] == (table["p_holm"] < 0.05)).all()
    assert table["difference"][1] == pytest.approx(table["difference"][0] + table["difference"][2])


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert len(holm([])) == 0


def test_turned_round_only_the_sign_changes():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal(40) + LABEL, rng.standard_normal(40)
    there, back = one(first, second), one(second, first)
    assert [back["difference"], back["low"], back["high"], back["p"]] == pytest.approx(
        [-there["difference"], -there["high"], -there["low"], there["p"]])


@pytest.mark.parametrize("judged_by", ["window", "recording"])
def test_equal_detectors_are_indistinguishable(judged_by):
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(40) + LABEL
    perfect = scores + 50 * LABEL
    for first, second in ((scores, scores), (scores, np.exp(scores)), (perfect, ZIGZAG + 9 * LABEL), (np.ones(40), np.ones(40))):
        found = one(first, second, judged_by=judged_by, recording=np.arange(40) if judged_by == "recording" else LABEL)
        assert (found["difference"], found["p"], found["more_times"]) == (0, 1, np.inf)
        assert not found["distinguishable"]
        assert found["low"] < 0 < found["high"]


def test_a_difference_that_never_varies_is_the_sign_test():
    # right in all 20 windows of a class against wrong in all of them
    found = one(ZIGZAG + 9 * LABEL, ZIGZAG - 9 * LABEL)
    assert (found["difference"], found["n_eff"], found["high"]) == (1, 20, 1)
    assert found["p"] == pytest.approx(2 * 0.5**20)
    assert found["low"] == pytest.approx(2 * 0.025 ** (1 / 20) - 1)
    assert found["more_times"] == pytest.approx(np.log2(40) / 20)


def test_a_difference_that_never_varies_is_not_shown_by_few():
    # perfect against constant: every placement differs by a half; the scores rise, so that 20 windows are worth about one by
    # their order and 20 by their placements: between the two, the square root of 20
    rising = np.arange(40.0)
    found = one(rising + 90 * LABEL, np.ones(40))
    assert found["difference"] == 0.5
    assert found["n_eff"] == pytest.approx(np.sqrt(20), rel=0.02)
    assert found["p"] > 0.3
    assert found["low"] < 0


def test_recordings_of_one_unit_show_nothing():
    rng = np.random.default_rng(0)
    for unit in (LABEL, np.where(LABEL == 1, 0, np.arange(40))):
        found = one(rng.standard_normal(40) + 5 * LABEL, rng.standard_normal(40), judged_by="recording",
                    recording=np.arange(40), unit=unit)
        assert (found["p"], found["low"], found["high"], found["n_eff"]) == (1, -1, 1, 1)
        assert np.isnan(found["more_times"])


def test_one_detector_has_no_pair():
    table = compare_pairs({"a": items_of(ZIGZAG)}, judged_by="window")
    assert table.empty and list(table.columns) == COLUMNS
    assert list(compare_pairs({}, judged_by="window").columns) == COLUMNS


@pytest.mark.parametrize(("changed", "message"), [
    ({"recording": np.repeat([0, 2], 20)}, "item 20 has the recording 1 with a and 2 with b"),
    ({"label": np.repeat([0, 1, 0], [20, 19, 1])}, "item 39 has the label 1 with a and 0 with b"),
    ({"unit": np.repeat([3, 1], 20)}, "item 0 has the unit 0 with a and 3 with b"),
    ({"start_s": np.arange(40)[::-1] / 2}, "item 0 has the start_s 0.0 with a and 19.5 with b")])
def test_other_items_are_no_pair(changed, message):
    items = items_of(ZIGZAG, start_s=np.arange(40) / 2)
    with pytest.raises(ValueError, match=message) as caught:
        compare_pairs({"a": items, "b": items.assign(**changed)}, judged_by="window")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="a has 40 items and b has 39"):
        compare_pairs({"a": items, "b": items.iloc[1:]}, judged_by="window")
