"""Tables for people: the right number in the right place, and a dash where there is none."""

import numpy as np
import pandas as pd

from acoustic_nb.tables import alarm_table, control_table, level_table, metrics_table, pair_table, ranking_table
from acoustic_nb.thresholds import calibrate

METRICS = {"roc_auc": 0.8, "pauc": 0.6, "average_precision": 0.7, "prevalence": 0.25, "recall": 0.5, "true_positive": 4.0,
           "n_anomalous": 8.0, "false_alarm_rate": 0.125, "false_positive": 3.0, "n_normal": 24.0, "false_events_per_hour": 300.0,
           "false_events": 2, "normal_s": 24.0, "precision": 0.57, "f1": 0.53, "accuracy": 0.78, "balanced_accuracy": 0.69,
           "mcc": 0.4, "events": 0, "events_found": 0, "event_recall": np.nan, "median_onset_delay_s": np.nan}
INTERVALS = {**dict.fromkeys(("pauc", "average_precision", "recall", "false_alarm_rate", "precision", "f1", "accuracy",
                              "balanced_accuracy", "mcc"), (0.1, 0.9)), "false_events_per_hour": (36.0, 1080.0),
             "true_rate": (0.01, 0.2)}
CONTROLS = {"level_auc": 0.55, "mfcc_1_auc": 0.61, "identity_low": 0.52, "identity_high": 0.66, "chance_p": np.nan,
            "chance_low": np.nan, "chance_high": np.nan, "chance_permutations": 0, "chance_note": "two recordings"}
SPREADS = {"rotations": 1, "roc_auc_mean": 0.8, "roc_auc_min": 0.7, "roc_auc_max": 0.9, "pauc_mean": 0.6, "recall_pooled": 0.45,
           "false_alarm_rate_pooled": 0.07, "seeds": 1, "seed_roc_auc_mean": 0.79, "seed_roc_auc_min": 0.78,
           "seed_roc_auc_max": 0.8}
LEAKAGE = {"shared_windows": 0, "random_split_auc": np.nan, "random_split_shared": np.nan}
INTERVAL = {"low": 0.66, "high": 0.89, "n_eff": 12.4, "enough": True}


def one(metrics=(), interval=(), controls=(), spreads=(), leakage=()):
    table = metrics_table({**METRICS, **dict(metrics)}, calibrate(range(1, 20), 0.05), {**INTERVAL, **dict(interval)}, INTERVALS,
                          {**CONTROLS, **dict(controls)}, {**SPREADS, **dict(spreads)}, {**LEAKAGE, **dict(leakage)})
    assert table.columns.tolist() == ["what", "value", "95 % interval", "read it against"]
    return table.set_index("what").replace({"\u2060": ""}, regex=True)


def test_numbers_stand_beside_their_intervals():
    table = one()
    assert table.loc["ROC AUC over windows"].tolist() == [
        "0.800", "0.66–0.89", "0.5 is chance; at least 12 independent windows per class"]
    assert table.loc["false events per hour"].tolist()[:2] == ["300", "36–1080"]
    assert table.loc["false-alarm rate, realised"].tolist()[:2] == ["0.125", "0.10–0.90"]
    assert "3 of 24 normal windows" in table.loc["false-alarm rate, realised", "read it against"]
    few = one(interval={"n_eff": 1.2, "enough": False}).loc["ROC AUC over windows", "read it against"]
    assert few.endswith("at least 1 independent window per class; too little independent data")


def test_controls_that_cannot_be_had_say_why():
    table = one(controls={"identity_low": np.nan, "identity_high": np.nan})
    assert table.loc["control: chance"].tolist() == ["none", "", "two recordings"]
    assert table.loc["control: recording identity", "value"] == "none"
    there = one(controls={"chance_p": 0.05, "chance_low": 0.2, "chance_high": 0.8, "chance_permutations": 20})
    assert there.loc["control: chance"].tolist() == [
        "0.05", "", "share of 20 relabellings that reach the ROC AUC (a weak control, other seconds of these recordings have "
                    "trained); 95 % of them lie between 0.20 and 0.80"]
    assert there.loc["control: recording identity", "value"] == "0.52–0.66"


def test_spreads_events_and_the_random_split_are_shown_where_there_are_any():
    plain = one()
    assert not [what for what in plain.index if "spread" in what or "random split" in what or "event recall" in what]
    table = one(spreads={"rotations": 3, "seeds": 5}, leakage={"random_split_auc": 0.97, "random_split_shared": 0.91},
                metrics={"events": 4, "events_found": 3, "event_recall": 0.75, "median_onset_delay_s": 1.25})
    assert table.loc["spread: 3 rotations"].tolist()[::2] == [
        "0.800", "mean ROC AUC; 0.700 to 0.900 over the cuts; pAUC mean 0.600"]
    assert table.loc["flags of all rotations", "value"] == "0.450"
    assert table.loc["spread: 5 seeds", "value"] == "0.790"
    assert table.loc["leakage: a random split", "value"] == "0.970"
    assert table.loc["event recall", "value"] == "0.750"
    assert table.loc["onset delay", "value"] == "1.25 s"
    missed = one(metrics={"events": 4, "events_found": 0, "event_recall": 0.0})
    assert missed.loc["onset delay", "value"] == "–"


