"""The contract that all six detectors keep, and known answers for the three that are not networks."""

import functools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from windows import gaussian_windows

from acoustic_nb import detectors
from acoustic_nb.detectors import DETECTORS, GMMDetector, KMeansDetector, SVMDetector, detector_class
from acoustic_nb.detectors.base import NotEnoughData, kept_settings
from acoustic_nb.detectors.gmm import regularisation
from acoustic_nb.features import join

NETWORKS = ("conv_autoencoder", "lstm_autoencoder", "gan")
QUICK = {"conv_autoencoder": {"epochs": 20}, "lstm_autoencoder": {"epochs": 8}, "gan": {"epochs": 60}}


def normal_windows(n_features=17):
    """31 windows: what the training block of 35 s of sound holds."""
    return gaussian_windows(31, n_features, seed=1)


def held_out_windows(n_features=17):
    """18 new normal and 18 obviously anomalous windows."""
    return join([gaussian_windows(18, n_features, first_s=30.0, seed=2),
                 gaussian_windows(18, n_features, shift=4.0, label=1, recording="broken", first_s=30.0, seed=3)])


def both_labels(n_features=17):
    return join([normal_windows(n_features),
                 gaussian_windows(33, n_features, shift=4.0, label=1, recording="broken", seed=4)])


def new_detector(name):
    return detector_class(name)(**QUICK.get(name, {}))


def training_windows(name, n_features=17):
    return both_labels(n_features) if detector_class(name).supervised else normal_windows(n_features)


@functools.cache
def fitted(name, n_features=17):
    return new_detector(name).fit(training_windows(name, n_features))


every_detector = pytest.mark.parametrize("name", DETECTORS)


