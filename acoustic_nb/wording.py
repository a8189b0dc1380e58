"""Wording: what a verdict says, each sentence by a rule from the numbers; plain language first and figures second."""

import math

import numpy as np

from acoustic_nb.advice import missing_sound, more_sound, what_would_show
from acoustic_nb.intervals import MIN_EFFECTIVE_SIZE


def figures_of(row):
    """ROC AUC, interval and effective size of a row of the summary, in words."""
    mark = "" if row.n_eff >= MIN_EFFECTIVE_SIZE else ", too little independent data"
    return (f"ROC AUC {row.roc_auc:.3f} (95\u00a0% interval {row.roc_auc_low:.2f} to {row.roc_auc_high:.2f}, worth "
            f"{_rounded_down(row.n_eff)} independent {row.judged_by}s per class{mark})")


def too_little(summary, amounts):
    """Plain sentences and figures of a run that holds too little independent sound: two lists of str."""
    best, widest = summary.iloc[0], summary.loc[summary["n_eff"].idxmax()]
    sizes = {"normal": widest.n_eff_normal, "anomalous": widest.n_eff_anomalous}
    more = missing_sound(sizes, amounts, best.judged_by)
    record = f"Record {more}, by the look of this" if more else "Record several times as much"
    return ([f"There is too little independent sound here to say whether a detector can tell normal from anomalous: the "
             f"{best.judged_by}s that test are worth {_rounded_down(widest.n_eff)} independent ones per class at most, and "
             f"{MIN_EFFECTIVE_SIZE} are the least.",
             f"{record}, and not in one piece: other days count for more than longer recordings."],
            [f"for the record, {best.title} reaches {figures_of(best)}", *_controls(best)])


def no_evidence(summary, amounts):
    """The same of a run without evidence that normal and anomalous differ."""
    best = summary.iloc[0]
    plain = [f"There is no evidence beyond recording identity: no detector is shown, on enough independent {best.judged_by}s, to "
             "tell normal from anomalous better than chance and better than normal sound from other normal sound."]
    if best.roc_auc_high < 0.5:
        plain.append(f"{best.title}, which comes first, ranks normal sound as the more anomalous: the two kinds differ, but the "
                     "other way round. Look whether the labels are swapped, or the anomalous machine is the quieter one.")
    elif best.roc_auc_low_of_all > 0.5:
        plain.append(f"{best.title}, which comes first, ranks better than chance, but {_not_passed(best)}.")
    else:
        plain.append(what_would_show(best, len(summary), amounts))
    if best.level == "removed" and best.level_auc > 0.75:
        plain.append("The two kinds do differ in level, which was taken out of the features.")
    plain.append("That there is no difference is not shown either.")
    return plain, [f"{best.title}, which comes first, reaches {figures_of(best)}", *_controls(best)]


def explained_by_level(best, amounts):
    """The same of a run in which nothing is better than loudness; ``best`` is the first row with evidence."""
    explains = "explains" if best.level_auc >= best.roc_auc else "may explain"
    return ([f"Normal and anomalous sound differ, but level alone {explains} the result: no detector is shown to be better than "
             "loudness by itself.", "This is no evidence for a fault.",
             "Record all with the same gain, place and distance next, or run again with -p level removed, which makes the features "
             "blind to loudness.", _scope(best, amounts)],
            [f"{best.title} reaches {figures_of(best)}", *_controls(best)])


def separates(beyond_level, summary, pairs, amounts, differences=()):
    """The same of a run in which the rows ``beyond_level`` have evidence that loudness does not explain."""
    best = beyond_level.iloc[0]
    sure = best.roc_auc_low > max(0.75, best.identity_high)
    how = "clearly" if sure else "better than chance, though how much better is uncertain"
    above = ("The features were blind to level, and it does so" if best.level == "removed" else
             "It does so better than loudness alone, and")
    plain = [f"{best.title} tells normal from anomalous here, {how}.",
             f"{above} better than it tells normal sound from other normal sound.", _at_threshold(best),
             _other_controls(best, differences)]
    figures = [f"it reaches {figures_of(best)}", *_controls(best)]
    if best.supervised:
        fair = "; no detector that learns from normal sound alone shows it with certainty"
        plain.append("It is supervised, it has heard other anomalous sound of this data set"
                     + fair * (not summary["supervised"].astype(bool).all()) + ".")
    else:
        supervised = beyond_level[beyond_level["supervised"].astype(bool)]
        if len(supervised):
            plain.append(f"{supervised.iloc[0].title}, which has heard other anomalous sound, tells them apart too.")
            figures.append(f"{supervised.iloc[0].title} {figures_of(supervised.iloc[0])}")
        order, difference = _two_best(best, summary, pairs, amounts)
        plain += order
        figures += difference
    return [*plain, _scope(best, amounts)], figures


def _not_passed(row):
    """Which control a row that is above chance has not passed, and what to do about it."""
    if row.n_eff < MIN_EFFECTIVE_SIZE:
        return f"on too few independent {row.judged_by}s to rely on it; more of both kinds would settle it"
    if np.isnan(row.identity_high):
        return ("whether it tells normal sound from other normal sound as well could not be tested: there are too few normal "
                "recordings for that, so record more of them")
    if row.roc_auc <= row.identity_high:
        return ("it tells normal sound from other normal sound as well; record normal sound on more days next, it shows how "
                "different normal can be")
    return "other labels of the same recordings reach as much too often; more recordings of both kinds would settle it"


