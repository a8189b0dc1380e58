"""Networks: how fast they are fitted beside Keras called batch by batch.

Called by ``speed.py`` in a process of its own, with the threads that a kernel has when two run at once.
"""

import time

import numpy as np

from acoustic_nb.audio import load_recording
from acoustic_nb.features import extract_features
from acoustic_nb.splits import block_split

PLAIN_GAN_EPOCHS = 20


def compare(paths, rounds):
    """Per network the seconds of ``fit`` and of the plain loop and the gradient steps of each, one row per round.

    Both have the same first weights and batches in the same order, and the autoencoders must have the same losses. The plain
    GAN is not: it has few epochs, only whole batches, and numbers of its own.
    """
    from acoustic_nb.detectors import ConvAutoencoderDetector, GANDetector, LSTMAutoencoderDetector

    table = extract_features([load_recording(path, label=label) for label, path in enumerate(paths)])
    windows = block_split(table).train.normal()
    detectors = {"conv_autoencoder": ConvAutoencoderDetector, "lstm_autoencoder": LSTMAutoencoderDetector, "gan": GANDetector}
    rows = {name: [] for name in detectors}
    for _ in range(rounds):
        for name, make in detectors.items():
            begun = time.perf_counter()
            detector = make().fit(windows)
            ours_s = time.perf_counter() - begun
            if name == "gan":
                plain_s, plain_steps = plain_gan(detector, windows.values.astype(np.float32))
            else:
                plain_s, losses = plain_autoencoder(detector, *inputs(name, detector, windows))
                np.testing.assert_allclose(losses, detector.history_["validation_loss"], rtol=1e-2,
                                           err_msg=f"{name} and the plain loop do not agree")
                plain_steps = detector.steps_
            rows[name].append({"ours_s": ours_s, "steps": detector.steps_, "plain_s": plain_s, "plain_steps": plain_steps,
                               "epochs": len(next(iter(detector.history_.values())))})
    return rows


def inputs(name, detector, windows):
    """An untrained network, what it learns from, and what early stopping watches, as in the detector's ``fit``."""
    from acoustic_nb.detectors import conv_autoencoder, lstm_autoencoder
    from acoustic_nb.detectors._sequences import hold_out, sequence_rows
    from acoustic_nb.detectors._training import keras

    values = windows.values.astype(np.float32)
    keras.utils.set_random_seed(detector.seed)
    if name == "conv_autoencoder":
        return conv_autoencoder.autoencoder(values.shape[1]), *(values[rows] for rows in hold_out(windows))
    length = detector.sequence_length
    parts = hold_out(windows, sequence_length=length)
    return (lstm_autoencoder.autoencoder(length, values.shape[1], detector.units),
            *(values[sequence_rows(windows, length, rows)] for rows in parts))


def plain_autoencoder(detector, model, learned, watched):
    """Seconds and validation losses of compile, ``train_on_batch`` and ``evaluate``, stopped early."""
    from acoustic_nb.detectors._training import keras, shuffled_epochs

    begun = time.perf_counter()
    model.compile(optimizer=keras.optimizers.Adam(detector.learning_rate), loss="mse")
    losses, best_weights = [], None
    for order in shuffled_epochs(detector, len(learned)):
        for first in range(0, len(order), detector.batch_size):
            batch = learned[order[first:first + detector.batch_size]]
            model.train_on_batch(batch, batch)
        losses.append(model.evaluate(watched, watched, verbose=0))
        if losses[-1] == min(losses):
            best_weights = model.get_weights()
        elif len(losses) - 1 - np.argmin(losses) >= detector.patience:
            break
    model.set_weights(best_weights)
    return time.perf_counter() - begun, losses


def plain_gan(detector, values):
    """Seconds and steps of the origin's way: ``generator.predict`` and three ``train_on_batch`` for every batch.

    Its first step, which compiles, is not timed: over 1,000 epochs that would not count. It comes before D is frozen for the
    pair of both, or D would never learn.
    """
    from acoustic_nb.detectors import gan
    from acoustic_nb.detectors._training import keras

    keras.utils.set_random_seed(detector.seed)
    random, size = np.random.default_rng(detector.seed), min(detector.batch_size, len(values))
    real_is, fake_is = np.ones((size, 1), np.float32), np.zeros((size, 1), np.float32)
    settings = {"loss": keras.losses.BinaryCrossentropy(from_logits=True)}
    discriminator = gan.discriminator(values.shape[1])
    discriminator.compile(optimizer=keras.optimizers.Adam(detector.learning_rate), **settings)
    discriminator.train_on_batch(values[:size], real_is)
    discriminator.trainable = False
    generator = gan.generator(detector.latent_dim, values.shape[1])
    pair = keras.Sequential([generator, discriminator])
    pair.compile(optimizer=keras.optimizers.Adam(detector.learning_rate), **settings)

    def step():
        fake = generator.predict(random.standard_normal((size, detector.latent_dim)), verbose=0)
        discriminator.train_on_batch(values[random.integers(0, len(values), size)], real_is)
        discriminator.train_on_batch(fake, fake_is)
        pair.train_on_batch(random.standard_normal((size, detector.latent_dim)), real_is)

    step()
    steps = PLAIN_GAN_EPOCHS * max(1, len(values) // size)
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - begun, steps
