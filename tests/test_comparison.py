"""Comparison: kept results side by side, and refused where they do not belong together."""

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sounds import random_table, recordings_of

from acoustic_nb import plots
from acoustic_nb.comparison import (
    agreement,
    amounts,
    compared_pairs,
    level_responses,
    load_results,
    missing_detectors,
    recorder_differences,
    section_summary,
    summary_table,
    unit_summary,
)
from acoustic_nb.detectors.base import NotEnoughData
from acoustic_nb.features import join
from acoustic_nb.intervals import auc_interval
from acoustic_nb.judging import kept_items, window_items
from acoustic_nb.runs import Run, open_run

PARAMETERS = {"normal": "demo", "anomalous": "demo", "dataset": "", "machine": "", "channel": "mean",
              "sample_rate": "native", "window_s": 1.0, "hop_s": 0.5, "n_mfcc": 13, "level": "kept", "clip_score": "mean",
              "false_alarm_rate": 0.05, "rotations": 1, "seed": 0, "seeds": 1}
METRICS = {**dict.fromkeys(("pauc", "average_precision", "prevalence", "recall", "precision", "f1", "accuracy", "balanced_accuracy",
                            "mcc", "false_alarm_rate", "false_events_per_hour"), 0.5),
           "false_events": 3, "events": 0, "event_recall": None, "median_onset_delay_s": None}
CALIBRATION = {"wanted_rate": 0.05, "used_rate": 0.05, "promised": True, "threshold": 2.5, "judged_by": "window"}
SPREADS = {"rotations": 1, "roc_auc_mean": 0.7, "roc_auc_min": 0.7, "roc_auc_max": 0.7, "pauc_mean": 0.5, "seeds": 1,
           "seed_roc_auc_mean": 0.7, "seed_roc_auc_min": 0.7, "seed_roc_auc_max": 0.7}
RESPONSE = [{"gain_db": gain_db, "flagged_normal": 0.1, "flagged_anomalous": None} for gain_db in (-6.0, 0.0, 6.0)]
SECTION = {"section": "", "domain": "", "n_normal": 2, "n_anomalous": 2, "roc_auc": 0.7, "pauc": 0.6}


def keep(run, name, scores=(1.0, 2.0, 3.0, 4.0), **changes):
    table = pd.DataFrame({"recording": ["007", "007", "b", "b"], "start_s": [0.0, 0.5, 0.0, 0.5], "end_s": [1.0, 1.5, 1.0, 1.5],
                          "part": "test", "label": [0, 0, 1, 1], "score": scores, "flagged": np.asarray(scores) > 2.5})
    items = changes.pop("items", table)
    kept = {"title": name.upper(), "supervised": name == "svm", "seconds": 1.0, "parameters": PARAMETERS,
            "recordings": [{"name": "a", "path": "/x/a.wav"}], "blocks": [2], "metrics": {**METRICS, "roc_auc": 0.7},
            "interval": {"low": 0.6, "high": 0.8, "n_eff": 9.0, "n_eff_normal": 9.0, "n_eff_anomalous": 12.0},
            "calibration": CALIBRATION, "sections": {"table": [SECTION], "means": {"official_score": 0.65}}, "units": [],
            "spreads": SPREADS, "intervals": {"pauc": [0.4, None], "recall": [0.2, 0.8]}, "level_response": RESPONSE,
            "leakage": {"shared_windows": 0, "random_split_auc": None, "random_split_shared": None},
            "controls": {"level_auc": 0.5, "mfcc_1_auc": 0.5, "identity_low": 0.5, "identity_high": 0.6}, **changes}
    run.save_detector(name, scores=table, items=items, metrics=kept, figures={})


def judged_recordings(scores):
    """Items where recordings are judged: two that calibrate, four that test."""
    return pd.DataFrame({"recording": ["c0", "c1", "007", "a", "b", "nan"], "label": [0, 0, 0, 0, 1, 1], "windows": 5,
                         "score": scores, "unit": ["u"] * 6, "section": "", "domain": "",
                         "part": ["calibration"] * 2 + ["test"] * 4, "flagged": np.asarray(scores) > 2.5})