@every_detector
@pytest.mark.parametrize("n_features", [5, 17, 64])
def test_one_finite_score_per_window_higher_where_obviously_anomalous(name, n_features):
    windows = held_out_windows(n_features)
    scores = fitted(name, n_features).score(windows)
    assert scores.shape == (36,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert roc_auc_score(windows.label, scores) > 0.9


@every_detector
def test_contributions_are_one_finite_number_per_feature(name):
    contributions = fitted(name).contributions(held_out_windows())
    assert contributions.shape == (36, 17)
    assert np.isfinite(contributions).all()


@every_detector
def test_the_shifted_feature_contributes_most(name):
    windows = gaussian_windows(20, first_s=30.0, seed=5)
    values = 0.1 * windows.values
    values[:, 3] += 6.0
    contributions = fitted(name).contributions(windows.with_values(values)).mean(axis=0)
    if name in ("kmeans", "gmm", "lstm_autoencoder"):  # the others mix features by convolution or learned direction
        assert contributions.argmax() == 3
    assert contributions[3] != 0


@every_detector
def test_scores_come_in_the_order_of_the_rows(name):
    windows = held_out_windows()
    shuffled = np.random.default_rng(0).permutation(len(windows))
    detector = fitted(name)
    np.testing.assert_allclose(detector.score(windows.take(shuffled)), detector.score(windows)[shuffled], rtol=1e-5)
    np.testing.assert_allclose(detector.contributions(windows.take(shuffled)),
                               detector.contributions(windows)[shuffled], rtol=1e-4, atol=1e-5)


@every_detector
def test_same_seed_same_scores_and_inputs_untouched(name):
    train, test = training_windows(name), held_out_windows()
    before = train.values.copy(), test.values.copy()
    again = new_detector(name).fit(train)
    np.testing.assert_allclose(again.score(test), fitted(name).score(test), rtol=1e-6)
    again.contributions(test)
    np.testing.assert_array_equal(train.values, before[0])
    np.testing.assert_array_equal(test.values, before[1])


@every_detector
def test_init_only_stores_and_fit_returns_itself(name):
    detector = new_detector(name)
    assert not [attribute for attribute in vars(detector) if attribute.endswith("_")]
    assert fitted(name).feature_names_ == training_windows(name).feature_names
    assert type(fitted(name)) is type(detector)


@every_detector
def test_unfitted_says_fit_first(name):
    for use in (new_detector(name).score, new_detector(name).contributions):
        with pytest.raises(RuntimeError, match="call fit before score"):
            use(held_out_windows())


@every_detector
def test_too_few_windows_says_how_many_and_how_many_seconds(name):
    train = training_windows(name)
    one_of_each = train.take([0, -1] if detector_class(name).supervised else [0])
    missing = "got 1 windows and needs 5: 2.0 s" if name in NETWORKS else "got 1 (normal )?windows and needs 2: 0.5 s"
    with pytest.raises(NotEnoughData, match=missing):
        new_detector(name).fit(one_of_each)
    with pytest.raises(NotEnoughData, match="got 0 windows and needs 1: 0.5 s"):
        fitted(name).score(train.take([]))


def test_not_enough_data_is_bad_input_too():
    assert issubclass(NotEnoughData, ValueError)


@every_detector
def test_what_is_wrong_with_the_windows_is_not_too_little_of_them(name):
    windows = training_windows(name)
    values = windows.values.copy()
    values[2, 4] = np.nan
    with pytest.raises(ValueError, match="not finite") as caught:
        new_detector(name).fit(windows.with_values(values))
    assert not isinstance(caught.value, NotEnoughData)


@every_detector
def test_only_networks_take_long_to_fit(name):
    assert detector_class(name).quick is (name not in NETWORKS)
    assert type(detector_class(name).supervised) is bool


@every_detector
def test_other_features_than_at_fit_are_refused(name):
    with pytest.raises(ValueError, match=r"17 features and got 16 \(missing \['feature_16'\], unknown \[\]\)"):
        fitted(name).score(held_out_windows(16))


@every_detector
def test_values_that_are_not_finite_are_refused(name):
    train, test = training_windows(name), held_out_windows()
    for windows, use in ((train, new_detector(name).fit), (test, fitted(name).score)):
        values = windows.values.copy()
        values[2, 4] = np.nan
        with pytest.raises(ValueError, match="1 feature values are not finite, the first is feature_4 of machine at"):
            use(windows.with_values(values))


@pytest.mark.parametrize("name", [name for name in DETECTORS if name != "svm"])
def test_unsupervised_detectors_never_see_an_anomaly(name):
    assert detector_class(name).supervised is False
    with pytest.raises(ValueError, match=r"33 of 64 windows are anomalous; call fit\(split.train.normal\(\)\)"):
        new_detector(name).fit(both_labels())
    quiet = replace(both_labels(), label=np.zeros(64, int))  # windows of an anomalous recording in which nothing is labelled
    with pytest.raises(ValueError, match="33 of 64 windows are anomalous"):
        new_detector(name).fit(quiet)


@pytest.mark.parametrize(("name", "setting", "value"), [
    ("kmeans", "k", 0), ("kmeans", "k", 1.5), ("gmm", "n_components", 0), ("gmm", "covariance_type", "round"),
    ("svm", "C", 0.0), ("svm", "gamma", -1.0), ("conv_autoencoder", "epochs", 0), ("conv_autoencoder", "patience", 0),
    ("conv_autoencoder", "learning_rate", 0), ("lstm_autoencoder", "sequence_length", 1),
    ("lstm_autoencoder", "units", 0), ("gan", "latent_dim", 0), ("gan", "score_kind", "nose"), ("gan", "max_steps", 0),
    ("kmeans", "seed", -1), ("gan", "seed", -1)])
def test_settings_that_make_no_sense_are_named(name, setting, value):
    with pytest.raises(ValueError, match=f"^{setting} must be .*, got {value!r}$"):
        detector_class(name)(**{setting: value}).fit(training_windows(name))


def test_names_are_the_notebooks_and_load_lazily():
    assert list(DETECTORS) == ["kmeans", "conv_autoencoder", "svm", "gmm", "lstm_autoencoder", "gan"]
    check = ("import sys; from acoustic_nb import detectors; assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules);"
             "detectors.GMMDetector; assert 'sklearn' in sys.modules and 'tensorflow' not in sys.modules")
    subprocess.run([sys.executable, "-c", check], check=True)


def test_loading_tensorflow_writes_nothing():
    done = subprocess.run([sys.executable, "-c", "from acoustic_nb.detectors import GANDetector"], check=True,
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_unknown_names():
    with pytest.raises(ValueError, match="no detector 'gnm'; use one of kmeans, conv_autoencoder, svm"):
        detector_class("gnm")
    with pytest.raises(AttributeError, match="NoDetector"):
        detectors.NoDetector  # noqa: B018
    assert "GANDetector" in dir(detectors)


# What is kept of a detector

@every_detector
def test_a_detector_restored_from_its_state_is_the_one_that_learned(name):
    detector, test = fitted(name), held_out_windows()
    again = detector_class(name)(**kept_settings(detector))
    assert again.restore(detector.state()) is again
    same = functools.partial(np.testing.assert_allclose, rtol=1e-6) if name in NETWORKS else np.testing.assert_array_equal
    same(again.score(test), detector.score(test))
    same(again.contributions(test), detector.contributions(test))
    assert kept_settings(again) == kept_settings(detector) and again.feature_names_ == detector.feature_names_
    assert again.state().keys() == detector.state().keys()  # it can be kept once more
    with pytest.raises(ValueError, match="17 features and got 16"):
        again.score(held_out_windows(16))


@every_detector
@pytest.mark.parametrize("other", DETECTORS)
def test_the_state_of_another_detector_is_refused(name, other):
    if name != other:
        with pytest.raises((ValueError, KeyError)):
            detector_class(name)(**kept_settings(fitted(name))).restore(fitted(other).state())


@every_detector
def test_a_state_of_other_features_is_refused(name):
    state = fitted(name).state()
    with pytest.raises(ValueError, match="n_features_in_ = 17 where 16 belongs|belong to other settings"):
        new_detector(name).restore({**state, "feature_names": state["feature_names"][:-1]})


@pytest.mark.parametrize(("name", "settings"), [
    ("kmeans", {"k": 2}), ("gmm", {"n_components": 2}), ("gmm", {"covariance_type": "diag"}), ("svm", {"C": 2.0}),
    ("lstm_autoencoder", {"units": 8}), ("gan", {"latent_dim": 3})])
def test_a_state_of_other_settings_is_refused(name, settings):
    with pytest.raises(ValueError, match="other settings"):
        detector_class(name)(**settings).restore(fitted(name).state())


@every_detector
def test_a_score_depends_on_as_many_neighbours_as_context_says(name):
    context = fitted(name).context
    assert context == (9 if name == "lstm_autoencoder" else 0)  # sequences of 10 windows
    windows = gaussian_windows(40, first_s=30.0, seed=5)
    values = windows.values.copy()
    values[20] += 5.0
    moved = np.flatnonzero(~np.isclose(fitted(name).score(windows.with_values(values)), fitted(name).score(windows), rtol=1e-6))
    assert moved.tolist() == list(range(20 - context, 20 + context + 1))


def newest(windows):
    return fitted("lstm_autoencoder").score(windows, newest=True)


def test_lstm_newest_score_is_the_error_in_the_sequence_that_ends_with_the_window():
    windows = gaussian_windows(30, first_s=30.0, seed=5)
    model, scores = fitted("lstm_autoencoder").model_, newest(windows)
    for row in (9, 10, 17, 29):
        sequence = windows.values[row - 9:row + 1]
        back = model.predict(sequence[None], verbose=0)[0]
        assert scores[row] == pytest.approx(np.mean(np.abs(sequence[-1] - back[-1])), rel=1e-5)
    first = windows.values[:10]
    back = model.predict(first[None], verbose=0)[0]
    np.testing.assert_allclose(scores[:10], np.abs(first - back).mean(axis=1), rtol=1e-5)  # with these no sequence ends


def test_lstm_newest_scores_know_nothing_of_what_comes():
    windows = gaussian_windows(30, first_s=30.0, seed=5)
    values = windows.values.copy()
    values[20:] += 5.0
    before, after = newest(windows), newest(windows.with_values(values))
    np.testing.assert_allclose(after[:20], before[:20], rtol=1e-6)
    assert (after[20:] > before[20:]).all()
    np.testing.assert_allclose(newest(windows.take(np.arange(17))), before[:17], rtol=1e-6)


def test_lstm_newest_scores_of_two_stretches_do_not_mix_whatever_the_order_of_the_rows():
    stretches = [gaussian_windows(12, first_s=30.0, seed=5), gaussian_windows(15, first_s=50.0, seed=6),
                 gaussian_windows(11, recording="other", seed=7)]
    joined, alone = join(stretches), np.concatenate([newest(stretch) for stretch in stretches])
    np.testing.assert_allclose(newest(joined), alone, rtol=1e-6)
    shuffled = np.random.default_rng(0).permutation(len(joined))
    np.testing.assert_allclose(newest(joined.take(shuffled)), alone[shuffled], rtol=1e-6)


# K-means

def test_kmeans_with_one_centre_is_the_distance_to_the_mean():
    train, test = normal_windows(), held_out_windows()
    expected = np.linalg.norm(test.values - train.values.mean(axis=0), axis=1)
    np.testing.assert_allclose(KMeansDetector().fit(train).score(test), expected)


def test_kmeans_with_two_centres_takes_the_nearer():
    left, right = (gaussian_windows(20, 2, shift=shift, seed=seed) for shift, seed in ((-50, 1), (50, 2)))
    detector = KMeansDetector(k=2).fit(join([left, right]))
    centers = detector.centers_[np.argsort(detector.centers_[:, 0])]
    np.testing.assert_allclose(centers, [left.values.mean(axis=0), right.values.mean(axis=0)])
    at_a_centre = right.take([0]).with_values(centers[1:] + [[3.0, 4.0]])
    np.testing.assert_allclose(detector.score(at_a_centre), [5.0])
    np.testing.assert_allclose(detector.contributions(at_a_centre), [[9.0, 16.0]])


# Gaussian mixture

def test_gmm_with_one_component_is_the_gaussian_density():
    train, test = gaussian_windows(300, 5, seed=1), held_out_windows(5)
    detector = GMMDetector().fit(train)
    assert detector.reg_covar_ == 1e-6
    gaussian = multivariate_normal(train.values.mean(axis=0), np.cov(train.values.T, bias=True))
    np.testing.assert_allclose(detector.score(test), -gaussian.logpdf(test.values), rtol=1e-4)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_gmm_contributions_add_up_to_the_mahalanobis_distance(covariance_type):
    train, test = gaussian_windows(300, 5, seed=1), held_out_windows(5)
    detector = GMMDetector(covariance_type=covariance_type).fit(train)
    covariance = np.cov(train.values.T, bias=True)
    if covariance_type == "diag":
        covariance = np.diag(np.diag(covariance))
    if covariance_type == "spherical":
        covariance = np.eye(5) * np.diag(covariance).mean()
    difference = test.values - train.values.mean(axis=0)
    expected = (difference @ np.linalg.inv(covariance) * difference).sum(axis=1)
    np.testing.assert_allclose(detector.contributions(test).sum(axis=1), expected, rtol=1e-3)


def test_gmm_contributions_are_those_of_the_likelier_component():
    both = join([gaussian_windows(100, 2, shift=shift, seed=seed) for shift, seed in ((-50, 1), (50, 2))])
    detector = GMMDetector(n_components=2).fit(both)
    assert detector.contributions(both).sum(axis=1).max() < 50


def test_gmm_is_regularised_where_windows_are_few():
    settings = {"n_components": 1, "covariance_type": "full"}
    assert regularisation(31, 17, **settings) == pytest.approx(0.1 * (17 / 31 - 0.1), abs=2e-6)
    assert regularisation(170, 17, **settings) == 1e-6
    assert regularisation(31, 17, n_components=1, covariance_type="diag") == 1e-6
    train = gaussian_windows(31, 64, seed=1)  # fewer windows than features: no covariance of its own
    detector = GMMDetector().fit(train)
    assert detector.reg_covar_ == regularisation(31, 64, **settings)
    new = detector.score(gaussian_windows(31, 64, seed=2)).mean()
    assert new < 10 * abs(detector.score(train).mean())
    assert GMMDetector(n_components=2).fit(train).reg_covar_ == regularisation(31, 64, n_components=2, covariance_type="full")


# Support vector machine

def test_svm_score_is_sklearns_decision_function_and_its_boundary_is_zero():
    train, test = both_labels(), held_out_windows()
    detector = SVMDetector(C=2.0).fit(train)
    reference = SVC(C=2.0).fit(train.values, train.label)
    scores = detector.score(test)
    np.testing.assert_allclose(scores, reference.decision_function(test.values))
    np.testing.assert_array_equal(scores > detector.boundary, reference.predict(test.values) == 1)
    np.testing.assert_array_equal(detector.n_support_, [np.sum(train.label[reference.support_] == k) for k in (0, 1)])


def test_svm_contribution_is_the_drop_when_a_feature_is_normal():
    detector, test = fitted("svm"), held_out_windows()
    values = test.values.copy()
    values[:, 2] = 0.0
    expected = detector.score(test) - detector.score(test.with_values(values))
    np.testing.assert_allclose(detector.contributions(test)[:, 2], expected)


def test_svm_needs_both_labels():
    with pytest.raises(NotEnoughData, match="got 31 normal and 0 anomalous windows to train on; give at least two anomalous rec"):
        SVMDetector().fit(normal_windows())
    with pytest.raises(NotEnoughData, match="got 1 anomalous windows and needs 2: 0.5 s of anomalous sound are missing"):
        SVMDetector().fit(both_labels().take(np.arange(32)))


def test_svm_learns_from_what_the_windows_hold():
    # of the anomalous recording only the second half was labelled; its first half sounds normal, and is
    windows = join([normal_windows(), gaussian_windows(15, label=1, recording="broken", seed=4),
                    gaussian_windows(18, shift=4.0, label=1, recording="broken", first_s=7.5, seed=5)])
    windows = replace(windows, label=np.repeat([0, 1], [31 + 15, 18]))
    detector, test = SVMDetector().fit(windows), held_out_windows()
    reference = SVC().fit(windows.values, windows.label)
    np.testing.assert_allclose(detector.score(test), reference.decision_function(test.values))
    assert detector.n_support_.sum() == len(reference.support_)
    assert detector.n_learned_.tolist() == [46, 18]


@pytest.mark.parametrize(("n_anomalous", "n_learned"), [(60, [10, 10]), (20, [15, 5]), (1000, [1, 18]), (3, [19, 2])])
def test_svm_learns_from_as_many_windows_as_it_may_spread_evenly(n_anomalous, n_learned):
    normal = gaussian_windows(60)
    windows = join([normal, gaussian_windows(n_anomalous, label=1, shift=2.0, recording="broken", seed=4)])
    detector = SVMDetector(max_windows=20).fit(windows)
    n_learned = [max(2, n) for n in n_learned]
    assert detector.n_learned_.tolist() == n_learned
    own = normal.take(np.linspace(0, 59, n_learned[0]).round().astype(int))
    other = windows.take(60 + np.linspace(0, n_anomalous - 1, n_learned[1]).round().astype(int))
    reference = SVC().fit(np.concatenate([own.values, other.values]), np.repeat([0, 1], n_learned))
    np.testing.assert_allclose(detector.score(normal), reference.decision_function(normal.values))


def test_svm_needs_room_for_two_of_each_label():
    with pytest.raises(ValueError, match="max_windows must be a whole number of at least 4, got 3"):
        SVMDetector(max_windows=3).fit(both_labels())
