"""Alarms: limits that scipy gives too, and decisions that can be counted on fingers."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from acoustic_nb.alarms import Limits, Seen, count_events, decide, find_limits
from acoustic_nb.audio import Recording
from acoustic_nb.scored import ScoredRecording


def held_out(scores, *, recording="normal", first_s=0.0, window_s=1.0, hop_s=1.0):
    start_s = first_s + hop_s * np.arange(len(scores))
    return pd.DataFrame({"recording": recording, "start_s": start_s, "end_s": start_s + window_s, "score": scores, "channels": 1.0})


def alternating(n):
    """Scores that show no dependence: neighbours differ more than strangers."""
    return np.tile([0.0, 0.1], n)[:n]


def test_nothing_seen_is_limited_by_what_would_have_been_seen():
    limits = find_limits(held_out(alternating(100)), 1.0)
    assert limits.events_per_hour == pytest.approx(-np.log(0.05) / 100 * 3600)  # no event in 100 s
    assert limits.share == pytest.approx(1 - 0.05 ** (1 / 100))  # no window of 100
    assert "(0 events in 100 s, 0.0% of windows flagged)" in limits.sentence
    assert f"limits: {limits.events_per_hour:.1f} events per hour and {limits.share:.1%} of windows flagged, upper 95 % bounds" \
        in limits.sentence


@pytest.mark.parametrize("k", [1, 2, 7])
def test_k_events_are_limited_by_garwood_and_clopper_and_pearson(k):
    scores = alternating(200)
    scores[10:10 + 20 * k:20] = 5.0
    limits = find_limits(held_out(scores), 1.0)
    assert limits.events_per_hour == pytest.approx(stats.chi2.ppf(0.95, 2 * k + 2) / 2 / 200 * 3600)
    # windows alone in their events, evenly spread: nothing shows dependence of the flags, and the scores alternate
    assert limits.share == pytest.approx(stats.beta.ppf(0.95, k + 1, 200 - k), rel=0.15)
    assert f"({k} event{'s' * (k > 1)} in 3 min" in limits.sentence


def test_the_less_was_heard_the_higher_the_limits():
    rates, shares = zip(*((limits.events_per_hour, limits.share) for limits in (
        find_limits(held_out(alternating(n)), 1.0) for n in (20, 50, 200, 1000))), strict=True)
    assert list(rates) == sorted(rates, reverse=True) and list(shares) == sorted(shares, reverse=True)


def test_windows_that_depend_on_each_other_count_for_less():
    slow = np.sin(np.arange(200) / 20)
    assert find_limits(held_out(slow), 2.0).share > 3 * find_limits(held_out(alternating(200)), 2.0).share


def test_events_are_counted_as_they_will_be():
    scores = np.zeros(20)
    scores[[2, 3, 6, 12]] = 2.0  # 2 to 4, 6 to 7, 12 to 13 s
    windows = held_out(scores)
    assert count_events(windows, 1.0) == (3, 20.0)
    assert count_events(windows, 1.0, gap_s=2.0) == (2, 20.0)
    assert count_events(windows, 1.0, shortest_s=1.5) == (1, 20.0)
    assert count_events(windows, 2.0) == (0, 20.0)  # strictly higher
    both = pd.concat([windows, held_out(scores, recording="other"), held_out(scores[:5], first_s=100.0)])
    assert count_events(both, 1.0) == (3 + 3 + 1, 45.0)  # the stretch far away is of the first recording, the hole is not heard
    overlapping = held_out(scores, hop_s=0.5)  # 20 windows in 10.5 s; 1 to 2.5, 3 to 4, 6 to 7 s
    assert count_events(overlapping, 1.0) == (3, 10.5)
    for settings, n in (({}, 3), ({"gap_s": 2.0}, 2), ({"shortest_s": 1.5}, 1)):
        limits = find_limits(windows, 1.0, **settings)
        assert limits.events_per_hour == pytest.approx(stats.chi2.ppf(0.95, 2 * n + 2) / 2 / 20 * 3600)


def test_limits_that_are_given_decide_alone():
    windows = held_out(alternating(100))
    own = find_limits(windows, 1.0)
    assert find_limits(windows, 1.0, events_per_hour=12) == Limits(12.0, None, "limits as given: 12 events per hour")
    assert find_limits(windows, 1.0, events_per_hour=0, share=0.25) == Limits(
        0.0, 0.25, "limits as given: 0 events per hour and 25.0% of windows flagged")
    of_share = find_limits(windows, 1.0, share=0.5)
    assert (of_share.events_per_hour, of_share.share) == (own.events_per_hour, 0.5)
    assert "50.0% of windows flagged, the first an upper 95 % bound" in of_share.sentence


@pytest.mark.parametrize(("given", "message"), [
    ({"events_per_hour": -1}, "events per hour for an alarm is at least 0, got -1"),
    ({"events_per_hour": np.inf}, "is at least 0, got inf"), ({"events_per_hour": np.nan}, "is at least 0, got nan"),
    ({"share": 1.01}, "flagged share for an alarm is at least 0 and at most 1, got 1.01"), ({"share": -0.1}, "got -0.1"),
    ({"share": np.nan}, "at most 1, got nan")])
def test_limits_that_are_none_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        find_limits(held_out(alternating(10)), 1.0, **given)


# ---- decisions

def heard(name, duration_s, n_events, *, flagged=0, windows=100):
    """A recording with so many events and so many of its windows flagged."""
    recording = Recording(name=name, label=0, path=name, sample_rate=8000, native_sample_rate=8000,
                          n_frames=round(8000 * duration_s))
    scores = np.where(np.arange(windows) < max(flagged, n_events), 2.0, 0.0)
    return ScoredRecording(recording=recording, start_s=np.arange(windows), scores=scores, level_db=np.zeros(windows), window_s=1.0,
                           threshold=1.0, smallest_p=0.1, events=("event",) * n_events)


def limits(events_per_hour, share=None):
    return Limits(events_per_hour, share, "")


def test_long_recordings_are_judged_each_by_itself():
    alarm = decide([heard("quiet", 1800, 5), heard("loud", 1800, 6), heard("none", 1800, 0)], limits(10))
    assert alarm.alarm and alarm.by_recording == {"quiet": False, "loud": True, "none": False}  # 10 per hour, 12 per hour, none
    assert alarm.sentences == (
        "ALARM: loud: 6 events in 30 min, 12.0 per hour (limit 10.0, in this time 5.0), 6.0% of windows flagged (not looked at)",
        "no alarm: quiet: 5 events in 30 min, 10.0 per hour (limit 10.0, in this time 5.0), 5.0% of windows flagged (not looked "
        "at)",
        "no alarm: none: 0 events in 30 min, 0.0 per hour (limit 10.0, in this time 5.0), 0.0% of windows flagged (not looked at)")


def test_short_recordings_are_judged_together():
    """At 10 per hour, one event in 60 s would be an alarm, in 360 s just not."""
    few = [heard(f"clip {k}", 60, int(k == 3)) for k in range(6)]
    alarm = decide(few, limits(10))
    assert not alarm.alarm and not any(alarm.by_recording.values())
    assert alarm.sentences == ("no alarm: 6 recordings together: 1 event in 6 min, 10.0 per hour (limit 10.0, in this time 1.0), "
                               "0.2% of windows flagged (not looked at)",)
    more = [heard(f"clip {k}", 60, int(k in (1, 3))) for k in range(6)]
    alarm = decide(more, limits(10))
    assert alarm.alarm and [name for name, part in alarm.by_recording.items() if part] == ["clip 1", "clip 3"]


def test_an_event_that_just_reaches_the_limit_is_none():
    assert not decide([heard("a", 360, 1)], limits(10)).alarm
    assert decide([heard("a", 359, 1)], limits(10)).alarm
    both = decide([heard("a", 360, 1), heard("b", 359, 1)], limits(10))  # the first is long enough to stand alone
    assert both.by_recording == {"a": False, "b": True} and len(both.sentences) == 2
    assert decide([heard("a", 359, 1)], limits(10)).sentences[0].startswith(
        "ALARM: a: 1 event in 6 min, 10.0 per hour (limit 10.0, in this time 1.0), ")


def test_long_and_short_do_not_dilute_each_other():
    alarm = decide([heard("day", 36_000, 0), heard("clip", 60, 1)], limits(10))
    assert alarm.by_recording == {"day": False, "clip": True} and len(alarm.sentences) == 2
    alarm = decide([heard("day", 36_000, 200), heard("clip", 60, 0)], limits(10))
    assert alarm.by_recording == {"day": True, "clip": False}


def test_one_long_event_that_covers_everything_is_an_alarm_by_its_share():
    one = heard("hum", 3600, 1, flagged=100)
    assert not decide([one], limits(10)).alarm
    alarm = decide([one], limits(10, 0.2))
    assert alarm.alarm and alarm.by_recording == {"hum": True}
    assert alarm.sentences == ("ALARM: hum: 100.0% of windows flagged (limit 20.0%), 1 event in 60 min, 1.0 per hour "
                               "(limit 10.0, in this time 10.0)",)  # what is exceeded comes first
    assert not decide([heard("a", 3600, 1, flagged=20)], limits(10, 0.2)).alarm  # at the limit is not above it
    assert decide([heard("a", 3600, 1, flagged=21)], limits(10, 0.2)).alarm


@pytest.mark.parametrize(("n_events", "flagged", "starts"), [
    (12, 0, "ALARM: a: 12 events in 60 min, "), (12, 30, "ALARM: a: 12 events in 60 min, "),
    (2, 30, "ALARM: a: 30.0% of windows flagged (limit 20.0%), 2 events "), (2, 3, "no alarm: a: 2 events in 60 min, ")])
def test_the_exceeded_limit_comes_first(n_events, flagged, starts):
    sentence, = decide([heard("a", 3600, n_events, flagged=flagged)], limits(10, 0.2)).sentences
    assert sentence.startswith(starts)
    assert {"per hour (limit 10.0, in this time 10.0)", "of windows flagged (limit 20.0%)"} == {
        part for part in ("per hour (limit 10.0, in this time 10.0)", "of windows flagged (limit 20.0%)") if part in sentence}


def test_what_the_limit_means_in_this_time_is_its_share_of_an_hour():
    for duration_s, allowed in ((900, "2.5"), (3600, "10.0"), (86_400, "240.0")):
        assert f"(limit 10.0, in this time {allowed})" in decide([heard("a", duration_s, 1)], limits(10)).sentences[0]


def test_alarms_come_first_and_of_what_is_quiet_five_are_told():
    """Ten long recordings, the third and the eighth alarm."""
    several = [heard(f"r{k}", 1800, 6 if k in (3, 8) else 1) for k in range(1, 11)]
    alarm = decide(several, limits(10))
    assert [sentence.split(":")[1].strip() for sentence in alarm.sentences[:7]] == ["r3", "r8", "r1", "r2", "r4", "r5", "r6"]
    assert alarm.sentences[7:] == ("no alarm: 3 more, each judged by itself",)
    assert len(alarm.by_recording) == 10 and [name for name, part in alarm.by_recording.items() if part] == ["r3", "r8"]
    six = decide([heard(f"r{k}", 1800, 1) for k in range(6)], limits(10)).sentences
    assert len(six) == 6 and six[-1] == "no alarm: 1 more, each judged by itself"
    five = decide([heard(f"r{k}", 1800, 1) for k in range(5)], limits(10)).sentences
    assert len(five) == 5 and not any("more" in sentence for sentence in five)
    assert len(decide([heard(f"r{k}", 1800, 6) for k in range(9)], limits(10)).sentences) == 9  # no alarm is left out


def test_what_is_judged_together_is_not_among_those_that_are_not_told():
    clips, hours = [heard(f"clip {k}", 60, 0) for k in range(8)], [heard(f"hour {k}", 3600, 1) for k in range(6)]
    sentences = decide(hours + clips, limits(10)).sentences
    assert sentences[0].startswith("no alarm: 8 recordings together: ")
    assert sentences[-1] == "no alarm: 2 more, each judged by itself" and len(sentences) == 6


def test_limit_of_zero_and_a_huge_one():
    nothing, something = heard("nothing", 60, 0), heard("something", 60, 1)
    assert not decide([nothing], limits(0, 0.0)).alarm
    assert decide([something], limits(0)).by_recording == {"something": True}
    assert decide([nothing, something], limits(0)).by_recording == {"nothing": False, "something": True}
    assert not decide([heard("a", 60, 59)], limits(1e9)).alarm


def test_lengths_are_said_in_units_that_fit():
    for duration_s, said in ((90, "0 events in 90 s, "), (1200, "in 20 min, "), (36_000, "in 10.0 h, ")):
        assert said in decide([heard("a", duration_s, 0)], limits(1e6)).sentences[0]


# ---- chance

SEEN = Seen(n_events=6, seconds=360.0, share=0.1, n_windows=200, n_eff=100.0)
BOUNDS = Limits(events_per_hour=120.0, share=0.15, sentence="", seen_events=SEEN, seen_share=SEEN)


@pytest.mark.parametrize(("n_events", "seconds"), [(1, 10.0), (5, 60.0), (20, 360.0)])
def test_the_chance_of_events_is_the_conditional_binomial(n_events, seconds):
    """Of n + 6 events at one rate, each falls into the new sound with the share that it has of all sound."""
    of_events, _ = BOUNDS.chances(n_events, seconds, 0, 10)
    assert of_events == pytest.approx(stats.binom.sf(n_events - 1, n_events + 6, seconds / (seconds + 360)))


def test_the_chance_of_a_share_is_the_z_test_of_two_shares_at_effective_sizes():
    _, of_share = BOUNDS.chances(0, 10.0, 8, 20)  # 20 windows are worth 10: (4 + 1) / 12 against (10 + 1) / 102
    new, old = 5 / 12, 11 / 102
    z = (new - old) / np.sqrt(new * (1 - new) / 12 + old * (1 - old) / 102)
    assert of_share == pytest.approx(stats.norm.sf(z))


def test_nothing_is_no_surprise_and_a_given_limit_knows_no_chance():
    assert BOUNDS.chances(0, 10.0, 0, 20)[0] == 1.0
    assert limits(10).chances(5, 10.0, 20, 20) == (0.0, 1.0)  # the share is not looked at
    assert limits(10, 0.5).chances(5, 10.0, 20, 20) == (0.0, 0.0)


def test_a_clip_with_one_event_is_beyond_the_limit_and_no_alarm():
    clip = heard("clip", 10, 1, windows=19)  # 360 per hour
    alarm = decide([clip], BOUNDS)
    assert not alarm.alarm
    assert alarm.sentences[0].endswith("; beyond the limit, as normal sound is too by chance in a recording this long (p 0.35)")
    assert decide([clip], limits(120)).alarm  # a limit that is given decides alone
    assert decide([heard("loud", 10, 1, flagged=19, windows=19)], BOUNDS).alarm  # all of it flagged is no chance


def test_machines_that_are_as_they_were_seldom_alarm():
    """Held out and new sound at one rate: by the bound alone a fifth to a third would, and of several judged at once often one."""
    rng, alarms, beyond = np.random.default_rng(0), 0, 0
    for _ in range(400):
        n_seen, n_new = rng.poisson(12), rng.poisson(2, size=6)
        seen = Seen(n_seen, 720.0, 0.0, 1000, 1000.0)
        known = Limits(float(stats.chi2.ppf(0.95, 2 * n_seen + 2) / 2 / 720 * 3600), None, "", seen_events=seen)
        new = [heard(str(k), 120, int(n)) for k, n in enumerate(n_new)]
        alarms += decide(new, known).alarm
        beyond += any(3600 * n / 120 > known.events_per_hour for n in n_new)
    assert beyond > 120 and alarms <= 0.05 * 400
