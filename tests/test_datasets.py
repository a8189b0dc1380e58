"""Datasets: small files of noise, found, named, listened to, and refused where they must be."""

import os
import shutil

import numpy as np
import pytest
import soundfile
from sounds import noise, sine

from acoustic_nb import datasets
from acoustic_nb.audio import AudioError
from acoustic_nb.datasets import brought_together, distinct_names, listen, load_recordings, refuse_same_audio
from acoustic_nb.inputs import Inputs, find_entries
from acoustic_nb.stretches import Event
from acoustic_nb.synth import demo_pair

RATE = 8000
LONG_S = 20.0  # 19.5 s can be cut in windows of 1 s


def write(path, seed, *, duration_s=LONG_S, sample_rate=RATE, channels=1, subtype=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    sounds = [noise(duration_s, sample_rate=sample_rate, seed=1000 * seed + channel) for channel in range(channels)]
    soundfile.write(path, np.stack(sounds, axis=1), sample_rate, subtype=subtype)
    return path


@pytest.fixture
def pair(tmp_path):
    return write(tmp_path / "fine.wav", 1), write(tmp_path / "fault.wav", 2)


def manifest(folder, *rows):
    path = folder / "liste.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def heard(inputs, **settings):
    return listen(find_entries(inputs), inputs, **settings)


def test_two_files_are_two_recordings(pair):
    normal, anomalous = load_recordings(*pair)
    assert [(each.name, each.label, each.path) for each in (normal, anomalous)] == [
        ("fine", 0, str(pair[0])), ("fault", 1, str(pair[1]))]
    assert (normal.sample_rate, normal.duration_s) == (RATE, LONG_S)
    np.testing.assert_array_equal(normal.samples, soundfile.read(pair[0], dtype="float32")[0])


def test_lists_folders_and_patterns(tmp_path):
    for k in range(3):
        write(tmp_path / "fine" / f"{k}.wav", k)
        write(tmp_path / "grün {1} [a], b" / f"{k}.wav", 10 + k)
    write(tmp_path / "more.wav", 20)
    normal = [tmp_path / "fine", str(tmp_path / "m*.wav")]
    recordings = load_recordings(normal, tmp_path / "grün {1} [a], b")
    assert [(each.name, each.label) for each in recordings] == [
        ("fine/0", 0), ("fine/1", 0), ("fine/2", 0), ("more", 0), ("grün {1} [a], b/0", 1), ("grün {1} [a], b/1", 1),
        ("grün {1} [a], b/2", 1)]


def test_the_demo_needs_no_file(monkeypatch):
    monkeypatch.setattr(datasets, "load_recording", None)
    monkeypatch.setattr(datasets, "demo_pair", lambda seed: demo_pair(seed, normal_s=20 + seed, anomalous_s=15))
    normal, anomalous = load_recordings(seed=1)
    assert (normal.name, anomalous.name, normal.path, normal.duration_s) == ("demo_normal", "demo_anomalous", "demo", 21)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"seed must be a whole number from 0 to 4294967295, got {seed}"):
            load_recordings(seed=seed)


@pytest.mark.parametrize(("paths", "names"), [
    (["a/fine.wav", "a/fault.wav"], ["fine", "fault"]),
    (["p/fine/1/ch1.wav", "p/fine/2/ch1.wav", "p/bent/1/ch1.wav"], ["fine/1/ch1", "fine/2/ch1", "bent/1/ch1"]),
    (["a/x.wav", "a/x.flac"], ["x.wav", "x.flac"]),
    (["a/x.1.wav", "a/x.2.wav"], ["x.1", "x.2"]),
    (["a/x.wav", "a/x.wav"], ["x", "x"]),
    (["a/x.wav", "a/b/x.wav"], ["x", "b/x"])])
def test_names_tell_recordings_apart(paths, names):
    assert distinct_names(paths) == names


def test_channels_are_recordings_of_their_own(tmp_path, pair):
    stereo = write(tmp_path / "stereo.wav", 3, channels=2)
    one, two, other = load_recordings(stereo, pair[1], channel="all")
    assert [each.name for each in (one, two, other)] == ["stereo [channel 1]", "stereo [channel 2]", "fault"]
    sound = soundfile.read(stereo, dtype="float32")[0]
    np.testing.assert_array_equal(one.samples, sound[:, 0])
    np.testing.assert_array_equal(two.samples, sound[:, 1])
    np.testing.assert_allclose(load_recordings(stereo, pair[1])[0].samples, sound.mean(axis=1), atol=1e-7)
    with pytest.raises(AudioError, match=r"fault\.wav: has channel 1 only, got channel 2"):
        load_recordings(stereo, pair[1], channel="2")


