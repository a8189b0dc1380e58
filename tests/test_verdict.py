"""Verdict and conclusions: each sentence follows from the numbers, by hand."""

import numpy as np
import pandas as pd
import pytest

from acoustic_nb.advice import more_sound
from acoustic_nb.concluding import conclusions
from acoustic_nb.verdict import reach_verdict

TWO_RECORDINGS = {"normal": {"s": 120.0, "units": 1, "unit": "recording", "tested": 0.3},
                  "anomalous": {"s": 90.0, "units": 1, "unit": "recording", "tested": 0.5}}
SEVERAL = {label: {**amount, "units": 4} for label, amount in TWO_RECORDINGS.items()}
CLIPS = {"normal": {"s": 300.0, "units": 30, "unit": "recording", "tested": 0.3},
         "anomalous": {"s": 100.0, "units": 10, "unit": "recording", "tested": 0.5}}
DAYS = {label: {**amount, "unit": "group"} for label, amount in CLIPS.items()}


def row(**changes):
    title = changes.get("title", "X")
    return {"detector": title.lower(), "title": title, "supervised": False, "level": "kept", "judged_by": "window",
            "roc_auc": 0.9, "roc_auc_low": 0.8, "roc_auc_low_of_all": 0.75, "roc_auc_high": 0.95,
            "n_eff": 20.0, "n_eff_normal": 20.0, "n_eff_anomalous": 30.0, "identity_high": 0.6, "level_auc": 0.55,
            "mfcc_1_auc": 0.58, "chance_p": np.nan, "recall": 0.7, "promised": True, "false_alarm_rate": 0.05,
            "false_alarm_rate_low": 0.01, "false_alarm_rate_used": 0.05, "true_rate_high": 0.12, "false_events": 0,
            "false_events_per_hour": 0.0, "flagged_normal_0_5_db": 0.1, "flagged_normal_6_db": 0.2,
            "random_split_auc": np.nan, "random_split_shared": np.nan,
            "rotations": 1, "roc_auc_min": 0.9, "roc_auc_max": 0.9, "seeds": 1, "seed_roc_auc_min": 0.9, "seed_roc_auc_max": 0.9,
            "events": 0.0, "event_recall": np.nan, "sections": 1, "section_roc_auc_mean": 0.9, **changes}


def pair(first="x", second="y", **changes):
    return {"first": first, "second": second, "difference": 0.05, "low": -0.05, "high": 0.15, "p": 0.3, "p_holm": 0.6,
            "distinguishable": False, "more_times": 3.0, **changes}


def verdict_of(*rows, pairs=(), amounts=TWO_RECORDINGS):
    columns = list(pair())
    return reach_verdict(pd.DataFrame(rows), pd.DataFrame(list(pairs), columns=columns), amounts)


def concluded(*rows, pairs=(), failed=()):
    return conclusions(pd.DataFrame(rows), pd.DataFrame(list(pairs), columns=list(pair())), failed)


@pytest.mark.parametrize("judged_by", ["window", "recording"])
@pytest.mark.parametrize(("changes", "kind"), [
    ({}, "separates"), ({"n_eff": 7.9}, "too_little_data"), ({"n_eff": 8.0}, "separates"),
    ({"roc_auc_low_of_all": 0.5}, "no_evidence"),
    ({"identity_high": 0.91}, "no_evidence"), ({"identity_high": np.nan}, "no_evidence"),
    ({"level_auc": 0.75}, "explained_by_level"), ({"level_auc": 0.74}, "separates"),
    ({"level_auc": 0.99, "level": "removed"}, "separates"),  # loudness was taken from the features
    ({"chance_p": 0.05}, "separates"), ({"chance_p": 0.06}, "no_evidence")])
def test_the_rules_one_by_one(changes, kind, judged_by):
    verdict = verdict_of(row(judged_by=judged_by, **changes))
    assert verdict["kind"] == kind
    assert set(verdict) == {"kind", "text"}
    plain, figures = verdict["text"].split("In figures: ")
    assert f"independent {judged_by}s per class" in figures
    assert "ROC AUC 0.900" in figures
    assert "0.9" not in plain and "ROC AUC" not in plain  # plain language first, figures second
    assert "\n" not in verdict["text"]


