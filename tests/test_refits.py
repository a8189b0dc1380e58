"""Refits: what a run has kept of its detectors is enough to fit them again."""

import numpy as np
import pandas as pd
import pytest
from sounds import random_table

from acoustic_nb.detectors import DETECTORS, detector_class
from acoustic_nb.detectors.base import kept_settings
from acoustic_nb.features import join
from acoustic_nb.refits import fit_again
from acoustic_nb.runs import open_run
from acoustic_nb.splits import block_split


@pytest.fixture
def split():
    return block_split(join([random_table(120), random_table(120, label=1, name="b", seed=1, shift=1.0)]))


def keep(run, name, settings):
    table = pd.DataFrame({"recording": ["a"], "part": ["test"], "label": [0], "score": [1.0]})
    run.save_detector(name, scores=table, items=table, figures={}, metrics={"title": name.upper(), "settings": settings})


def test_settings_are_what_init_took(split):
    detector = detector_class("gmm")(n_components=2, seed=5)
    before = kept_settings(detector)
    detector.fit(split.train.normal())
    assert kept_settings(detector) == before == {"n_components": 2, "covariance_type": "full", "seed": 5}
    again = detector_class("gmm")(**before).fit(split.train.normal())
    np.testing.assert_array_equal(again.score(split.test), detector.score(split.test))


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_comes_back_from_its_settings(name):
    detector = detector_class(name)(seed=3)
    assert kept_settings(detector_class(name)(**kept_settings(detector))) == kept_settings(detector)
    assert kept_settings(detector)["seed"] == 3


def test_a_run_is_fitted_again_as_it_was(tmp_path, split):
    run = open_run(tmp_path)
    keep(run, "svm", {"C": 0.1, "gamma": "scale", "seed": 0})
    keep(run, "kmeans", {"k": 3, "seed": 4})
    detectors, left_out = fit_again(run, split, seed=0)
    assert list(detectors) == ["KMEANS", "SVM"] and left_out == {}
    assert len(detectors["KMEANS"].centers_) == 3
    expected = detector_class("svm")(C=0.1).fit(split.train).score(split.test)
    np.testing.assert_array_equal(detectors["SVM"].score(split.test), expected)


def test_what_the_data_cannot_carry_is_named(tmp_path):
    run = open_run(tmp_path)
    keep(run, "svm", {"C": 1.0, "gamma": "scale", "seed": 0})
    keep(run, "gmm", {"n_components": 1, "covariance_type": "full", "seed": 0})
    split = block_split(join([random_table(120), random_table(120, label=1, name="b", held=[0] * 118 + [1] * 2)]))
    detectors, left_out = fit_again(run, split, seed=0)
    assert list(detectors) == ["GMM"]
    assert "learns from both labels" in left_out["SVM"]


def test_an_empty_run_has_all_detectors_with_their_defaults(tmp_path, split, monkeypatch):
    monkeypatch.setattr("acoustic_nb.refits.DETECTORS", {name: DETECTORS[name] for name in ("kmeans", "svm", "gmm")})
    detectors, _ = fit_again(open_run(tmp_path), split, seed=9)
    assert list(detectors) == ["kmeans", "svm", "gmm"]
    assert {detector.seed for detector in detectors.values()} == {9}
