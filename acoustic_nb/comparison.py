"""Comparison: the kept results of several detectors, side by side. Fits nothing."""

import numpy as np
import pandas as pd

from acoustic_nb.catalogue import label_differences
from acoustic_nb.detectors import DETECTORS
from acoustic_nb.detectors.base import NotEnoughData
from acoustic_nb.intervals import auc_interval
from acoustic_nb.paired import compare_pairs
from acoustic_nb.splits import ANOMALOUS_SHARES, NORMAL_SHARES

COMPARED = ("normal", "anomalous", "machine", "channel", "sample_rate", "window_s", "hop_s", "n_mfcc", "level", "clip_score",
            "false_alarm_rate", "rotations", "seed", "seeds")


def load_results(run):
    """What each detector of a run has kept.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict
        Detector name -> dict with ``scores`` and ``items`` (DataFrames) and the entries of its ``metrics.json``.

    Raises
    ------
    NotEnoughData
        If no detector could be run on what there is.
    ValueError
        If there is none, or if they do not belong together: other parameters, recordings or cuts.
    """
    names = run.detectors()
    if not names:
        skipped = [status["error"] for status in run.statuses().values() if status["status"] == "skipped"]
        if skipped:
            raise NotEnoughData(f"no detector could be run on these recordings; the first says: {skipped[0]}")
        raise ValueError(f"{run.folder} holds no detector's results; run one of the notebooks 01 to 06 first")
    results = {}
    for name in names:
        scores, items, kept = run.load_detector(name)
        results[name] = {"scores": scores, "items": items, **kept}
    first = results[names[0]]
    for name in names[1:]:
        other = results[name]
        for key in COMPARED:
            if other["parameters"][key] != first["parameters"][key]:
                raise ValueError(f"{names[0]} ran with {key} = {first['parameters'][key]!r}, {name} with "
                                 f"{other['parameters'][key]!r}; run both notebooks again with the same parameters")
        if other["blocks"] != first["blocks"] or _heard(other) != _heard(first):
            raise ValueError(f"{names[0]} and {name} were judged on different recordings or cuts; run both notebooks again")
    return results


def _heard(kept):
    """Recordings wherever they lie: a job that was taken over from another batch may have read a copy."""
    return [{name: value for name, value in recording.items() if name != "path"} for recording in kept["recordings"]]