def test_what_separates_and_how_surely():
    assert verdict_of(row())["text"].startswith(
        "X tells normal from anomalous here, clearly. It does so better than loudness alone, and better than it tells normal sound "
        "from other normal sound. At its threshold it flags 70% of the anomalous windows and 5% of the normal ones. Of the other "
        "controls, rate and band of the files, the identity control at the lower end of its interval, false alarms, the first MFCC "
        "and another gain, none speaks against it. ")
    assert "here, better than chance, though how much better is uncertain." in verdict_of(row(roc_auc_low=0.74))["text"]
    assert "how much better is uncertain" in verdict_of(row(identity_high=0.8))["text"]  # its interval reaches down to that
    assert "The features were blind to level, and it does so better than it" in verdict_of(row(level="removed"))["text"]
    assert "normal ones, a false event every 60 s." in verdict_of(row(false_events=2, false_events_per_hour=60.0))["text"]
    assert "normal ones, a false event every 10 minutes." in verdict_of(row(false_events=1, false_events_per_hour=6.0))["text"]


def test_what_the_recorder_did_differently_speaks_against_it():
    summary, pairs = pd.DataFrame([row()]), pd.DataFrame(columns=list(pair()))
    text = reach_verdict(summary, pairs, TWO_RECORDINGS, ["normal files have 44100 Hz, anomalous ones 96000 Hz"])["text"]
    assert ("Against it speaks that normal files have 44100 Hz, anomalous ones 96000 Hz, so it may have found the recorder "
            "instead of the machine.") in text
    assert "speaks against it" not in text


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"identity_high": 0.8}, "its interval does not lie above how well it tells normal sound from other normal sound"),
    ({"mfcc_1_auc": 0.9}, "the first MFCC by itself, which follows the level, reaches as much"),
    ({"false_alarm_rate_low": 0.13}, "its false alarms are more than the calibration sound allows, beyond what chance explains"),
    ({"flagged_normal_0_5_db": 0.25}, "half a decibel louder or softer makes it flag 25% of the normal sound"),
    ({"flagged_normal_6_db": 0.99}, "6 dB louder or softer makes it flag 99% of the normal sound"),
    ({"rotations": 3, "roc_auc_min": 0.5}, "on another cut of the normal sound it is no better than chance"),
    ({"seeds": 3, "seed_roc_auc_min": 0.4}, "with another seed it is no better than chance")])
def test_what_speaks_against_it(changes, sentence):
    assert f"Against it speaks that {sentence}." in verdict_of(row(**changes))["text"]
    assert sentence not in verdict_of(row())["text"]


def test_false_alarms_that_the_calibration_sound_allows_speak_against_nobody():
    allowed = row(false_alarm_rate=0.11, false_alarm_rate_low=0.06)  # more than the 5 % aimed at, and within what 12 % allow
    assert "false alarms are more" not in verdict_of(allowed)["text"]
    assert "More false alarms" not in concluded(allowed)


def test_controls_that_were_not_made_are_not_named():
    text = verdict_of(row(rotations=3, seeds=3, chance_p=0.01))["text"]
    assert "another gain, relabelled recordings, other cuts and other seeds, none speaks" in text
    assert "relabelled" not in verdict_of(row())["text"].split("In figures")[0]
    assert "over 3 cuts 0.60 to 0.95" in verdict_of(row(rotations=3, roc_auc_min=0.6, roc_auc_max=0.95))["text"]
    assert "over 3 seeds 0.70 to 0.90" in verdict_of(row(seeds=3, seed_roc_auc_min=0.7))["text"]


def test_a_supervised_winner_is_called_one():
    text = verdict_of(row(title="Y", roc_auc=0.85), row(supervised=True))["text"]
    assert text.startswith("Y tells normal from anomalous here")
    assert "X, which has heard other anomalous sound, tells them apart too." in text
    alone = verdict_of(row(title="Y", roc_auc_low_of_all=0.4), row(supervised=True))["text"]
    assert alone.startswith("X tells normal from anomalous here")
    assert "It is supervised, it has heard other anomalous sound of this data set; no detector that learns from normal" in alone
    only = verdict_of(row(supervised=True))["text"]  # nobody else was asked
    assert "of this data set. " in only and "no detector that learns" not in only


