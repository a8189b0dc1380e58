"""Tables for people: the numbers of one detector or of all, rounded, each beside what it is to be read against."""

import numpy as np
import pandas as pd

DASH, AIMED_AT = "\u2060–\u2060", "aimed\u00a0at"  # at which no line breaks


def metrics_table(metrics, calibration, interval, intervals, controls, spreads, leakage):
    """The numbers of one detector.

    Parameters
    ----------
    metrics : dict
        From ``evaluate``, with the numbers of ``events.event_report``.
    calibration : Calibration
    interval : dict
        From ``auc_interval``.
    intervals : dict
        Metric -> (low, high), from ``bootstrap_intervals`` and ``rate_intervals``.
    controls : dict
        From ``level_control``, ``identity_control`` and ``chance_control``.
    spreads : dict
        From ``spread`` and ``seed_spread``; shown where there is more than one rotation or seed.
    leakage : dict
        From ``leakage_audit``.

    Returns
    -------
    DataFrame
        Columns what, value, 95 % interval, read it against.
    """
    item = calibration.judged_by
    rows = [
        (f"ROC AUC over {item}s", "roc_auc", f"0.5 is chance; at least {interval['n_eff']:.0f} independent "
         f"{item}{'s' * (round(interval['n_eff']) != 1)} per class{'' if interval['enough'] else '; too little independent data'}"),
        ("pAUC (false-alarm rate up to 0.1)", "pauc", "0.5 is chance"),
        ("average precision", "average_precision", f"{metrics['prevalence']:.3f} is chance"),
        ("recall at the threshold", "recall", f"{metrics['true_positive']:.0f} of {metrics['n_anomalous']:.0f} anomalous {item}s"),
        ("false-alarm rate, realised", "false_alarm_rate",
         f"{calibration.used_rate:.3f} {'promised' if calibration.promised else 'aimed at'}; {metrics['false_positive']:.0f} of "
         f"{metrics['n_normal']:.0f} normal {item}s"),
        ("false events per hour", "false_events_per_hour",
         f"{metrics['false_events']:.0f} in {metrics['normal_s']:.0f} s of normal test sound; neighbouring flagged windows are one "
         "event"),
        ("precision", "precision", "depends on the prevalence"), ("F1", "f1", "depends on the prevalence"),
        ("accuracy", "accuracy", "depends on the prevalence"), ("balanced accuracy", "balanced_accuracy", "0.5 is chance"),
        ("MCC", "mcc", "0 is chance")]
    ranges = {**intervals, "roc_auc": (interval["low"], interval["high"])}
    rows = [(what, _number(metrics[name], digits), _range(*ranges[name], digits=min(digits, 2)), against) for what, name, against in
            rows for digits in [0 if name == "false_events_per_hour" else 3]]
    rows += _event_rows(metrics) + _spread_rows(spreads) + _control_rows(controls, item) + _leakage_rows(leakage, item)
    return pd.DataFrame(rows, columns=["what", "value", "95 % interval", "read it against"])


def _event_rows(metrics):
    if not metrics["events"]:
        return []
    delay = f"{metrics['median_onset_delay_s']:.2f} s" if metrics["events_found"] else "–"
    return [("event recall", f"{metrics['event_recall']:.3f}", "", f"{metrics['events_found']:.0f} of {metrics['events']:.0f} "
             "labelled events share half of themselves, or of a window, with a flagged window"),
            ("onset delay", delay, "", "median over the events found, until the first flagged window is over")]


def _spread_rows(spreads):
    rows = []
    if spreads["rotations"] > 1:
        rows += [(f"spread: {spreads['rotations']:.0f} rotations", f"{spreads['roc_auc_mean']:.3f}", "",
                  f"mean ROC AUC; {spreads['roc_auc_min']:.3f} to {spreads['roc_auc_max']:.3f} over the cuts; pAUC mean "
                  f"{spreads['pauc_mean']:.3f}"),
                 ("flags of all rotations", f"{spreads['recall_pooled']:.3f}", "",
                  f"recall; false-alarm rate {spreads['false_alarm_rate_pooled']:.3f}, each cut with its own threshold")]
    if spreads["seeds"] > 1:
        rows.append((f"spread: {spreads['seeds']:.0f} seeds", f"{spreads['seed_roc_auc_mean']:.3f}", "",
                     f"mean ROC AUC; {spreads['seed_roc_auc_min']:.3f} to {spreads['seed_roc_auc_max']:.3f} over the seeds"))
    return rows


