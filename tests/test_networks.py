"""Known answers for the three networks: sequences, what is held out, how training ends, and what each network is.

And the same answers as plain Keras: compiled training is compared with loops that are written out here.
"""

import gc
import logging
from types import SimpleNamespace

import numpy as np
import pytest
from windows import gaussian_windows

from acoustic_nb.detectors import (
    ConvAutoencoderDetector,
    GANDetector,
    LSTMAutoencoderDetector,
    conv_autoencoder,
    gan,
    lstm_autoencoder,
)
from acoustic_nb.detectors._sequences import coverage_mean, hold_out, sequence_rows, stretches, time_order
from acoustic_nb.detectors._training import Adam, keras, n_batches, shuffled_epochs, tf
from acoustic_nb.detectors.base import NotEnoughData
from acoustic_nb.features import join
from acoustic_nb.splits import gap_windows


def weights(model):
    return [variable.numpy() for variable in model.trainable_variables]


def moved(before, model):
    return [not np.array_equal(old, new) for old, new in zip(before, weights(model), strict=True)]


# Sequences

def test_sequences_hold_true_neighbours_in_order():
    windows = gaussian_windows(5).take([3, 0, 4, 1, 2])
    assert windows.start_s[sequence_rows(windows, 3)].tolist() == [[0.0, 0.5, 1.0], [0.5, 1.0, 1.5], [1.0, 1.5, 2.0]]


def test_sequences_never_bridge_recordings_or_gaps():
    windows = join([gaussian_windows(4, recording="a"), gaussian_windows(4, recording="a", first_s=2.5),
                    gaussian_windows(4, recording="b", first_s=4.5)])  # a pauses half a second; b begins as a ends
    assert [len(stretch) for stretch in stretches(windows)] == [4, 4, 4]
    rows = sequence_rows(windows, 3)
    assert len(rows) == 6
    assert (np.diff(windows.start_s[rows]) == 0.5).all()
    assert (windows.recording[rows] == windows.recording[rows[:, :1]]).all()
    assert sequence_rows(windows, 5).shape == (0, 5)


def test_neighbours_may_be_off_by_rounding_to_a_sample_only():
    windows = gaussian_windows(3)
    for late_s, n_stretches in ((0.4 / 16000, 1), (0.01, 2)):
        starts = windows.start_s + [0.0, 0.0, late_s]
        shifted = SimpleNamespace(**{**vars(windows), "start_s": starts})
        assert len(stretches(shifted)) == n_stretches


def test_one_recording_twice_is_refused():
    with pytest.raises(ValueError, match="two windows of machine start at 0.000 s"):
        stretches(join([gaussian_windows(5), gaussian_windows(5, label=1)]))


def test_coverage_mean_by_hand():
    sequences = np.array([[2, 0], [0, 1]])  # rows in the order of time are 2, 0, 1
    values = np.array([[[1.0], [3.0]], [[5.0], [7.0]]])
    assert coverage_mean(sequences, values, 3).tolist() == [[4.0], [7.0], [1.0]]


class PositionIsWrong:
    """A model that is right about every window but adds, at position p of a sequence, an error of p to each feature."""

    def predict_on_batch(self, sequences):
        return sequences + np.arange(sequences.shape[1], dtype=np.float32)[None, :, None]


def test_lstm_score_is_the_mean_over_the_sequences_that_cover_a_window():
    windows = gaussian_windows(4).take([2, 0, 3, 1])
    detector = LSTMAutoencoderDetector(sequence_length=3)
    detector.model_, detector.sequence_length_, detector.feature_names_ = PositionIsWrong(), 3, windows.feature_names
    # in time: the first window is only at position 0, the second at 1 and 0, the third at 2 and 1, the last at 2
    np.testing.assert_allclose(detector.score(windows), [1.5, 0.0, 2.0, 0.5], atol=1e-5)


