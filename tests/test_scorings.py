"""Scorings: real files in, a folder of tables, labels and a page out; and the command `score`."""

import csv
import html
import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from bundles_for_tests import SAMPLE_RATE, demo, files_of, kept, write
from sounds import noise

from acoustic_nb import cli, scorings
from acoustic_nb.alarms import decide, limits_of
from acoustic_nb.labels import read_events
from acoustic_nb.model_card import UNKNOWN, VERDICT_HEADING
from acoustic_nb.scorings import load_new, score_all, score_files, write_scoring
from acoustic_nb.synth import demo_pair

NAME = "Lüfter {1} heute"


@pytest.fixture(scope="module")
def sound():
    """Sound of the machine that the detectors know, with its fault: 20 s."""
    return demo_pair(3, normal_s=8.0, anomalous_s=20.0, sample_rate=SAMPLE_RATE)[1].samples


@pytest.fixture(scope="module")
def healthy():
    return demo_pair(4, normal_s=20.0, anomalous_s=8.0, sample_rate=SAMPLE_RATE)[0].samples


@pytest.fixture
def new(tmp_path, sound, healthy):
    """A folder of new recordings."""
    folder = tmp_path / "neu"
    for name, samples in ((f"{NAME}.wav", sound), ("a/x.wav", healthy), ("b/x.wav", sound[:80_000]),
                          ("b/stereo.flac", np.column_stack([sound, healthy])[:60_000])):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, samples, SAMPLE_RATE)
    return folder


@pytest.fixture
def score(tmp_path, capsys):
    """Type ``acoustic-nb score`` with a kept detector; returns status, what was printed, and the folder where there is one."""
    def typed(*words, detector="gmm", status=None, as_zip=True):
        bundle = tmp_path / detector / "bundle"
        if not bundle.exists():
            write(bundle, files_of(detector))
        argv = ["score", bundle.with_name("bundle.zip") if as_zip else bundle, *words, "--runs-dir", tmp_path / "runs"]
        found = cli.main([str(word) for word in argv])
        printed = capsys.readouterr()
        folders = sorted((tmp_path / "runs").iterdir()) if (tmp_path / "runs").exists() else []
        assert status is None or found == status, printed.err
        return found, printed, folders[-1] if folders else None

    return typed


def refused(score, *words, **more):
    """The one line with which it is refused; nothing is left behind."""
    _, printed, folder = score(*words, status=1, **more)
    assert printed.err.startswith("acoustic-nb: ") and "Traceback" not in printed.err and folder is None
    return printed.err.splitlines()[-1] if printed.err.count("\n") > 1 else printed.err


def strict(path):
    def never(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=never)


# ---- what is written

@pytest.mark.parametrize("as_zip", [True, False])
def test_all_is_written_and_agrees(score, new, as_zip, sound):
    status, printed, folder = score(new / f"{NAME}.wav", as_zip=as_zip, status=3)
    assert folder.name.endswith(f"_{NAME} by gmm")
    assert sorted(path.name for path in folder.iterdir()) == ["events.csv", "index.html", "labels", "recordings.csv", "score.json",
                                                              "scores.csv"]
    row, = csv.DictReader((folder / "recordings.csv").open(encoding="utf-8"))
    events, scores = pd.read_csv(folder / "events.csv"), pd.read_csv(folder / "scores.csv")
    said = strict(folder / "score.json")
    assert row["recording"] == NAME and row["path"] == str(new / f"{NAME}.wav") and row["alarm"] == "True"
    assert int(row["windows"]) == len(scores) == 39 and float(row["duration_s"]) == 20.0
    threshold = kept("gmm").calibration.threshold
    assert scores["flagged"].tolist() == (scores["score"] > threshold).tolist()
    assert float(row["flagged_share"]) == pytest.approx(scores["flagged"].mean())
    assert float(row["highest_score"]) == scores["score"].max()
    assert int(row["events"]) == len(events) == len(said["events"]) > 1
    assert float(row["events_per_hour"]) == pytest.approx(len(events) * 180)
    assert (scores["end_s"] - scores["start_s"]).tolist() == [1.0] * 39
    assert events["p_value"].is_monotonic_increasing  # worst first
    assert events["peak_score"].iloc[0] == events["peak_score"].max()
    assert said["bundle"]["threshold"] == threshold and said["bundle"]["bundle"] == kept("gmm").id
    assert said["alarm"]["alarm"] is True and said["left_out"] == [] and said["command"].startswith("acoustic-nb score ")
    assert said["recordings"][0]["recording"] == NAME and isinstance(said["recordings"][0]["unlike"], list)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert NAME in page and f"{kept('gmm').id[:8]}" in page and "ALARM" in page
    assert printed.out.endswith(f"{folder / 'index.html'}\n") and "ALARM: " in printed.out
    assert f"{len(events)} events" in printed.out and "limits: " in printed.out