def _control_rows(controls, item):
    weak = " (a weak control, other seconds of these recordings have trained)" if item == "window" else ""
    identity = ("none", "", "needs two blocks of two held-out normal recordings")
    if np.isfinite(controls["identity_high"]):
        identity = (_range(controls["identity_low"], controls["identity_high"]), "",
                    "ROC AUC between held-out normal blocks; the result should lie above it")
    chance = ("none", "", controls["chance_note"])
    if np.isfinite(controls["chance_p"]):
        chance = (f"{controls['chance_p']:.3g}", "", f"share of {controls['chance_permutations']:.0f} relabellings that reach the "
                  f"ROC AUC{weak}; 95 % of them lie between {controls['chance_low']:.2f} and {controls['chance_high']:.2f}")
    return [("control: level alone", f"{controls['level_auc']:.3f}", "",
             "ROC AUC of the RMS level; the result should lie above it"),
            ("control: first MFCC alone", f"{controls['mfcc_1_auc']:.3f}", "", "for orientation: it follows the level, and more"),
            ("control: recording identity", *identity), ("control: chance", *chance)]


def _leakage_rows(leakage, item):
    rows = [("leakage: windows shared", f"{leakage['shared_windows']:.0f}", "",
             "test windows that share sound with training or calibration")]
    if np.isfinite(leakage["random_split_auc"]):
        rows.append(("leakage: a random split", f"{leakage['random_split_auc']:.3f}", "",
                     f"ROC AUC over windows that it would have reported; {leakage['random_split_shared']:.0%} of its test windows "
                     "share sound with a training window"))
    return rows


def level_table(response):
    """What ``level_shifts.level_response`` says, a row for each gain."""
    return pd.DataFrame({
        "louder by": [f"{gain_db:+g} dB" if gain_db else "as it is" for gain_db in response["gain_db"]],
        "normal flagged": response["flagged_normal"].map("{:.0%}".format),
        "anomalous flagged": response["flagged_anomalous"].map("{:.0%}".format),
        "ROC AUC": response["roc_auc"].map("{:.3f}".format),
        "normal scores move by": [f"{shift + 0.0:.2f} interquartile ranges" if np.isfinite(shift) else "–"
                                  for shift in response["shift_normal"].round(2)]}).set_index("louder by")


def ranking_table(summary):
    """How well each detector of ``summary_table`` ranks, a column each: what does not depend on a threshold."""
    table = pd.DataFrame({
        "detector": summary["title"], "supervised": np.where(summary["supervised"], "yes", "no"),
        "ROC AUC (95 %)": _with_range(summary, "roc_auc", digits=3),
        "independent": [f"{row.n_eff:.0f}" + " (too few)" * (row.n_eff < 8) for row in summary.itertuples()],
        "pAUC (95 %)": _with_range(summary, "pauc", digits=3),
        "AP (95 %)": _with_range(summary, "average_precision"), "prevalence": summary["prevalence"].map("{:.2f}".format),
        "fit in s": summary["seconds"].map("{:.1f}".format)})
    if summary["rotations"].max() > 1:
        table.insert(4, f"{summary['rotations'].max():.0f} rotations", [
            f"{row.roc_auc_mean:.3f} ({_range(row.roc_auc_min, row.roc_auc_max)})" for row in summary.itertuples()])
    if summary["seeds"].max() > 1:
        table.insert(4, f"{summary['seeds'].max():.0f} seeds", [
            f"{row.seed_roc_auc_mean:.3f} ({_range(row.seed_roc_auc_min, row.seed_roc_auc_max)})"
            if row.seed_roc_auc_max > row.seed_roc_auc_min else "no difference" for row in summary.itertuples()])
    return table.set_index("detector").T


