"""Events: stretches, delays and rates counted by hand on windows that can be drawn on paper."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from acoustic_nb.events import event_report, merge_windows
from acoustic_nb.stretches import Event, window_labels


def table(recordings, *, window_s=1.0, shuffle=None):
    """Windows of several recordings: ``{name: (recording_label, starts)}``."""
    name = np.concatenate([np.full(len(starts), name) for name, (_, starts) in recordings.items()])
    label = np.concatenate([np.full(len(starts), label) for label, starts in recordings.values()])
    start_s = np.concatenate([np.asarray(starts, dtype=float) for _, starts in recordings.values()])
    order = np.arange(len(name)) if shuffle is None else np.random.default_rng(shuffle).permutation(len(name))
    return SimpleNamespace(recording=name[order], recording_label=label[order], label=label[order], start_s=start_s[order],
                           end_s=start_s[order] + window_s, window_s=window_s)


def flags(windows, wanted):
    """Flags by recording and start: ``{name: starts}``."""
    return np.array([start in wanted.get(name, ()) for name, start in zip(windows.recording, windows.start_s, strict=True)])


@pytest.mark.parametrize(("starts", "flagged", "merged"), [
    ([0, 1, 2, 3, 4], [1, 1, 0, 0, 1], [(0, 2), (4, 5)]),
    ([0, 0.5, 1, 1.5, 2], [1, 0, 1, 0, 0], [(0, 2)]),          # they touch
    ([0, 0.5, 1, 1.5, 2], [1, 0, 0, 1, 0], [(0, 1), (1.5, 2.5)]),
    ([4, 0, 3, 1, 2], [1, 1, 0, 1, 0], [(0, 2), (4, 5)]),      # any order
    ([0, 0, 0.5, 0.5], [1, 1, 1, 0], [(0, 1.5)]),              # the same window twice
    ([0, 1, 2], [0, 0, 0], []),
    ([], [], []),
])
def test_neighbouring_flagged_windows_are_one_event(starts, flagged, merged):
    starts = np.array(starts, dtype=float)
    assert merge_windows(starts, starts + 1, np.array(flagged, dtype=bool)) == merged


def test_a_long_window_reaches_over_short_ones():
    assert merge_windows([0, 1, 4, 7], [5, 2, 4.5, 8], [True] * 4) == [(0, 5), (7, 8)]


def test_windows_that_touch_but_for_rounding_to_samples_are_one_event():
    # 0.13 s at 8050 Hz are 1046.5 samples: windows 1047 samples apart, half a sample more than window_s
    start_s = np.arange(5) * 1047 / 8050
    assert len(merge_windows(start_s, start_s + 0.13, np.ones(5, dtype=bool))) == 1
    assert len(merge_windows([0, 1.001], [1, 2], [True, True])) == 2


@pytest.mark.parametrize(("gap_s", "shortest_s", "merged"), [
    (0.0, 0.0, [(0, 1), (1.5, 3), (4, 5), (9, 10)]),
    (0.4, 0.0, [(0, 1), (1.5, 3), (4, 5), (9, 10)]),
    (0.5, 0.0, [(0, 3), (4, 5), (9, 10)]),          # at most so far apart: equal is near enough
    (1.0, 0.0, [(0, 5), (9, 10)]),
    (4.0, 0.0, [(0, 10)]),
    (0.0, 1.0, [(0, 1), (1.5, 3), (4, 5), (9, 10)]),
    (0.0, 1.2, [(1.5, 3)]),                         # 1.5 s long, the others 1 s
    (0.5, 1.2, [(0, 3)]),                           # merged first, then too short or not
    (1.0, 5.0, [(0, 5)]), (1.0, 5.1, []), (0.0, 1.00005, [(0, 1), (1.5, 3), (4, 5), (9, 10)])])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 2, 0, 4, 1, 3]])
def test_near_events_are_one_and_short_ones_none(gap_s, shortest_s, merged, order):
    starts = np.array([0.0, 1.5, 2.0, 4.0, 6.5, 9.0])[order]
    flagged = starts != 6.5
    assert merge_windows(starts, starts + 1, flagged, gap_s=gap_s, shortest_s=shortest_s) == merged


@pytest.mark.parametrize("seed", range(20))
def test_merging_is_closing_gaps_on_a_grid_and_dropping_short_runs(seed):
    """The same by scipy on tenths of seconds."""
    rng = np.random.default_rng(seed)
    starts, length, gap, shortest = np.arange(0, 300, 5), 10, int(rng.integers(0, 25)), int(rng.integers(0, 40))
    flagged = rng.random(60) < rng.uniform(0.05, 0.5)
    cells = np.zeros(320, dtype=bool)
    for start in starts[flagged]:
        cells[start:start + length] = True
    for first, end in runs(~cells):
        if end - first <= gap and first > 0 and end < len(cells):
            cells[first:end] = True
    expected = [(first / 10, end / 10) for first, end in runs(cells) if end - first >= shortest]
    found = merge_windows(starts / 10, (starts + length) / 10, flagged, gap_s=gap / 10, shortest_s=shortest / 10)
    np.testing.assert_allclose(np.reshape(found, (-1, 2)), np.reshape(expected, (-1, 2)))


def runs(cells):
    return [(run[0].start, run[0].stop) for run in ndimage.find_objects(ndimage.label(cells)[0])]


RECORDINGS = {"faulty": (1, np.arange(0, 20, 0.5)), "healthy": (0, np.arange(0, 10, 0.5)), "unknown": (1, np.arange(0, 30, 0.5))}
EVENTS = {"faulty": (Event(2.0, 4.0, "scrape"), Event(7.2, 7.3, "click"), Event(12.0, 12.0, "point"), Event(16.0, 18.0, "missed"))}
FLAGGED = {
    "faulty": [1.0, 2.0, 2.5,    # the first only touches the scrape's start: not a match; found at 3.0, after 1.0 s
               6.5, 7.0,         # both hold the click; the first is over at 7.5, after 0.3 s
               9.0, 9.5,         # false, one event
               12.0,             # the point: over at 13.0, after 1.0 s
               13.5,             # false: half a second after the one before
               15.0],            # false: ends where the missed event begins
    "healthy": [0.0, 4.0, 4.5, 9.5],  # three false events
    "unknown": [3.0, 9.0]}            # nothing is known


@pytest.mark.parametrize("shuffle", [None, 0, 1])
def test_a_report_by_hand(shuffle):
    windows = table(RECORDINGS, shuffle=shuffle)
    found, numbers = event_report(windows, flags(windows, FLAGGED), EVENTS)
    assert found.columns.tolist() == ["recording", "start_s", "end_s", "label", "found", "delay_s"]
    assert found["recording"].tolist() == ["faulty"] * 4
    assert found["label"].tolist() == ["scrape", "click", "point", "missed"]
    assert found["found"].tolist() == [True, True, True, False]
    np.testing.assert_allclose(found["delay_s"], [1.0, 0.3, 1.0, np.nan])
    # faulty covers 0 to 20.5, of which 2 + 0.1 + 0 + 2 in events; healthy 0 to 10.5
    normal_s = 20.5 - 4.1 + 10.5
    assert numbers == pytest.approx({
        "events": 4, "events_not_judged": 0, "events_found": 3, "event_recall": 0.75, "median_onset_delay_s": 1.0,
        "false_events": 6, "normal_s": normal_s, "false_events_per_hour": 6 * 3600 / normal_s})


def test_a_window_that_holds_less_than_half_does_not_find_an_event_and_is_not_false_either():
    windows = table({"faulty": (1, [0, 1, 2, 3])})
    found, numbers = event_report(windows, flags(windows, {"faulty": [0]}), {"faulty": (Event(0.6, 2.0),)})
    assert not found["found"].any()
    assert np.isnan(found["delay_s"]).all()
    assert (numbers["events"], numbers["event_recall"], numbers["false_events"]) == (1, 0, 0)
    assert np.isnan(numbers["median_onset_delay_s"])
    assert numbers["normal_s"] == pytest.approx(2.6)


def test_a_stretch_that_reaches_an_event_is_not_false_however_long():
    windows = table({"faulty": (1, np.arange(10))})
    _, numbers = event_report(windows, np.array([1, 1, 1, 1, 1, 0, 0, 1, 0, 0], dtype=bool), {"faulty": (Event(4.5, 5.0),)})
    assert numbers["false_events"] == 1
    assert numbers["events_found"] == 1


@pytest.mark.parametrize(("event", "judged"), [
    (Event(2.0, 4.0), True), (Event(8.0, 12.0), True), (Event(8.0 + 1e-10, 12.0), True), (Event(8.1, 12.0), False),
    (Event(11.0, 12.0), False), (Event(9.9, 9.9), True), (Event(10.0, 10.0), False),
    (Event(-0.0, 100.0), False), (Event(3.0, 3.01), True),
    (Event(10.0 - 1e-12, 10.5), False)])
def test_an_event_is_judged_where_half_of_it_lies_in_the_windows(event, judged):
    windows = table({"faulty": (1, np.arange(0, 9.5, 0.5))})  # 0 to 10 s
    found, numbers = event_report(windows, np.ones(19, dtype=bool), {"faulty": (event,)})
    assert len(found) == numbers["events"] == int(judged)
    assert numbers["events_not_judged"] == int(not judged)
    assert found["found"].all()


def test_the_gap_between_two_blocks_is_not_judged_and_not_counted():
    windows = table({"faulty": (1, [0, 1, 2, 10, 11])})
    events = {"faulty": (Event(4, 6), Event(2.5, 3.4), Event(9.0, 10.8))}
    found, numbers = event_report(windows, np.ones(5, dtype=bool), events)
    assert found["start_s"].tolist() == [2.5]
    assert numbers["normal_s"] == pytest.approx(5 - 0.5 - 0.8)
    assert numbers["events_not_judged"] == 2


def test_overlapping_events_are_judged_one_by_one_and_their_sound_is_counted_once():
    windows = table({"faulty": (1, np.arange(10))})
    events = {"faulty": (Event(2, 4, "a"), Event(3, 5, "b"))}
    found, numbers = event_report(windows, flags(windows, {"faulty": [4]}), events)
    assert found["found"].tolist() == [False, True]
    assert found["delay_s"].tolist()[1] == 2.0
    assert numbers["normal_s"] == pytest.approx(7)


def test_who_is_known():
    windows = table({"n": (0, np.arange(5)), "a": (1, np.arange(5)), "clean": (1, np.arange(4)), "marked": (0, np.arange(3))})
    events = {"clean": (), "marked": (Event(0, 1),), "elsewhere": (Event(0, 9),)}
    _, numbers = event_report(windows, np.ones(17, dtype=bool), events)
    assert numbers["normal_s"] == pytest.approx(5 + 4 + 2)
    assert numbers["false_events"] == 2
    assert (numbers["events"], numbers["events_not_judged"]) == (1, 0)


def test_nothing_known_gives_an_empty_table_and_no_rates():
    windows = table({"a": (1, np.arange(5))})
    found, numbers = event_report(windows, np.ones(5, dtype=bool), {})
    assert len(found) == 0
    assert found.columns.tolist() == ["recording", "start_s", "end_s", "label", "found", "delay_s"]
    assert found["found"].dtype == bool
    assert (numbers["events"], numbers["false_events"], numbers["normal_s"]) == (0, 0, 0)
    assert np.isnan([numbers["event_recall"], numbers["median_onset_delay_s"], numbers["false_events_per_hour"]]).all()
    # all of the sound is one event; the difference of the two sums is 1e-16 s, of which there is no rate
    windows = table({"a": (1, 0.3 + np.arange(4) * 0.1)}, window_s=0.1)
    assert np.isnan(event_report(windows, np.ones(4, dtype=bool), {"a": (Event(0.3, 0.3 + 4 * 0.1),)})[1]["false_events_per_hour"])


def test_highest_score_of_the_windows_that_match_in_order_of_the_recordings():
    windows = table({"z": (1, np.arange(2)), "faulty": (1, np.arange(6))})
    scores = np.array([4.5, 0.0, 9.0, 1.0, 3.0, 2.0, 8.0, 5.0])
    found, _ = event_report(windows, scores > 4, {"faulty": (Event(1.5, 3.6), Event(5.2, 5.3)), "z": (Event(0, 1),)}, scores=scores)
    assert found["recording"].tolist() == ["z", "faulty", "faulty"]
    assert found["highest_score"].tolist() == [4.5, 3.0, 5.0]
    assert found["found"].tolist() == [True, False, True]


def test_ending_where_the_stretch_begins_is_not_touching_whatever_the_rounding():
    windows = table({"faulty": (1, [0.3])})
    assert 0.1 + 0.2 > 0.3
    assert event_report(windows, [True], {"faulty": (Event(0, 0.1 + 0.2),)})[1]["false_events"] == 1


def test_delays_are_never_negative():
    rng = np.random.default_rng(0)
    windows = table({"faulty": (1, np.arange(0, 200, 0.5))}, shuffle=3)
    times = np.column_stack([rng.uniform(0, 200, 300), rng.exponential(0.5, 300)])
    events = {"faulty": tuple(Event(start, start + length) for start, length in times)}
    found, numbers = event_report(windows, rng.random(400) < 0.3, events)
    assert (found["delay_s"].dropna() > 0).all()
    assert 0 < numbers["event_recall"] < 1
    assert numbers["event_recall"] == pytest.approx(found["delay_s"].notna().mean())


@pytest.mark.parametrize("seed", range(5))
def test_flagging_by_the_labels_of_one_event_finds_it_and_nothing_else(seed):
    rng = np.random.default_rng(seed)
    windows = table({"faulty": (1, np.arange(0, 60, 0.5)), "healthy": (0, np.arange(0, 60, 0.5))})
    start = rng.uniform(0, 50)
    event = Event(start, start + rng.choice([0, 0.01, 1, 8]))
    flagged = (window_labels(windows.start_s, windows.end_s, [event]) == 1) & (windows.recording == "faulty")
    found, numbers = event_report(windows, flagged, {"faulty": (event,)})
    assert (numbers["event_recall"], numbers["false_events"]) == (1, 0)
    assert 0 < numbers["median_onset_delay_s"] <= 1.5


def false_events_per_hour(windows, flagged):
    """Where nobody knows any event."""
    return event_report(windows, flagged, {})[1]["false_events_per_hour"]


def test_false_events_per_hour_of_normal_recordings():
    # 10.5 s and 5 s of sound; the windows overlap, so a second counts once; two events and one
    windows = table({"a": (0, np.arange(0, 10, 0.5)), "b": (0, np.arange(5)), "broken": (1, np.arange(50))}, shuffle=0)
    flagged = flags(windows, {"a": [1.0, 1.5, 2.0, 7.0], "b": [0.0, 1.0], "broken": np.arange(50.0)})
    assert false_events_per_hour(windows, flagged) == pytest.approx(3 * 3600 / 15.5)
    assert false_events_per_hour(windows, np.zeros(75, dtype=bool)) == 0


def test_flags_at_the_same_time_in_two_recordings_are_two_events():
    windows = table({"a": (0, [0, 1]), "b": (0, [1, 2])})
    assert false_events_per_hour(windows, np.ones(4, dtype=bool)) == pytest.approx(2 * 3600 / 4)


def test_one_entry_per_window():
    windows = table({"a": (0, np.arange(5))})
    for wrong in (np.ones(4, dtype=bool), True, np.ones((5, 1), dtype=bool)):
        with pytest.raises(ValueError, match="flagged needs one entry per window, got shape .* for 5 windows"):
            false_events_per_hour(windows, wrong)
    with pytest.raises(ValueError, match="scores needs one entry per window"):
        event_report(windows, np.ones(5, dtype=bool), {}, scores=[1.0])
