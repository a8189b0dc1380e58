"""Comparison: kept results side by side, and refused where they do not belong together."""

import numpy as np
import pandas as pd
import pytest

from acoustic_nb.comparison import agreement, load_results, missing_detectors, readable_summary, summary_table
from acoustic_nb.runs import Run, open_run

PARAMETERS = {"normal": "demo", "anomalous": "demo", "window_s": 1.0, "hop_s": 0.5, "n_mfcc": 13, "false_alarm_rate": 0.05,
              "rotations": 1, "seed": 0}
METRICS = dict.fromkeys(("pauc", "average_precision", "prevalence", "recall", "precision", "f1", "accuracy", "balanced_accuracy",
                         "mcc", "false_alarm_rate", "false_events_per_hour"), 0.5)


def keep(run, name, scores=(1.0, 2.0, 3.0, 4.0), **changes):
    table = pd.DataFrame({"recording": ["007", "007", "b", "b"], "start_s": [0.0, 0.5, 0.0, 0.5], "end_s": [1.0, 1.5, 1.0, 1.5],
                          "part": "test", "label": [0, 0, 1, 1], "score": scores, "flagged": np.asarray(scores) > 2.5})
    kept = {"title": name.upper(), "supervised": name == "svm", "seconds": 1.0, "parameters": PARAMETERS,
            "recordings": [1], "blocks": [2], "metrics": {**METRICS, "roc_auc": 0.7},
            "interval": {"low": 0.6, "high": 0.8, "n_eff": 9.0},
            "calibration": {"wanted_rate": 0.05, "used_rate": 0.05, "promised": True, "threshold": 2.5},
            "rotations": {"rotations": 1, "roc_auc_mean": 0.7, "roc_auc_min": 0.7, "roc_auc_max": 0.7, "pauc_mean": 0.5},
            "controls": {"level_auc": 0.5, "mfcc_1_auc": 0.5, "identity_low": 0.5, "identity_high": 0.6}, **changes}
    run.save_detector(name, scores=table, metrics=kept, figures={})


def test_results_come_back_with_names_that_look_like_numbers(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm")
    assert load_results(run)["gmm"]["scores"]["recording"].tolist() == ["007", "007", "b", "b"]


def test_an_empty_run_says_what_to_run_first(tmp_path):
    with pytest.raises(ValueError, match="run one of the notebooks 01 to 06 first"):
        load_results(open_run(tmp_path))


@pytest.mark.parametrize(("changes", "message"), [
    ({"parameters": {**PARAMETERS, "window_s": 2.0}}, r"svm ran with window_s = 2\.0, gmm with 1\.0; run both"),
    ({"parameters": {**PARAMETERS, "seed": 1}}, "seed = 1, gmm with 0"),
    ({"blocks": [3]}, "different recordings or cuts"), ({"recordings": [3]}, "different recordings or cuts")])
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
    readable = readable_summary(summary)
    assert readable["ROC AUC (95 %)"].tolist() == ["0.700 (0.60–0.80)", "0.900 (0.60–0.80)"]
    assert readable["false alarms"].tolist() == ["5.0% → 50.0%"] * 2


def test_agreement_by_hand(tmp_path):
    run = open_run(tmp_path)
    keep(run, "gmm", (1.0, 2.0, 3.0, 4.0))
    keep(run, "svm", (1.0, 9.0, 2.0, 8.0))
    table = agreement(load_results(run))
    assert table["votes"].tolist() == [0, 1, 1, 2]
    assert table["mean_rank"].tolist() == [0.25, 0.75, 0.625, 0.875]


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