@pytest.mark.parametrize("channel", ["0", "left", "-1", "1.5", ""])
def test_a_channel_that_is_none(pair, channel):
    with pytest.raises(ValueError, match="channel is mean, all, or a number from 1, got"):
        load_recordings(*pair, channel=channel)


def test_a_manifest_with_channels_and_parts(tmp_path):
    write(tmp_path / "normal, 1.wav", 1, channels=3)
    write(tmp_path / "long.wav", 2, duration_s=60)
    path = manifest(tmp_path, "path,label,channel,start_s,end_s,group", '"normal, 1.wav",normal,all,,,A', "long.wav,normal,,0,25,B",
                    "long.wav,anomalous,,30.5,55,C")
    recordings = load_recordings(dataset=path)
    assert [each.name for each in recordings] == [
        "normal, 1 [channel 1]", "normal, 1 [channel 2]", "normal, 1 [channel 3]", "long [0–25 s]", "long [30.5–55 s]"]
    assert [each.group for each in recordings] == ["A"] * 3 + ["B", "C"]
    sound = soundfile.read(tmp_path / "normal, 1.wav", dtype="float32")[0]
    for channel in range(3):
        np.testing.assert_array_equal(recordings[channel].samples, sound[:, channel])
    part = recordings[-1]
    assert (part.start_s, part.end_s, part.duration_s, part.audit["cut_end_s"], part.audit["file_s"]) == (30.5, 55, 24.5, 55, 60)
    np.testing.assert_array_equal(part.samples, soundfile.read(tmp_path / "long.wav", dtype="float32")[0][244000:440000])


def test_the_part_of_a_manifest_wins(tmp_path):
    write(tmp_path / "a.wav", 1, duration_s=60)
    write(tmp_path / "b.wav", 2, duration_s=60)
    path = manifest(tmp_path, "path,label,start_s,end_s", "a.wav,normal,,", "b.wav,anomalous,10,40")
    recordings, _ = heard(Inputs(dataset=str(path), start_s=5, end_s=50))
    assert [(each.start_s, each.end_s) for each in recordings] == [(5, 50), (10, 40)]


def test_rates_meet_at_the_lowest_or_the_one_wanted(tmp_path, capsys):
    fine = write(tmp_path / "fine.wav", 1, duration_s=30, sample_rate=16000)
    fault = write(tmp_path / "fault.wav", 2, duration_s=30, sample_rate=11025)
    recordings = load_recordings(fine, fault)
    assert [(each.sample_rate, each.native_sample_rate) for each in recordings] == [(11025, 16000), (11025, 11025)]
    assert len(recordings[0].samples) == pytest.approx(30 * 11025, abs=1)
    assert "resampled to 11025 Hz, the lowest rate: 1 of 16000 Hz\n" in capsys.readouterr().out
    for wanted in (8000, "8000"):
        assert {each.sample_rate for each in load_recordings(fine, fault, sample_rate=wanted)} == {8000}
    assert "resampled to 8000 Hz, as wanted: 1 of 11025 Hz, 1 of 16000 Hz\n" in capsys.readouterr().out
    with pytest.raises(AudioError, match=r"fault\.wav: has 11025 Hz, and sample_rate = 16000 would add an empty band"):
        load_recordings(fine, fault, sample_rate=16000)
    with pytest.raises(ValueError, match="sample_rate is native or a whole number of Hz, got 'low'"):
        load_recordings(fine, fault, sample_rate="low")
    with pytest.raises(AudioError, match=r"fault\.wav: a sample rate of 4000 Hz is too low"):
        load_recordings(fine, fault, sample_rate=4000)


def test_a_resampled_sine_stays_where_it_is(tmp_path):
    soundfile.write(tmp_path / "fine.wav", 0.5 * sine(440, duration_s=LONG_S, sample_rate=16000) + 0.01 * noise(
        LONG_S, sample_rate=16000), 16000)
    sound = load_recordings(tmp_path / "fine.wav", write(tmp_path / "fault.wav", 2))[0].samples
    assert np.abs(np.fft.rfft(sound)).argmax() / LONG_S == 440


