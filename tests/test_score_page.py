"""The page of a scoring is read as a browser reads it; counts at a moved threshold are those of a hand."""

import base64
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from bs4 import BeautifulSoup

from acoustic_nb import score_page as module
from acoustic_nb.players import embedded_sound
from acoustic_nb.score_page import columns, counts_at, write_score_page
from acoustic_nb.scored import FoundEvent, ScoredRecording
from tests.sounds import as_recording, noise, sine

ODD = 'Lüfter {1} "a"<b>.wav'
CHROMIUM = shutil.which("chromium")
CALIBRATION = np.arange(1.0, 21.0) / 10  # 0.1 to 2.0
BY_HAND = np.array([1.0, 5, 5, 1, 5, 1, 1, 3])


def found(start_s, end_s, *, name, peak_s=None, score=5.0, p=0.05, refined=True, reasons=("louder by 4 dB",)):
    peak_s = (start_s + end_s) / 2 if peak_s is None else peak_s
    return FoundEvent(name, start_s, end_s, peak_s, start_s, end_s, start_s, score, p, refined, reasons, 1000.0, 2000.0)


def scored(scores=BY_HAND, *, name="pump", events=(), threshold=2.0, sample_rate=8000, sound=None, **more):
    """Windows of 1 s end to end, and noise of their length with a peak of 0.1."""
    scores = np.asarray(scores, dtype=float)
    if sound is None:
        sound = noise(len(scores), sample_rate=sample_rate)
        sound *= 0.1 / np.abs(sound).max()
    recording = as_recording(sound, sample_rate=sample_rate, name=name)
    events = tuple(found(start, end, name=name, **about) for start, end, about in events)
    return ScoredRecording(recording, np.arange(len(scores)) * 1.0, scores, np.full(len(scores), -30.0), 1.0, threshold,
                           1 / 21 if scores.max() > 2 else 0.5, events, **more)


def pump(**more):
    """The hand-worked scores at the threshold 2: windows 1, 2, 4 and 7 are flagged, three events."""
    return scored(events=[(1.0, 3.0, {}), (4.0, 5.0, {"refined": False}), (7.0, 8.0, {"score": 3.0})], **more)


def write(folder, recordings, *, alarm=(), limit_share=None, **about):
    """The page as a tree; ``alarm``: names of those that alarm."""
    about = {"title": "Gaussian mixture", "detector": "gmm", "bundle": "3fa9c21b", "run": "pumpe", "made": "2026-11-23",
             "verdict": {"kind": "separates", "text": "They differ."}, "calibration": "threshold 2: aimed at", "gap_s": 0.0,
             "false_alarm_rate": 0.05, "whole_calibration": None, "left_out": [],
             "calibration_scores": CALIBRATION, "shortest_s": 0.0} | about
    alarm = {"alarm": bool(alarm), "sentences": ["Counted against the limit."], "limit_per_hour": 12.0, "limit_share": limit_share,
             "by_recording": {each.recording.name: each.recording.name in alarm for each in recordings}}
    path = write_score_page(folder / "index.html", recordings, about=about, alarm=alarm)
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def words(tag):
    return " ".join(tag.get_text(" ").split())


def embedded(tree):
    return json.loads(tree.find(id="scores").string)


def parts_heard(tree):
    return [(float(audio["data-from"]), float(audio["data-to"])) for audio in tree.find_all("audio")]


# ---- what depends on the threshold

@pytest.mark.parametrize(("gap_s", "shortest_s", "expected"), [
    (0.0, 0.0, [1, 3, 2, 0]), (1.0, 0.0, [1, 2, 1, 0]), (0.9, 0.0, [1, 3, 2, 0]), (0.0, 1.5, [1, 1, 1, 0]),
    (1.0, 4.5, [1, 0, 0, 0])])
def test_counts_at_other_thresholds_by_hand(gap_s, shortest_s, expected):
    flagged, events = counts_at(scored(), np.array([0.0, 2.0, 4.0, 5.0]), gap_s=gap_s, shortest_s=shortest_s)
    assert flagged.tolist() == [8, 4, 3, 0]  # strictly above: at 5 none
    assert events.tolist() == expected


