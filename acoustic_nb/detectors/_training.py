"""How the three networks are trained; with them, the only place that knows Keras and TensorFlow.

At this size Keras's ``fit`` is mostly overhead, so a whole epoch is one compiled function. The order of the windows and
every random number come from numpy and the seed.
"""

import gc
import os
from dataclasses import dataclass

import numpy as np

from acoustic_nb.detectors.base import check_positive, check_whole_numbers
from acoustic_nb.quiet import quiet_stderr


def _import_quietly():
    """Keras and TensorFlow. TensorFlow writes to file descriptor 2 while it loads, which no setting stops."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its kernels for large layers make small convolutions slower
    os.environ["KERAS_BACKEND"] = "tensorflow"
    collecting = gc.isenabled()
    gc.disable()  # hundreds of thousands of objects that all stay: looking for garbage among them takes a fifth of the time
    try:
        with quiet_stderr():
            import keras
            import tensorflow
    finally:
        if collecting:
            gc.enable()
    tensorflow.get_logger().setLevel("ERROR")  # else it wonders in the report that every fit compiles a network of its own
    return keras, tensorflow


keras, tf = _import_quietly()

MIN_TRAINING_WINDOWS = 5
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Training:
    """What happened: losses per epoch, gradient steps, and a sentence on how far it went and why it ended."""

    history: dict
    steps: int
    sentence: str


def prepare(detector):
    """Check the training settings that all three networks have, and seed what Keras draws its first weights from."""
    check_whole_numbers(1, epochs=detector.epochs, batch_size=detector.batch_size, max_steps=detector.max_steps)
    check_whole_numbers(0, seed=detector.seed)
    check_positive(learning_rate=detector.learning_rate)
    keras.utils.set_random_seed(detector.seed)


class Adam:
    """Adam as `keras.optimizers.Adam` computes it by default, in one TensorFlow operation per variable.

    Keras's own takes about 25, which at this size is up to a third of the training time.
    """

    def __init__(self, learning_rate, variables):
        self.learning_rate = learning_rate
        self.variables = [variable.value for variable in variables]
        self.means, self.mean_squares = ([tf.Variable(tf.zeros_like(variable)) for variable in self.variables] for _ in range(2))
        self.steps = tf.Variable(0.0)

    def apply(self, gradients):
        """Move the variables one step down their gradients, which come in the same order."""
        steps = self.steps.assign_add(1.0)
        settings = {"lr": self.learning_rate, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7,
                    "beta1_power": 0.9 ** steps, "beta2_power": 0.999 ** steps}
        for variable, mean, mean_square, gradient in zip(self.variables, self.means, self.mean_squares, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(var=variable.handle, m=mean.handle, v=mean_square.handle, grad=gradient, **settings)


def train_autoencoder(detector, model, learned, watched, *, unit):
    """Train a Keras model to return its input: Adam, mean squared error, stopped early.

    Parameters
    ----------
    detector : Detector
        Has the settings: ``epochs`` and ``max_steps`` (gradient steps), whichever comes first, ``batch_size``,
        ``learning_rate``, ``seed``, and ``patience``, the epochs without a new best after which to stop.
    model : keras.Model
        Changed in place; ends with the weights of the epoch that was best on ``watched``.
    learned, watched : ndarray of float32
        Inputs to learn from and inputs whose loss decides when to stop. Without the latter all epochs are run.
    unit : str
        What an input is, for the sentence: ``windows``.

    Returns
    -------
    Training
        ``history`` has ``loss`` (mean over the epoch's inputs, each as it was learned from) and ``validation_loss`` (after the
        epoch; empty without ``watched``).
    """
    batch_size = detector.batch_size
    optimizer = Adam(detector.learning_rate, model.trainable_variables)
    learned = tf.constant(learned)

    def step(rows):
        batch = tf.gather(learned, rows)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(batch, training=True) - batch))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))
        return loss * tf.cast(tf.size(rows), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)
    def epoch(order):
        losses = tf.map_fn(lambda first: step(order[first:first + batch_size]), tf.range(0, tf.size(order), batch_size),
                           fn_output_signature=tf.float32, parallel_iterations=1)
        return tf.reduce_sum(losses) / tf.cast(tf.size(order), tf.float32)

    history = {"loss": [], "validation_loss": []}
    best_loss, best_epoch, best_weights, steps, stopped = np.inf, 0, None, 0, False
    for number, order in enumerate(shuffled_epochs(detector, len(learned)), start=1):
        history["loss"].append(checked_loss(epoch(order), detector))
        steps += n_batches(len(order), batch_size)
        if not len(watched):
            continue
        history["validation_loss"].append(checked_loss(np.square(predict(model, watched) - watched).mean(), detector))
        if history["validation_loss"][-1] < best_loss:
            best_loss, best_epoch, best_weights = history["validation_loss"][-1], number, model.get_weights()
        stopped = number - best_epoch >= detector.patience
        if stopped:
            break
    if best_weights:
        model.set_weights(best_weights)
    sentence = how_far(detector, number, steps, len(learned), unit)
    if stopped:
        sentence += f"; ended because {detector.patience} epochs brought nothing better"
    if len(watched):
        sentence += f"; kept are the weights of epoch {best_epoch}, the best on the {len(watched)} held out"
    else:
        sentence += "; none held out to stop early, there are too few"
    return Training(history, steps, sentence + ".")


def how_far(detector, epochs_run, steps, n_rows, unit):
    """The first half of the sentence on a training: epochs, steps, data, and the cap on steps where it was hit."""
    sentence = f"{epochs_run} of {detector.epochs} epochs ({steps} steps) on {n_rows} {unit}"
    capped = steps == detector.max_steps < detector.epochs * n_batches(n_rows, detector.batch_size)
    return sentence + f"; ended by max_steps = {detector.max_steps}" if capped else sentence


def checked_loss(loss, detector):
    """The loss as a float; ValueError where training has diverged."""
    if not np.isfinite(loss):
        raise ValueError(f"training diverged at learning_rate = {detector.learning_rate}; use a smaller one")
    return float(loss)


def shuffled_epochs(detector, n_rows):
    """The rows in a new order for every epoch, until there were ``epochs`` of them or ``max_steps`` batches.

    The last batch of an epoch may be a short one; the last epoch may be cut off by ``max_steps``.
    """
    random = np.random.default_rng(detector.seed)
    steps_left = detector.max_steps
    for _ in range(detector.epochs):
        if steps_left <= 0:
            return
        yield random.permutation(n_rows)[:steps_left * detector.batch_size]
        steps_left -= n_batches(n_rows, detector.batch_size)


def n_batches(n_rows, batch_size):
    """Batches that hold so many rows, the last one perhaps short."""
    return -(-n_rows // batch_size)


def check_first(weights, shape):
    """Refuse, with ValueError, weights whose first array has another shape: before a network of who knows what size is built."""
    if not weights or tuple(weights[0].shape) != shape:
        found = tuple(weights[0].shape) if weights else "none"
        raise ValueError(f"the first weights have the shape {found}, these settings need {shape}; they belong to other settings")


def with_weights(model, weights):
    """A network with other weights, as ``get_weights`` gave them; ValueError where their shapes are those of another network."""
    shapes, given = ([tuple(each.shape) for each in arrays] for arrays in (model.get_weights(), weights))
    if shapes != given:
        raise ValueError(f"weights of shapes {given} do not fit the network {model.name}, which has {shapes}; they belong to other "
                         "settings")
    model.set_weights(weights)
    return model


def predict(model, inputs):
    """What a Keras model makes of an array, as float64, a few thousand rows at a time."""
    inputs = np.asarray(inputs, dtype=np.float32)
    pieces = [inputs[first:first + ROWS_AT_ONCE] for first in range(0, len(inputs), ROWS_AT_ONCE)]
    return np.concatenate([model.predict_on_batch(piece).astype(np.float64) for piece in pieces])
