"""Convolutional autoencoder: how badly a window's features come back from a code a quarter of their number."""

import numpy as np

from acoustic_nb.detectors._sequences import hold_out
from acoustic_nb.detectors._training import MIN_TRAINING_WINDOWS, keras, predict, prepare, train_autoencoder, with_weights
from acoustic_nb.detectors.base import check_whole_numbers, scored_values, training_values


class ConvAutoencoderDetector:
    """Anomaly score: mean absolute difference between a window's features and their reconstruction.

    Parameters
    ----------
    epochs, batch_size : int
        Most passes over the training windows, and windows per gradient step.
    learning_rate : float
        Of Adam.
    patience : int
        Epochs without improvement on the held-out end of the training block after which training stops.
    max_steps : int
        Most gradient steps; ends training on hours of sound.
    seed : int
        Of the first weights and the order of the windows.

    Attributes
    ----------
    model_ : keras.Model
        (n, n_features) -> (n, n_features); its layer ``code`` is the bottleneck.
    history_ : dict of list
        ``loss`` and ``validation_loss`` per epoch, mean squared errors; the latter is empty where nothing was held out.
    training_ : str
        How long training went on and why it ended.
    steps_ : int
        Gradient steps taken.
    """

    supervised = False
    quick = False
    context = 0

    def __init__(self, epochs=50, *, batch_size=32, learning_rate=1e-3, patience=5, max_steps=20_000, seed=0):
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.max_steps = max_steps
        self.seed = seed

    def fit(self, windows):
        """Learn to reconstruct normal windows; at least five of them."""
        check_whole_numbers(1, patience=self.patience)
        values = training_values(self, windows, at_least=MIN_TRAINING_WINDOWS).astype(np.float32)
        prepare(self)
        model = autoencoder(values.shape[1])
        learned, watched = hold_out(windows)
        training = train_autoencoder(self, model, values[learned], values[watched], unit="windows")
        self.model_, self.history_, self.steps_ = model, training.history, training.steps
        self.training_ = training.sentence
        self.feature_names_ = windows.feature_names
        return self

    def score(self, windows):
        """Mean absolute reconstruction error of each window, shape (n_windows,), in standard deviations."""
        return self.contributions(windows).mean(axis=1)

    def contributions(self, windows):
        """Absolute reconstruction error per feature; the mean of a row is the score."""
        values = scored_values(self, windows)
        return np.abs(values - predict(self.model_, values))

    def state(self):
        """See `Detector.state`."""
        return {"weights": self.model_.get_weights(), "feature_names": list(self.feature_names_)}

    def restore(self, state):
        """See `Detector.restore`."""
        self.model_ = with_weights(autoencoder(len(state["feature_names"])), state["weights"])
        self.feature_names_ = tuple(state["feature_names"])
        return self


def code_size(n_features):
    """Numbers in the bottleneck: a quarter of the features, at least one.

    Examples
    --------
    >>> code_size(5), code_size(17), code_size(64)
    (1, 4, 16)
    """
    return max(1, n_features // 4)


def autoencoder(n_features):
    """The untrained network. Features stand side by side as on a line, over which the convolutions run."""
    layers = keras.layers
    quarter = -(-n_features // 4)  # length after two poolings that round up; going back may be up to three too long
    relu = {"padding": "same", "activation": "relu"}
    return keras.Sequential([
        keras.Input((n_features,)),
        layers.Reshape((n_features, 1), name="features_on_a_line"),
        layers.Conv1D(32, 3, **relu, name="encode_32"),
        layers.MaxPooling1D(2, padding="same", name="pool_to_half"),
        layers.Conv1D(16, 3, **relu, name="encode_16"),
        layers.MaxPooling1D(2, padding="same", name="pool_to_quarter"),
        layers.Flatten(name="flatten"),
        layers.Dense(code_size(n_features), name="code"),
        layers.Dense(quarter * 16, activation="relu", name="expand"),
        layers.Reshape((quarter, 16), name="quarter"),
        layers.Conv1D(16, 3, **relu, name="decode_16"),
        layers.UpSampling1D(2, name="grow_to_half"),
        layers.Conv1D(32, 3, **relu, name="decode_32"),
        layers.UpSampling1D(2, name="grow_to_whole"),
        layers.Conv1D(1, 3, padding="same", name="output"),
        layers.Cropping1D((0, 4 * quarter - n_features), name="crop"),
        layers.Flatten(name="features_again"),
    ], name="conv_autoencoder")