def test_each_threshold_on_the_page_is_counted_as_it_is_written(tmp_path):
    scores = np.random.default_rng(0).gumbel(1, 0.5, 300)
    data = embedded(write(tmp_path, [scored(scores)]))
    thresholds = np.array([float(label) for label in data["labels"]])
    assert (np.diff(thresholds) > 0).all() and (np.diff(data["places"]) > 0).all()
    of = data["recordings"][0]
    assert of["flagged"] == [int(np.count_nonzero(scores > threshold)) for threshold in thresholds]
    assert data["rates"] == pytest.approx([np.mean(threshold < CALIBRATION) for threshold in thresholds])
    assert of["flagged"][0] > 290 and of["flagged"][-1] == 0 and of["n"] == 300
    starts = [int(np.count_nonzero(np.diff(np.r_[0, scores > threshold]) > 0)) for threshold in thresholds]
    assert [n for k, n in enumerate(of["events"]) if k != data["kept"]] == [n for k, n in enumerate(starts) if k != data["kept"]]


def test_the_kept_threshold_is_among_them_and_says_what_was_found(tmp_path):
    tree = write(tmp_path, [pump()])
    data = embedded(tree)
    assert data["labels"][data["kept"]] == "2"
    assert (data["recordings"][0]["flagged"][data["kept"]], data["recordings"][0]["events"][data["kept"]]) == (4, 3)
    assert words(tree.find(class_="readout")) == (
        "At the threshold 2: 4 of 8 windows flagged (50.0 %), 3 events, 1350 per hour. "
        "Of the 20 calibration scores 0.0 % lie above it.")


@pytest.mark.parametrize("scores", [np.full(8, 1.0), np.array([1.0, 1e6]), np.array([2.0, 2.0]), 1e-9 * BY_HAND])
def test_scores_of_any_size_have_an_axis(tmp_path, scores):
    data = embedded(write(tmp_path, [scored(scores)]))
    assert np.isfinite(data["places"]).all() and 0 < data["places"][data["kept"]] < 1


def test_equal_calibration_scores_have_an_axis(tmp_path):
    assert np.isfinite(embedded(write(tmp_path, [pump()], calibration_scores=np.full(5, 2.0)))["places"]).all()


# ---- the score line

@pytest.mark.parametrize(("n_windows", "n_columns", "n_together"), [(1, 1, 1), (1500, 1500, 1), (1501, 751, 2), (4000, 1334, 3)])
def test_thinning_keeps_every_maximum(n_windows, n_columns, n_together):
    scores = np.random.default_rng(n_windows).normal(size=n_windows)
    middle_s, highest, together = columns(scored(scores, sound=noise(1.0, sample_rate=8000)))
    assert (len(highest), together) == (n_columns, n_together)
    assert highest.tolist() == [max(scores[k:k + n_together]) for k in range(0, n_windows, n_together)]
    assert middle_s[0] == n_together / 2  # windows of 1 s end to end, from 0 to n_together


def test_the_line_reaches_the_highest_window(tmp_path):
    scores = np.ones(4000)
    scores[1234] = 9.0
    tree = write(tmp_path, [scored(scores, sample_rate=100)])
    points = np.array([point.split() for point in tree.find(class_="score-line")["d"][1:].split("L")], dtype=float)
    assert len(points) == 1334
    x, y = points[points[:, 1].argmin()]
    assert x == pytest.approx(1500 * 1234.5 / 4000, abs=0.2)
    data = embedded(tree)
    lower = max(place for label, place in zip(data["labels"], data["places"], strict=True) if float(label) < 9)
    assert lower < 1 - y / 1000 < 1
    assert "the highest of every 3 windows" in tree.figcaption.get_text()


# ---- what stands where

