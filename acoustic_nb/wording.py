"""Wording: what a verdict says, each sentence by a rule from the numbers; plain language first and figures second."""

import math

import numpy as np

from acoustic_nb.intervals import MIN_EFFECTIVE_SIZE

MOST_TIMES = 20.0
POWER = (1.96 + 0.84) / 1.96  # so many half widths of its 95 % interval a difference must be from 0 to be shown with 80 % power


def figures_of(row):
    """ROC AUC, interval and effective size of a row of the summary, in words."""
    mark = "" if row.n_eff >= MIN_EFFECTIVE_SIZE else ", too little independent data"
    return (f"ROC AUC {row.roc_auc:.3f} (95\u00a0% interval {row.roc_auc_low:.2f} to {row.roc_auc_high:.2f}, worth "
            f"{row.n_eff:.0f} independent {row.judged_by}{'s' * (round(row.n_eff) != 1)} per class{mark})")


def more_sound(times, amounts, judged_by):
    """How much more to record for ``times`` as much as there is of both kinds: words, from 1 up to 20 times, else None."""
    if not 1 < times <= MOST_TIMES:
        return None
    what = "recordings" if judged_by == "recording" else "s"
    return _more({label: (times - 1) * amount[what] for label, amount in amounts.items()}, judged_by)


def missing_sound(sizes, amounts, judged_by):
    """How much more to record until both kinds are worth 8 independent ones: words, None where that is too much to be told.

    ``sizes`` has the effective size of each kind. Of windows, size grows with the time recorded; of recordings, the share that
    tests is counted.
    """
    missing = {}
    for label, amount in amounts.items():
        if judged_by == "recording":
            missing[label] = max(0.0, MIN_EFFECTIVE_SIZE - sizes[label]) / amount["tested"]
        else:
            times = MIN_EFFECTIVE_SIZE / max(sizes[label], 1e-9)
            if times > MOST_TIMES:
                return None
            missing[label] = max(0.0, times - 1) * amount["s"]
    return _more(missing, judged_by)


def _more(missing, judged_by):
    """``{label: seconds or recordings}`` in words."""
    per = 1 if judged_by == "recording" else 60
    kinds = {label: math.ceil(amount / per) for label, amount in missing.items() if amount > 0}
    if judged_by == "recording":
        return f"about {' and '.join(f'{count} more {label}' for label, count in kinds.items())} recordings"
    minutes = [f"{count} minute{'s' * (count != 1)} more of {label}" for label, count in kinds.items()]
    return f"about {' and '.join(minutes)} sound"


def too_little(summary, amounts):
    """Plain sentences and figures of a run that holds too little independent sound: two lists of str."""
    best, widest = summary.iloc[0], summary.loc[summary["n_eff"].idxmax()]
    item, n_eff = best.judged_by, widest.n_eff
    more = missing_sound({"normal": widest.n_eff_normal, "anomalous": widest.n_eff_anomalous}, amounts, item)
    record = f"Record {more}, by the look of this" if more else "Record several times as much"
    return ([f"There is too little independent sound here to say whether a detector can tell normal from anomalous: the {item}s "
             f"that test are worth {n_eff:.1f} independent ones per class at most, and {MIN_EFFECTIVE_SIZE} are the least.",
             f"{record}, and not in one piece: other days count for more than longer recordings."],
            [f"for the record, {best.title} reaches {figures_of(best)}", *_controls(best)])


def no_evidence(summary, amounts):
    """The same of a run without evidence that normal and anomalous differ."""
    best = summary.iloc[0]
    plain = [f"There is no evidence beyond recording identity: no detector is shown, on enough independent {best.judged_by}s, to "
             "tell normal from anomalous better than chance and better than normal sound from other normal sound."]
    if best.roc_auc < 0.5:
        plain.append("The first in the table ranks normal sound as the more anomalous.")
    if best.roc_auc_low > 0.5:
        plain.append("What the first in the table finds may lie between any two recordings; record normal sound on several days "
                     "next, it shows how different normal can be.")
    else:
        half_width = (best.roc_auc_high - best.roc_auc_low) / 2
        times = (POWER * half_width / (best.roc_auc - 0.5)) ** 2 if best.roc_auc > 0.5 else np.inf
        more = more_sound(times, amounts, best.judged_by)
        plain.append(f"If what the first in the table reaches is real, {more} would show it." if more else
                     "Nothing here suggests that more sound of the same kind would help; a stronger fault might, or labels of when "
                     "it is to be heard.")
    plain.append("That there is no difference is not shown either.")
    return plain, [f"{best.title}, the first in the table, reaches {figures_of(best)}", *_controls(best)]


