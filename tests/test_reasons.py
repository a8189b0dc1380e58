"""Reasons: sentences written by hand for deviations that are given."""

import numpy as np
import pytest
from sounds import librosa_alone, noise, sine

from acoustic_nb.features import feature_names
from acoustic_nb.reasons import reasons

NAMES = feature_names(3)  # mfcc_1 to mfcc_3, centroid, roll-off, contrast, zero crossings
NO_BAND = {"low_hz": 2000, "high_hz": 4000, "change_db": 0.9}


def said(contributions, deviations=(4.0, -5.0, 3.0, 2.0, 1.5, 6.12, -120.4), **more):
    return reasons(np.array(deviations), np.array(contributions), NAMES, **{**NO_BAND, **more})


def test_the_highest_contributions_come_first_and_the_first_names_the_band():
    assert said([1, 0, 5, 0, 0, 9, 2], change_db=12.4) == (
        "spectral contrast (tones over noise) 6.1 standard deviations above normal, the sound 12 dB louder at 2 to 4 kHz",
        "shape of the spectrum (MFCC 3) 3.0 standard deviations above normal",
        "zero-crossing rate (higher: higher frequencies) 120 standard deviations below normal")


def test_every_feature_has_words():
    sentences = [said(row)[0] for row in np.eye(7)]
    assert sentences == [
        "overall level (MFCC 1) 4.0 standard deviations above normal",
        "balance between low and high frequencies (MFCC 2, higher: more low) 5.0 standard deviations below normal",
        "shape of the spectrum (MFCC 3) 3.0 standard deviations above normal",
        "spectral centroid (mean frequency) 2.0 standard deviations above normal",
        "spectral roll-off (upper edge of the sound) 1.5 standard deviations above normal",
        "spectral contrast (tones over noise) 6.1 standard deviations above normal",
        "zero-crossing rate (higher: higher frequencies) 120 standard deviations below normal"]
    assert reasons([2.0], [1.0], ["pitch_hz"], **NO_BAND) == ("pitch_hz 2.0 standard deviations above normal",)


def test_what_the_words_say_is_what_librosa_s_features_do():
    low, high = sine(200) + noise(amplitude=0.01), sine(6000) + noise(amplitude=0.01)
    mfcc_2, crossings = 1, -1
    assert librosa_alone(low, 22050)[mfcc_2] > librosa_alone(high, 22050)[mfcc_2] + 20
    # higher: higher frequencies, and not: more hiss
    assert librosa_alone(high, 22050)[crossings] > librosa_alone(noise(), 22050)[crossings] > librosa_alone(low, 22050)[crossings]
    assert librosa_alone(2 * low, 22050)[0] > librosa_alone(low, 22050)[0]
    even, tone = noise(), sine(1000, amplitude=0.1 * 2**0.5)  # of the same RMS
    assert librosa_alone(even, 22050)[0] > librosa_alone(tone, 22050)[0]


def test_a_detector_blind_to_level_is_not_said_to_have_heard_level():
    first, = said(np.eye(7)[0], change_db=-3.4, relative=True)
    assert first == ("evenness over all frequencies (MFCC 1) 4.0 standard deviations above normal, "
                     "the sound 3 dB quieter at 2 to 4 kHz relative to the whole")


def test_a_feature_that_is_usual_by_itself_says_so():
    assert said(np.eye(7)[5], np.full(7, -0.99)) == (
        "spectral contrast (tones over noise) within 1 standard deviation of normal by itself: the combination is unusual",)
    assert said(np.eye(7)[5], np.full(7, -1.0)) == ("spectral contrast (tones over noise) 1.0 standard deviations below normal",)


@pytest.mark.parametrize(("contributions", "starts"), [
    ([0, 0, 0.99, 0, 0, 10, 0], ["spectral contrast"]),  # less than a tenth did not drive it
    ([0, 0, 1.0, 0, 0, 10, 0], ["spectral contrast", "shape"]),
    ([-9, -8, 0, 0, 0.1, 0, -7], ["spectral roll-off"]),  # what spoke against it is no reason
    ([-1, -1, -1, -1, -1, -1, -1], ["zero-crossing rate"]),  # none drove it: 120 standard deviations, others less than 12
])
def test_only_what_drove_the_score_is_a_reason(contributions, starts):
    found = said(contributions)
    assert len(found) == len(starts)
    for sentence, start in zip(found, starts, strict=True):
        assert sentence.startswith(start)


def test_most_is_the_most():
    assert [len(said(np.ones(7), most=most)) for most in (1, 3, 9)] == [1, 3, 7]
    assert len(said(np.zeros(7), np.zeros(7))) == 3  # nothing deviates: still a sentence that is true
    assert said(np.zeros(7), np.zeros(7))[0].endswith("the combination is unusual")


@pytest.mark.parametrize(("low_hz", "high_hz", "words"), [
    (0, 125, "below 125 Hz"), (125, 250, "at 125 to 250 Hz"), (500, 1000, "at 500 Hz to 1 kHz"), (2000, 4000, "at 2 to 4 kHz"),
    (16000, 22050, "above 16 kHz"), (8000, 11025, "above 8 kHz"), (4000, 8000, "at 4 to 8 kHz"), (2000, 4025, "above 2 kHz"),
])
def test_bands_in_words(low_hz, high_hz, words):
    first, *others = said(np.ones(7), low_hz=low_hz, high_hz=high_hz, change_db=1.0)
    assert first.endswith(f"the sound 1 dB louder {words}")
    assert not [other for other in others if "louder" in other]
    assert "louder" not in said(np.ones(7), low_hz=low_hz, high_hz=high_hz, change_db=0.99)[0]


@pytest.mark.parametrize(("deviations", "contributions", "message"), [
    (np.zeros(6), np.ones(7), "deviations needs one finite number for each of 7 features"),
    (np.zeros(7), np.full(7, np.nan), "contributions needs one finite number"),
    (np.zeros((1, 7)), np.ones(7), "those of one window"),
])
def test_what_does_not_fit_is_refused(deviations, contributions, message):
    with pytest.raises(ValueError, match=message):
        said(contributions, deviations)


def test_a_moment_is_said_to_be_one():
    said, = reasons([3.0], [1.0], ["contrast_db"], low_hz=2000, high_hz=4000, change_db=14.2, brief=True)
    assert said.endswith(", the sound for a moment 14 dB louder at 2 to 4 kHz")
