"""The verdict: one sentence or two that the numbers of a run carry, and the conclusions below it."""

from acoustic_nb.intervals import MIN_EFFECTIVE_SIZE


def reach_verdict(summary):
    """What a run says, from its numbers alone.

    A detector *has evidence* where it was judged on at least 8 independent windows of each class, the interval of its
    ROC AUC lies above 0.5, and its ROC AUC above its identity control. Rules, in this order: (1) ``too_little_data``: no
    detector has 8 independent windows. (2) ``no_evidence``: no detector has evidence. (3) ``explained_by_level``: no
    detector with evidence has its whole interval above the ROC AUC of the RMS level alone. (4) ``separates``.

    Parameters
    ----------
    summary : DataFrame
        From ``summary_table``, highest ROC AUC first.

    Returns
    -------
    dict
        ``kind``, one of the four words, and ``text``, plain language first and figures second.
    """
    best = summary.iloc[0]
    enough = summary["n_eff"] >= MIN_EFFECTIVE_SIZE
    evidence = summary[enough & (summary["roc_auc_low"] > 0.5) & (summary["roc_auc"] > summary["identity_high"])]
    beyond_level = evidence[evidence["roc_auc_low"] > evidence["level_auc"]]
    if not enough.any():
        return {"kind": "too_little_data", "text": (
            "These recordings are too short to say whether a detector can tell them apart: neighbouring windows are so alike "
            f"that the test parts are worth about {summary['n_eff'].max():.0f} independent windows at most, and "
            f"{MIN_EFFECTIVE_SIZE} are the least. For the record: {_figures(best)}. Record longer, on different days.")}
    if evidence.empty:
        return {"kind": "no_evidence", "text": (
            "There is no evidence that a detector can tell these recordings apart: none shows, on enough independent windows, "
            "that it separates them better than chance and better than two stretches of the normal recording. The highest: "
            f"{_figures(best)}, identity control up to {best.identity_high:.3f}.")}
    scope = ("This holds for these two recordings and says nothing about other machines, places or days: one recording of each "
             "kind cannot tell a fault from a different day.")
    if beyond_level.empty:
        best = evidence.iloc[0]
        return {"kind": "explained_by_level", "text": (
            "The two recordings differ, but loudness alone may be all of it. The RMS level by itself reaches ROC AUC "
            f"{best.level_auc:.3f}, and no detector lies above that with its whole interval; the highest: {_figures(best)}. "
            f"This is no evidence for a fault. Record both with the same gain, place and distance. {scope}")}
    best = beyond_level.iloc[0]
    supervised = " It is supervised: it has heard the other half of the anomalous recording." if best.supervised else ""
    unsupervised = beyond_level[~beyond_level["supervised"].astype(bool)]
    if best.supervised and len(unsupervised):
        supervised += f" The best that has not: {_figures(unsupervised.iloc[0])}."
    elif best.supervised:
        supervised += " No detector that learns from normal sound alone shows it with certainty."
    return {"kind": "separates", "text": (
        f"{best.title} tells these two recordings apart. It reaches {_numbers(best)}, above its identity control (up to "
        f"{best.identity_high:.3f}) and above loudness alone ({best.level_auc:.3f}).{supervised} {scope}")}


def conclusions(summary, failed=()):
    """What else the table says, as Markdown points.

    Parameters
    ----------
    summary : DataFrame
        From ``summary_table``.
    failed : sequence of str
        Detectors without a result, each with its reason.

    Returns
    -------
    str
    """
    lines = [f"- Missing from this comparison: {reason}." for reason in failed]
    for row in summary.itertuples():
        word = "below" if row.roc_auc < 0.5 else "above" if row.roc_auc > row.identity_high else "not above"
        against = "chance: it ranks normal windows as the more anomalous ones" if word == "below" else "its identity control"
        lines.append(f"- **{row.title}** ({'supervised' if row.supervised else 'learns from normal sound only'}): "
                     f"{_numbers(row)}; {word} {against}.")
    overlap = [row.title for row in summary.itertuples() if row.roc_auc_high >= summary.iloc[0].roc_auc_low]
    if len(overlap) > 1:
        lines.append(f"- The intervals of {', '.join(overlap)} overlap: their order here may be chance.")
    off = [row for row in summary.itertuples() if row.false_alarm_rate > 2 * row.false_alarm_rate_used]
    if off:
        lines.append("- More than twice the false alarms aimed at: " + ", ".join(
            f"{row.title} ({row.false_alarm_rate:.1%} instead of {row.false_alarm_rate_used:.1%})" for row in off)
            + ". The normal sound changed between calibration and test.")
    if not summary["promised"].astype(bool).all():
        lines.append("- The false-alarm rate is aimed at, not promised, for "
                     + ", ".join(summary["title"][~summary["promised"].astype(bool)])
                     + ": the calibration block holds too few independent windows. A longer normal recording mends that.")
    lines.append("- Every window of the anomalous recording counts as anomalous, also where nothing is to be heard in it: "
                 "recall and AUC are those of telling recordings apart, window by window.")
    lines.append("- The best of several detectors was picked after the fact; on new recordings expect less.")
    return "\n".join(lines)


def _figures(row):
    return f"{row.title}, {_numbers(row)}"


def _numbers(row):
    return (f"ROC AUC {row.roc_auc:.3f} (95 % interval {row.roc_auc_low:.2f} to {row.roc_auc_high:.2f}, "
            f"{row.n_eff:.0f} independent windows)")