def explained_by_level(best, amounts):
    """The same of a run in which nothing is better than loudness; ``best`` is the first row with evidence."""
    return (["Normal and anomalous sound differ, but level alone explains the result: no detector is shown to be better than "
             "loudness by itself.", "This is no evidence for a fault.",
             "Record all with the same gain, place and distance next, or run again with level = removed, which makes the features "
             "blind to loudness.", _scope(best, amounts)],
            [f"{best.title} reaches {figures_of(best)}", *_controls(best)])


def separates(beyond_level, summary, pairs, amounts):
    """The same of a run in which the rows ``beyond_level`` have evidence that loudness does not explain."""
    best = beyond_level.iloc[0]
    how = "clearly" if best.roc_auc_low > 0.75 else "better than chance, though how much better is uncertain"
    above = ("The features were blind to level, and it does so" if best.level == "removed" else
             "It does so better than loudness alone, and")
    against = _speaks_against(best)
    plain = [f"{best.title} tells normal from anomalous here, {how}.",
             f"{above} better than it tells normal sound from other normal sound.",
             f"Against it speaks that {'; that '.join(against)}." if against else "No other control speaks against it."]
    figures = [f"it reaches {figures_of(best)}", *_controls(best)]
    if best.supervised:
        plain.append("It is supervised, it has heard other anomalous sound of this data set; no detector that learns from normal "
                     "sound alone shows it with certainty.")
    else:
        supervised = beyond_level[beyond_level["supervised"].astype(bool)]
        if len(supervised):
            plain.append(f"{supervised.iloc[0].title}, which has heard other anomalous sound, does too.")
            figures.append(f"{supervised.iloc[0].title} {figures_of(supervised.iloc[0])}")
        order, difference = _two_best(best, summary, pairs, amounts)
        plain += order
        figures += difference
    return [*plain, _scope(best, amounts)], figures


def _speaks_against(best):
    """Controls that the best detector does not pass, though it has evidence."""
    against = []
    if best.level == "kept" and best.mfcc_1_auc >= best.roc_auc:
        against.append("the first MFCC by itself, which follows the level, reaches as much")
    if best.false_alarm_rate_low > best.false_alarm_rate_used:
        against.append("its false alarms are more than were aimed at, beyond what chance explains")
    if best.rotations > 1 and best.roc_auc_min <= 0.5:
        against.append("on another cut of the normal sound it is no better than chance")
    if best.seeds > 1 and best.seed_roc_auc_min <= 0.5:
        against.append("with another seed it is no better than chance")
    return against


def _two_best(best, summary, pairs, amounts):
    """What is known of the order of the two best that learn from normal sound alone, and what would decide it."""
    others = summary[~summary["supervised"].astype(bool) & (summary["detector"] != best.detector)]
    if others.empty:
        return [], []
    second = others.iloc[0]
    both = [best.detector, second.detector]
    pair = pairs[pairs["first"].isin(both) & pairs["second"].isin(both)].iloc[0]
    sign = 1 if pair["first"] == best.detector else -1
    low, difference, high = sorted(sign * np.array([pair.low, pair.difference, pair.high]))
    figure = (f"against {second.title} a difference of {difference:+.3f} ({low:+.2f} to {high:+.2f}, p = {pair.p_holm:.2g} after "
              "Holm over all pairs)")
    if pair.distinguishable:
        return [f"{best.title} is better than {second.title}, the next, by more than chance."], [figure]
    more = more_sound(pair.more_times, amounts, best.judged_by)
    decide = f"; {more} would show a difference of this size" if more else ""
    return [f"Whether {best.title} is better than {second.title}, the next, cannot be said{decide}."], [figure]


def _controls(row):
    """The controls of a row, in figures."""
    identity = f"up to {row.identity_high:.3f}" if np.isfinite(row.identity_high) else "none"
    chance = f"{row.chance_p:.2g} of relabellings reach as much" if np.isfinite(row.chance_p) else "labels could not be permuted"
    return [f"identity control {identity}", f"level alone {row.level_auc:.3f}", f"first MFCC alone {row.mfcc_1_auc:.3f}", chance]


def _scope(row, amounts):
    """What the result cannot say, and what to record for it."""
    if row.judged_by == "recording":
        return ("The recordings that test were not heard in training, so this holds for others of the same machines and days; it "
                "says nothing about other machines.")
    days = ("one normal recording cannot tell a fault from a different day, so record normal sound on other days next"
            if amounts["normal"]["recordings"] < 2 else
            "recordings that were cut for training and test alike cannot tell a fault from a different day; with five normal ones "
            "some can be kept whole for the test")
    return f"This holds for these recordings and says nothing about other machines, places or days: {days}."