def test_labels_hold_the_times_of_the_events_to_the_last_bit(score, new):
    _, _, folder = score(new / f"{NAME}.wav")
    said = [(event["start_s"], event["end_s"]) for event in strict(folder / "score.json")["events"]]
    table = pd.read_csv(folder / "events.csv")
    assert sorted(said) == sorted(zip(table["start_s"], table["end_s"], strict=True)) and len(said) > 1
    for name in (f"{NAME}.txt", f"{NAME}.Table.1.selections.txt"):
        labels = read_events(folder / "labels" / name)
        assert [(event.start_s, event.end_s) for event in labels] == sorted(said)
        assert all("score" in event.label and "p 0." in event.label for event in labels)
    header, first, *_ = (folder / "labels" / f"{NAME}.Table.1.selections.txt").read_text(encoding="utf-8").splitlines()
    fields = dict(zip(header.split("\t"), first.split("\t"), strict=True))
    assert 0 <= float(fields["Low Freq (Hz)"]) < float(fields["High Freq (Hz)"]) <= SAMPLE_RATE / 2


def test_a_folder_has_files_of_one_name_and_two_channels(score, new):
    _, printed, folder = score(new)
    table = pd.read_csv(folder / "recordings.csv", keep_default_na=False).set_index("recording")
    assert set(table.index) == {NAME, "a/x", "b/x", "b/stereo"} and folder.name.endswith("_4 recordings by gmm")
    assert table["duration_s"].to_dict() == {NAME: 20.0, "a/x": 20.0, "b/x": 10.0, "b/stereo": 7.5}
    with_events = set(pd.read_csv(folder / "events.csv")["recording"])
    assert {path.relative_to(folder / "labels").as_posix() for path in (folder / "labels").rglob("*.txt")} == {
        f"{name}{ending}" for name in with_events for ending in (".txt", ".Table.1.selections.txt")}
    assert NAME in with_events and any("/" in name for name in with_events)
    assert set(pd.read_csv(folder / "scores.csv")["recording"]) == set(table.index)
    assert all(name in printed.out for name in table.index)
    whole = score_all(kept("gmm"), load_new(kept("gmm"), [new / f"{NAME}.wav"])[0])[0]
    scores = pd.read_csv(folder / "scores.csv")
    np.testing.assert_allclose(scores.loc[scores["recording"] == NAME, "score"], whole.scores)


def test_globs_and_files_given_twice_are_taken_once(new):
    recordings, left_out = load_new(kept("gmm"), [str(new / "*" / "x.wav"), new / "a" / "x.wav"])
    assert sorted(recording.name for recording in recordings) == ["a/x", "b/x"] and left_out == []
    (mixed,) = load_new(kept("gmm"), str(new / "b" / "stereo.flac"))[0]
    both, _ = soundfile.read(new / "b" / "stereo.flac", dtype="float32")
    np.testing.assert_allclose(mixed.samples, both.mean(axis=1), atol=1e-6)


def test_names_that_would_be_one_file_get_files_of_their_own(tmp_path, new):
    """A file's name cannot hold a backslash or a bell."""
    (one,) = score_all(kept("gmm"), load_new(kept("gmm"), new / f"{NAME}.wav")[0])
    same = [replace(one, recording=replace(one.recording, name=name), events=one.events[:k + 1])
            for k, name in enumerate(("b/a\\x", "b/a-x", "b/a\ax", "a-x"))]
    paths = scorings.write_labels(tmp_path / "labels", same)
    assert [path.relative_to(tmp_path / "labels").as_posix() for path in paths] == [
        "b/a-x.txt", "b/a-x (2).txt", "b/a-x (3).txt", "a-x.txt"]
    assert [len(read_events(path)) for path in paths] == [min(k, len(one.events)) for k in (1, 2, 3, 4)]
    assert len(list((tmp_path / "labels").rglob("*selections.txt"))) == 4


