"""Recordings: what is read is what was written; what cannot be used is refused in one line."""

import numpy as np
import pytest
import soundfile
from sounds import RECORDINGS, needs_recordings, noise, sine

from acoustic_nb.audio import AudioError, load_recording, resampled
from acoustic_nb.datasets import distinct_names, load_pair


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
    (nan_file, "1 of 66150 samples are NaN or infinite", "export the file again"),
    (lambda path: soundfile.write(path, noise(), 22050), "lasts 3.0 s but 5.0 s are needed, 2.0 s are missing",
     "shorter window_s")])
def test_bad_input_is_one_line_with_file_rule_and_way_out(tmp_path, make, rule, way_out):
    path = tmp_path / "bad.wav"
    make(path)
    with pytest.raises(AudioError) as caught:
        load_recording(path, min_duration_s=5.0)
    message = str(caught.value)
    assert str(path) in message
    assert rule in message
    assert way_out in message
    assert "\n" not in message


def test_samples_beyond_any_scale_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise() * 1e19, 22050, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: samples reach .*e\+18, but full scale is 1"):
        load_recording(tmp_path / "a.wav")


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
    normal, anomalous = load_pair(*pair(tmp_path, rates=(44100, 16000)))
    assert normal.sample_rate == anomalous.sample_rate == 16000
    assert normal.native_sample_rate == 44100
    assert capsys.readouterr().out == "0: resampled from 44100 Hz to 16000 Hz, the lower of the two\n"


def test_a_pair_too_short_says_how_much_is_missing(tmp_path):
    with pytest.raises(AudioError, match=r"1\.wav: lasts 5\.0 s but 12\.0 s are needed, 7\.0 s are missing"):
        load_pair(*pair(tmp_path, durations_s=(40, 5)))


def test_35_seconds_each_are_enough(tmp_path):
    assert len(load_pair(*pair(tmp_path, durations_s=(35, 35)))) == 2


def test_a_rate_below_8_khz_is_refused_by_name(tmp_path):
    with pytest.raises(AudioError, match=r"1\.wav: a sample rate of 4000 Hz is too low"):
        load_pair(*pair(tmp_path, rates=(22050, 4000)))


def test_the_same_sound_in_two_files_is_refused(tmp_path):
    normal, anomalous = pair(tmp_path)
    soundfile.write(anomalous, soundfile.read(normal)[0], 22050)
    with pytest.raises(AudioError, match="holds the same audio"):
        load_pair(normal, anomalous)


def test_a_seed_that_no_generator_takes_is_refused():
    with pytest.raises(ValueError, match="seed must be a whole number from 0"):
        load_pair(seed=-1)


def test_half_a_pair_is_refused(tmp_path):
    with pytest.raises(AudioError, match="has no anomalous recording to go with it"):
        load_pair(pair(tmp_path)[0])


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