def test_lstm_names_the_longest_sequence_that_fits():
    windows = join([gaussian_windows(12), gaussian_windows(8, recording="b", first_s=3.0)])
    detector = LSTMAutoencoderDetector(sequence_length=8, epochs=1).fit(windows)
    assert detector.sequence_length_ == 8
    longest = (r"b from 3.0 to 7.5 s has 8 windows without a gap, too few for sequence_length = 10; "
               "use a sequence_length of at most 8, or 1.0 s more sound")
    with pytest.raises(NotEnoughData, match=longest):
        LSTMAutoencoderDetector().fit(windows)
    with pytest.raises(NotEnoughData, match="no sequence_length fits a window without a neighbour"):
        detector.score(windows.take([0, 5]))


# What early stopping watches

@pytest.mark.parametrize(("sequence_length", "n_windows", "n_watched"), [(1, 31, 4), (10, 31, 10), (10, 300, 30)])
def test_the_end_of_the_block_is_watched_and_shares_no_sample(sequence_length, n_windows, n_watched):
    windows = gaussian_windows(n_windows).take(np.random.default_rng(0).permutation(n_windows))
    learned, watched = hold_out(windows, sequence_length=sequence_length)
    assert watched.tolist() == time_order(windows)[-n_watched:].tolist()
    assert windows.start_s[watched].min() - windows.end_s[learned].max() >= windows.window_s
    assert len(learned) == n_windows - n_watched - gap_windows(windows.window_s, windows.hop_s, windows.sample_rate)
    assert len(sequence_rows(windows, sequence_length, learned))


@pytest.mark.parametrize(("sequence_length", "n_windows"), [(1, 19), (10, 20), (12, 24)])
def test_nothing_is_held_out_where_too_little_would_be_left(sequence_length, n_windows):
    learned, watched = hold_out(gaussian_windows(n_windows), sequence_length=sequence_length)
    assert (len(learned), len(watched)) == (n_windows, 0)


def test_other_recordings_need_no_gap():
    windows = join([gaussian_windows(20, recording="a"), gaussian_windows(20, recording="b")])
    learned, watched = hold_out(windows)
    assert windows.recording[watched].tolist() == ["b"] * 4
    assert np.sum(windows.recording[learned] == "a") == 20
    assert np.sum(windows.recording[learned] == "b") == 20 - 4 - 3


# How training goes and ends

def test_epochs_are_shuffled_whole_and_cut_by_max_steps():
    settings = SimpleNamespace(epochs=4, batch_size=4, max_steps=8, seed=0)
    orders = list(shuffled_epochs(settings, 10))
    assert [len(order) for order in orders] == [10, 10, 8]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0].tolist() != orders[1].tolist()
    assert sum(n_batches(len(order), 4) for order in orders) == 8


