"""Players keep loudness: known levels go in, the decoded MP3 is measured."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from acoustic_nb import audio
from acoustic_nb import players as module
from acoustic_nb.audio import in_memory, load_recording
from acoustic_nb.players import player, player_gain, players


def sine(amplitude, *, seconds=4.0, sample_rate=16000, frequency_hz=440.0):
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def tone(amplitude, *, sample_rate=16000, name="tone", **more):
    return in_memory(sine(amplitude, sample_rate=sample_rate, **more), name=name, label=0, sample_rate=sample_rate)


def of_samples(samples, **more):
    return in_memory(samples, name="tone", label=0, sample_rate=16000, **more)


def heard(html):
    """Samples and rate of the sound inside a player."""
    (sound,) = re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,([^"]+)"', html.data)
    return soundfile.read(io.BytesIO(base64.b64decode(sound)))


def level_db(samples):
    return 10 * np.log10(np.mean(samples**2))


def test_the_loudest_peak_of_all_goes_to_minus_one_dbfs():
    assert player_gain([tone(0.5), tone(0.05)]) * 0.5 == pytest.approx(10 ** (-1 / 20), rel=1e-3)


def test_a_negative_peak_counts_too():
    one_sided = sine(0.1)
    one_sided[7] = -0.8
    assert player_gain([of_samples(one_sided)]) == pytest.approx(10 ** (-1 / 20) / 0.8, rel=1e-6)


def test_the_gain_stops_at_40_db():
    assert player_gain([tone(1e-5)]) == pytest.approx(100)


def test_no_recording_is_a_clear_error():
    with pytest.raises(ValueError, match="at least one recording"):
        player_gain([])


@pytest.mark.parametrize("sample_rate", [8000, 16000, 25600, 44100, 96000])
@pytest.mark.parametrize("below_db", [6, 20, 40])
def test_a_level_difference_survives_the_player(sample_rate, below_db):
    loud = tone(0.5, sample_rate=sample_rate)
    quiet = tone(0.5 * 10 ** (-below_db / 20), sample_rate=sample_rate)
    gain = player_gain([loud, quiet])
    levels = [level_db(heard(player(each, gain=gain, title="x"))[0]) for each in (loud, quiet)]
    assert levels[0] - levels[1] == pytest.approx(below_db, abs=0.5)
    assert levels[0] == pytest.approx(-1 - 3.01, abs=0.5)  # a sine is 3 dB below its peak


def test_noise_keeps_its_level_too():
    noise = of_samples(np.random.default_rng(0).normal(0, 0.05, 64000))
    assert level_db(heard(player(noise, gain=1.0, title="x"))[0]) == pytest.approx(20 * np.log10(0.05), abs=0.5)


@pytest.mark.parametrize(("sample_rate", "expected"), [(16000, 16000), (25600, 32000), (50000, 48000), (96000, 48000)])
def test_rates_that_mp3_lacks_are_resampled(sample_rate, expected):
    samples, rate = heard(player(tone(0.5, sample_rate=sample_rate), gain=1.0, title="x"))
    assert rate == expected
    assert len(samples) / rate == pytest.approx(4.0, abs=0.1)
    peak_hz = np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)
    assert peak_hz == pytest.approx(440, abs=1)


def test_thirty_seconds_at_most_and_the_caption_says_so():
    html = player(tone(0.5, seconds=50, sample_rate=8000), start_s=5, duration_s=600, gain=2.0, title="long")
    samples, rate = heard(html)
    assert len(samples) / rate == pytest.approx(30, abs=0.1)
    assert "5.0 s to 35.0 s of tone, gain +6.0 dB" in html.data
    assert len(html.data) < 400_000


def test_the_part_asked_for_is_the_part_heard():
    sound = sine(0.1, seconds=10)
    sound[48000:64000] *= 5  # seconds 3 to 4
    samples, rate = heard(player(of_samples(sound), start_s=2.5, duration_s=2.0, gain=1.0, title="x"))
    loud = np.flatnonzero(np.abs(samples) > 0.3) / rate
    assert loud[0] == pytest.approx(0.5, abs=0.02)
    assert loud[-1] == pytest.approx(1.5, abs=0.02)


def test_times_are_those_of_the_file_where_only_a_part_of_it_is_used(tmp_path):
    sound = sine(0.1, seconds=10)
    sound[48000:64000] *= 5  # seconds 3 to 4 of the file
    soundfile.write(tmp_path / "tone.wav", sound, 16000)
    part = load_recording(tmp_path / "tone.wav", start_s=2.0, end_s=6.0)
    html = player(part, start_s=2.5, duration_s=2.0, gain=1.0, title="x")
    samples, rate = heard(html)
    assert np.flatnonzero(np.abs(samples) > 0.3)[0] / rate == pytest.approx(0.5, abs=0.02)
    assert "2.5 s to 4.5 s of tone" in html.data
    whole = player(part, gain=1.0, title="x")  # by default from where the part begins
    assert "2.0 s to 6.0 s of tone" in whole.data
    assert len(heard(whole)[0]) / 16000 == pytest.approx(4.0, abs=0.1)
    assert "2.0 s to 3.0 s" in player(part, start_s=0.0, duration_s=1.0, gain=1.0, title="x").data
    with pytest.raises(ValueError, match=r"from 7 s on, it goes from 2\.0 to 6\.0 s; choose a part inside"):
        player(part, start_s=7.0, gain=1.0, title="x")


def test_beyond_ten_minutes_the_clock_is_told():
    day = in_memory(np.full(864000, 0.1, np.float32), name="day", label=0, sample_rate=10)
    for start_s, said in ((80000, "80000.0 s to 80001.0 s (from 22:13:20 h on) of day"),
                          (3600, "3600.0 s to 3601.0 s (from 1:00:00 h on) of day"),
                          (3599, "3599.0 s to 3600.0 s (from 59:59 min on) of day"),
                          (599, "599.0 s to 600.0 s of day")):
        assert said in player(day, start_s=start_s, duration_s=1, gain=1.0, title="x").data


def test_no_more_than_the_part_is_read(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "long.wav", np.tile(sine(0.25, seconds=10), 60), 16000)
    recording = load_recording(tmp_path / "long.wav")
    read = []
    blocks = audio._blocks
    monkeypatch.setattr(audio, "_blocks", lambda path, channel, first, n_frames=None: read.append((first, n_frames))
                        or blocks(path, channel, first, n_frames))
    player(recording, start_s=500, duration_s=2, gain=1.0, title="x")
    assert read == [(500 * 16000, 2 * 16000)]


def test_the_same_part_is_encoded_once(monkeypatch):
    encoded = []
    encode = module._mp3
    monkeypatch.setattr(module, "_mp3", lambda *about: encoded.append(about) or encode(*about))
    recording = of_samples(np.random.default_rng(1).normal(0, 0.05, 64000))
    first = player(recording, start_s=1, duration_s=1, gain=1.0, title="x").data
    assert player(recording, start_s=1, duration_s=1, gain=1.0, title="x").data == first
    assert len(encoded) == 1
    for more in ({"start_s": 2}, {"duration_s": 2}, {"gain": 2.0}):
        assert player(recording, **{"start_s": 1, "duration_s": 1, "gain": 1.0, "title": "x"} | more).data != first
    assert len(encoded) == 4


def test_equal_sound_at_another_place_in_its_file_is_not_confused(tmp_path):
    sound = np.concatenate([sine(0.1, seconds=2), sine(0.4, seconds=2)])
    soundfile.write(tmp_path / "early.wav", sound, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "late.wav", np.concatenate([sine(0.3, seconds=2), sound]), 16000, subtype="FLOAT")
    early, late = load_recording(tmp_path / "early.wav"), load_recording(tmp_path / "late.wav", start_s=2.0)
    assert early.audit["content"] == late.audit["content"]
    loud, quiet = (heard(player(part, start_s=2, duration_s=1, gain=1.0, title="x"))[0] for part in (early, late))
    assert level_db(loud) - level_db(quiet) == pytest.approx(12, abs=0.5)


def test_a_file_is_not_read_to_know_its_peak(tmp_path):
    soundfile.write(tmp_path / "tone.wav", sine(0.25), 16000, subtype="FLOAT")
    recording = load_recording(tmp_path / "tone.wav")
    (tmp_path / "tone.wav").unlink()
    assert player_gain([recording]) * 0.25 == pytest.approx(10 ** (-1 / 20), rel=1e-3)


def test_cutting_adds_no_click():
    steady = np.full(64000, 0.5)  # the worst case: a jump at either end
    samples, rate = heard(player(of_samples(steady), start_s=1.0, duration_s=1.0, gain=1.0, title="x"))
    assert np.abs(np.diff(samples)).max() < 0.05


def test_the_recording_is_left_as_it_was():
    recording = tone(0.5)
    before = recording.samples.copy()
    recording.samples.flags.writeable = False
    player(recording, gain=1.5, title="x")
    np.testing.assert_array_equal(recording.samples, before)


@pytest.mark.parametrize("duration_s", [0.001, 0.05])
def test_the_shortest_clips_play(duration_s):
    assert len(heard(player(tone(0.5), duration_s=duration_s, gain=1.0, title="x"))[0])


def test_names_are_text_not_markup():
    html = player(tone(0.5, name='<i>"ä" {x}</i>'), gain=1.0, title='"><script>alert(1)</script>').data
    assert "<script" not in html and "<i>" not in html
    assert "&lt;i&gt;&quot;ä&quot; {x}&lt;/i&gt;" in html
    assert "<source" not in html


@pytest.mark.parametrize(("start_s", "duration_s"), [(4.0, 1.0), (9.0, 1.0), (0.0, 0.0), (1.0, -1.0)])
def test_a_part_outside_the_recording_says_what_to_do(start_s, duration_s):
    with pytest.raises(ValueError, match="tone: there is no sound .* goes from 0.0 to 4.0 s; choose a part inside"):
        player(tone(0.5), start_s=start_s, duration_s=duration_s, gain=1.0, title="x")


@pytest.mark.parametrize("gain", [0.0, -1.0, float("nan"), float("inf")])
def test_a_gain_that_is_none_is_refused(gain):
    with pytest.raises(ValueError, match="take it from player_gain"):
        player(tone(0.5), gain=gain, title="x")


def test_several_stand_side_by_side():
    pair = players([player(tone(0.5), gain=1.0, title=title) for title in ("first", "second")]).data
    assert pair.count("<audio ") == 2
    assert pair.index("first") < pair.index("second")
    assert "flex-wrap:wrap" in pair