def test_the_situation_stands_before_the_alarm(tmp_path):
    strange = scored(name="strange", unlike=("Its rate is 8 kHz, training had 16 kHz.",))
    tree = write(tmp_path, [pump(), strange], alarm=["pump"])
    text = words(tree.main)
    assert text.index("Outside what this detector was made for") < text.index("Its rate is 8 kHz") < text.index("▲ Alarm")
    assert text.index("▲ Alarm") < text.index("Counted against the limit.") < text.index("Recordings")
    assert tree.title.get_text().startswith("Alarm: Gaussian mixture")
    assert "Outside what" not in words(write(tmp_path, [pump()]).main)


def test_recordings_outside_in_the_same_way_are_named_together(tmp_path):
    strange = [scored(name=f"strange {k}", unlike=("Its rate is 8 kHz.",)) for k in range(7)]
    outside = words(write(tmp_path, strange).find(id="outside"))
    assert outside.count("Its rate is 8 kHz.") == 1 and "strange 4 and 2 more" in outside


def test_no_alarm_is_said_too(tmp_path):
    tree = write(tmp_path, [scored(np.ones(8))], limit_share=0.25)
    assert words(tree.find(id="decision")) == "No alarm"
    assert "to listen to" not in words(tree.find(class_="decision"))
    assert tree.find(class_="events") is None and "0 events, 0.0 per hour" in words(tree.find(class_="readout"))


def test_an_alarm_outside_of_what_is_known_says_so(tmp_path):
    outside = scored(name="outside", unlike=("Its rate is 8 kHz.",), events=[(1.0, 3.0, {})])
    tree = write(tmp_path, [outside, scored(np.ones(8), name="fine")], alarm=["outside"])
    assert words(tree.find(id="decision")) == "▲ Alarm, as far as this is comparable"
    assert "1 event to listen to" in words(tree.find(class_="decision"))
    inside = write(tmp_path, [pump()], alarm=[pump().recording.name])
    assert words(inside.find(id="decision")) == "▲ Alarm"
    both = write(tmp_path, [outside, pump()], alarm=["outside", "pump"])  # one of them can be compared
    assert words(both.find(id="decision")) == "▲ Alarm" and "4 events to listen to" in words(both.find(class_="decision"))
    quiet = write(tmp_path, [outside, pump()], alarm=["pump"])  # the one that is outside is no part of the alarm
    assert words(quiet.find(id="decision")) == "▲ Alarm"
    assert words(write(tmp_path, [outside]).find(id="decision")) == "No alarm"


def test_what_was_left_out_is_said(tmp_path):
    assert "1 file was left out: a.wav (is empty)" in words(write(tmp_path, [pump()], left_out=[("a.wav", "is empty")]).main)
    several = write(tmp_path, [pump()], left_out=[(ODD, "is empty"), ("<b>.wav", "lasts 0.1 s")])
    assert f"2 files were left out: {ODD} (is empty); <b>.wav (lasts 0.1 s)" in words(several.main) and not several.find("b")
    assert "left out" not in words(write(tmp_path, [pump()]).main)


def test_the_table_has_a_row_for_each_the_alarming_first(tmp_path):
    quiet, loud = scored(np.ones(8), name="quiet"), scored(9 * BY_HAND, name="loud", events=[(1.0, 3.0, {})])
    whole = scored(np.ones(8), name="whole", whole={"score": 1.5, "p_value": 0.25, "flagged": False})
    tree = write(tmp_path, [quiet, whole, loud, pump()], alarm=["pump"])
    rows = [[words(cell) for cell in row.find_all(["th", "td"])] for row in tree.find(class_="scored").tbody.find_all("tr")]
    assert [row[0].split()[0] for row in rows] == ["pump", "loud", "quiet", "whole"]
    assert rows[0][1:] == ["8.00 s", "50.0 %", "5", "0.048", "3", "1350", "▲ alarm", "inside"]
    assert rows[3][0] == "whole as a whole: score 1.5, p 0.25, not flagged"