@pytest.mark.parametrize(("ending", "label"), [(".wav", "fine"), (".flac", "fine"), (".wav", "fault")])
def test_a_copy_is_refused_with_both_names(tmp_path, pair, ending, label):
    other = tmp_path / f"copy{ending}"
    if ending == ".wav":
        shutil.copy(pair[0], other)
    else:
        soundfile.write(other, *soundfile.read(pair[0], dtype="int16"))
    lists = {"fine": [pair[0]], "fault": [pair[1]]}
    lists[label].append(other)
    with pytest.raises(AudioError) as error:
        load_recordings(lists["fine"], lists["fault"])
    assert str(other) in str(error.value) and str(pair[0]) in str(error.value)
    assert "\n" not in str(error.value)
    assert ("is given as anomalous, but holds the same audio as normal fine" in str(error.value)) == (label == "fault")


def test_an_excerpt_is_refused_with_both_names(tmp_path, pair):
    sound = soundfile.read(pair[0], dtype="int16")[0]
    soundfile.write(tmp_path / "excerpt.wav", sound[33333:33333 + 12 * RATE], RATE)
    told = r"excerpt\.wav: is given as anomalous, but \d+% of its sound is also in normal fine \(.*fine\.wav\)"
    with pytest.raises(AudioError, match=told):
        load_recordings(pair[0], [pair[1], tmp_path / "excerpt.wav"])


def test_short_copies_without_landmarks_are_refused(tmp_path, pair):
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, sine(500, duration_s=0.3, sample_rate=RATE), RATE)
    with pytest.raises(AudioError, match=r"b\.wav: holds the same audio as normal a \(.*a\.wav\)"):
        load_recordings([pair[0], tmp_path / "a.wav", tmp_path / "b.wav"], pair[1])


def test_identical_channels_are_refused(tmp_path, pair):
    sound = np.repeat(noise(LONG_S, sample_rate=RATE, seed=5)[:, None], 2, axis=1)
    soundfile.write(tmp_path / "mono.wav", sound, RATE)
    with pytest.raises(AudioError, match=r"mono\.wav: holds the same audio as normal mono \[channel 1\]"):
        load_recordings(tmp_path / "mono.wav", pair[1], channel="all")
    assert len(load_recordings(tmp_path / "mono.wav", pair[1])) == 2


def test_different_recordings_are_not_refused(tmp_path):
    recordings, _ = heard(Inputs(tuple(str(write(tmp_path / f"{k}.wav", k, duration_s=3)) for k in range(8)),
                                 (str(write(tmp_path / "f.wav", 9, duration_s=3)),)))
    refuse_same_audio(recordings)


