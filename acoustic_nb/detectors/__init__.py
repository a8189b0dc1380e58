"""The six detectors by name. Each learns what normal windows look like and gives every window an anomaly score.

Importing this package loads neither scikit-learn nor TensorFlow: a detector's module is imported when its class is
first asked for, by ``detector_class("gmm")`` or ``from acoustic_nb.detectors import GMMDetector``. What all of them
promise is in `acoustic_nb.detectors.base`.
"""

from importlib import import_module

DETECTORS = {
    "kmeans": "acoustic_nb.detectors.kmeans:KMeansDetector",
    "conv_autoencoder": "acoustic_nb.detectors.conv_autoencoder:ConvAutoencoderDetector",
    "svm": "acoustic_nb.detectors.svm:SVMDetector",
    "gmm": "acoustic_nb.detectors.gmm:GMMDetector",
    "lstm_autoencoder": "acoustic_nb.detectors.lstm_autoencoder:LSTMAutoencoderDetector",
    "gan": "acoustic_nb.detectors.gan:GANDetector",
}


def detector_class(name):
    """The class of the detector called ``name``, imported now.

    Raises
    ------
    ValueError
        If there is no such detector; the message lists those there are.
    """
    if name not in DETECTORS:
        raise ValueError(f"there is no detector {name!r}; use one of {', '.join(DETECTORS)}")
    module, class_name = DETECTORS[name].split(":")
    return getattr(import_module(module), class_name)


def __getattr__(attribute):
    for name, target in DETECTORS.items():
        if target.endswith(f":{attribute}"):
            return detector_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")


def __dir__():
    return [*globals(), *(target.split(":")[1] for target in DETECTORS.values())]