def test_training_stops_early_and_keeps_the_best_weights():
    windows = gaussian_windows(40)
    detector = ConvAutoencoderDetector(epochs=200, learning_rate=0.02, patience=3).fit(windows)
    losses = detector.history_["validation_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == len(detector.history_["loss"]) == best + 1 + 3 < 200
    assert f"{len(losses)} of 200 epochs ({2 * len(losses)} steps) on 33 windows" in detector.training_
    assert f"3 epochs brought nothing better; kept are the weights of epoch {best + 1}, the best on the 4" in detector.training_
    watched = windows.values[36:]
    error = np.square(watched - np.asarray(detector.model_(watched))).mean()
    assert error == pytest.approx(losses[best], rel=1e-4)


def test_few_windows_fix_the_epochs():
    detector = ConvAutoencoderDetector(epochs=7).fit(gaussian_windows(19))
    assert detector.history_["validation_loss"] == []
    assert detector.training_ == ("7 of 7 epochs (7 steps) on 19 windows; "
                                  "none held out to stop early, there are too few.")


@pytest.mark.parametrize("make", [ConvAutoencoderDetector, LSTMAutoencoderDetector, GANDetector])
def test_max_steps_ends_training_and_is_said(make):
    detector = make(epochs=50, batch_size=4, max_steps=11).fit(gaussian_windows(31))
    assert detector.steps_ == 11
    assert "(11 steps)" in detector.training_
    assert "ended by max_steps = 11" in detector.training_
    assert "max_steps" not in make(epochs=2).fit(gaussian_windows(31)).training_


@pytest.mark.parametrize("make", [ConvAutoencoderDetector, LSTMAutoencoderDetector, GANDetector])
def test_training_that_diverges_is_an_error(make):
    with pytest.raises(ValueError, match="diverged at learning_rate = 1e[+]30; use a smaller one"):
        make(learning_rate=1e30, epochs=5).fit(gaussian_windows(31))


def test_loading_tensorflow_leaves_the_search_for_garbage_on():
    assert gc.isenabled()


# The same as plain Keras

def plain_autoencoder(model, learned, watched, *, epochs, batch_size, learning_rate, patience):
    """Train with Keras's own compile, ``train_on_batch`` and ``test_on_batch``; losses and validation losses per epoch."""
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse")
    random = np.random.default_rng(0)
    losses, validation_losses, best_weights = [], [], None
    while len(losses) < epochs:
        order, total = random.permutation(len(learned)), 0.0
        for first in range(0, len(order), batch_size):
            batch = learned[order[first:first + batch_size]]
            model.reset_metrics()
            total += len(batch) * float(model.train_on_batch(batch, batch))
        losses.append(total / len(order))
        model.reset_metrics()
        validation_losses.append(float(model.test_on_batch(watched, watched)))
        if validation_losses[-1] == min(validation_losses):
            best_weights = model.get_weights()
        if len(validation_losses) - np.argmin(validation_losses) > patience:
            break
    model.set_weights(best_weights)
    return losses, validation_losses


def assert_same_training(detector, losses, validation_losses):
    assert len(detector.history_["loss"]) == len(losses)
    np.testing.assert_allclose(detector.history_["loss"], losses, rtol=1e-3)
    np.testing.assert_allclose(detector.history_["validation_loss"], validation_losses, rtol=1e-3)


@pytest.mark.parametrize(("epochs", "learning_rate", "stops"), [(4, 1e-3, False), (60, 0.02, True)])
def test_conv_training_is_the_plain_keras_loops(epochs, learning_rate, stops):
    windows, test = gaussian_windows(40), gaussian_windows(25, shift=0.5, seed=1)
    settings = {"epochs": epochs, "batch_size": 9, "learning_rate": learning_rate, "patience": 3}
    detector = ConvAutoencoderDetector(**settings).fit(windows)
    keras.utils.set_random_seed(0)
    model = conv_autoencoder.autoencoder(17)
    values = windows.values.astype(np.float32)
    losses = plain_autoencoder(model, values[:33], values[36:], **settings)  # batches of 9, 9, 9 and 6
    assert (len(losses[0]) < epochs) == stops
    assert_same_training(detector, *losses)
    plain_scores = np.abs(test.values - model.predict(test.values, verbose=0)).mean(axis=1)
    np.testing.assert_allclose(detector.score(test), plain_scores, rtol=1e-3)


def test_lstm_training_is_the_plain_keras_loops():
    windows, test = gaussian_windows(60), gaussian_windows(25, shift=0.5, seed=1)
    settings = {"epochs": 60, "batch_size": 20, "learning_rate": 0.02, "patience": 3}
    detector = LSTMAutoencoderDetector(sequence_length=4, units=16, **settings).fit(windows)
    keras.utils.set_random_seed(0)
    model = lstm_autoencoder.autoencoder(4, 17, 16)
    known, unknown = (np.array([each.values[first:first + 4] for first in range(len(each) - 3)], dtype=np.float32)
                      for each in (windows, test))
    losses = plain_autoencoder(model, known[:48], known[54:], **settings)  # of windows 0 to 50 and 54 to 59; batches of 20, 20, 8
    assert len(losses[0]) < 60
    assert_same_training(detector, *losses)
    errors = [[] for _ in range(25)]
    for first, sequence_errors in enumerate(np.abs(unknown - model.predict(unknown, verbose=0)).mean(axis=2)):
        for place, error in enumerate(sequence_errors):
            errors[first + place].append(error)
    np.testing.assert_allclose(detector.score(test), [np.mean(each) for each in errors], rtol=1e-3)


def plain_gan(values, *, epochs, batch_size, learning_rate, max_steps):
    """Train both networks one eager step after the other; D, and the losses of D and G, means over each epoch."""
    keras.utils.set_random_seed(0)
    generator, discriminator = gan.generator(10, 17), gan.discriminator(17)
    optimizers = [keras.optimizers.Adam(learning_rate), keras.optimizers.Adam(learning_rate)]
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    orders, noises = np.random.default_rng(0), np.random.default_rng([0, 1])
    history, steps = [], 0
    for _ in range(epochs):
        order = orders.permutation(len(values))[:(max_steps - steps) * batch_size]
        noise = noises.standard_normal((2, len(order), 10), dtype=np.float32)
        losses = []
        for first in range(0, len(order), batch_size):
            batch = slice(first, first + batch_size)
            real = values[order[batch]]
            ones, zeros = np.ones((len(real), 1)), np.zeros((len(real), 1))
            with tf.GradientTape() as tape:
                fake = generator(noise[0, batch])
                loss_d = (cross_entropy(ones, discriminator(real)) + cross_entropy(zeros, discriminator(fake))) / 2
            gradients = tape.gradient(loss_d, discriminator.trainable_variables)
            optimizers[0].apply_gradients(zip(gradients, discriminator.trainable_variables, strict=True))
            with tf.GradientTape() as tape:
                loss_g = cross_entropy(ones, discriminator(generator(noise[1, batch])))
            gradients = tape.gradient(loss_g, generator.trainable_variables)
            optimizers[1].apply_gradients(zip(gradients, generator.trainable_variables, strict=True))
            losses.append([float(loss_d), float(loss_g)])
        steps += len(losses)
        history.append(np.mean(losses, axis=0))
    return discriminator, np.transpose(history)


@pytest.mark.parametrize("steps_at_once", [6, 500])  # two epochs in a call and at last one; all seven
def test_gan_training_is_the_plain_eager_loops(monkeypatch, steps_at_once):
    monkeypatch.setattr(gan, "STEPS_AT_ONCE", steps_at_once)
    windows, test = gaussian_windows(71), gaussian_windows(25, shift=0.5, seed=1)
    settings = {"epochs": 7, "batch_size": 32, "learning_rate": 5e-3, "max_steps": 20}  # of 32, 32 and 7 windows, but the last
    detector = GANDetector(**settings).fit(windows)
    discriminator, (losses_d, losses_g) = plain_gan(windows.values.astype(np.float32), **settings)
    assert detector.steps_ == 20
    np.testing.assert_allclose(detector.history_["discriminator_loss"], losses_d, rtol=1e-3)
    np.testing.assert_allclose(detector.history_["generator_loss"], losses_g, rtol=1e-3)
    says_real = keras.ops.sigmoid(discriminator(test.values)).numpy()[:, 0]
    np.testing.assert_allclose(detector.score(test, "discriminator"), 1 - says_real, rtol=1e-3)
    first, second, _ = discriminator.layers
    learned, unknown = (second(first(each.values)).numpy() for each in (windows, test))
    np.testing.assert_allclose(detector.score(test), np.linalg.norm(unknown - learned.mean(axis=0), axis=1), rtol=1e-3)


def test_adam_is_that_of_keras():
    starts = [np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([0.5, 0.5, 0.5])]
    ours, theirs = ([keras.Variable(start, dtype="float32") for start in starts] for _ in range(2))
    adam, kerass = Adam(0.01, ours), keras.optimizers.Adam(0.01)
    random = np.random.default_rng(0)
    for step in range(40):
        gradients = [tf.constant(random.standard_normal(start.shape) * [1.0, 1e-6][step % 2], tf.float32) for start in starts]
        adam.apply(gradients)
        kerass.apply(gradients, theirs)
        for our, their, start in zip(ours, theirs, starts, strict=True):
            np.testing.assert_allclose(our.numpy() - start, their.numpy() - start, rtol=1e-3, atol=1e-6)


def test_the_first_step_of_adam_is_the_learning_rate_against_the_gradient():
    variable = keras.Variable([0.0, 0.0, 0.0])
    Adam(0.01, [variable]).apply([tf.constant([5.0, -0.2, 0.0])])
    np.testing.assert_allclose(variable.numpy(), [-0.01, 0.01, 0.0], rtol=1e-4)


# The convolutional autoencoder

@pytest.mark.parametrize("n_features", [*range(5, 19), 63, 64])
def test_bottleneck_is_smaller_than_the_input_and_the_output_as_long(n_features):
    model = conv_autoencoder.autoencoder(n_features)
    assert model.get_layer("code").output.shape == (None, max(1, n_features // 4))
    assert model.output_shape == (None, n_features)


def test_conv_layers_are_the_origins():
    model = conv_autoencoder.autoencoder(17)
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv1D"]
    assert [layer.filters for layer in convolutions] == [32, 16, 16, 32, 1]
    assert {layer.kernel_size for layer in convolutions} == {(3,)}


@pytest.mark.parametrize("make", [ConvAutoencoderDetector, LSTMAutoencoderDetector])
def test_outputs_reach_any_value(make):
    """A sigmoid could not be lowered to -3, nor a tanh raised to 3."""
    windows = gaussian_windows(40)
    tilt = np.where(np.arange(17) % 2, 3.0, -3.0)
    windows = windows.with_values(0.01 * windows.values + tilt)
    assert make(epochs=60, learning_rate=0.02, patience=60).fit(windows).score(windows).max() < 0.5


def test_conv_score_is_the_mean_absolute_error():
    windows = gaussian_windows(31)
    detector = ConvAutoencoderDetector(epochs=1).fit(windows)
    expected = np.abs(windows.values - np.asarray(detector.model_(windows.values))).mean(axis=1)
    np.testing.assert_allclose(detector.score(windows), expected, rtol=1e-5)
    detector.model_.summary(print_fn=lambda *_, **__: None)


def test_lstm_layers_are_the_origins():
    model = LSTMAutoencoderDetector(epochs=1).fit(gaussian_windows(31)).model_
    assert [type(layer).__name__ for layer in model.layers] == ["LSTM", "RepeatVector", "LSTM", "Dense"]
    assert [model.layers[k].units for k in (0, 2)] == [64, 64]
    assert {model.layers[k].activation.__name__ for k in (0, 2)} == {"tanh"}
    assert model.output_shape == (None, 10, 17)
    assert model.layers[3].activation.__name__ == "linear"


# The GAN

def test_each_half_step_moves_its_own_network_and_only_that():
    pair = gan.Adversaries(gan.generator(10, 17), gan.discriminator(17), 1e-3)
    random = np.random.default_rng(0)
    real, noise = (random.standard_normal((16, n)).astype(np.float32) for n in (17, 10))
    g, d = weights(pair.generator), weights(pair.discriminator)
    pair.step_discriminator(real, noise)
    assert all(moved(d, pair.discriminator))
    assert not any(moved(g, pair.generator))
    d = weights(pair.discriminator)
    pair.step_generator(noise)
    assert all(moved(g, pair.generator))
    assert not any(moved(d, pair.discriminator))


def test_both_networks_are_moved_by_fit():
    short, longer = (GANDetector(epochs=epochs).fit(gaussian_windows(31)) for epochs in (1, 3))
    assert all(moved(weights(short.discriminator_), longer.discriminator_))
    assert all(moved(weights(short.generator_), longer.generator_))


def test_each_half_step_pulls_the_way_it_should():
    pair = gan.Adversaries(gan.generator(10, 17), gan.discriminator(17), 1e-3)
    random = np.random.default_rng(0)
    real, noise = (random.standard_normal((16, n)).astype(np.float32) for n in (17, 10))

    def logits():
        return (pair.discriminator(windows).numpy() for windows in (real, pair.generator(noise)))

    says_real, says_fake = logits()
    by_hand = (np.log1p(np.exp(-says_real)).mean() + np.log1p(np.exp(says_fake)).mean()) / 2
    assert float(pair.step_discriminator(real, noise)) == pytest.approx(by_hand, rel=1e-4)
    for _ in range(30):
        pair.step_discriminator(real, noise)
    real_after, fake_after = logits()
    assert real_after.mean() > says_real.mean()  # D calls real windows more real than before,
    assert fake_after.mean() < says_fake.mean()  # invented ones less
    by_hand = np.log1p(np.exp(-fake_after)).mean()
    assert float(pair.step_generator(noise)) == pytest.approx(by_hand, rel=1e-4)
    for _ in range(30):
        pair.step_generator(noise)
    _, fooled = logits()
    assert fooled.mean() > fake_after.mean()  # and G makes windows that D calls more real


def test_gan_layers_are_the_origins():
    detector = GANDetector(epochs=1).fit(gaussian_windows(31))
    assert detector.generator_.input_shape == (None, 10)
    assert [layer.units for layer in detector.generator_.layers] == [32, 64, 17]
    assert detector.generator_.layers[-1].activation.__name__ == "linear"
    assert detector.discriminator_.input_shape == (None, 17)
    assert [layer.units for layer in detector.discriminator_.layers] == [64, 32, 1]


@pytest.mark.parametrize("n_windows", [5, 31, 33])
def test_gan_trains_below_one_batch_and_with_a_short_last_one(n_windows):
    detector = GANDetector(epochs=3).fit(gaussian_windows(n_windows))
    assert detector.steps_ == 3 * (2 if n_windows > 32 else 1)
    assert [len(losses) for losses in detector.history_.values()] == [3, 3]
    assert list(detector.history_) == ["discriminator_loss", "generator_loss"]
    assert np.isfinite(list(detector.history_.values())).all()


def test_both_gan_scores_by_hand():
    train, test = gaussian_windows(31), gaussian_windows(9, seed=1)
    detector = GANDetector(epochs=5).fit(train)
    (w1, b1, w2, b2, w3, b3) = weights(detector.discriminator_)

    def hidden(x):
        return np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0)

    says_real = 1 / (1 + np.exp(-(hidden(test.values) @ w3 + b3)[:, 0]))
    np.testing.assert_allclose(detector.score(test, "discriminator"), 1 - says_real, rtol=1e-4)
    distance = np.linalg.norm(hidden(test.values) - hidden(train.values).mean(axis=0), axis=1)
    np.testing.assert_allclose(detector.score(test), distance, rtol=1e-4)
    detector.score_kind = "discriminator"
    np.testing.assert_array_equal(detector.score(test), detector.score(test, "discriminator"))
    with pytest.raises(ValueError, match="kind must be one of feature_distance, discriminator, got 'nose'"):
        detector.score(test, "nose")


def test_one_minus_d_keeps_the_ranking_where_d_is_sure():
    detector = GANDetector(epochs=1).fit(gaussian_windows(31))
    sure = gaussian_windows(1).values * np.linspace(1, 60, 20)[:, None]
    logit_weights, logit_bias = detector.discriminator_.layers[-1].get_weights()
    detector.discriminator_.layers[-1].set_weights([np.abs(logit_weights), logit_bias])  # the further, the more real
    scores = detector.score(gaussian_windows(20).with_values(sure), "discriminator")
    assert scores.min() < 1e-8
    assert (np.diff(scores) < 0).all()


def test_many_fits_in_one_notebook_make_no_noise(caplog):
    tensorflow = logging.getLogger("tensorflow")
    tensorflow.addHandler(caplog.handler)
    try:
        for seed in range(7):  # from the sixth on TensorFlow would warn of compiling again and again
            GANDetector(epochs=1, seed=seed).fit(gaussian_windows(5)).score(gaussian_windows(5))
    finally:
        tensorflow.removeHandler(caplog.handler)
    assert not caplog.records