def test_labels_stay_below_their_folder_and_are_there_only_for_events(tmp_path, new):
    (one,) = score_all(kept("gmm"), load_new(kept("gmm"), new / f"{NAME}.wav")[0])
    places = scorings.label_places(tmp_path, ["/etc/x", "tag 1/a", "tag 2/a"])
    assert [place.relative_to(tmp_path).as_posix() for place in places.values()] == ["etc/x", "tag 1/a", "tag 2/a"]
    assert [place.name for place in scorings.label_places(tmp_path, ["--", "..."]).values()] == ["recording", "recording (2)"]
    assert scorings.write_labels(tmp_path / "labels", [replace(one, events=())]) == [] and not (tmp_path / "labels").exists()


def test_the_demo_has_an_alarm_for_its_fault(score):
    status, printed, folder = score("demo", status=3)
    table = pd.read_csv(folder / "recordings.csv").set_index("recording")
    assert set(table.index) == {"demo_normal", "demo_anomalous"} and folder.name.endswith("_2 recordings by gmm")
    assert table.loc["demo_anomalous", "alarm"]
    assert table.loc["demo_anomalous", "highest_score"] > table.loc["demo_normal", "highest_score"]
    recordings, _ = load_new(kept("gmm"), "demo")
    assert {recording.sample_rate for recording in recordings} == {SAMPLE_RATE} and {each.label for each in recordings} == {None}


def test_recordings_of_another_rate_are_resampled(tmp_path, score, sound):
    fast = demo_pair(3, normal_s=8.0, anomalous_s=20.0, sample_rate=16000)[1].samples
    soundfile.write(tmp_path / "fast.wav", fast, 16000)
    soundfile.write(tmp_path / "slow.wav", noise(10.0, sample_rate=6000, amplitude=0.05), 6000)
    status, printed, folder = score(tmp_path / "fast.wav", tmp_path / "slow.wav")
    table = pd.read_csv(folder / "recordings.csv", keep_default_na=False).set_index("recording")
    assert table["windows"].to_dict() == {"fast": 39, "slow": 19}
    assert "outside of what this detector was made for: slow: It was recorded at 6 kHz" in printed.out
    assert "It was recorded at 6 kHz, the detector knows 8 kHz: there is nothing above 3 kHz to hear" in table.loc["slow", "unlike"]
    assert "It was recorded at 16 kHz and brought to 8 kHz, the detector knows recordings at 8 kHz" in table.loc["fast", "unlike"]
    assert "nothing above" not in table.loc["fast", "unlike"]
    assert printed.out.splitlines()[0].startswith("outside of what")  # first of all
    soundfile.write(tmp_path / "same.wav", sound, SAMPLE_RATE)
    assert "recorded at" not in score(tmp_path / "same.wav")[1].out


def test_a_recording_that_made_the_detector_is_told(score, tmp_path):
    """The same samples under another name; one sample more, and it is another one."""
    known = demo()[0][0].samples
    soundfile.write(tmp_path / "umbenannt.wav", known, SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "longer.wav", np.append(known, known[:1]), SAMPLE_RATE, subtype="FLOAT")
    _, printed, folder = score(tmp_path / "umbenannt.wav", tmp_path / "longer.wav")
    told = {row["recording"]: row["unlike"] for row in strict(folder / "score.json")["recordings"]}
    said = ("It is one of the recordings of the run that made the detector (demo_normal, used for calibration, test, train): "
            "what is found in it says nothing about new sound.")
    assert told["umbenannt"][0] == said and not any("made the detector" in sentence for sentence in told["longer"])
    assert f"outside of what this detector was made for: umbenannt: {said}" in printed.out


# ---- alarms from the command line