def test_the_two_best_and_what_would_separate_them():
    rows = row(), row(title="Y", roc_auc=0.85), row(title="Z", roc_auc=0.99, supervised=True)
    text = verdict_of(*rows, pairs=[pair("x", "z"), pair()])["text"]
    # three times the sound there is: two times 120 s and two times 90 s more
    assert ("Whether X is better than Y, the next, cannot be said; about 4 minutes more of normal and 3 minutes more of anomalous "
            "sound would show a difference of this size.") in text
    assert "against Y a difference of +0.050 (-0.05 to +0.15, p = 0.6 corrected for the number of pairs)" in text
    turned = verdict_of(*rows, pairs=[pair("y", "x", difference=-0.05, low=-0.15, high=0.05)])["text"]
    assert "against Y a difference of +0.050 (-0.05 to +0.15," in turned
    sure = verdict_of(*rows, pairs=[pair(distinguishable=True, p_holm=0.01)])["text"]
    assert "X is better than Y, the next, by more than chance." in sure
    for more_times in (np.inf, np.nan, 21.0):  # an endless recording is no advice
        assert "Y, the next, cannot be said." in verdict_of(*rows, pairs=[pair(more_times=more_times)])["text"]
    assert "a little more of both kinds would show" in verdict_of(*rows, pairs=[pair(more_times=0.9)])["text"]


def test_who_ranks_higher_for_no_good_reason_is_not_beaten():
    # X ranks higher, but tells normal from normal as well; Y is the best that has evidence, and Z the next
    rows = row(roc_auc=0.95, identity_high=0.97), row(title="Y", roc_auc=0.85), row(title="Z", roc_auc=0.8)
    text = verdict_of(*rows, pairs=[pair("x", "y", distinguishable=True), pair("x", "z"), pair("y", "z")])["text"]
    assert text.startswith("Y tells normal from anomalous here")
    assert "X ranks higher, but is not shown to do so for the right reason." in text
    assert "Whether Y is better than Z, the next, cannot be said" in text and "better than X" not in text
    last = verdict_of(*rows[:2], pairs=[pair("x", "y", distinguishable=True)])["text"]
    assert "X ranks higher" in last and "the next" not in last


def test_how_much_more_to_record():
    assert more_sound(1.25, TWO_RECORDINGS, "window") == "about 1 minute more of normal and 1 minute more of anomalous sound"
    assert more_sound(2.0, CLIPS, "recording") == "about 30 more normal and 10 more anomalous recordings"
    assert more_sound(1.5, DAYS, "recording") == "about 15 more normal and 5 more anomalous groups (days, machines)"
    assert more_sound(0.9, CLIPS, "recording") == "a little more of both kinds"
    assert more_sound(20.1, CLIPS, "window") is None and more_sound(np.nan, CLIPS, "window") is None


def test_too_little_data_says_how_much_is_missing():
    text = verdict_of(row(n_eff=3.2, n_eff_normal=3.2, n_eff_anomalous=4.0))["text"]
    assert "are worth 3.2 independent ones per class at most, and 8 are the least" in text
    # 8 / 3.2 = 2.5 times as much normal sound, 180 s more, and twice as much anomalous, 90 s more
    assert "Record about 3 minutes more of normal and 2 minutes more of anomalous sound, by the look of this" in text
    one_sided = verdict_of(row(n_eff=4.0, n_eff_normal=9.0, n_eff_anomalous=4.0))["text"]
    assert "Record about 2 minutes more of anomalous sound, by the look" in one_sided
    assert "Record several times as much" in verdict_of(row(n_eff=0.3, n_eff_normal=0.3))["text"]
    assert "are worth 7.9 independent ones" in verdict_of(row(n_eff=7.97, n_eff_normal=7.97))["text"]  # never 8 of 8


def test_too_few_recordings_are_counted_in_what_tests():
    # three more normal and six more anomalous ones must test: three tenths and half of what is recorded
    few = row(n_eff=2.0, n_eff_normal=5.0, n_eff_anomalous=2.0, judged_by="recording")
    assert "Record about 10 more normal and 12 more anomalous recordings" in verdict_of(few, amounts=CLIPS)["text"]
    given = {label: {**amount, "tested": 1.0} for label, amount in CLIPS.items()}
    assert "Record about 3 more normal and 6 more anomalous recordings" in verdict_of(few, amounts=given)["text"]