def _at_threshold(row):
    """What the detector does in use, at its threshold."""
    item, recall, alarms = row.judged_by, row.recall, row.false_alarm_rate
    said = f"At its threshold it flags {recall:.0%} of the anomalous {item}s and {alarms:.0%} of the normal ones"
    if row.judged_by == "window" and row.false_events > 0:
        every_s = 3600 / row.false_events_per_hour
        said += f", a false event every {every_s:.0f} s" if every_s < 100 else f", a false event every {every_s / 60:.0f} minutes"
    return said + "."


def _other_controls(best, differences):
    """Which of the other controls that there are speak against the best detector, though it has evidence."""
    checked = {
        "rate and band of the files": differences and (
            f"{', and '.join(differences)}, so it may have found the recorder instead of the machine"),
        "the identity control at the lower end of its interval": best.roc_auc_low <= best.identity_high and (
            "its interval does not lie above how well it tells normal sound from other normal sound"),
        "false alarms": best.false_alarm_rate_low > best.true_rate_high and (
            "its false alarms are more than the calibration sound allows, beyond what chance explains")}
    if best.level == "kept":
        checked["the first MFCC"] = best.mfcc_1_auc >= best.roc_auc and (
            "the first MFCC by itself, which follows the level, reaches as much")
        half, six = best.flagged_normal_0_5_db, best.flagged_normal_6_db
        checked["another gain"] = (
            f"half a decibel louder or softer makes it flag {half:.0%} of the normal sound" if half > 2 * best.true_rate_high else
            f"6 dB louder or softer makes it flag {six:.0%} of the normal sound" if six > 0.5 else False)
    if np.isfinite(best.chance_p):
        checked["relabelled recordings"] = False  # without passing it there would be no evidence
    if best.rotations > 1:
        checked["other cuts"] = best.roc_auc_min <= 0.5 and "on another cut of the normal sound it is no better than chance"
    if best.seeds > 1:
        checked["other seeds"] = best.seed_roc_auc_min <= 0.5 and "with another seed it is no better than chance"
    against = [sentence for sentence in checked.values() if sentence]
    if against:
        return f"Against it speaks that {'; that '.join(against)}."
    *most, last = checked
    return f"Of the other controls, {', '.join(most)}{' and ' * bool(most)}{last}, none speaks against it."


def _two_best(best, summary, pairs, amounts):
    """What is known of the order of the two best that learn from normal sound alone, and what would decide it."""
    fair = summary[~summary["supervised"].astype(bool)].reset_index(drop=True)
    place = int(fair.index[fair["detector"] == best.detector][0])
    said = [f"{fair.iloc[0].title} ranks higher, but is not shown to do so for the right reason."] if place else []
    if place + 1 == len(fair):
        return said, []
    second = fair.iloc[place + 1]
    both = [best.detector, second.detector]
    pair = pairs[pairs["first"].isin(both) & pairs["second"].isin(both)].iloc[0]
    sign = 1 if pair["first"] == best.detector else -1
    low, difference, high = sorted(sign * np.array([pair.low, pair.difference, pair.high]))
    figure = (f"against {second.title} a difference of {difference:+.3f} ({low:+.2f} to {high:+.2f}, p = {pair.p_holm:.2g} "
              "corrected for the number of pairs)")
    if pair.distinguishable:
        return [*said, f"{best.title} is better than {second.title}, the next, by more than chance."], [figure]
    more = more_sound(pair.more_times, amounts, best.judged_by)
    decide = f"; {more} would show a difference of this size" if more else ""
    return [*said, f"Whether {best.title} is better than {second.title}, the next, cannot be said{decide}."], [figure]


def _controls(row):
    """The controls of a row, in figures."""
    identity = f"up to {row.identity_high:.3f}" if np.isfinite(row.identity_high) else "none"
    weak = ", a weak control where the same recordings have also trained" * (row.judged_by == "window")
    chance = (f"{row.chance_p:.1%} of relabellings reach as much{weak}" if np.isfinite(row.chance_p)
              else "too few recordings for a test with permuted labels")
    figures = [f"identity control {identity}", f"level alone {row.level_auc:.3f}", f"first MFCC alone {row.mfcc_1_auc:.3f}", chance]
    if row.rotations > 1:
        figures.append(f"over {row.rotations:.0f} cuts {row.roc_auc_min:.2f} to {row.roc_auc_max:.2f}")
    if row.seeds > 1 and row.seed_roc_auc_max > row.seed_roc_auc_min:
        figures.append(f"over {row.seeds:.0f} seeds {row.seed_roc_auc_min:.2f} to {row.seed_roc_auc_max:.2f}")
    return figures


def _scope(row, amounts):
    """What the result cannot say, and what to record for it."""
    if row.judged_by == "recording":
        return ("The recordings that test were not heard in training, so this holds for others of the same machines and days; it "
                "says nothing about other machines.")
    days = ("one normal recording cannot tell a fault from a different day, so record normal sound on other days next"
            if amounts["normal"]["units"] < 2 else
            "recordings that were cut for training and test alike cannot tell a fault from a different day; with five normal ones "
            "some can be kept whole for the test")
    return f"This holds for these recordings and says nothing about other machines, places or days: {days}."


def _rounded_down(n_eff):
    """An effective size, so that less than 8 never reads as 8."""
    return f"{math.floor(n_eff * 10) / 10:.1f}" if n_eff < MIN_EFFECTIVE_SIZE + 2 else f"{n_eff:.0f}"
