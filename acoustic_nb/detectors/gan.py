"""Generative adversarial network: a discriminator that told normal windows from invented ones looks at new windows."""

from itertools import islice

import numpy as np
from scipy.special import expit

from acoustic_nb.detectors._training import (
    MIN_TRAINING_WINDOWS,
    Adam,
    check_first,
    checked_loss,
    how_far,
    keras,
    n_batches,
    predict,
    prepare,
    shuffled_epochs,
    tf,
    with_weights,
)
from acoustic_nb.detectors.base import check_choice, check_whole_numbers, score_drops, scored_values, training_values

SCORE_KINDS = ("feature_distance", "discriminator")
STEPS_AT_ONCE = 500


class GANDetector:
    """Anomaly score: how unusual a window is to the discriminator D, in one of two ways.

    ``feature_distance``: Euclidean distance of D's last hidden activations, taken as they are and not scaled, from
    their mean over the training windows. ``discriminator``: 1 - D(x), how invented D finds the window. D only learns to
    tell windows from the generator's inventions, and what lies far from both may well look real to it.

    Parameters
    ----------
    latent_dim : int
        Random numbers the generator makes a window from.
    epochs, batch_size : int
        Passes over the training windows, and windows per step (all of them where there are fewer).
    learning_rate : float
        Of both Adam optimisers.
    score_kind : str
        ``feature_distance`` or ``discriminator``.
    max_steps : int
        Most steps, each of which moves both networks; ends training on hours of sound.
    seed : int
        Of the first weights, the order of the windows and the generator's random numbers.

    Attributes
    ----------
    generator_, discriminator_ : keras.Model
        The latter ends in a logit: D(x) is its logistic function.
    last_hidden_ : keras.Model
        D without its last layer: (n, n_features) -> (n, 32).
    center_ : ndarray, shape (32,)
        Mean of D's last hidden activations over the training windows.
    history_ : dict of list
        ``discriminator_loss`` and ``generator_loss`` per epoch, binary cross-entropies in nats.
    training_ : str
        How long training went on and why it ended.
    steps_ : int
        Steps taken.
    """

    supervised = False
    quick = False
    context = 0

    def __init__(self, latent_dim=10, *, epochs=1000, batch_size=32, learning_rate=2e-4, score_kind="feature_distance",
                 max_steps=20_000, seed=0):
        self.latent_dim = latent_dim
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.score_kind = score_kind
        self.max_steps = max_steps
        self.seed = seed

    def fit(self, windows):
        """Let both networks learn from normal windows; at least five of them."""
        check_whole_numbers(1, latent_dim=self.latent_dim)
        check_choice(SCORE_KINDS, score_kind=self.score_kind)
        values = training_values(self, windows, at_least=MIN_TRAINING_WINDOWS).astype(np.float32)
        prepare(self)
        n_features = values.shape[1]
        pair = Adversaries(generator(self.latent_dim, n_features), discriminator(n_features), self.learning_rate)
        self.history_, self.steps_ = self._train(pair, values)
        self.generator_, self.discriminator_ = pair.generator, pair.discriminator
        self.training_ = how_far(self, len(self.history_["generator_loss"]), self.steps_, len(values), "windows") + (
            "; a fixed number, since neither loss says when a GAN is good.")
        self.last_hidden_ = last_hidden(pair.discriminator)
        self.center_ = predict(self.last_hidden_, values).mean(axis=0)
        self.feature_names_ = windows.feature_names
        return self

    def score(self, windows, kind=None):
        """Scores of one kind, ``score_kind`` unless told otherwise; shape (n_windows,)."""
        values = scored_values(self, windows)
        kind = self.score_kind if kind is None else kind
        check_choice(SCORE_KINDS, kind=kind)
        if kind == "discriminator":
            return expit(-predict(self.discriminator_, values)[:, 0])  # taking D(x) from 1 would round small ones to 0
        return np.linalg.norm(predict(self.last_hidden_, values) - self.center_, axis=1)

    def contributions(self, windows):
        """How far the score falls when one feature is set to its normal mean, see `score_drops`."""
        return score_drops(self.score, windows)

    def state(self):
        """See `Detector.state`."""
        return {"generator": self.generator_.get_weights(), "discriminator": self.discriminator_.get_weights(),
                "center": self.center_, "feature_names": list(self.feature_names_)}

    def restore(self, state):
        """See `Detector.restore`."""
        n_features = len(state["feature_names"])
        check_first(state["generator"], (self.latent_dim, 32))
        self.generator_ = with_weights(generator(self.latent_dim, n_features), state["generator"])
        self.discriminator_ = with_weights(discriminator(n_features), state["discriminator"])
        self.last_hidden_, self.center_ = last_hidden(self.discriminator_), state["center"]
        self.feature_names_ = tuple(state["feature_names"])
        return self

    def _train(self, pair, values):
        """Some epochs at a time, since a compiled call takes as long as a few steps."""
        train = pair.compiled_steps(values)
        random = np.random.default_rng([self.seed, 1])  # not the stream that shuffles the windows
        history, steps = {"discriminator_loss": [], "generator_loss": []}, 0
        orders = shuffled_epochs(self, len(values))
        at_once = max(1, STEPS_AT_ONCE // n_batches(len(values), self.batch_size))
        while some := list(islice(orders, at_once)):
            noise = [random.standard_normal((2, len(order), self.latent_dim), dtype=np.float32) for order in some]
            sizes = [np.diff(np.r_[0:len(order):self.batch_size, len(order)]) for order in some]  # of the batches
            losses = train(np.concatenate(some), np.concatenate(noise, axis=1), np.concatenate(sizes)).numpy()
            steps += len(losses)
            for epoch in np.split(losses, np.cumsum([len(each) for each in sizes[:-1]])):
                for name, loss in zip(history, epoch.mean(axis=0), strict=True):
                    history[name].append(checked_loss(loss, self))
        return history, steps


class Adversaries:
    """A generator and a discriminator, each with an optimiser that knows only its own variables."""

    def __init__(self, generator, discriminator, learning_rate):
        self.generator, self.discriminator = generator, discriminator
        self.generator_optimizer = Adam(learning_rate, generator.trainable_variables)
        self.discriminator_optimizer = Adam(learning_rate, discriminator.trainable_variables)

    def step_discriminator(self, real, noise):
        """Move D towards calling ``real`` windows real (1) and generated ones invented (0); returns its loss."""
        fake = self.generator(noise)
        with tf.GradientTape() as tape:
            loss = (_cross_entropy(self.discriminator(real)) + _cross_entropy(-self.discriminator(fake))) / 2
        self.discriminator_optimizer.apply(tape.gradient(loss, self.discriminator.trainable_variables))
        return loss

    def step_generator(self, noise):
        """Move G towards windows that D calls real; returns its loss."""
        with tf.GradientTape() as tape:
            loss = _cross_entropy(self.discriminator(self.generator(noise)))
        self.generator_optimizer.apply(tape.gradient(loss, self.generator.trainable_variables))
        return loss

    def compiled_steps(self, values):
        """A function that takes many steps: which rows, noise, sizes of the batches -> losses (D, G), shape (n_steps, 2).

        The rows of all batches stand one behind the other, shape (n_rows,); noise has the shape (2, n_rows, latent_dim).
        """
        values = tf.constant(values)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([2, None, None], tf.float32),
                                      tf.TensorSpec([None], tf.int64)], autograph=False)
        def train(rows, noise, sizes):
            def step(batch):
                batch = slice(batch[0], batch[1])
                loss = self.step_discriminator(tf.gather(values, rows[batch]), noise[0, batch])
                return tf.stack([loss, self.step_generator(noise[1, batch])])

            ends = tf.cumsum(sizes)
            return tf.map_fn(step, (ends - sizes, ends), fn_output_signature=tf.float32, parallel_iterations=1)

        return train


def generator(latent_dim, n_features):
    """The untrained generator: ``latent_dim`` - 32 - 64 - ``n_features``, linear at the end."""
    layers = keras.layers
    return keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(32, activation="relu", name="hidden_32"),
        layers.Dense(64, activation="relu", name="hidden_64"),
        layers.Dense(n_features, name="window"),
    ], name="generator")


def discriminator(n_features):
    """The untrained discriminator: ``n_features`` - 64 - 32 - 1, a logit at the end."""
    layers = keras.layers
    return keras.Sequential([
        keras.Input((n_features,)),
        layers.Dense(64, activation="relu", name="hidden_64"),
        layers.Dense(32, activation="relu", name="hidden_32"),
        layers.Dense(1, name="logit"),
    ], name="discriminator")


def last_hidden(discriminator):
    """The discriminator without its last layer: (n, n_features) -> (n, 32)."""
    return keras.Model(discriminator.inputs[0], discriminator.get_layer("hidden_32").output)


def _cross_entropy(logits):
    """Mean of -log D: of taking windows for real; with the opposite logits, of taking them for invented."""
    return tf.reduce_mean(tf.nn.softplus(-logits))
