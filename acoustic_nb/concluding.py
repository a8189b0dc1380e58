"""Concluding: what else the numbers of a comparison say, point by point, below its verdict."""

import numpy as np

from acoustic_nb.intervals import MIN_EFFECTIVE_SIZE
from acoustic_nb.verdict import has_evidence
from acoustic_nb.wording import figures_of


def conclusions(summary, pairs, failed=()):
    """What else the tables say, as Markdown points.

    Parameters
    ----------
    summary : DataFrame
        From ``comparison.summary_table``.
    pairs : DataFrame
        From ``comparison.compared_pairs``.
    failed : sequence of str
        Detectors without a result, each with its reason.

    Returns
    -------
    str
    """
    lines = [f"Missing from this comparison: {reason}." for reason in failed]
    lines += [_of_detector(row, evidence) for row, evidence in zip(summary.itertuples(), has_evidence(summary), strict=True)]
    lines += _order(summary, pairs) + _alarms(summary) + _controls(summary) + _spreads(summary)
    if summary["sections"].max() > 1:
        lines.append("The ROC AUCs above rank all sections together, with one threshold. Section by section, on average: "
                     + ", ".join(f"{row.title} {row.section_roc_auc_mean:.3f}" for row in summary.itertuples()) + ".")
    if summary["events"].max() > 0:
        lines.append(f"{summary['events'].max():.0f} labelled events lie in the test part; found are " + ", ".join(
            f"{row.event_recall:.0%} by {row.title}" for row in summary.itertuples()) + ".")
    elif summary["judged_by"].iloc[0] == "window":
        lines.append("Every window of an anomalous recording counts as anomalous, also where nothing is to be heard in it: "
                     "recall and AUC are those of telling recordings apart, window by window.")
    lines.append("The best of several detectors was picked after the fact; on new recordings expect less.")
    return "\n".join(f"- {line}" for line in lines)


def _of_detector(row, evidence):
    against = ("an interval that holds for all detectors at once lies above chance, and its AUC above its identity control"
               if evidence else _not_shown(row))
    kind = "supervised" if row.supervised else "learns from normal sound only"
    return (f"**{row.title}** ({kind}): {figures_of(row)}; {against}. It flags {row.recall:.0%} of the anomalous "
            f"{row.judged_by}s and {row.false_alarm_rate:.0%} of the normal ones.")


def _not_shown(row):
    """The first condition of evidence that a row does not meet."""
    if row.roc_auc < 0.5:
        return "below chance: it ranks normal sound as the more anomalous"
    if row.n_eff < MIN_EFFECTIVE_SIZE:
        return "on too little independent data to say anything"
    if row.roc_auc_low_of_all <= 0.5:
        return f"an interval that holds for all detectors at once, from {row.roc_auc_low_of_all:.2f} on, does not lie above chance"
    if not row.roc_auc > row.identity_high:
        return "not above its identity control" if np.isfinite(row.identity_high) else "there is no identity control beside it"
    return "relabelled recordings reach it too often"


def _order(summary, pairs):
    """Which differences between detectors that learn from normal sound alone are more than chance."""
    fair = summary[~summary["supervised"].astype(bool)].set_index("detector")["title"]
    among = pairs[pairs["first"].isin(fair.index) & pairs["second"].isin(fair.index)]
    if among.empty:
        return []
    ordered = ((row.first, row.second) if row.difference > 0 else (row.second, row.first)
               for row in among[among["distinguishable"]].itertuples())
    shown = [f"{fair[better]} over {fair[worse]}" for better, worse in ordered]
    if not shown:
        return ["No difference between two detectors that learn from normal sound alone is more than chance (paired test, Holm "
                "over all pairs): their order may be another one next time."]
    rest = " All other pairs of detectors that learn from normal sound alone are indistinguishable here."
    return [f"More than chance (paired test, Holm over all pairs) are: {', '.join(shown)}." + rest * (len(shown) < len(among))]


def _alarms(summary):
    lines = []
    off = summary[summary["false_alarm_rate_low"] > summary["true_rate_high"]]
    if len(off):
        lines.append("More false alarms than the calibration sound allows, beyond what chance explains: " + ", ".join(
            f"{row.title} ({row.false_alarm_rate:.1%}, where at most {row.true_rate_high:.1%} was to be expected)"
            for row in off.itertuples()) + ". The normal sound has changed between calibration and test.")
    if not summary["promised"].astype(bool).all():
        lines.append("The false-alarm rate is aimed at, not promised, for "
                     + ", ".join(summary["title"][~summary["promised"].astype(bool)])
                     + f": the calibration part holds too few independent {summary['judged_by'].iloc[0]}s. More normal sound mends "
                     "that.")
    return lines


def _controls(summary):
    item = summary["judged_by"].iloc[0]
    lines = [f"Loudness alone (RMS level) reaches ROC AUC {summary['level_auc'].iloc[0]:.3f} on the same {item}s"
             + (", but the features are blind to it." if summary["level"].iloc[0] == "removed" else ".")]
    split = summary[np.isfinite(summary["random_split_auc"])]
    if len(split):
        here = [f" (here {auc:.3f})" if item == "window" else "" for auc in split["roc_auc"]]
        shared = split["random_split_shared"].iloc[0]
        lines.append("A random split of windows, as it is often seen, would have reported ROC AUC "
                     + ", ".join(f"{row.random_split_auc:.3f} for {row.title}{honest}"
                                 for row, honest in zip(split.itertuples(), here, strict=True))
                     + (" over windows" if item == "recording" else "")
                     + (f": {shared:.0%} of its test windows share sound with a training window, here none." if shared else "."))
    return lines


def _spreads(summary):
    lines = []
    if summary["rotations"].max() > 1:
        lines.append(f"Over {summary['rotations'].max():.0f} cuts of the normal sound the ROC AUC goes " + ", ".join(
            f"from {row.roc_auc_min:.2f} to {row.roc_auc_max:.2f} for {row.title}" for row in summary.itertuples())
            + "; this comes on top of the intervals, which hold for one cut.")
    rolled = summary[summary["seed_roc_auc_max"] > summary["seed_roc_auc_min"]]
    if len(rolled):
        lines.append(f"Over {summary['seeds'].max():.0f} seeds the ROC AUC goes " + ", ".join(
            f"from {row.seed_roc_auc_min:.2f} to {row.seed_roc_auc_max:.2f} for {row.title}" for row in rolled.itertuples())
            + ("; the others do not depend on the seed." if len(rolled) < len(summary) else "."))
    return lines
