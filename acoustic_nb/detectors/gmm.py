"""Gaussian mixture: how improbable a window is under a few Gaussians fitted to normal windows."""

import numpy as np
from sklearn.mixture import GaussianMixture

from acoustic_nb.detectors.base import check_choice, check_whole_numbers, expected, scored_values, training_values

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
SMALLEST_REGULARISATION = 1e-6


class GMMDetector:
    """Anomaly score: negative log-likelihood, in nats.

    Parameters
    ----------
    n_components : int
        Number of Gaussians.
    covariance_type : str
        ``full``, ``tied``, ``diag`` or ``spherical``, as scikit-learn has them.
    seed : int
        Of the starting components.

    Attributes
    ----------
    reg_covar_ : float
        Variance added to every feature, see `regularisation`.
    mixture_ : sklearn.mixture.GaussianMixture
    """

    supervised = False
    quick = True
    context = 0

    def __init__(self, n_components=1, *, covariance_type="full", seed=0):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.seed = seed

    def fit(self, windows):
        """Fit the Gaussians to normal windows; at least two windows for each of them."""
        check_whole_numbers(1, n_components=self.n_components)
        check_choice(COVARIANCE_TYPES, covariance_type=self.covariance_type)
        check_whole_numbers(0, seed=self.seed)
        values = training_values(self, windows, at_least=2 * self.n_components)
        settings = {"n_components": self.n_components, "covariance_type": self.covariance_type}
        self.reg_covar_ = regularisation(*values.shape, **settings)
        self.mixture_ = GaussianMixture(**settings, reg_covar=self.reg_covar_, random_state=self.seed).fit(values)
        self.feature_names_ = windows.feature_names
        return self

    def score(self, windows):
        """Negative log-likelihood of each window, shape (n_windows,)."""
        values = scored_values(self, windows)
        return -self.mixture_.score_samples(values)

    def contributions(self, windows):
        """Each feature's share of the squared Mahalanobis distance to the most likely component.

        A row adds up to that squared distance. A share is negative where a feature agrees with what the correlated
        ones lead to expect.
        """
        values = scored_values(self, windows)
        component = self.mixture_.predict(values)
        shares = np.empty(values.shape)
        for k, (mean, precision) in enumerate(zip(self.mixture_.means_, self._precision_matrices(), strict=True)):
            difference = values[component == k] - mean
            shares[component == k] = difference * (difference @ precision)
        return shares

    def state(self):
        """See `Detector.state`."""
        return {"model": self.mixture_, "feature_names": list(self.feature_names_)}

    def restore(self, state):
        """See `Detector.restore`."""
        self.mixture_ = expected(state["model"], GaussianMixture, state, n_components=self.n_components,
                                 covariance_type=self.covariance_type)
        self.reg_covar_ = self.mixture_.reg_covar
        self.feature_names_ = tuple(state["feature_names"])
        return self

    def _precision_matrices(self):
        precisions, n_features = self.mixture_.precisions_, self.mixture_.means_.shape[1]
        if self.covariance_type == "full":
            return precisions
        if self.covariance_type == "tied":
            return [precisions] * self.n_components
        return [np.eye(n_features) * precision for precision in precisions]


def regularisation(n_windows, n_features, *, n_components, covariance_type):
    """Variance to add to every standardised feature, so that few windows do not give directions of no width.

    A covariance matrix learned from fewer than ten windows per feature is too narrow in some directions, and new normal
    windows look improbable there. The rule adds a tenth of what the features per window exceed a tenth by, on top of
    scikit-learn's 1e-6. Variances alone (``diag``, ``spherical``) need only the latter.

    Examples
    --------
    >>> regularisation(300, 17, n_components=1, covariance_type="full")
    1e-06
    >>> round(regularisation(34, 17, n_components=1, covariance_type="full"), 6)
    0.040001
    """
    if covariance_type in ("diag", "spherical"):
        return SMALLEST_REGULARISATION
    windows_per_matrix = n_windows / n_components if covariance_type == "full" else n_windows
    return SMALLEST_REGULARISATION + 0.1 * max(0.0, n_features / windows_per_matrix - 0.1)