def test_the_status_says_whether_there_is_an_alarm(score, new):
    huge = ("--alarm-events-per-hour", "1e9")
    assert score(new / f"{NAME}.wav", *huge)[0] == 0
    assert score(new / f"{NAME}.wav", "--alarm-events-per-hour", "0")[0] == 3
    assert score(new / f"{NAME}.wav", *huge, "--alarm-share", "0.01")[0] == 3
    assert score(new / f"{NAME}.wav", *huge, "--alarm-share", "1")[0] == 0
    status, printed, folder = score(new / f"{NAME}.wav", *huge, "--name", "../mein {Test}")
    assert folder.parent.name == "runs" and "mein {Test}" in folder.name
    assert "limits as given: 1e+09 events per hour\n" in printed.out and "no alarm: " in printed.out


def test_another_rate_another_threshold(score, new):
    _, _, strict_folder = score(new / f"{NAME}.wav", "--false-alarm-rate", "0.05", "--name", "a")
    _, _, loose_folder = score(new / f"{NAME}.wav", "--false-alarm-rate", "0.5", "--name", "b")
    shares = [pd.read_csv(folder / "recordings.csv")["flagged_share"][0] for folder in (strict_folder, loose_folder)]
    assert shares[0] < shares[1]
    said = strict(loose_folder / "score.json")["bundle"]
    assert said["false_alarm_rate"] == 0.5 and said["threshold"] == kept("gmm").at_rate(0.5).calibration.threshold


def test_gaps_and_short_events(score, new):
    events = [pd.read_csv(score(new / f"{NAME}.wav", *words)[2] / "events.csv") for words in
              (("--name", "a"), ("--gap-s", "30", "--name", "b"), ("--shortest-s", "4.2", "--name", "c"))]
    apart, one, long = events
    length_s = apart["windows_end_s"] - apart["windows_start_s"]
    assert len(one) == 1 and one["windows_start_s"][0] == apart["windows_start_s"].min()
    assert one["windows_end_s"][0] == apart["windows_end_s"].max()
    assert len(long) == (length_s > 4.2).sum() < len(apart)


def test_without_any_event_all_files_are_there(score, tmp_path, healthy):
    soundfile.write(tmp_path / "still.wav", healthy, SAMPLE_RATE)
    status, printed, folder = score(tmp_path / "still.wav", "--shortest-s", "100", "--alarm-share", "1", status=0)
    assert pd.read_csv(folder / "events.csv").empty and strict(folder / "score.json")["events"] == []
    assert not (folder / "labels").exists() and "0 events" in printed.out
    assert (folder / "index.html").stat().st_size > 1000


# ---- what is refused

@pytest.mark.parametrize(("words", "text"), [
    (["missing.wav"], "missing.wav"), (["{new}", "--gap-s", "-1"], "gap_s is a number of seconds of at least 0, got -1"),
    (["{new}", "--shortest-s", "nan"], "shortest_s is a number"), (["{new}", "--gap-s", "inf"], "gap_s is a number"),
    (["{new}", "--false-alarm-rate", "1"], "false_alarm_rate is a share between 0 and 1"),
    (["{new}", "--alarm-share", "2"], "flagged share for an alarm is at least 0 and at most 1, got 2"),
    (["{new}", "--alarm-events-per-hour", "-3"], "at least 0, got -3"), (["demo", "{new}"], "demo")])
def test_wrong_input_is_one_line_and_leaves_no_folder(score, new, words, text):
    assert text in refused(score, *[word.format(new=new) for word in words])


def test_no_bundle_is_one_line(tmp_path, capsys, new):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_bytes(b"no zip")
    for bundle, text in ((tmp_path / "no", "no such bundle"), (tmp_path / "empty", "is no bundle"),
                         (tmp_path / "text.zip", "is no zip"),
                         (new / f"{NAME}.wav", "is a recording, but a bundle comes first, such as "),
                         (new / "NO.WAV", "is a recording, but a bundle comes first")):
        assert cli.main(["score", str(bundle), str(new), "--runs-dir", str(tmp_path / "runs")]) == 1
        printed = capsys.readouterr().err
        assert text in printed and printed.count("\n") == 1 and not (tmp_path / "runs").exists()


