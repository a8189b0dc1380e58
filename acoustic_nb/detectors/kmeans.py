"""K-means: how far a window lies from the nearest of k centres of normal windows."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin

from acoustic_nb.detectors.base import check_whole_numbers, expected, scored_values, training_values


class KMeansDetector:
    """Anomaly score: Euclidean distance to the nearest centre, in standard deviations. With k = 1, to the mean.

    Parameters
    ----------
    k : int
        Number of centres.
    seed : int
        Of the starting centres.

    Attributes
    ----------
    kmeans_ : sklearn.cluster.KMeans
    centers_ : ndarray, shape (k, n_features)
    """

    supervised = False
    quick = True
    context = 0

    def __init__(self, k=1, *, seed=0):
        self.k = k
        self.seed = seed

    def fit(self, windows):
        """Find the centres of normal windows; at least two windows, and as many as centres."""
        check_whole_numbers(1, k=self.k)
        check_whole_numbers(0, seed=self.seed)
        values = training_values(self, windows, at_least=max(2, self.k))
        self.kmeans_ = KMeans(self.k, n_init=10, random_state=self.seed).fit(values)
        self.centers_ = self.kmeans_.cluster_centers_
        self.feature_names_ = windows.feature_names
        return self

    def score(self, windows):
        """Distance to the nearest centre, shape (n_windows,)."""
        return np.sqrt(self.contributions(windows).sum(axis=1))

    def contributions(self, windows):
        """Squared difference to the nearest centre per feature; a row adds up to the squared score."""
        values = scored_values(self, windows)
        return np.square(values - self.centers_[pairwise_distances_argmin(values, self.centers_)])

    def state(self):
        """See `Detector.state`."""
        return {"model": self.kmeans_, "feature_names": list(self.feature_names_)}

    def restore(self, state):
        """See `Detector.restore`."""
        self.kmeans_ = expected(state["model"], KMeans, state, n_clusters=self.k)
        self.centers_ = self.kmeans_.cluster_centers_
        self.feature_names_ = tuple(state["feature_names"])
        return self
