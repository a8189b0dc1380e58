"""Chance: relabellings counted by hand, the same AUCs as scikit-learn, and p-values that are uniform where there is nothing."""

from itertools import combinations
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from acoustic_nb.chance import chance_control


def items_of(rows):
    """Items from rows of (unit, recording, label, score)."""
    return pd.DataFrame(rows, columns=["unit", "recording", "label", "score"])


def single_recordings(scores, n_normal):
    """One item per recording, each a unit of its own; the first ``n_normal`` are normal."""
    return items_of([(f"r{k}", f"r{k}", int(k >= n_normal), score) for k, score in enumerate(scores)])


def test_three_against_three_perfectly_separated():
    control = chance_control(single_recordings([1, 2, 3, 4, 5, 6], 3), judged_by="recording")
    assert control["chance_p"] == 1 / 20
    assert control["chance_permutations"] == 20
    assert control["chance_note"] == ""
    # the 20 AUCs are 0 to 9 ninths; ends by linear interpolation: 2.5 % of 19 steps is 0.475 of the first, from 0 to 1/9
    assert control["chance_low"] == pytest.approx(0.475 / 9)
    assert control["chance_high"] == pytest.approx(1 - 0.475 / 9)


def test_one_pair_turned_leaves_two_relabellings_as_good():
    assert chance_control(single_recordings([1, 2, 4, 3, 5, 6], 3), judged_by="recording")["chance_p"] == 2 / 20
    assert chance_control(single_recordings([6, 5, 4, 3, 2, 1], 3), judged_by="recording")["chance_p"] == 1  # below chance
    assert chance_control(single_recordings([1] * 6, 3), judged_by="recording")["chance_p"] == 1  # nothing is ranked


def test_windows_of_a_recording_change_label_together():
    rng = np.random.default_rng(0)
    rows = [(f"r{k}", f"r{k}", int(k >= 3), rng.integers(0, 30) + 4 * (k >= 3)) for k in range(7) for _ in range(3 + 2 * k)]
    items = items_of(rows).sample(frac=1, random_state=0)  # the order of the items does not matter
    control = chance_control(items, judged_by="window")
    names = sorted(set(items["recording"]))
    aucs = [roc_auc_score(items["recording"].isin(chosen), items["score"]) for chosen in combinations(names, 4)]
    real = roc_auc_score(items["label"], items["score"])
    assert control["chance_permutations"] == len(aucs) == 35
    assert control["chance_p"] == np.mean(np.array(aucs) >= real - 1e-12)
    assert (control["chance_low"], control["chance_high"]) == pytest.approx(tuple(np.quantile(aucs, [0.025, 0.975])))


def test_groups_change_label_as_wholes():
    # two recordings in each of 3 normal and 3 anomalous groups: C(6, 3), not C(12, 6)
    rows = [(f"g{k // 2}", f"r{k}", int(k >= 6), k) for k in range(12)]
    control = chance_control(items_of(rows), judged_by="recording")
    assert (control["chance_p"], control["chance_permutations"]) == (1 / 20, 20)


def test_units_with_both_labels_keep_theirs():
    # machines A and B, each with 2 normal and 2 anomalous recordings that rank higher: C(4, 2)^2 = 36; B is louder altogether
    rows = [(unit, f"{unit}{k}", int(k >= 2), k + 100 * (unit == "B")) for unit in "AB" for k in range(4)]
    control = chance_control(items_of(rows), judged_by="recording")
    assert (control["chance_p"], control["chance_permutations"]) == (1 / 36, 36)
    # a machine with normal recordings only adds nothing to deal out
    more = chance_control(items_of([*rows, ("C", "C0", 0, 5), ("C", "C1", 0, 6)]), judged_by="recording")
    assert more["chance_permutations"] == 36


def test_within_a_machine_nothing_is_left_of_what_sets_machines_apart():
    # mostly anomalous machine B is louder; within the machines there is no order: plain permutation would call that 0.002
    rows = [("A", f"A{k}", int(k == 2), 10 + (k * 7) % 5) for k in range(5)]
    rows += [("B", f"B{k}", int(k != 2), 90 + (k * 7) % 5) for k in range(5)]
    within = chance_control(items_of(rows), judged_by="recording")
    apart = chance_control(items_of([(recording, recording, label, score) for _, recording, label, score in rows]),
                           judged_by="recording")
    assert within["chance_permutations"] == 25
    assert within["chance_p"] > 0.3
    assert apart["chance_p"] < 0.1


