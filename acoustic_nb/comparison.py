"""Comparison: the kept results of several detectors, side by side. Fits nothing."""

import numpy as np
import pandas as pd

from acoustic_nb.detectors import DETECTORS

COMPARED = ("normal", "anomalous", "window_s", "hop_s", "n_mfcc", "false_alarm_rate", "rotations", "seed")


def load_results(run):
    """What each detector of a run has kept.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict
        Detector name -> dict with ``scores`` (DataFrame) and the entries of its ``metrics.json``.

    Raises
    ------
    ValueError
        If there is none, or if they do not belong together: other parameters, recordings or cuts.
    """
    names = run.detectors()
    if not names:
        raise ValueError(f"{run.folder} holds no detector's results; run one of the notebooks 01 to 06 first")
    results = {}
    for name in names:
        scores, kept = run.load_detector(name)
        results[name] = {"scores": scores, **kept}
    first = results[names[0]]
    for name in names[1:]:
        other = results[name]
        for key in COMPARED:
            if other["parameters"][key] != first["parameters"][key]:
                raise ValueError(f"{names[0]} ran with {key} = {first['parameters'][key]!r}, {name} with "
                                 f"{other['parameters'][key]!r}; run both notebooks again with the same parameters")
        if other["blocks"] != first["blocks"] or other["recordings"] != first["recordings"]:
            raise ValueError(f"{names[0]} and {name} were judged on different recordings or cuts; run both notebooks again")
    return results


def missing_detectors(run):
    """Detectors without results in this run, each as ``name (reason)``; empty where all six are there."""
    statuses, there = run.statuses(), run.detectors()
    reasons = []
    for name in DETECTORS:
        if name not in there and (name in statuses or not statuses):
            status = statuses.get(name, {"status": "not run yet"})
            reasons.append(f"{name} ({status['status']}" + (f": {status['error']})" if status.get("error") else ")"))
    return reasons


def summary_table(results):
    """One row per detector: those that learn from normal sound only, then the supervised, each by falling ROC AUC.

    Parameters
    ----------
    results : dict
        From ``load_results``.

    Returns
    -------
    DataFrame
        Names, the metrics of ``evaluate``, the interval, the controls, the rotations, the false-alarm rates wanted, used and
        realised, and the seconds that fitting took.
    """
    rows = []
    for name, kept in results.items():
        metrics, calibration = kept["metrics"], kept["calibration"]
        rows.append({
            "detector": name, "title": kept["title"], "supervised": bool(kept["supervised"]),
            "roc_auc": metrics["roc_auc"], "roc_auc_low": kept["interval"]["low"], "roc_auc_high": kept["interval"]["high"],
            "n_eff": kept["interval"]["n_eff"],
            **{key: metrics[key] for key in ("pauc", "average_precision", "prevalence", "recall", "precision", "f1", "accuracy",
                                             "balanced_accuracy", "mcc")},
            "false_alarm_rate_wanted": calibration["wanted_rate"], "false_alarm_rate_used": calibration["used_rate"],
            "promised": bool(calibration["promised"]), "false_alarm_rate": metrics["false_alarm_rate"],
            "false_events_per_hour": metrics["false_events_per_hour"], "threshold": calibration["threshold"],
            **kept["controls"], **kept["rotations"], "seconds": kept["seconds"]})
    return pd.DataFrame(rows).sort_values(["supervised", "roc_auc"], ascending=[True, False], kind="stable",
                                           ignore_index=True)


def readable_summary(summary):
    """The columns of ``summary_table`` that a person compares, in words and rounded."""
    rates = [f"{row.false_alarm_rate_wanted:.1%} → {row.false_alarm_rate:.1%}" if row.false_alarm_rate_used
             <= row.false_alarm_rate_wanted else f"{row.false_alarm_rate_wanted:.1%} ({row.false_alarm_rate_used:.1%} at best) "
             f"→ {row.false_alarm_rate:.1%}" for row in summary.itertuples()]
    readable = pd.DataFrame({
        "detector": summary["title"],
        "supervised": np.where(summary["supervised"], "yes", "no"),
        "ROC AUC (95 %)": [f"{row.roc_auc:.3f} ({row.roc_auc_low:.2f}–{row.roc_auc_high:.2f})"
                           for row in summary.itertuples()],
        "pAUC": summary["pauc"].map("{:.3f}".format),
        "AP": [f"{row.average_precision:.2f} ({row.prevalence:.2f})" for row in summary.itertuples()],
        "recall": summary["recall"].map("{:.2f}".format),
        "F1": summary["f1"].map("{:.2f}".format),
        "false alarms": rates,
        "events/h": summary["false_events_per_hour"].map("{:.0f}".format),
        "identity": [f"{row.identity_low:.2f}–{row.identity_high:.2f}" for row in summary.itertuples()],
        "fit in s": summary["seconds"].map("{:.1f}".format)})
    if summary["rotations"].max() > 1:
        readable.insert(3, "over rotations", [f"{row.roc_auc_mean:.3f} ({row.roc_auc_min:.2f}–{row.roc_auc_max:.2f})"
                                              for row in summary.itertuples()])
    return readable


def agreement(results):
    """Who flags which test window.

    Parameters
    ----------
    results : dict
        From ``load_results``.

    Returns
    -------
    DataFrame
        One row per test window in the order of the scores: recording, start_s, end_s, label, one bool column per
        detector, ``votes`` (how many flag it) and ``mean_rank`` (mean over detectors of the share of test windows that
        score lower or equal, 0 to 1; higher = more anomalous to all).
    """
    tests = {name: kept["scores"].query("part == 'test'").reset_index(drop=True) for name, kept in results.items()}
    table = next(iter(tests.values()))[["recording", "start_s", "end_s", "label"]].copy()
    for name, test in tests.items():
        table[name] = test["flagged"].astype(bool)
    table["votes"] = table[list(tests)].sum(axis=1)
    table["mean_rank"] = np.mean([test["score"].rank(pct=True) for test in tests.values()], axis=0)
    return table