def test_no_evidence_says_beyond_what_and_what_next():
    # logit(0.6) = 0.405, logit(0.6) - logit(0.4) = 0.811: (2.8 / 1.96 * 0.811 / 0.405)^2 = 8.2 times as much
    text = verdict_of(row(identity_high=0.55, roc_auc=0.6, roc_auc_low=0.4, roc_auc_low_of_all=0.3, roc_auc_high=0.8))["text"]
    assert text.startswith("There is no evidence beyond recording identity: no detector is shown")
    assert ("If what X reaches, which comes first, is real, about 15 minutes more of normal and 11 minutes more of anomalous sound "
            "would show it.") in text
    assert "That there is no difference is not shown either." in text
    weak = {"roc_auc": 0.6, "roc_auc_low": 0.51, "roc_auc_low_of_all": 0.45, "roc_auc_high": 0.7, "identity_high": 0.55}
    best_of_two = verdict_of(row(**weak), row(**weak | {"title": "Y"}), pairs=[pair()])["text"]
    assert "but as the best of 2 that is not enough" in best_of_two
    as_well = verdict_of(row(**weak | {"identity_high": 0.65}))["text"]
    assert "tells normal sound from other normal sound as well; more of the same sound would not help" in as_well
    below = verdict_of(row(roc_auc=0.3, roc_auc_low=0.2, roc_auc_low_of_all=0.1, roc_auc_high=0.6))["text"]
    assert "ranks normal sound as the more anomalous, though not for certain" in below
    far = verdict_of(row(identity_high=0.51, roc_auc=0.52, roc_auc_low=0.2, roc_auc_low_of_all=0.1, roc_auc_high=0.9))["text"]
    assert "Nothing here suggests that more sound of the same kind would help" in far
    exactly = row(roc_auc=0.5, roc_auc_low=0.3, roc_auc_low_of_all=0.2, roc_auc_high=0.7, identity_high=np.nan)
    assert "Nothing here suggests" in verdict_of(exactly)["text"]
    turned = verdict_of(row(roc_auc=0.1, roc_auc_low=0.02, roc_auc_low_of_all=0.01, roc_auc_high=0.4))["text"]
    assert "ranks normal sound as the more anomalous: the two kinds differ, but the other way round" in turned


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"identity_high": 0.95}, "record normal sound on more days next"), ({"identity_high": np.nan}, "could not be tested"),
    ({"chance_p": 0.2}, "other labels of the same recordings reach as much too often"),
    ({"n_eff": 5.0}, "on too few independent windows to rely on it")])
def test_no_evidence_names_the_control_that_was_not_passed(changes, sentence):
    assert sentence in verdict_of(row(**changes), row(title="Y", roc_auc_low_of_all=0.4), pairs=[pair()])["text"]


def test_a_level_that_was_taken_out_is_still_said():
    unclear = {"level": "removed", "roc_auc_low_of_all": 0.4, "roc_auc_low": 0.45}
    assert "do differ in level, which was taken out of the features" in verdict_of(row(level_auc=1.0, **unclear))["text"]
    assert "do differ in level" not in verdict_of(row(level_auc=0.6, **unclear))["text"]


def test_level_alone_explains():
    text = verdict_of(row(level_auc=1.0))["text"]
    assert "level alone explains the result" in text
    assert "-p level removed" in text
    assert "level alone 1.000" in text
    assert "level alone may explain the result" in verdict_of(row(level_auc=0.8))["text"]


def test_what_is_said_reaches_as_far_as_the_split():
    cut = verdict_of(row())["text"]
    assert "says nothing about other machines, places or days: one normal recording cannot tell a fault from a different day" in cut
    several = verdict_of(row(), amounts=SEVERAL)["text"]
    assert "one normal recording" not in several and "with five normal ones some can be kept whole for the test" in several
    whole = verdict_of(row(judged_by="recording"), amounts=CLIPS)["text"]
    assert "were not heard in training, so this holds for others of the same machines and days" in whole
    assert "window" not in whole


def test_controls_that_could_not_be_had_are_said():
    text = verdict_of(row(identity_high=np.nan))["text"]
    assert "identity control none" in text and "too few recordings for a test with permuted labels" in text
    assert "1.0% of relabellings reach as much, a weak control where" in verdict_of(row(chance_p=0.01))["text"]
    assert "1.0% of relabellings reach as much." in verdict_of(row(chance_p=0.01, judged_by="recording"), amounts=CLIPS)["text"]