def broken(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF but then nothing of the kind")
    return path


def test_a_broken_file_stops_with_its_name_or_is_left_out(tmp_path, pair):
    bad = broken(tmp_path / "kaputt, {1}.wav")
    with pytest.raises(AudioError, match=r"^.*kaputt, \{1\}\.wav: cannot be decoded"):
        load_recordings([pair[0], bad], pair[1])
    path = manifest(tmp_path, "path,label", "fine.wav,normal", '"kaputt, {1}.wav",normal', "fault.wav,anomalous")
    with pytest.raises(AudioError, match=r"^liste\.csv, row 2, column path: .*kaputt"):
        load_recordings(dataset=path)
    recordings, ((left_out, reason),) = heard(Inputs(dataset=str(path), skip_broken=True))
    assert [each.name for each in recordings] == ["fine", "fault"]
    assert left_out == str(bad)
    assert reason.startswith("cannot be decoded")


def test_all_files_broken(tmp_path):
    files = tuple(str(broken(tmp_path / name)) for name in ("a.wav", "b.wav"))
    with pytest.raises(AudioError, match=r"none of the 2 files can be used; the first is .*a\.wav: cannot be decoded"):
        heard(Inputs(files[:1], files[1:], skip_broken=True))


def test_no_label_may_be_missing_in_the_end(tmp_path, pair):
    recordings, _ = heard(Inputs((str(broken(tmp_path / "x.wav")),), (str(pair[1]),), skip_broken=True))
    with pytest.raises(AudioError, match="there is 1 anomalous recording and no normal one"):
        brought_together(recordings)


def test_too_short_recordings(tmp_path, pair, capsys):
    with pytest.raises(AudioError, match="short: lasts 5.0 s but 19.5 s are needed, 14.5 s are missing"):
        load_recordings(write(tmp_path / "short.wav", 7, duration_s=5), pair[1])
    with pytest.raises(AudioError, match=r"tiny\.wav: lasts 0.200 s, but a frame of 2048 samples at 8000 Hz needs 0.256 s"):
        load_recordings([pair[0], write(tmp_path / "tiny.wav", 8, duration_s=0.2)], pair[1])
    recordings, left_out = heard(Inputs((str(pair[0]), str(tmp_path / "tiny.wav")), (str(pair[1]),), skip_broken=True))
    assert len(recordings) == 2 and left_out[0][0].endswith("tiny.wav") and "needs 0.256 s" in left_out[0][1]
    many = [write(tmp_path / "clips" / f"{k}.wav", 30 + k, duration_s=0.5 if k else 10) for k in range(6)]
    assert len(load_recordings(many, pair[1])) == 7
    assert "5 of 7 recordings are shorter than one window of 1 s" in capsys.readouterr().out


def test_events_beside_a_recording(tmp_path, pair):
    (tmp_path / "fault.txt").write_text("2.5\t3.5\tclick\n18\t18\t\n")
    recordings = load_recordings(*pair)
    assert recordings[1].events == (Event(2.5, 3.5, "click"), Event(18, 18))
    assert recordings[1].events_path == str(tmp_path / "fault.txt")
    assert recordings[0].events is None


def test_events_given_win_over_those_beside_and_go_to_the_right_recording(tmp_path, pair):
    (tmp_path / "fault.txt").write_text("1\t2\tbeside\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "fault.csv").write_text("start_s,end_s,label\n4,5,given\n")
    write(tmp_path / "fault2.wav", 5)
    (tmp_path / "labels" / "fault2.txt").write_text("7\t8\tother\n")
    normal, faults = (str(pair[0]),), (str(pair[1]), str(tmp_path / "fault2.wav"))
    labels = tuple(str(tmp_path / "labels" / name) for name in ("fault2.txt", "fault.csv"))
    recordings, _ = heard(Inputs(normal, faults, events=labels))
    assert [each.events and each.events[0].label for each in recordings] == [None, "given", "other"]
    recordings, _ = heard(Inputs(normal, faults[:1], events=labels[1:]))
    assert recordings[1].events[0].label == "given"


def test_events_go_to_every_channel(tmp_path, pair):
    write(tmp_path / "stereo.wav", 5, channels=2)
    (tmp_path / "stereo.txt").write_text("15\t16\tx\n")
    recordings = load_recordings(pair[0], tmp_path / "stereo.wav", channel="all")
    assert [len(each.events or ()) for each in recordings] == [0, 1, 1]


def test_only_events_in_the_used_part_count(tmp_path, pair):
    (tmp_path / "fault.txt").write_text("0\t3\tbefore\n2\t4\tinto\n12\t12\tpoint\n15\t16\tafter\n3\t3\tat the start\n")
    inputs = Inputs((str(pair[0]),), (str(pair[1]),), start_s=3, end_s=15)
    recordings, _ = heard(inputs)
    # a stretch does not hold its end, but its start; a point is where it begins
    assert [event.label for event in recordings[1].events] == ["into", "at the start", "point"]
    (tmp_path / "fault.txt").write_text("0\t3\tbefore\n15\t16\tafter\n")
    with pytest.raises(AudioError, match=r"fault\.txt: none of its 2 events lies in the used part of .*fault\.wav, 3.0 to 15.0 s"):
        heard(inputs)
    (tmp_path / "fault.txt").write_text("20.5\t21\tafter the end\n")
    with pytest.raises(ValueError, match=r"fault\.txt: an event begins at 20.5 s, but the recording ends at 20.0 s"):
        load_recordings(*pair)


def test_events_of_a_normal_recording(tmp_path, pair):
    (tmp_path / "fine.txt").write_text("1\t2\tspeech\n")
    assert load_recordings(*pair)[0].events is None  # what lies beside a normal recording is nobody's business
    path = manifest(tmp_path, "path,label,events", "fine.wav,normal,fine.txt", "fault.wav,anomalous,")
    with pytest.raises(ValueError, match=r"fine\.txt: event labels belong to anomalous recordings, but .*fine\.wav is normal"):
        load_recordings(dataset=path)


def test_one_machine_is_loaded_and_named_alone(tmp_path):
    for k, machine in enumerate(("fan", "pump")):
        write(tmp_path / machine / "normal" / "1.wav", 10 * k)
        write(tmp_path / machine / "anomalous" / "1.wav", 10 * k + 1)
    recordings, _ = heard(Inputs(dataset=str(tmp_path), machine="pump"))
    assert [(each.name, each.machine, each.layout) for each in recordings] == [
        ("normal/1", "pump", "plain"), ("anomalous/1", "pump", "plain")]


def test_relative_paths_and_the_home_folder(tmp_path, pair, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [each.path for each in load_recordings("fine.wav", "~/fault.wav")] == [str(path) for path in pair]
    manifest(tmp_path, "path,label", "fine.wav,normal", "fault.wav,anomalous")
    for dataset in ("liste.csv", "~/liste.csv", os.path.join(".", "liste.csv")):
        assert [each.name for each in load_recordings(dataset=dataset)] == ["fine", "fault"]


def test_a_start_of_zero_in_the_manifest_wins_too(tmp_path, pair):
    path = manifest(tmp_path, "path,label,start_s", "fine.wav,normal,0", "fault.wav,anomalous,")
    recordings, _ = heard(Inputs(dataset=str(path), start_s=0.4))
    assert [each.start_s for each in recordings] == [0.0, pytest.approx(0.4)]


@pytest.mark.parametrize(("row", "message"), [
    ("fault.wav,anomalous,3,,,", "row 2, column channel: .*fault.wav: has channel 1 only, got channel 3"),
    ("fault.wav,anomalous,,5,99,", "row 2, column end_s: .*fault.wav: ends at 20.0 s, but end_s = 99"),
    ("fault.wav,anomalous,,99,,", "row 2, column start_s: .*fault.wav, from 99 s on: holds no samples"),
    ("fault.wav,anomalous,,,,test", "row 1, column split: fine: has no split, but others have")])
def test_what_only_the_sound_shows_names_row_and_column_too(tmp_path, pair, row, message):
    path = manifest(tmp_path, "path,label,channel,start_s,end_s,split", "fine.wav,normal,,,,", row)
    with pytest.raises(AudioError, match=rf"^liste\.csv, {message}"):
        load_recordings(dataset=path)


def test_of_several_machines_one_must_be_chosen(tmp_path):
    for k, name in enumerate(("fan/normal", "fan/anomalous", "pump/normal", "pump/anomalous")):
        write(tmp_path / name / "1.wav", k)
    with pytest.raises(ValueError, match=r"holds 2 machines \(fan, pump\), and a detector learns one; set machine to one of them"):
        load_recordings(dataset=str(tmp_path))
    assert {each.machine for each in load_recordings(dataset=str(tmp_path), machine="pump")} == {"pump"}


def test_the_bar_goes_on_from_channel_to_channel(tmp_path, monkeypatch):
    monkeypatch.setattr("acoustic_nb.audio.BLOCK_FRAMES", 16000)
    sounds = np.stack([noise(2.0, sample_rate=16000, seed=seed) for seed in range(2)], axis=1)
    for name in ("fine", "broken"):
        soundfile.write(tmp_path / f"{name}.wav", sounds + (name == "broken") * 0.01 * sounds[::-1], 16000)
    places = []

    class Bar:
        def __init__(self, **settings):
            self.n, self.total = 0, settings["total"]

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def set_postfix_str(self, name, refresh):
            assert name in ("fine.wav", "broken.wav")

        def update(self, count):
            self.n += count
            places.append(round(self.n / self.total, 2))

    monkeypatch.setattr("acoustic_nb.datasets.progress_bar", Bar)
    inputs = Inputs(normal=(str(tmp_path / "fine.wav"),), anomalous=(str(tmp_path / "broken.wav"),))
    listen(find_entries(inputs), inputs, channel="all")
    assert sorted(set(places)) == [0.12, 0.25, 0.38, 0.5, 0.62, 0.75, 0.88, 1.0]
    assert places == sorted(places)