def test_too_many_relabellings_are_drawn_and_seeded():
    items = single_recordings(np.r_[np.arange(20), np.arange(20) + 1000], 20)
    control = chance_control(items, judged_by="recording")
    assert control["chance_p"] == 1 / 1000
    assert control["chance_permutations"] == 999
    assert 0.2 < control["chance_low"] < 0.36 and 0.64 < control["chance_high"] < 0.8
    assert chance_control(items, judged_by="recording") == control
    assert chance_control(items, judged_by="recording", seed=1)["chance_low"] != control["chance_low"]
    fewer = chance_control(items, judged_by="recording", permutations=99)
    assert (fewer["chance_p"], fewer["chance_permutations"]) == (1 / 100, 99)
    small = chance_control(single_recordings([1, 2, 3, 4, 5, 6], 3), judged_by="recording", permutations=19)
    assert small["chance_permutations"] == 19  # the 20 there are would be one too many


def test_p_is_uniform_where_there_is_nothing():
    rng, p = np.random.default_rng(0), []
    for _ in range(500):
        # windows of four recordings of each kind; recordings differ, kinds do not
        level = np.repeat(rng.standard_normal(8), 4)
        items = items_of([(f"r{k // 4}", f"r{k // 4}", int(k >= 16), score)
                          for k, score in enumerate(level + 0.3 * rng.standard_normal(32))])
        p.append(chance_control(items, judged_by="window")["chance_p"])
    # all 70 relabellings are as likely: P(p <= x) = x at multiples of 1/70
    for x in (3 / 70, 7 / 70, 21 / 70, 35 / 70, 56 / 70):
        assert np.mean(np.array(p) <= x + 1e-9) == pytest.approx(x, abs=3 * np.sqrt(x * (1 - x) / len(p)))


def nothing(control):
    return (np.isnan([control["chance_p"], control["chance_low"], control["chance_high"]]).all()
            and control["chance_permutations"] == 0)


@pytest.mark.parametrize(("normal", "anomalous", "said"), [
    (1, 1, "two recordings: labels cannot be permuted; three of each kind would allow it"),
    (2, 9, "2 normal and 9 anomalous recordings: labels cannot be permuted; three of each kind would allow it"),
    (4, 1, "4 normal and 1 anomalous recording: labels cannot be permuted; three of each kind would allow it")])
def test_too_few_recordings_are_said(normal, anomalous, said):
    rows = [(f"r{k}", f"r{k}", int(k >= normal), k + window) for k in range(normal + anomalous) for window in range(3)]
    control = chance_control(items_of(rows), judged_by="window")
    assert nothing(control)
    assert control["chance_note"] == said


def test_too_few_groups_are_said():
    rows = [(f"g{k // 4}", f"r{k}", int(k >= 8), k) for k in range(16)]
    control = chance_control(items_of(rows), judged_by="recording")
    assert nothing(control)
    assert control["chance_note"].startswith("2 normal and 2 anomalous groups: labels cannot be permuted")


def test_too_few_ways_within_units_are_said():
    rows = [(unit, f"{unit}{k}", k, k) for unit in "ABC" for k in range(2)]
    control = chance_control(items_of(rows), judged_by="recording")
    assert nothing(control)
    assert "in 8 ways only within the groups that hold both, and 20 are needed" in control["chance_note"]


def test_event_labels_leave_nothing_to_permute():
    rows = [(f"r{k}", f"r{k}", int(k >= 3 and j > 2), j) for k in range(6) for j in range(6)]
    control = chance_control(items_of(rows), judged_by="window")
    assert nothing(control)
    assert control["chance_note"].startswith("single recordings hold both normal and anomalous windows")
    assert "\n" not in control["chance_note"]


@pytest.mark.parametrize(("changes", "message"), [({"permutations": 0}, "at least 1, got 0"),
                                                  ({"judged_by": "clip"}, "judged_by is window or recording, got 'clip'")])
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        chance_control(single_recordings(range(6), 3), **{"judged_by": "recording", **changes})


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="1 of 6 scores are NaN"):
        chance_control(single_recordings([1, 2, np.nan, 4, 5, 6], 3), judged_by="recording")


def test_twenty_thousand_windows_are_quick():
    rng = np.random.default_rng(0)
    recording = np.repeat(np.arange(200), 100)
    items = pd.DataFrame({"recording": recording, "unit": recording, "label": (recording >= 100).astype(int),
                          "score": rng.standard_normal(20_000)})
    began = perf_counter()
    assert chance_control(items, judged_by="window")["chance_permutations"] == 999
    assert perf_counter() - began < 2