def test_conclusions_say_what_the_table_says():
    second = row(title="Y", roc_auc=0.4, roc_auc_low=0.3, roc_auc_high=0.81, promised=False, false_alarm_rate=0.2,
                 false_alarm_rate_low=0.15)
    text = concluded(row(random_split_auc=0.97, random_split_shared=0.91), second, pairs=[pair()],
                     failed=["gan (failed: out of luck)"])
    assert "- Missing from this comparison: gan (failed: out of luck)." in text
    assert "**Y** (learns from normal sound only): ROC AUC 0.400" in text
    assert "It flags 70% of the anomalous windows and 20% of the normal ones" in text
    assert "Loudness alone (RMS level) reaches ROC AUC 0.550 on the same windows." in text
    assert "below chance" in text
    assert "No difference between two detectors that learn from normal sound alone is more than chance" in text
    assert "Y (20.0%, where at most 12.0% was to be expected). The normal sound has changed between" in text
    assert "aimed at, not promised, for Y:" in text
    assert "would have reported ROC AUC 0.970 for X (here 0.900): 91% of its test windows share sound" in text
    assert "Every window of an anomalous recording counts as anomalous" in text
    assert all(line.startswith("- ") for line in text.splitlines())


def test_conclusions_name_the_differences_that_are_more_than_chance():
    rows = row(), row(title="Y"), row(title="Z"), row(title="W", supervised=True)
    text = concluded(*rows, pairs=[pair(distinguishable=True), pair("x", "z"), pair("x", "w", distinguishable=True),
                                   pair("y", "z", difference=-0.2, distinguishable=True)])
    assert "More than chance (paired test, Holm over all pairs) are: X over Y, Z over Y. All other pairs" in text
    assert "order" not in concluded(row())  # one detector has no order
    assert "All other pairs" not in concluded(*rows[:2], pairs=[pair(distinguishable=True)])


@pytest.mark.parametrize(("changes", "sentence"), [
    ({}, "an interval that holds for all detectors at once lies above chance, and its AUC above its identity control."),
    ({"roc_auc": 0.4}, "below chance"), ({"n_eff": 5.0}, "on too little independent data to say anything"),
    ({"roc_auc_low_of_all": 0.47}, "an interval that holds for all detectors at once, from 0.47 on, does not lie above chance"),
    ({"identity_high": 0.95}, "not above its identity control"), ({"identity_high": np.nan}, "there is no identity control beside"),
    ({"chance_p": 0.2}, "relabelled recordings reach it too often")])
def test_conclusions_name_the_condition_that_is_not_met(changes, sentence):
    assert sentence in concluded(row(**changes)).splitlines()[0]


def test_conclusions_show_spreads_where_there_are_any():
    text = concluded(row(rotations=4, roc_auc_min=0.7, roc_auc_max=0.95, seeds=3, seed_roc_auc_min=0.5),
                     row(title="Y", rotations=4, roc_auc_min=0.8, roc_auc_max=0.9, seeds=3))
    assert "Over 4 cuts of the normal sound the ROC AUC goes from 0.70 to 0.95 for X, from 0.80 to 0.90 for Y" in text
    assert "Over 3 seeds the ROC AUC goes from 0.50 to 0.90 for X; the others do not depend on the seed." in text
    assert "seeds" not in concluded(row()) and "cuts" not in concluded(row())


def test_conclusions_of_recordings_speak_of_recordings():
    text = concluded(row(judged_by="recording", promised=False))
    assert "It flags 70% of the anomalous recordings and 5% of the normal ones" in text
    assert "on the same recordings" in text
    assert "too few independent recordings" in text
    assert "window" not in text
    split = concluded(row(judged_by="recording", random_split_auc=0.6, random_split_shared=0.0))
    assert "ROC AUC 0.600 for X over windows." in split  # not beside that over recordings


def test_conclusions_count_events_where_they_are_known():
    text = concluded(row(events=4.0, event_recall=0.75), row(title="Y", events=4.0, event_recall=0.5), pairs=[pair()])
    assert "- 4 labelled events lie in the test part; found are 75% by X, 50% by Y." in text
    assert "Every window of an anomalous recording counts" not in text


def test_the_conclusions_say_what_sections_reach_by_themselves():
    text = concluded(row(roc_auc=0.6, sections=4, section_roc_auc_mean=1.0))
    assert "rank all sections together, with one threshold. Section by section, on average: X 1.000." in text
    assert "sections" not in concluded(row())
