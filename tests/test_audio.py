"""Recordings: what is read is what was written; what cannot be used is refused in one line."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from sounds import RECORDINGS, as_recording, needs_recordings, noise, sine

from acoustic_nb.audio import AudioError, cut_short, load_recording, resampled
from acoustic_nb.datasets import distinct_names, load_recordings


@pytest.mark.parametrize(("ending", "subtype", "tolerance"), [
    ("wav", "PCM_16", 1e-4), ("wav", "PCM_24", 1e-6), ("wav", "FLOAT", 0), ("wav", "PCM_U8", 1e-2), ("flac", "PCM_16", 1e-4),
    ("aiff", "PCM_16", 1e-4)])
def test_samples_come_back_as_written(tmp_path, ending, subtype, tolerance):
    path = tmp_path / f"Lüfter {{1}} 'ä'.{ending}"
    soundfile.write(path, sine(440), 22050, subtype=subtype)
    recording = load_recording(path, label=1)
    assert (recording.name, recording.label, recording.sample_rate) == ("Lüfter {1} 'ä'", 1, 22050)
    assert recording.samples.dtype == np.float32
    assert recording.duration_s == 3.0
    assert np.abs(recording.samples - sine(440)).max() <= tolerance


@pytest.mark.parametrize(("ending", "file_format", "sample_rate"), [("ogg", "OGG", 22050), ("mp3", "MP3", 22050),
                                                                    ("opus", "OGG", 48000)])
def test_lossy_formats_keep_the_tone(tmp_path, ending, file_format, sample_rate):
    subtype = "OPUS" if ending == "opus" else None
    soundfile.write(tmp_path / f"a.{ending}", sine(440, sample_rate=sample_rate), sample_rate, format=file_format, subtype=subtype)
    recording = load_recording(tmp_path / f"a.{ending}")
    spectrum = np.abs(np.fft.rfft(recording.samples))
    assert np.fft.rfftfreq(len(recording.samples), 1 / recording.sample_rate)[spectrum.argmax()] == pytest.approx(440, abs=1)


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([sine(440), np.zeros_like(sine(440))], axis=1), 22050, subtype="FLOAT")
    assert np.allclose(load_recording(tmp_path / "a.wav").samples, sine(440) / 2, atol=1e-7)


def test_a_part_is_cut_at_the_end(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(440), 22050)
    assert len(load_recording(tmp_path / "a.wav").part(2.5, 10)) == round(0.5 * 22050)


def test_a_part_of_a_part_is_in_seconds_of_the_file(tmp_path):
    sound = noise(6.0)
    soundfile.write(tmp_path / "a.wav", sound, 22050, subtype="FLOAT")
    part = load_recording(tmp_path / "a.wav", start_s=2.0, end_s=5.0)
    np.testing.assert_array_equal(part.samples, sound[44100:110250])
    np.testing.assert_array_equal(part.part(3.0, 0.5), sound[66150:77175])
    np.testing.assert_array_equal(part.part(4.5, 9.0), sound[99225:110250])  # not beyond the part
    assert len(part.part(5.0, 1.0)) == 0
    in_memory_part = as_recording(sound[44100:110250], start_s=2.0)
    np.testing.assert_array_equal(in_memory_part.part(3.0, 0.5), sound[66150:77175])


def test_samples_are_read_when_they_are_asked_for(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(), 22050, subtype="FLOAT")
    recording = load_recording(tmp_path / "a.wav")
    assert recording.sound is None
    assert recording.audit["peak"] == pytest.approx(np.abs(noise()).max())
    soundfile.write(tmp_path / "a.wav", sine(440), 22050, subtype="FLOAT")
    np.testing.assert_array_equal(recording.samples, sine(440))
    (tmp_path / "a.wav").unlink()
    with pytest.raises(AudioError, match=r"a\.wav: no such file"):
        _ = recording.samples


def test_samples_at_hand_are_known_as_those_of_a_file_are(tmp_path):
    soundfile.write(tmp_path / "sound.wav", noise(), 22050, subtype="FLOAT")
    read, made = load_recording(tmp_path / "sound.wav"), as_recording(noise())
    np.testing.assert_array_equal(read.samples, made.samples)
    assert {name: read.audit[name] for name in made.audit} == made.audit
    assert {**read.facts(), "path": ""} == {**made.facts(), "path": ""}


@pytest.mark.parametrize(("choice", "message"), [
    ({"channel": 3}, "has channels 1 to 2, got channel 3; channels count from 1"),
    ({"channel": 0}, "has channels 1 to 2, got channel 0"), ({"channel": "left"}, "got channel 'left'; .*use \"mean\""),
    ({"start_s": -1.0}, "start_s is a time in seconds from the start of the file, got -1; use 0 or more"),
    ({"start_s": 2.0, "end_s": 2.0}, "end_s = 2 must be a number of seconds later than start_s = 2"),
    ({"start_s": 3.0}, "from 3 s on: holds no samples .*choose a part inside it"),
    ({"end_s": 4.0}, "ends at 3.0 s, but end_s = 4; choose a part inside it")])
def test_a_channel_or_part_that_is_not_there_is_refused(tmp_path, choice, message):
    soundfile.write(tmp_path / "a.wav", np.stack([noise(), noise(seed=1)], axis=1), 22050)
    with pytest.raises(AudioError, match=message) as caught:
        load_recording(tmp_path / "a.wav", **choice)
    assert str(caught.value).startswith(str(tmp_path / "a.wav"))
    assert "\n" not in str(caught.value)


def nan_file(path):
    samples = noise()
    samples[7] = np.nan
    soundfile.write(path, samples, 22050, subtype="FLOAT")


@pytest.mark.parametrize(("make", "rule", "way_out"), [
    (lambda path: None, "no such file", "check the path"),
    (lambda path: path.mkdir(), "is a folder", "name a file"),
    (lambda path: path.write_bytes(b""), "0 bytes", "again"),
    (lambda path: path.write_bytes(b"RIFF but not really" * 20), "cannot be decoded", "ffmpeg -i"),
    (lambda path: soundfile.write(path, np.zeros(0), 22050), "zero frames", "export it anew"),
    (lambda path: soundfile.write(path, np.zeros(99999), 22050), "digital silence", "microphone"),
    (lambda path: soundfile.write(path, np.full(99999, 0.25), 22050), "digital silence", "microphone"),
    (nan_file, "1 of 66150 samples are NaN or infinite", "export the file again")])
def test_bad_input_is_one_line_with_file_rule_and_way_out(tmp_path, make, rule, way_out):
    path = tmp_path / "bad.wav"
    make(path)
    with pytest.raises(AudioError) as caught:
        load_recording(path)
    message = str(caught.value)
    assert str(path) in message
    assert rule in message
    assert way_out in message
    assert "\n" not in message


def test_samples_beyond_any_scale_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise() * 1e19, 22050, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: samples reach .*e\+18, but full scale is 1"):
        load_recording(tmp_path / "a.wav")


@pytest.mark.parametrize(("ending", "head"), [("wav", 44), ("aiff", 54)])
def test_a_file_that_holds_less_than_its_header_promises_is_used_and_said_to_be_cut(tmp_path, ending, head):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, noise(), 22050, subtype="PCM_16")
    whole = path.read_bytes()
    assert len(whole) == head + 2 * 66150
    assert cut_short(path) == "" and "promises" not in load_recording(path).audit["warning"]
    path.write_bytes(whole[:head + 2 * 44100])
    cut = (f"its header promises {head + 132300} bytes, but {head + 88200} are there: it is not complete, or was cut; copy it "
           "again")
    assert cut_short(path) == cut
    recording = load_recording(path)
    assert recording.audit["warning"] == cut and recording.duration_s == 2.0
    path.write_bytes(whole[:head])
    assert cut_short(path).startswith(f"its header promises {head + 132300} bytes, but {head} are there")


def test_what_is_wrong_and_that_it_is_cut_are_both_said(tmp_path):
    path, loud = tmp_path / "a.wav", np.clip(noise(amplitude=1.0), -0.5, 0.5)
    soundfile.write(path, loud, 22050, subtype="PCM_16")
    clipped = load_recording(path).audit["warning"]
    path.write_bytes(path.read_bytes()[:-2000])
    both = load_recording(path).audit["warning"].split("; its header promises ")
    assert len(both) == 2 and both[0].split()[0] == clipped.split()[0] != "" and both[1].startswith("132344 bytes, but 130344 ")


@pytest.mark.parametrize(("ending", "length"), [
    ("wav", 0), ("wav", 0xFFFFFFFF), ("wav", 0x7FFFFFFF), ("aiff", 0), ("aiff", 0xFFFFFFFF),
    ("wav", 36 + 0x7FFFFF00),  # arecord: the most for its samples, and 36 bytes of header
    ("wav", 36 + 0x7FFFF000),  # SoX into a pipe
    ("aiff", 46 + 0x7F000000)])
def test_a_recorder_that_does_not_know_the_length_yet_promises_nothing(tmp_path, ending, length):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, noise(), 22050, subtype="PCM_16")
    head = path.read_bytes()
    path.write_bytes(head[:4] + length.to_bytes(4, "little" if ending == "wav" else "big") + head[8:])
    assert cut_short(path) == ""
    assert "promises" not in load_recording(path).audit["warning"]


@pytest.mark.parametrize(("n_bytes", "is_cut"), [(0, False), (8, False), (10, True)])
def test_a_few_bytes_that_programs_count_differently_may_be_missing(tmp_path, n_bytes, is_cut):
    soundfile.write(tmp_path / "a.wav", noise(), 22050, subtype="PCM_U8")
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-n_bytes or None])
    assert bool(cut_short(tmp_path / "a.wav")) == is_cut


def test_other_formats_and_longer_files_are_not_said_to_be_cut(tmp_path):
    for name in ("a.flac", "a.wav"):
        soundfile.write(tmp_path / name, noise(), 22050)
    (tmp_path / "a.flac").write_bytes((tmp_path / "a.flac").read_bytes()[:-1000])
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes() + b"what some add")
    (tmp_path / "tiny.wav").write_bytes(b"RIFF")
    assert [cut_short(tmp_path / name) for name in ("a.flac", "a.wav", "tiny.wav")] == ["", "", ""]


def test_raw_bytes_name_the_header_that_is_missing(tmp_path):
    (tmp_path / "a.raw").write_bytes(noise().tobytes())
    with pytest.raises(AudioError, match="raw file does not say its rate"):
        load_recording(tmp_path / "a.raw")


def test_resampling_keeps_the_tone_and_the_level(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(440, sample_rate=48000), 48000, subtype="FLOAT")
    low = resampled(load_recording(tmp_path / "a.wav"), 16000)
    assert (low.sample_rate, low.native_sample_rate, len(low.samples)) == (16000, 48000, 48000)
    assert np.allclose(low.samples[1000:-1000], sine(440, sample_rate=16000)[1000:-1000], atol=1e-3)


def pair(tmp_path, *, rates=(22050, 22050), durations_s=(40, 40)):
    paths = []
    for index, (rate, duration_s) in enumerate(zip(rates, durations_s, strict=True)):
        paths.append(tmp_path / f"{index}.wav")
        soundfile.write(paths[-1], noise(duration_s, sample_rate=rate, seed=index), rate)
    return paths


def test_different_rates_meet_at_the_lower_and_say_so(tmp_path, capsys):
    normal, anomalous = load_recordings(*pair(tmp_path, rates=(44100, 16000)))
    assert normal.sample_rate == anomalous.sample_rate == 16000
    assert normal.native_sample_rate == 44100
    assert "resampled to 16000 Hz, the lowest rate: 1 of 44100 Hz\n" in capsys.readouterr().out


def test_a_pair_too_short_says_how_much_is_missing(tmp_path):
    with pytest.raises(AudioError, match=r"^1: lasts 5\.0 s but 12\.0 s are needed, 7\.0 s are missing"):
        load_recordings(*pair(tmp_path, durations_s=(40, 5)))


def test_35_seconds_each_are_enough(tmp_path):
    assert len(load_recordings(*pair(tmp_path, durations_s=(35, 35)))) == 2


def test_a_rate_below_8_khz_is_refused_by_name(tmp_path):
    with pytest.raises(AudioError, match=r"1\.wav: a sample rate of 4000 Hz is too low"):
        load_recordings(*pair(tmp_path, rates=(22050, 4000)))


def test_the_same_sound_in_two_files_is_refused(tmp_path):
    normal, anomalous = pair(tmp_path)
    soundfile.write(anomalous, soundfile.read(normal)[0], 22050)
    with pytest.raises(AudioError, match="holds the same audio"):
        load_recordings(normal, anomalous)


def test_a_seed_that_no_generator_takes_is_refused():
    with pytest.raises(ValueError, match="seed must be a whole number from 0"):
        load_recordings(seed=-1)


def test_half_a_pair_is_refused(tmp_path):
    with pytest.raises(AudioError, match="has no anomalous recording to go with it"):
        load_recordings(pair(tmp_path)[0])


def test_files_of_one_name_are_known_by_their_folders():
    assert distinct_names(["a/n/1/ch1.wav", "a/b/1/ch1.wav"]) == ["n/1/ch1", "b/1/ch1"]
    assert distinct_names(["a/x.wav", "a/x.flac"]) == ["x.wav", "x.flac"]


@needs_recordings
@pytest.mark.parametrize("path", sorted((RECORDINGS / "odd_files").glob("*")), ids=lambda path: path.name)
def test_every_odd_file_is_read_or_refused_in_one_line(path, capfd):
    try:
        recording = load_recording(path)
    except AudioError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
    else:
        assert np.isfinite(recording.samples).all()
        assert recording.samples.ndim == 1
    assert capfd.readouterr() == ("", "")  # no decoder's chatter beside it


# Piece by piece

@pytest.mark.parametrize("sample_rate", [44100, 16000, 48000, 44099])
def test_blocks_and_parts_are_what_the_whole_holds(tmp_path, monkeypatch, sample_rate):
    soundfile.write(tmp_path / "a.flac", noise(9.0, sample_rate=44100), 44100)
    recording = replace(load_recording(tmp_path / "a.flac", start_s=1.3, end_s=8.1), sample_rate=sample_rate)
    whole = recording.samples
    assert len(whole) == pytest.approx(6.8 * sample_rate, abs=1)
    monkeypatch.setattr("acoustic_nb.audio.BLOCK_FRAMES", 50_000)
    blocks = list(recording.blocks())
    assert len(blocks) == 6 and max(map(len, blocks)) < 60_000
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    for start_s, duration_s in ((1.3, 1.0), (0.0, 2.0), (4.5678, 1.0), (7.9, 5.0), (8.05, 0.01), (1.3, 60.0)):
        first = max(0, round((start_s - 1.3) * sample_rate))
        expected = whole[first:first + round(duration_s * sample_rate)]
        part = recording.part(start_s, duration_s)
        np.testing.assert_allclose(part, expected, atol={44100: 0, 44099: 1e-5}.get(sample_rate, 3e-7))
        assert part.dtype == np.float32
    assert len(recording.part(8.2, 1.0)) == len(recording.part(2.0, 0.0)) == 0


def test_a_recording_in_memory_has_blocks_and_parts_too(monkeypatch):
    monkeypatch.setattr("acoustic_nb.audio.BLOCK_FRAMES", 20_000)
    recording = as_recording(noise(2.0), start_s=5.0)
    assert [len(block) for block in recording.blocks()] == [20_000, 20_000, 4_100]
    np.testing.assert_array_equal(np.concatenate(list(recording.blocks())), noise(2.0))
    np.testing.assert_array_equal(recording.part(5.5, 0.1), noise(2.0)[11025:13230])


def test_listening_says_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("acoustic_nb.audio.BLOCK_FRAMES", 22050)
    soundfile.write(tmp_path / "a.wav", noise(4.0), 22050)
    heard = []
    load_recording(tmp_path / "a.wav", progress=heard.append)
    assert heard == [0.25, 0.5, 0.75, 1.0]
    heard.clear()
    load_recording(tmp_path / "a.wav", start_s=1.0, end_s=3.0, progress=heard.append)
    assert heard == [0.5, 1.0]