def test_events_stand_worst_first_with_reasons(tmp_path):
    rows = write(tmp_path, [pump()]).find(class_="events").tbody.find_all("tr")
    cells = [[words(cell) for cell in row.find_all(["th", "td"])] for row in rows]
    assert [row[2] for row in cells] == ["1.00 s", "~4.00 s", "7.00 s"]  # two of score 5, then 3; ~ where not refined
    assert cells[0] == ["1", "▶", "1.00 s", "3.00 s", "2.00 s", "5", "0.05", "louder by 4 dB"]


def test_of_many_events_a_hundred_are_shown(tmp_path):
    events = [(2.0 * k, 2.0 * k + 1, {}) for k in range(120)]
    tree = write(tmp_path, [scored(np.tile([5.0, 1.0], 120), events=events, sample_rate=100)])
    assert len(tree.find(class_="events").tbody.find_all("tr")) == 100
    assert "120 events at the kept threshold, the worst first: the first 100, the other 20 are in events.csv" in words(tree.caption)


def test_of_many_recordings_thirty_have_a_section(tmp_path):
    many = [scored(np.full(4, 1 + k / 100), name=f"clip {k}", sample_rate=100) for k in range(35)]
    tree = write(tmp_path, many)
    assert len(tree.find_all(attrs={"data-recording": True})) == 30 == len(embedded(tree)["recordings"])
    assert len(tree.find(class_="scored").tbody.find_all("tr")) == 35
    assert "The first 30 of 35 have a picture and sound below; the others are in this table only." in words(tree.main)
    names = [words(section.h2) for section in tree.find_all(attrs={"data-recording": True})]
    assert names[0] == "clip 34" and names[-1] == "clip 5"
    targets = [link["href"][1:] for link in tree.find(class_="scored").find_all("a")]
    assert [words(tree.find(id=target)) for target in targets] == names


def test_beyond_ten_minutes_times_are_those_of_a_clock(tmp_path):
    tree = write(tmp_path, [scored(np.ones(3700), sample_rate=100, events=[(3599.96, 3661.2, {})])])
    cells = [words(cell) for cell in tree.find(class_="events").tbody.find_all("td")]
    assert cells[1:3] == ["1:00:00.0", "1:01:01.2"]


# ---- names

def test_names_are_text_everywhere(tmp_path):
    nasty = "</script><b>&"
    one = scored(name=ODD, unlike=(nasty,), events=[(1.0, 3.0, {"reasons": (nasty,)})])
    tree = write(tmp_path, [one], alarm=[ODD], whole_calibration=nasty, title=nasty, run=nasty, calibration=nasty)
    assert words(tree.find(id="recording-1")) == ODD and ODD in tree.img["alt"] and ODD in tree.audio["aria-label"]
    assert not tree.find_all("b") and len(tree.find_all("script")) == 2
    assert words(tree.find(class_="reasons")) == nasty
    assert embedded(tree)["n_calibration"] == 20
    assert "NaN" not in tree.find(id="scores").string


def test_the_page_needs_no_other_file_to_be_seen(tmp_path):
    tree = write(tmp_path, [pump()])
    addresses = [tag[name] for tag in tree.find_all(True) for name in ("src", "href") if tag.has_attr(name)]
    assert {address[:5] for address in addresses} == {"data:", "#page", "#reco", "#line"}
    assert not re.findall(r"https?://|@import|url\(", str(tree))
    assert all(picture["alt"] for picture in tree.find_all("img"))


# ---- sound

def test_a_short_recording_is_heard_whole_with_the_gain_of_all(tmp_path):
    tree = write(tmp_path, [pump()])
    assert parts_heard(tree) == [(0.0, 8.0)]
    assert "All sound is played +19.0 dB" in words(tree.main)  # from a peak of 0.1, -20 dBFS, to -1
    assert [float(button["data-at"]) for button in tree.find_all(class_="play")] == [0.0, 3.0, 6.0]  # a second before each


