"""Advice: what to record next, and how much of it."""

import math

from acoustic_nb.intervals import MIN_EFFECTIVE_SIZE

MOST_TIMES = 20.0
POWER = (1.96 + 0.84) / 1.96  # so many half widths of its 95 % interval a difference must be from 0 to be shown with 80 % power


def more_sound(times, amounts, judged_by):
    """How much more to record for ``times`` as much as there is of both kinds: words, None above 20 times and for NaN."""
    if not times <= MOST_TIMES:
        return None
    if times <= 1:
        return "a little more of both kinds"
    what = "units" if judged_by == "recording" else "s"
    return _more({label: (times - 1) * amount[what] for label, amount in amounts.items()}, amounts, judged_by)


def missing_sound(sizes, amounts, judged_by):
    """How much more to record until both kinds are worth 8 independent ones: words, None where that is too much to be told.

    ``sizes`` has the effective size of each kind. Of windows, size grows with the time recorded; of recordings and groups, the
    share that tests is counted.
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
    return _more(missing, amounts, judged_by)


def what_would_show(best, n_detectors, amounts):
    """How much more sound would decide what is not clear yet."""
    if best.roc_auc < 0.5:
        return (f"{best.title}, which comes first, ranks normal sound as the more anomalous, though not for certain; more of the "
                "same sound would not help, a stronger fault might, or labels of when it is to be heard.")
    if best.roc_auc <= best.identity_high:
        return (f"{best.title}, which comes first, tells normal sound from other normal sound as well; more of the same sound "
                "would not help, a stronger fault might, or labels of when it is to be heard.")
    if best.roc_auc_low > 0.5:
        return (f"{best.title}, which comes first, lies above chance by itself, but as the best of {n_detectors} that is not "
                "enough; more sound of both kinds would decide it.")
    more = None
    if 0.5 < best.roc_auc < 1 and best.roc_auc_low > 0:
        half_width = _logit(best.roc_auc) - _logit(best.roc_auc_low)
        more = more_sound((POWER * half_width / _logit(best.roc_auc)) ** 2, amounts, best.judged_by)
    return (f"If what {best.title} reaches, which comes first, is real, {more} would show it." if more else
            "Nothing here suggests that more sound of the same kind would help; a stronger fault might, or labels of when it is to "
            "be heard.")


def _more(missing, amounts, judged_by):
    """``{label: seconds or units}`` in words."""
    per = 1 if judged_by == "recording" else 60
    kinds = {label: math.ceil(amount / per - 1e-9) for label, amount in missing.items() if amount > 0}
    if judged_by == "recording":
        word = "groups (days, machines)" if amounts["normal"]["unit"] == "group" else "recordings"
        return f"about {' and '.join(f'{count} more {label}' for label, count in kinds.items())} {word}"
    minutes = [f"{count} minute{'s' * (count != 1)} more of {label}" for label, count in kinds.items()]
    return f"about {' and '.join(minutes)} sound"


def _logit(share):
    return math.log(share / (1 - share))