def sound_of(run, results):
    """What ``load_recordings`` needs to load the recordings of a run again: from its own catalogue where it has one."""
    names = ("normal", "anomalous", "dataset", "machine", "channel", "sample_rate", "window_s", "hop_s", "seed")
    asked = {name: next(iter(results.values()))["parameters"][name] for name in names}
    catalogue = run.folder / "recordings.csv"
    return {**asked, "dataset": str(catalogue)} if catalogue.is_file() else asked


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
        Names, the metrics of ``evaluate``, intervals in columns ending in ``_low`` and ``_high``, the controls, the leakage audit,
        the spreads over rotations and seeds, the false-alarm rates wanted, used and realised, and the seconds that fitting took.
        ``roc_auc_low_of_all`` is the lower end of intervals that hold for all detectors at once (Bonferroni): the best of several
        was picked after the fact.
    """
    rows, confidence = [], 1 - 0.05 / len(results)
    for name, kept in results.items():
        metrics, calibration = kept["metrics"], kept["calibration"]
        together = auc_interval(kept["items"].query("part == 'test'"), judged_by=calibration["judged_by"], confidence=confidence)
        rows.append({
            "detector": name, "title": kept["title"], "supervised": bool(kept["supervised"]),
            "judged_by": calibration["judged_by"], "level": kept["parameters"]["level"], "roc_auc": metrics["roc_auc"],
            **{size: kept["interval"][size] for size in ("n_eff", "n_eff_normal", "n_eff_anomalous")},
            **{key: metrics[key] for key in ("pauc", "average_precision", "prevalence", "recall", "precision", "f1", "accuracy",
                                             "balanced_accuracy", "mcc")},
            "false_alarm_rate_wanted": calibration["wanted_rate"], "false_alarm_rate_used": calibration["used_rate"],
            "promised": bool(calibration["promised"]), "false_alarm_rate": metrics["false_alarm_rate"],
            "false_events": metrics["false_events"], "false_events_per_hour": metrics["false_events_per_hour"],
            "events": metrics["events"], "event_recall": metrics["event_recall"],
            "median_onset_delay_s": metrics["median_onset_delay_s"], "threshold": calibration["threshold"],
            **{f"{metric}_{end}": bound for metric, ends in kept["intervals"].items()
               for end, bound in zip(("low", "high"), ends, strict=True)},
            **_louder(kept["level_response"]),
            "roc_auc_low": kept["interval"]["low"], "roc_auc_high": kept["interval"]["high"], "roc_auc_low_of_all": together["low"],
            **kept["controls"], **kept["leakage"], **kept["spreads"],
            "sections": len({row["section"] for row in kept["sections"]["table"]}),
            **{f"section_{name}": value for name, value in kept["sections"]["means"].items()}, "seconds": kept["seconds"]})
    rows = [{name: np.nan if value is None else value for name, value in row.items()} for row in rows]  # JSON knows no NaN
    return pd.DataFrame(rows).sort_values(["supervised", "roc_auc"], ascending=[True, False], kind="stable",
                                           ignore_index=True)


def _louder(response):
    """The largest share of normal test sound that is flagged half a decibel, and 6 dB, louder or softer."""
    table = pd.DataFrame(response).astype(float)
    largest = table.groupby(table["gain_db"].abs())["flagged_normal"].max()
    return {"flagged_normal_0_5_db": largest.get(0.5, np.nan), "flagged_normal_6_db": largest.get(6.0, np.nan)}


def compared_pairs(results):
    """The detectors against each other on the same test items, see ``paired.compare_pairs``; one row per pair."""
    tests = {name: kept["items"].query("part == 'test'").reset_index(drop=True) for name, kept in results.items()}
    return compare_pairs(tests, judged_by=next(iter(results.values()))["calibration"]["judged_by"])


def level_responses(results):
    """What each detector flags when the test sound is made louder or softer: title -> ``level_shifts.level_response``."""
    return {kept["title"]: pd.DataFrame(kept["level_response"]).astype(float) for kept in results.values()}


def amounts(results):
    """How much of each kind a run has: ``{"normal": {"s", "units", "unit", "tested"}, "anomalous": ...}``.

    ``s`` is seconds, ``units`` the number of files or, where recordings are judged and groups are named, of groups (``unit`` says
    which, ``recording`` or ``group``), ``tested`` the share that tests.
    """
    first = next(iter(results.values()))
    recordings, units = first["recordings"], set(first["items"].get("unit", ()))
    grouped = first["calibration"]["judged_by"] == "recording" and any(about.get("group") in units for about in recordings)
    given, found = any(about.get("split") for about in recordings), {}
    for label, shares in (("normal", NORMAL_SHARES), ("anomalous", ANOMALOUS_SHARES)):
        own = [about for about in recordings if about["label"] == label]
        names = {grouped and about.get("group") or about["path"] for about in own}
        found[label] = {"s": sum(about["duration_s"] for about in own), "units": len(names),
                        "unit": "group" if grouped else "recording", "tested": 1.0 if given else shares["test"]}
    return found


def recorder_differences(results):
    """How the files of the two labels of a run differ, whatever the machine did: see ``catalogue.label_differences``."""
    return label_differences(next(iter(results.values()))["recordings"])


def section_summary(results):
    """ROC AUC and pAUC of every section and domain, a column pair per detector; None where there is but one section.

    Parameters
    ----------
    results : dict
        From ``load_results``.

    Returns
    -------
    DataFrame or None
        Rows (section, domain, normal, anomalous): the clips behind the numbers; the domain ``all`` is the whole section.
    """
    tables = {kept["title"]: pd.DataFrame(kept["sections"]["table"]) for kept in results.values()}
    first = next(iter(tables.values()))
    if len(first) < 2:
        return None
    rows = first[["section", "domain", "n_normal", "n_anomalous"]].copy()
    rows["domain"] = rows["domain"].replace("", "all")
    columns = {(title, metric): table[metric] for title, table in tables.items() for metric in ("roc_auc", "pauc")}
    numbers = pd.DataFrame(columns)
    numbers.index = pd.MultiIndex.from_frame(rows.rename(columns={"n_normal": "normal", "n_anomalous": "anomalous"}))
    return numbers


def section_means(summary):
    """Arithmetic and harmonic means over the sections and DCASE's official score, a row per detector; from ``summary_table``."""
    names = {"section_roc_auc_mean": "ROC AUC, mean", "section_roc_auc_hmean": "ROC AUC, harmonic mean",
             "section_pauc_mean": "pAUC, mean", "section_pauc_hmean": "pAUC, harmonic mean",
             "section_official_score": "official score", "section_sections_without_result": "sections without result"}
    table = summary.set_index("title")[list(names)].rename(columns=names).rename_axis("detector")
    return table.dropna(axis="columns", how="all")


def unit_summary(results):
    """Within-unit and left-out ROC AUC of every named unit, a column pair per detector that was fitted again for each.

    Returns
    -------
    DataFrame or None
        Rows (unit, normal, anomalous); None where no units are named or only networks were run.
    """
    tables = {kept["title"]: pd.DataFrame(kept["units"]) for kept in results.values() if kept["units"]}
    if not tables:
        return None
    first = next(iter(tables.values()))
    numbers = pd.DataFrame({(title, name): table[column] for title, table in tables.items()
                            for name, column in (("within", "roc_auc_within"), ("left out", "roc_auc_left_out"))}).astype(float)
    numbers.index = pd.MultiIndex.from_frame(first[["unit", "normal", "anomalous"]])
    return numbers


def agreement(results):
    """Who flags which test window, or which test recording where these are judged.

    Parameters
    ----------
    results : dict
        From ``load_results``.

    Returns
    -------
    DataFrame
        One row per test item in the order of the scores: recording, label, for windows start_s and end_s, one bool column
        per detector, ``votes`` (how many flag it) and ``mean_rank`` (mean over detectors of the share of test items that
        score lower or equal, 0 to 1; higher = more anomalous to all).
    """
    tests = {name: kept["items"].query("part == 'test'").reset_index(drop=True) for name, kept in results.items()}
    first = next(iter(tests.values()))
    table = first[[column for column in ("recording", "start_s", "end_s", "label", "recording_label") if column in first]].copy()
    for name, test in tests.items():
        table[name] = test["flagged"].astype(bool)
    table["votes"] = table[list(tests)].sum(axis=1)
    table["mean_rank"] = np.mean([test["score"].rank(pct=True) for test in tests.values()], axis=0)
    return table