def test_a_long_one_has_clips_of_its_worst_twenty(tmp_path):
    events = [(30.0 * k, 30.0 * k + 2, {"score": 5.0 + k}) for k in range(1, 23)]
    events[9] = (300.0, 400.0, {"score": 99.0, "peak_s": 360.0})
    tree = write(tmp_path, [scored(np.ones(700), sample_rate=100, events=events)])
    heard = parts_heard(tree)
    assert len(heard) == 20
    assert heard[0] == (352.5, 367.5)  # 15 s about the peak
    assert heard[1] == (659.0, 663.0)  # a second before and after
    assert tree.find_all("audio")[1]["data-says"] == "event 2, 0:10:59.0 to 0:11:03.0"
    assert "clips of its 20 worst events" in words(tree.find(attrs={"data-recording": "0"}))


def test_the_page_holds_thirty_minutes_of_sound(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "embedded_sound", lambda recording, *, start_s, duration_s, gain: (
        "data:,", start_s, start_s + duration_s))
    several = [scored(np.full(590, 1.9 - k / 10), name=f"{k}", sample_rate=100, events=[(9.0, 19.0 + k, {})]) for k in range(6)]
    tree = write(tmp_path, several)
    # three times 590 s leave 30 s: clips of 14 s and 15 s fit, a third does not
    assert parts_heard(tree) == [(0, 590)] * 3 + [(8.0, 23.0)] * 2
    assert "the page holds 30 minutes of sound and is full" in words(tree.find_all(attrs={"data-recording": True})[5])


@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 24000, 48000])
def test_what_is_jumped_into_is_where_it_was_at_a_constant_bit_rate(sample_rate):
    tone = sine(440, duration_s=40, sample_rate=sample_rate)
    tone[:20 * sample_rate] *= 1e-4
    both = [tone, noise(40, sample_rate=sample_rate)]
    recordings = [as_recording(sound, sample_rate=sample_rate) for sound in both]
    mp3 = [base64.b64decode(embedded_sound(each, duration_s=40, gain=1.0)[0].partition(",")[2]) for each in recordings]
    heard, rate = soundfile.read(io.BytesIO(mp3[0]))
    assert np.flatnonzero(np.abs(heard) > 0.25)[0] / rate == pytest.approx(20, abs=0.01)
    assert len(mp3[0]) == pytest.approx(len(mp3[1]), rel=0.01)  # what is hard to encode takes no more


# ---- errors

def test_no_recording_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="at least one scored recording"):
        write(tmp_path, [])


def test_two_detectors_do_not_share_a_page(tmp_path):
    with pytest.raises(ValueError, match=r"one detector, got thresholds \[2\.0, 3\.0\]"):
        write(tmp_path, [scored(), scored(name="other", threshold=3.0)])


# ---- in a browser

@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_moving_the_threshold_counts_anew(tmp_path):
    tree = write(tmp_path, [pump(name=ODD)])
    moved = next(k for k, label in enumerate(embedded(tree)["labels"]) if float(label) > 3)
    page = tmp_path / "index.html"
    act = f"""<script>
    var slider = document.querySelector("input[type=range]"), readout = document.querySelector(".readout"), seen = [];
    slider.value = {moved}; slider.dispatchEvent(new Event("input")); seen.push(readout.textContent);
    document.querySelector(".reset").click(); seen.push(readout.textContent);
    var told = document.createElement("pre"); told.id = "seen"; told.textContent = JSON.stringify(seen); document.body.append(told);
    </script></body>"""
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", act), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom",
               page.as_uri()]
    seen = BeautifulSoup(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout, "html.parser")
    after, back = json.loads(seen.find(id="seen").get_text())
    label = embedded(tree)["labels"][moved]
    assert 3 < float(label) < 5  # 5, 5 and 5 remain: windows 1 and 2, and 4
    assert after == (f"At the threshold {label}: 3 of 8 windows flagged (37.5 %), 2 events, 900 per hour. "
                     "Of the 20 calibration scores 0.0 % lie above it. Kept: 2.")
    assert back == words(tree.find(class_="readout"))