def test_a_broken_file_stops_or_is_left_out(score, new):
    (new / "a" / "broken.wav").write_bytes(b"no sound at all")
    assert "broken.wav" in refused(score, new)
    _, printed, folder = score(new, "--skip-broken")
    said = strict(folder / "score.json")
    assert len(said["recordings"]) == 4
    ((path, reason),) = said["left_out"]
    assert path == str(new / "a" / "broken.wav") and reason and path not in reason
    assert printed.out.splitlines()[0] == f"left out: {path}: {reason}"
    page = html.unescape((folder / "index.html").read_text(encoding="utf-8"))
    assert f"1 file was left out: {path} ({reason})" in page


def test_too_short_for_sequences_stops(score, tmp_path, sound):
    soundfile.write(tmp_path / "short.wav", sound[:12_000], SAMPLE_RATE)
    assert "lasts 1.5 s, which is 2 windows, but" in refused(score, tmp_path / "short.wav", detector="lstm_autoencoder")
    assert score(tmp_path / "short.wav")[0] in (0, 3)


def test_too_short_for_sequences_is_left_out_where_that_was_asked_for(score, tmp_path, sound):
    soundfile.write(tmp_path / "short.wav", sound[:12_000], SAMPLE_RATE)
    soundfile.write(tmp_path / "long.wav", sound, SAMPLE_RATE)
    status, printed, folder = score(tmp_path / "short.wav", tmp_path / "long.wav", "--skip-broken", detector="lstm_autoencoder")
    assert status in (0, 3), printed.err
    ((path, reason),) = strict(folder / "score.json")["left_out"]
    assert path.endswith("short.wav") and "sequences of 4" in reason
    assert printed.out.startswith(f"left out: {path}: {reason}\n")


def test_what_fails_while_it_is_written_leaves_nothing(tmp_path, new, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(scorings, "write_score_page", full)
    with pytest.raises(OSError, match="No space left"):
        score_files(kept("gmm"), [new / f"{NAME}.wav"], tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())
    with pytest.raises(ValueError, match="there is nothing to score"):
        score_files(kept("gmm"), [], tmp_path / "runs")


# ---- nothing of the user's is lost

@pytest.fixture
def one(new):
    """What ``write_scoring`` takes, after the folder."""
    scored = score_all(kept("gmm"), load_new(kept("gmm"), new / f"{NAME}.wav")[0])
    limits = limits_of(kept("gmm"))
    return kept("gmm"), scored, decide(scored, limits), limits, {"gap_s": 0.0, "shortest_s": 0.0, "command": "", "left_out": []}


def test_a_folder_that_holds_something_else_is_refused_and_stays(tmp_path, one):
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "today.txt").write_text("dear diary")
    (tmp_path / "file").write_text("a file")
    for name in ("diary", "file"):
        with pytest.raises(ValueError, match=rf"{name}: holds something else than a scoring, .*; choose a new folder"):
            write_scoring(tmp_path / name, *one)
    assert (tmp_path / "diary" / "today.txt").read_text() == "dear diary" and (tmp_path / "file").read_text() == "a file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diary", "file", "neu"]


def test_a_new_folder_an_empty_one_and_an_earlier_scoring_are_written(tmp_path, one):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        write_scoring(tmp_path / name, *one)
        assert strict(tmp_path / name / "score.json")["recordings"][0]["recording"] == NAME
    bundle, (scored,), *more = one
    write_scoring(tmp_path / "new", bundle, [replace(scored, events=())], *more)
    assert strict(tmp_path / "new" / "score.json")["events"] == [] and not (tmp_path / "new" / "labels").exists()


# ---- what the command line says besides

def test_what_is_left_out_is_returned_too(tmp_path, new):
    (new / "broken.wav").write_bytes(b"no sound at all")
    folder, scored, alarm, limits, left_out = score_files(kept("gmm"), [new], tmp_path / "runs", skip_broken=True)
    assert len(scored) == 4 == len(alarm.by_recording) and folder.is_dir() and limits == limits_of(kept("gmm"))
    assert [path for path, _ in left_out] == [str(new / "broken.wav")]


@pytest.mark.parametrize(("verdict", "said"), [
    ("**separates**: GMM separates. It is good.", "separates: GMM separates."), (UNKNOWN, f"none: {UNKNOWN}")])