def test_results_come_back_with_names_that_look_like_numbers(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm")
    results = load_results(run)
    for table in ("scores", "items"):
        assert results["gmm"][table]["recording"].tolist() == ["007", "007", "b", "b"]


def test_an_empty_run_says_what_to_run_first(tmp_path):
    with pytest.raises(ValueError, match="run one of the notebooks 01 to 06 first"):
        load_results(open_run(tmp_path))


def test_where_all_detectors_were_skipped_so_is_the_comparison(tmp_path):
    run = Run.create(tmp_path, "x")
    run.write_status("svm", "skipped", error="one clip, two are needed")
    with pytest.raises(NotEnoughData, match="no detector could be run on these recordings; the first says: one clip, two are"):
        load_results(run)


# where the catalogue lies does not matter, a run may be moved: what is in it is compared
@pytest.mark.parametrize("changed", set(PARAMETERS) - {"dataset"})
def test_no_parameter_may_differ(tmp_path, changed):
    run = open_run(tmp_path)
    keep(run, "gmm")
    keep(run, "svm", parameters={**PARAMETERS, changed: "other"})
    with pytest.raises(ValueError, match=f"ran with {changed} = .*svm with 'other'|svm ran with {changed} = 'other'"):
        load_results(run)


@pytest.mark.parametrize(("changes", "message"), [
    ({"parameters": {**PARAMETERS, "window_s": 2.0}}, r"svm ran with window_s = 2\.0, gmm with 1\.0; run both"),
    ({"parameters": {**PARAMETERS, "seed": 1}}, "seed = 1, gmm with 0"),
    ({"blocks": [3]}, "different recordings or cuts"),
    ({"recordings": [{"name": "b", "path": "/x/a.wav"}]}, "different recordings or cuts")])
def test_results_that_do_not_belong_together_are_refused(tmp_path, changes, message):
    run = open_run(tmp_path)
    keep(run, "gmm")
    keep(run, "svm", **changes)
    with pytest.raises(ValueError, match=message):
        load_results(run)


def test_one_row_per_detector_best_first(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm")
    keep(run, "svm", metrics={**METRICS, "roc_auc": 0.9})
    summary = summary_table(load_results(run))
    assert summary["detector"].tolist() == ["gmm", "svm"]
    assert summary["supervised"].tolist() == [False, True]
    bounds = summary[["roc_auc_low", "roc_auc_high", "recall_low", "recall_high", "pauc_low"]]
    assert bounds.iloc[0].tolist() == [0.6, 0.8, 0.2, 0.8, 0.4]
    assert np.isnan(summary["pauc_high"]).all() and np.isnan(summary["random_split_auc"]).all()
    assert summary["level"].tolist() == ["kept"] * 2
    assert summary["judged_by"].tolist() == ["window"] * 2
    assert summary["events"].tolist() == [0, 0]
    assert summary["section_official_score"].tolist() == [0.65] * 2


def test_detectors_are_compared_pair_by_pair_on_what_tests(tmp_path):
    run = open_run(tmp_path)
    scores = np.random.default_rng(0).standard_normal(6)
    for name in ("gmm", "svm", "gan"):
        keep(run, name, items=judged_recordings(scores).assign(unit=["u", "v", "w", "x", "y", "z"]),
             calibration={**CALIBRATION, "judged_by": "recording"})
    pairs = compared_pairs(load_results(run))
    assert pairs[["first", "second"]].to_numpy().tolist() == [["svm", "gmm"], ["svm", "gan"], ["gmm", "gan"]]
    assert pairs["difference"].tolist() == [0, 0, 0]
    assert not pairs["distinguishable"].any()


def test_how_much_sound_there_is(tmp_path):
    run = open_run(tmp_path)
    windows = join([random_table(4, name="a"), random_table(7, name="b"), random_table(2, label=1, name="c")])
    keep(run, "gmm", recordings=[recording.facts() for recording in recordings_of(windows)])
    # a window of 1 s every 0.5 s
    assert amounts(load_results(run)) == {"normal": {"s": 2.5 + 4.0, "units": 2, "unit": "recording", "tested": 0.3},
                                          "anomalous": {"s": 1.5, "units": 1, "unit": "recording", "tested": 0.5}}
    given = dict.fromkeys("abc", "test")
    keep(run, "gmm", recordings=[recording.facts() for recording in recordings_of(windows, split=given)])
    assert [amount["tested"] for amount in amounts(load_results(run)).values()] == [1.0, 1.0]


def test_channels_and_parts_of_one_file_are_one_recording_and_groups_are_counted_where_recordings_are_judged(tmp_path):
    run = open_run(tmp_path)
    about = {"label": "normal", "duration_s": 2.0, "path": "/a.wav"}
    facts = [about, about, {**about, "path": "/b.wav"}, {**about, "label": "anomalous", "path": "/x.wav"}]
    keep(run, "gmm", recordings=facts)
    assert {label: amount["units"] for label, amount in amounts(load_results(run)).items()} == {"normal": 2, "anomalous": 1}
    days = [{**each, "group": day} for each, day in zip(facts, ("mon", "mon", "tue", "mon"), strict=True)]
    keep(run, "gmm", recordings=days, items=judged_recordings(np.arange(6.0)).assign(unit=["mon"] * 6),
         calibration={**CALIBRATION, "judged_by": "recording"})
    found = amounts(load_results(run))
    assert found["normal"] == {"s": 6.0, "units": 2, "unit": "group", "tested": 0.3} and found["anomalous"]["units"] == 1


def test_files_that_differ_by_the_recorder_are_told(tmp_path):
    run = open_run(tmp_path)
    facts = [{"label": label, "native_sample_rate": rate, "bandwidth_hz": rate / 2, "path": f"/{label}.wav"}
             for label, rate in (("normal", 44100), ("anomalous", 96000))]
    keep(run, "gmm", recordings=facts)
    assert recorder_differences(load_results(run)) == ["normal files have 44100 Hz, anomalous ones 96000 Hz"]
    keep(run, "gmm", recordings=[facts[0], {**facts[0], "label": "anomalous"}])
    assert recorder_differences(load_results(run)) == []


def test_the_interval_of_the_auc_is_the_one_that_was_kept_for_it(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm", intervals={"pauc": [0.4, 0.9], "roc_auc": [0.1, 0.2]})  # whatever else there may be
    summary = summary_table(load_results(run)).iloc[0]
    assert (summary["roc_auc_low"], summary["roc_auc_high"]) == (0.6, 0.8)


def test_the_lower_end_for_all_at_once_is_that_of_a_wider_interval(tmp_path):
    run = open_run(tmp_path)
    items = judged_recordings([0, 1, 1, 4, 3, 5]).assign(unit=list("cdefgh"))
    for name in ("gmm", "svm"):
        keep(run, name, items=items, calibration={**CALIBRATION, "judged_by": "recording"})
    test = items.query("part == 'test'")
    summary = summary_table(load_results(run))
    assert summary["roc_auc_low_of_all"].tolist() == [auc_interval(test, judged_by="recording", confidence=0.975)["low"]] * 2
    assert summary["roc_auc_low_of_all"][0] < auc_interval(test, judged_by="recording")["low"]


def test_what_half_a_decibel_and_six_do_to_the_flags_is_in_the_summary(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm", level_response=[{"gain_db": gain_db, "flagged_normal": share} for gain_db, share in
                                     ((-6.0, 0.9), (-0.5, 0.1), (0.0, 0.0), (0.5, 0.3), (6.0, None))])
    summary = summary_table(load_results(run)).iloc[0]
    assert (summary["flagged_normal_0_5_db"], summary["flagged_normal_6_db"]) == (0.3, 0.9)


def test_level_responses_come_back_as_tables(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm")
    response = level_responses(load_results(run))["GMM"]
    assert response["gain_db"].tolist() == [-6, 0, 6]
    assert response["flagged_anomalous"].isna().all()


def test_sections_stand_side_by_side(tmp_path):
    run = open_run(tmp_path)
    table = [SECTION, {**SECTION, "section": "00", "domain": "target", "roc_auc": 0.4, "pauc": None, "n_normal": 1}]
    keep(run, "gmm", sections={"table": table, "means": {}})
    keep(run, "svm", sections={"table": [table[0], {**table[1], "roc_auc": 0.9}], "means": {}})
    numbers = section_summary(load_results(run))
    assert numbers.index.names == ["section", "domain", "normal", "anomalous"]
    assert numbers.index.tolist() == [("", "all", 2, 2), ("00", "target", 1, 2)]
    assert numbers[("GMM", "roc_auc")].tolist() == [0.7, 0.4]
    assert numbers[("SVM", "roc_auc")].tolist() == [0.7, 0.9]
    assert numbers[("SVM", "pauc")].isna().tolist() == [False, True]


def test_one_section_needs_no_table(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm")
    assert section_summary(load_results(run)) is None
    assert unit_summary(load_results(run)) is None


def test_units_stand_side_by_side_for_those_that_were_fitted_again(tmp_path):
    run = open_run(tmp_path)
    units = [{"unit": "007", "normal": 3, "anomalous": 2, "roc_auc_within": 0.9, "roc_auc_left_out": 0.6},
             {"unit": "b", "normal": 3, "anomalous": 2, "roc_auc_within": None, "roc_auc_left_out": 0.5}]
    keep(run, "gmm", units=units)
    keep(run, "gan")  # a network: none
    numbers = unit_summary(load_results(run))
    assert numbers.index.tolist() == [("007", 3, 2), ("b", 3, 2)]
    assert numbers[("GMM", "left out")].tolist() == [0.6, 0.5]
    assert numbers[("GMM", "within")].isna().tolist() == [False, True]
    assert [title for title, _ in numbers] == ["GMM", "GMM"]


def test_agreement_by_hand(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm", (1.0, 2.0, 3.0, 4.0))
    keep(run, "svm", (1.0, 9.0, 2.0, 8.0))
    table = agreement(load_results(run))
    assert table["votes"].tolist() == [0, 1, 1, 2]
    assert table["mean_rank"].tolist() == [0.25, 0.75, 0.625, 0.875]


def test_agreement_of_recordings_by_hand(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm", items=judged_recordings([9, 9, 1, 2, 3, 4]))
    keep(run, "svm", items=judged_recordings([0, 9, 1, 9, 2, 8]))
    table = agreement(load_results(run))
    assert table.columns.tolist() == ["recording", "label", "svm", "gmm", "votes", "mean_rank"]
    assert table["recording"].tolist() == ["007", "a", "b", "nan"]  # those that calibrate are not tested
    assert table["votes"].tolist() == [0, 1, 1, 2]
    assert table["mean_rank"].tolist() == [0.25, 0.75, 0.625, 0.875]


def test_a_recording_stays_anomalous_where_no_event_lies_in_what_is_tested(tmp_path):
    windows = join([random_table(4, name="a"), random_table(4, label=1, name="b", held=[0] * 4),
                    random_table(4, label=1, name="c", held=[0, 1, 1, 0])])
    scores = np.arange(12.0)
    run = open_run(tmp_path)
    keep(run, "gmm", items=kept_items({"test": window_items(windows, scores)}, 2.5),
         recordings=[recording.facts() for recording in recordings_of(windows)])
    axes = plots.flag_map(agreement(load_results(run)), {"gmm": "Mixture"})
    assert [ax.get_title(loc="left") for ax in axes] == ["a (normal)", "b (anomalous)", "c (anomalous)"]
    plt.close("all")


def test_who_is_missing_is_named_with_the_reason(tmp_path):
    run = Run.create(tmp_path, "x")
    keep(run, "gmm")
    run.write_status("gmm", "ok")
    run.write_status("gan", "failed", error="ValueError: no")
    assert missing_detectors(run) == ["gan (failed: ValueError: no)"]
    scratch = open_run(tmp_path / "scratch")
    keep(scratch, "gmm")
    assert missing_detectors(scratch)[0] == "kmeans (not run yet)"
    assert len(missing_detectors(scratch)) == 5