def summary(**changes):
    about = {**METRICS, **CONTROLS, **SPREADS, **LEAKAGE, "title": "X", "supervised": False, "roc_auc_low": 0.66,
             "roc_auc_high": 0.89, "n_eff": 7.6, "seconds": 1.234, "false_alarm_rate_wanted": 0.01, "false_alarm_rate_used": 0.05,
             "promised": False}
    for name, (low, high) in INTERVALS.items():
        about |= {f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame([{**about, **changes}])


def plain(table):
    """Detectors in rows, and without the marks that keep a line from breaking."""
    assert table.columns.name == "detector"
    return table.T.replace({"\u2060": "", "\u00a0": " "}, regex=True)


def test_the_ranking():
    table = plain(ranking_table(summary()))
    assert table.index.tolist() == ["X"]
    assert table.loc["X", "ROC AUC (95 %)"] == "0.800 (0.66–0.89)"
    assert table.loc["X", "independent"] == "8 (too few)"
    assert not [column for column in table if "seeds" in column or "rotations" in column]
    spread = plain(ranking_table(summary(rotations=3, seeds=5, supervised=True)))
    assert spread.loc["X", "3 rotations"] == "0.800 (0.70–0.90)"
    assert spread.loc["X", "5 seeds"] == "0.790 (0.78–0.80)"
    assert spread.loc["X", "supervised"] == "yes"


def test_the_alarms():
    table = plain(alarm_table(summary()))
    assert table.loc["X"].tolist()[:5] == ["1.0%", "5.0%, aimed at", "1%–20%", "12.5% (10%–90%)", "300 (36–1080)"]
    assert "event recall" not in table
    with_events = plain(alarm_table(summary(events=4, event_recall=0.75)))
    assert with_events.loc["X", ["event recall", "onset delay"]].tolist() == ["0.75", "–"]


def test_the_controls():
    second = summary(title="Y", identity_low=np.nan, identity_high=np.nan, chance_p=0.05, random_split_auc=0.97)
    table = plain(control_table(pd.concat([summary(), second])))
    assert table.loc["X"].tolist() == ["0.800", "0.52–0.66", "0.550", "0.610", "no control", "0", "not tried"]
    assert table.loc["Y"].tolist() == ["0.800", "–", "0.550", "0.610", "0.05", "0", "0.970"]


def test_the_pairs_stand_the_clearest_first():
    pairs = pd.DataFrame([
        {"first": "a", "second": "b", "difference": 0.05, "low": -0.05, "high": 0.15, "p": 0.3, "p_holm": 0.6,
         "distinguishable": False, "more_times": 3.14},
        {"first": "a", "second": "c", "difference": -0.2, "low": -0.3, "high": -0.1, "p": 0.001, "p_holm": 0.003,
         "distinguishable": True, "more_times": 0.5},
        {"first": "b", "second": "c", "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "p_holm": 1.0,
         "distinguishable": False, "more_times": np.inf}])
    table = pair_table(pairs, {"a": "A", "b": "B", "c": "C"})
    table = table.replace({"\u2060": ""}, regex=True)
    assert table.index.tolist() == ["C over A", "A over B", "B over C"]  # the better one first
    assert table["by (95 %)"].tolist() == ["0.200 (0.10–0.30)", "0.050 (-0.05–0.15)", "0.000 (0.00–0.00)"]
    assert table["p (Holm)"].tolist() == ["0.003", "0.6", "1"]
    assert table["so"].tolist() == ["better", "indistinguishable here", "indistinguishable here"]
    assert table["needs"].tolist() == ["–", "3.1 times the sound", "cannot be said"]


def test_how_much_more_a_pair_needs():
    one = {"first": "a", "second": "b", "difference": 0.05, "low": -0.05, "high": 0.15, "p": 0.3, "p_holm": 0.0001,
           "distinguishable": False}
    table = pair_table(pd.DataFrame([{**one, "more_times": times} for times in (0.9, 101.0, np.nan)]), {"a": "A", "b": "B"})
    assert table["needs"].tolist() == ["a little more sound", "more than 100 times", "cannot be said"]
    assert table["p (Holm)"].tolist() == ["< 0.001"] * 3


def test_the_interval_of_the_auc_is_its_own():
    table = metrics_table(METRICS, calibrate(range(1, 20), 0.05), INTERVAL, {**INTERVALS, "roc_auc": (0.1, 0.2)}, CONTROLS, SPREADS,
                          LEAKAGE)
    assert table["95 % interval"][0].replace("\u2060", "") == "0.66–0.89"


def test_louder_and_softer():
    response = pd.DataFrame({"gain_db": [-6.0, 0.0, 0.5], "flagged_normal": [1.0, 0.05, 0.061],
                             "flagged_anomalous": [1.0, 0.5, np.nan], "roc_auc": [0.75, 0.8, np.nan],
                             "shift_normal": [8.314, -0.001, np.nan]})
    table = level_table(response)
    assert table.index.tolist() == ["-6 dB", "as it is", "+0.5 dB"]
    assert table["normal flagged"].tolist() == ["100%", "5%", "6%"]
    assert table["normal scores move by"].tolist() == ["8.31 interquartile ranges", "0.00 interquartile ranges", "–"]
