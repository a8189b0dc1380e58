"""The verdict: which of four words the numbers of a run carry. ``wording`` says it in sentences."""

from acoustic_nb import wording
from acoustic_nb.intervals import MIN_EFFECTIVE_SIZE

SIGNIFICANT = 0.05


def reach_verdict(summary, pairs, amounts, differences=()):
    """What a run says, from its numbers alone.

    A detector *has evidence* where it was judged on at least 8 independent windows, or recordings, of each class, the interval
    of its ROC AUC lies above 0.5, also one that holds for all detectors at once, its ROC AUC lies above its identity control,
    and no more than 5 % of relabellings reach it where labels can be permuted. Rules, in this order: (1) ``too_little_data``: no
    detector has 8 independent ones. (2) ``no_evidence``: no detector has evidence. (3) ``explained_by_level``: the features hold
    the level, and no detector with evidence has its whole interval above the ROC AUC of the RMS level alone. (4) ``separates``.

    Parameters
    ----------
    summary : DataFrame
        From ``comparison.summary_table``: unsupervised detectors first, each group by falling ROC AUC.
    pairs : DataFrame
        From ``comparison.compared_pairs``.
    amounts : dict
        From ``comparison.amounts``: how much sound there is.
    differences : sequence of str
        From ``comparison.recorder_differences``: what may be found instead of the machine.

    Returns
    -------
    dict
        ``kind``, one of the four words, and ``text``.
    """
    evidence = summary[has_evidence(summary)]
    blind = summary["level"].iloc[0] == "removed"
    beyond_level = evidence if blind else evidence[evidence["roc_auc_low_of_all"] > evidence["level_auc"]]
    if not (summary["n_eff"] >= MIN_EFFECTIVE_SIZE).any():
        kind, plain, figures = "too_little_data", *wording.too_little(summary, amounts)
    elif evidence.empty:
        kind, plain, figures = "no_evidence", *wording.no_evidence(summary, amounts)
    elif beyond_level.empty:
        kind, plain, figures = "explained_by_level", *wording.explained_by_level(evidence.iloc[0], amounts)
    else:
        kind, plain, figures = "separates", *wording.separates(beyond_level, summary, pairs, amounts, differences)
    return {"kind": kind, "text": " ".join([*plain, "In figures: " + "; ".join(figures) + "."])}


def has_evidence(summary):
    """Which rows of the summary have evidence, as ``reach_verdict`` means it: a Series of bool."""
    # an identity control that could not be had is not passed
    return ((summary["n_eff"] >= MIN_EFFECTIVE_SIZE) & (summary["roc_auc_low_of_all"] > 0.5)
            & (summary["roc_auc"] > summary["identity_high"]) & ~(summary["chance_p"] > SIGNIFICANT))