def alarm_table(summary):
    """What each detector flags, a column each; all thresholds were made for the same wanted false-alarm rate."""
    table = pd.DataFrame({
        "detector": summary["title"], "wanted": summary["false_alarm_rate_wanted"].map("{:.1%}".format),
        "threshold made for": [f"{row.false_alarm_rate_used:.1%}, {'promised' if row.promised else AIMED_AT}"
                               for row in summary.itertuples()],
        "true rate (95 %)": [_percents(row.true_rate_low, row.true_rate_high) for row in summary.itertuples()],
        "realised (95 %)": [f"{row.false_alarm_rate:.1%} ({_percents(row.false_alarm_rate_low, row.false_alarm_rate_high)})"
                            for row in summary.itertuples()],
        "false events/h (95 %)": _with_range(summary, "false_events_per_hour", digits=0),
        "recall (95 %)": [f"{row.recall:.0%} ({_percents(row.recall_low, row.recall_high)})" for row in summary.itertuples()],
        "F1 (95 %)": _with_range(summary, "f1"),
        "MCC (95 %)": _with_range(summary, "mcc")})
    if summary["events"].max() > 0:
        table["event recall"] = summary["event_recall"].map("{:.2f}".format)
        table["onset delay"] = ["–" if np.isnan(delay_s) else f"{delay_s:.1f} s" for delay_s in summary["median_onset_delay_s"]]
    return table.set_index("detector").T


def control_table(summary):
    """What each result is to be held against, a column for each detector."""
    return pd.DataFrame({
        "detector": summary["title"], "ROC AUC": summary["roc_auc"].map("{:.3f}".format),
        "identity": [_range(row.identity_low, row.identity_high) for row in summary.itertuples()],
        "level alone": summary["level_auc"].map("{:.3f}".format), "first MFCC alone": summary["mfcc_1_auc"].map("{:.3f}".format),
        "relabelled as high": [f"{p:.3g}" if np.isfinite(p) else "no control" for p in summary["chance_p"]],
        "windows shared": summary["shared_windows"].map("{:.0f}".format),
        "a random split would say": [f"{auc:.3f}" if np.isfinite(auc) else "not tried" for auc in summary["random_split_auc"]],
    }).set_index("detector").T


def pair_table(pairs, titles):
    """The pairs of ``compared_pairs`` with their titles, the clearest difference of ROC AUC first."""
    rows = pairs.sort_values("p_holm", kind="stable")
    turned = rows["difference"] < 0  # the better one first
    rows = rows.assign(first=rows["first"].where(~turned, rows["second"]), second=rows["second"].where(~turned, rows["first"]),
                       low=rows["low"].where(~turned, -rows["high"]), high=rows["high"].where(~turned, -rows["low"]))
    return pd.DataFrame({
        "detectors": [f"{titles[row.first]} over {titles[row.second]}" for row in rows.itertuples()],
        "by (95 %)": [f"{abs(row.difference):.3f} ({_range(row.low, row.high)})" for row in rows.itertuples()],
        "p (Holm)": ["< 0.001" if p < 0.001 else f"{p:.2g}" for p in rows["p_holm"]],
        "so": np.where(rows["distinguishable"], "better", "indistinguishable here"),
        "needs": ["–" if row.distinguishable else _needed(row.more_times) for row in rows.itertuples()],
    }).set_index("detectors")


def _with_range(summary, name, *, digits=2):
    return [f"{_number(value, digits)} ({_range(low, high, digits=min(digits, 2))})"
            for value, low, high in zip(summary[name], summary[f"{name}_low"], summary[f"{name}_high"], strict=True)]


def _needed(more_times):
    if np.isnan(more_times) or np.isinf(more_times):  # too few units to tell, or no difference at all
        return "cannot be said"
    if more_times <= 1:
        return "a little more sound"
    return f"{more_times:.1f} times the sound" if more_times <= 100 else "more than 100 times"


def _percents(low, high):
    return f"{low:.0%}{DASH}{high:.0%}"


def _number(value, digits=3):
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def _range(low, high, *, digits=2):
    return f"{low:.{digits}f}{DASH}{high:.{digits}f}" if np.isfinite(low) and np.isfinite(high) else "–"