def test_the_verdict_of_the_run_is_told_with_what_was_found(tmp_path, score, new, verdict, said):
    files = files_of("gmm")
    card = files["MODEL_CARD.md"].decode().replace(f"{VERDICT_HEADING}\n\n{UNKNOWN}", f"{VERDICT_HEADING}\n\n{verdict}")
    write(tmp_path / "gmm" / "bundle", {**files, "MODEL_CARD.md": card.encode()})
    *_, before_last, last = score(new / f"{NAME}.wav")[1].out.splitlines()
    assert before_last == f"what the run of this detector had shown: {said}" and last.endswith("index.html")


def test_a_bundle_is_also_found_among_the_runs(tmp_path, capsys, monkeypatch, new):
    write(tmp_path / "runs" / "Lauf {1}" / "gmm" / "bundle", files_of("gmm"))
    monkeypatch.chdir(tmp_path)

    def found(bundle):
        status = cli.main(["score", bundle, str(new / f"{NAME}.wav"), "--runs-dir", str(tmp_path / "runs"), "--name", "x"])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    for name in ("Lauf {1}/gmm/bundle", "Lauf {1}/gmm/bundle.zip", "Lauf {1}/gmm", "runs/Lauf {1}/gmm/bundle"):
        status, printed = found(name)
        assert status == 3, printed
    (tmp_path / "Lauf {1}" / "gmm").mkdir(parents=True)  # what is here comes before what is among the runs
    status, printed = found("Lauf {1}/gmm")
    assert status == 1 and "is no bundle" in printed


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("limit", "status"), [("0", 3), ("1e9", 0)])
def test_the_status_stays_where_nobody_reads_on(tmp_path, new, limit, status, unbuffered):
    """As in ``acoustic-nb score … | head -1``; what is printed late, when Python ends, counts too."""
    write(tmp_path / "bundle", files_of("gmm"))
    reader, writer = os.pipe()
    os.close(reader)
    program = "import sys; from acoustic_nb.cli import main; sys.exit(main())"
    words = ["score", tmp_path / "bundle", new / f"{NAME}.wav", "--runs-dir", tmp_path / "runs", "--alarm-events-per-hour", limit]
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], stdout=writer, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, check=False)
    os.close(writer)
    assert done.returncode == status and "Broken" not in done.stderr, done.stderr


def test_recordings_flagged_as_a_whole_are_counted_and_are_no_alarm(tmp_path, new):
    """A kept detector that judges recordings; its threshold is put where two of the four have a higher mean score."""
    bundle = kept("gmm")
    means = {each.recording.name: float(each.scores.mean()) for each in score_all(bundle, load_new(bundle, new)[0])}
    _, below, above, _ = sorted(means.values())
    whole = replace(bundle, about={**bundle.about, "judged_by": "recording", "clip_score": "mean"},
                    whole_scores=(below + above) / 2 - np.arange(6), whole_units=np.arange(6))  # the highest of six, at 10 %
    folder, _, alarm, *_ = score_files(whole, [new], tmp_path / "runs", alarm_events_per_hour=1e9)
    assert alarm.sentences[-1].startswith("as a whole 2 of 4 recordings are flagged, which by itself is no alarm; ")
    assert not alarm.alarm and alarm.sentences[-1].endswith(str(whole.whole_calibration))
    table = pd.read_csv(folder / "recordings.csv").set_index("recording")
    assert table["whole_flagged"].to_dict() == {name: mean >= above for name, mean in means.items()}
    page = html.unescape((folder / "index.html").read_text(encoding="utf-8"))
    assert alarm.sentences[-1] in page and page.count(", not flagged</span>") == 2 == page.count(", flagged</span>")


def test_a_share_of_nothing_is_not_written_as_nan(score, new):
    _, _, folder = score(new / "a" / "x.wav")
    for path in folder.glob("*.csv"):
        for row in csv.DictReader(path.open(encoding="utf-8")):
            assert not any(value.lower() in ("nan", "inf") for value in row.values()), path
    assert all(math.isfinite(row["smallest_p"]) for row in strict(folder / "score.json")["recordings"])
