"""LSTM autoencoder: how badly a window comes back when its sequence is squeezed into one code and written out again."""

import numpy as np

from acoustic_nb.detectors._sequences import check_stretches, coverage_mean, hold_out, sequence_rows
from acoustic_nb.detectors._training import (
    MIN_TRAINING_WINDOWS,
    check_first,
    keras,
    predict,
    prepare,
    train_autoencoder,
    with_weights,
)
from acoustic_nb.detectors.base import check_whole_numbers, scored_values, training_values


class LSTMAutoencoderDetector:
    """Anomaly score: mean absolute difference between a window and its reconstructions by all sequences that cover it.

    A sequence holds windows of one recording that follow each other without a gap, so the order in which the rows of a
    table stand does not matter, and every table must consist of stretches of at least ``sequence_length`` windows.

    Parameters
    ----------
    sequence_length : int
        Windows in a sequence, at least 2.
    units : int
        Size of both LSTM layers, and so of the code.
    epochs, batch_size, learning_rate, patience, max_steps, seed
        As in `ConvAutoencoderDetector`; a gradient step sees ``batch_size`` sequences.

    Attributes
    ----------
    sequence_length_ : int
        The length used.
    model_ : keras.Model
        (n, sequence_length, n_features) -> the same.
    history_, training_, steps_
        As in `ConvAutoencoderDetector`.
    """

    supervised = False
    quick = False

    def __init__(self, sequence_length=10, *, units=64, epochs=50, batch_size=32, learning_rate=1e-3, patience=5,
                 max_steps=5_000, seed=0):
        self.sequence_length = sequence_length
        self.units = units
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.max_steps = max_steps
        self.seed = seed

    def fit(self, windows):
        """Learn to reconstruct sequences of normal windows; at least one sequence, and five windows."""
        check_whole_numbers(2, sequence_length=self.sequence_length)
        check_whole_numbers(1, units=self.units, patience=self.patience)
        values = training_values(self, windows, at_least=MIN_TRAINING_WINDOWS).astype(np.float32)
        check_stretches(windows, self.sequence_length)
        prepare(self)
        model = autoencoder(self.sequence_length, values.shape[1], self.units)
        learned, watched = (values[sequence_rows(windows, self.sequence_length, rows)]
                            for rows in hold_out(windows, sequence_length=self.sequence_length))
        training = train_autoencoder(self, model, learned, watched, unit=f"sequences of {self.sequence_length} windows")
        self.model_, self.history_, self.steps_ = model, training.history, training.steps
        self.training_ = training.sentence
        self.sequence_length_ = self.sequence_length
        self.feature_names_ = windows.feature_names
        return self

    @property
    def context(self):
        """A window's score depends on the sequences that cover it."""
        return self.sequence_length - 1

    def score(self, windows, *, newest=False):
        """Mean absolute reconstruction error of each window, shape (n_windows,), in standard deviations.

        With ``newest`` by the one sequence that ends with the window, as if it had just been heard; the first windows of a stretch,
        with which none ends, by the first sequence.

        Raises
        ------
        ValueError
            Also if windows stand alone: a stretch without a gap must hold at least ``sequence_length_`` of them.
        """
        rows, errors = self._errors(windows)
        if not newest:
            return coverage_mean(rows, errors, len(windows)).mean(axis=1)
        scores = np.empty(len(windows))
        scores[rows[::-1]] = errors[::-1].mean(axis=2)  # of the first sequence last, so that it stays where none ends
        scores[rows[:, -1]] = errors[:, -1].mean(axis=1)
        return scores

    def contributions(self, windows):
        """Absolute error per feature, mean over the sequences that cover the window; the mean of a row is the score."""
        return coverage_mean(*self._errors(windows), len(windows))

    def state(self):
        """See `Detector.state`."""
        return {"weights": self.model_.get_weights(), "feature_names": list(self.feature_names_)}

    def restore(self, state):
        """See `Detector.restore`."""
        check_first(state["weights"], (len(state["feature_names"]), 4 * self.units))
        self.model_ = with_weights(autoencoder(self.sequence_length, len(state["feature_names"]), self.units), state["weights"])
        self.sequence_length_ = self.sequence_length
        self.feature_names_ = tuple(state["feature_names"])
        return self

    def _errors(self, windows):
        """Sequences as rows, and the absolute errors of their reconstruction, shape (n_sequences, sequence_length, n_features)."""
        values = scored_values(self, windows)
        check_stretches(windows, self.sequence_length_)
        rows = sequence_rows(windows, self.sequence_length_)
        return rows, np.abs(values[rows] - predict(self.model_, values[rows]))


def autoencoder(sequence_length, n_features, units):
    """The untrained network: one LSTM reads the sequence into a code, another writes it out again. Both use tanh."""
    layers = keras.layers
    return keras.Sequential([
        keras.Input((sequence_length, n_features)),
        layers.LSTM(units, activation="tanh", name="read_into_code"),
        layers.RepeatVector(sequence_length, name="repeat_code"),
        layers.LSTM(units, activation="tanh", return_sequences=True, name="write_out"),
        layers.Dense(n_features, name="output"),
    ], name="lstm_autoencoder")
