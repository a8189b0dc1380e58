"""Plots: data in, axes out. Normal is blue with dots, anomalous vermilion with triangles, in grey still apart by shape.

Every function takes ``ax=None`` (a new figure where it is missing) and returns the axes; ``show`` puts a figure into a
notebook together with its alternative text.
"""

import io

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from acoustic_nb.audio import LABEL_NAMES as LABELS

COLOURS = ("#0072B2", "#D55E00")
MARKERS = ("o", "^")
PART_STYLES = {"train": ("0.35", "//"), "calibration": ("0.65", ".."), "test": ("0.92", "")}
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
MAX_COLUMNS = 1000


class Figure:
    """A drawn figure with its alternative text, as JupyterLab, papermill and the report show it."""

    def __init__(self, figure, caption):
        self.figure, self.caption = figure, caption

    def _repr_mimebundle_(self, include=None, exclude=None):
        image = io.BytesIO()
        self.figure.savefig(image, format="png", dpi=110, bbox_inches="tight")
        return {"image/png": image.getvalue(), "text/plain": self.caption}, {"image/png": {"alt": self.caption}}


def use_style():
    """One look for all figures of a notebook: light grid, seaborn's whitegrid."""
    import seaborn as sns

    sns.set_theme(style="whitegrid", palette=COLOURS, rc={
        "axes.titlesize": 10, "axes.labelsize": 9, "font.size": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "grid.color": "0.9",
        "text.parse_math": False})  # a dollar sign in a file name is no formula


def show(ax, caption):
    """Display the figure of ``ax`` with ``caption`` as caption and alternative text."""
    figure = np.atleast_1d(ax).ravel()[0].figure
    plt.close(figure)
    return Figure(figure, caption)


def waveforms(recordings, axes=None):
    """Samples over time, one axes per recording, all with one scale; long ones as minimum and maximum per column."""
    axes = _rows(len(recordings), axes, height=1.5)
    peak = max(np.abs(recording.samples).max() for recording in recordings)
    for ax, recording in zip(axes, recordings, strict=True):
        step = max(1, len(recording.samples) // MAX_COLUMNS)
        columns = recording.samples[:len(recording.samples) // step * step].reshape(-1, step)
        time_s = np.arange(len(columns)) * step / recording.sample_rate
        ax.fill_between(time_s, columns.min(axis=1), columns.max(axis=1), color=COLOURS[recording.label], linewidth=0.3)
        ax.set(ylabel="amplitude\n(1 = full scale)", ylim=(-1.05 * peak, 1.05 * peak))
        ax.set_title(f"{recording.name} ({LABELS[recording.label]})", loc="left", fontsize=10)
    _share_time(axes, recordings)
    return axes


def spectrograms(recordings, axes=None):
    """Level over time and frequency, one axes per recording, one colour scale; long recordings thinned."""
    axes = _rows(len(recordings), axes, height=2.3)
    levels = []
    for recording in recordings:
        n_fft = 2048
        starts = np.linspace(0, max(0, len(recording.samples) - n_fft), min(MAX_COLUMNS, len(recording.samples) // 512))
        frames = np.stack([recording.samples[int(start):int(start) + n_fft] for start in starts])
        amplitude = np.abs(np.fft.rfft(frames * np.hanning(n_fft), axis=1)) * 4 / n_fft
        levels.append(20 * np.log10(np.maximum(amplitude, 1e-6)).T[1:])
    top = max(level.max() for level in levels)
    for ax, recording, level in zip(axes, recordings, levels, strict=True):
        image = ax.imshow(level, origin="lower", aspect="auto", cmap="magma", vmin=top - 80, vmax=top,
                          extent=(0, recording.duration_s, 0, recording.sample_rate / 2000), interpolation="nearest",
                          rasterized=True)
        ax.set(ylabel="frequency in kHz")
        ax.set_title(f"{recording.name} ({LABELS[recording.label]})", loc="left", fontsize=10)
        ax.grid(False)
        ax.figure.colorbar(image, ax=ax, label="level in dBFS", pad=0.01)
    _share_time(axes, recordings)
    return axes


def split_timeline(split, ax=None):
    """Which seconds of each recording went into which part; white is gap."""
    names = list(dict.fromkeys(block.recording for block in split.blocks))
    ax = _one(ax, height=0.6 + 0.7 * len(names))
    for block in split.blocks:
        shade, hatch = PART_STYLES[block.part]
        row = names.index(block.recording)
        ax.barh(row, block.end_s - block.start_s, left=block.start_s, height=0.6, color=shade, hatch=hatch,
                edgecolor=COLOURS[block.label], linewidth=1.5)
        ax.text((block.start_s + block.end_s) / 2, row, f"{block.part}\n{block.n_windows}", ha="center", va="center", fontsize=8,
                bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1})
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel="time in s (numbers: windows)")
    ax.invert_yaxis()
    ax.grid(False)
    return ax


def score_timeline(windows, scores, threshold, axes=None, *, event_times_s=()):
    """Scores over time, one axes per recording, with the threshold; flagged windows are filled.

    ``event_times_s`` marks known events of the anomalous recording.
    """
    names = list(dict.fromkeys(windows.recording))
    axes = _rows(len(names), axes, height=1.9, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        rows = windows.recording == name
        label = int(windows.label[rows][0])
        middle_s, values = windows.start_s[rows] + windows.window_s / 2, np.asarray(scores)[rows]
        _timeline(ax, middle_s, values, threshold, label)
        ax.set_ylabel("anomaly score")
        ax.set_title(f"{name} ({LABELS[label]}): {np.mean(values > threshold):.0%} of {len(values)} windows flagged",
                     loc="left", fontsize=10)
        inside = [time for time in event_times_s if label and middle_s[0] <= time <= middle_s[-1]]
        if inside:
            ax.plot(inside, np.full(len(inside), 0.03), "|", color="black", transform=ax.get_xaxis_transform(),
                    label="known click")
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0.1, fontsize=8, ncols=4)
    axes[-1].set_xlabel("time in the recording in s")
    return axes


def stacked_timelines(tables, thresholds, axes=None):
    """Test scores of several detectors over one time axis: a row per detector, a column per recording.

    ``tables`` maps a title to the detector's kept scores (DataFrame), ``thresholds`` to its threshold.
    """
    names = list(dict.fromkeys(next(iter(tables.values()))["recording"]))
    if axes is None:
        axes = plt.subplots(len(tables), len(names), figsize=(9.5, 1.35 * len(tables) + 0.8), sharex="col", sharey="row",
                            squeeze=False, layout="constrained")[1]
    for row, (title, table) in enumerate(tables.items()):
        for column, name in enumerate(names):
            part = table[table["recording"] == name]
            ax = axes[row, column]
            _timeline(ax, (part["start_s"] + part["end_s"]) / 2, part["score"], thresholds[title], int(part["label"].iloc[0]))
            if row == 0:
                ax.set_title(f"{name} ({LABELS[int(part['label'].iloc[0])]})", loc="left", fontsize=10)
        axes[row, 0].set_ylabel(f"{title}\nscore", fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("time in the recording in s")
    return axes


def score_histogram(label, scores, threshold, ax=None):
    """How many windows of each class got which score."""
    import seaborn as sns

    ax = _one(ax)
    label, scores = np.asarray(label), np.asarray(scores)
    low, high = np.percentile(scores, [0, 99])
    if high - low <= 1e-9 * max(1.0, abs(low), abs(high)):  # equal to within rounding: no thirty bins fit between them
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 31)
    for value in (0, 1):
        sns.histplot(x=np.clip(scores[label == value], edges[0], edges[-1]), bins=edges, ax=ax, color=COLOURS[value],
                     element="step", alpha=0.35, linewidth=1.8, linestyle=("-", "--")[value], label=LABELS[value])
    ax.axvline(threshold, color="black", linestyle=":", label="threshold")
    ax.set(xlabel="anomaly score (the highest 1 % in the last bin)", ylabel="number of test windows")
    ax.legend()
    return ax


def roc_curves(curves, ax=None, *, marks=None):
    """ROC curves: share of anomalous windows flagged over share of normal windows flagged.

    ``curves`` maps a title to (label, scores); ``marks`` a title to the threshold in use, drawn as a dot.
    """
    ax = _one(ax, width=4.6, height=4.2)
    for index, (title, (label, scores)) in enumerate(curves.items()):
        false_alarm_rate, recall, _ = roc_curve(label, scores)
        line, = ax.plot(false_alarm_rate, recall, linestyle=LINE_STYLES[index % 6], color=_curve_colour(index, len(curves)),
                        label=f"{title}: AUC {roc_auc_score(label, scores):.3f}")
        if marks:
            label, flagged = np.asarray(label), np.asarray(scores) > marks[title]
            ax.plot(flagged[label == 0].mean(), flagged[label == 1].mean(), "o", color=line.get_color())
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    ax.set(xlabel="false-alarm rate", ylabel="recall", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.legend(loc="lower right", fontsize=8)
    return ax


def precision_recall_curves(curves, ax=None):
    """Precision over recall; the grey line is the prevalence, which chance reaches. ``curves`` as in ``roc_curves``."""
    ax = _one(ax, width=4.6, height=4.2)
    for index, (title, (label, scores)) in enumerate(curves.items()):
        precision, recall, _ = precision_recall_curve(label, scores)
        ax.plot(recall, precision, linestyle=LINE_STYLES[index % 6], color=_curve_colour(index, len(curves)), label=title,
                drawstyle="steps-post")
        ax.axhline(np.mean(label), color="0.6", linewidth=0.8)
    ax.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.legend(loc="lower left", fontsize=8)
    return ax


def confusion(label, scores, threshold, ax=None):
    """Counts of test windows: what they are against whether they were flagged."""
    import seaborn as sns
    from sklearn.metrics import confusion_matrix

    ax = _one(ax, width=3.6, height=3.0)
    counts = confusion_matrix(label, np.asarray(scores) > threshold)
    sns.heatmap(counts, annot=True, fmt="d", cmap="Greys", vmin=0, cbar=False, ax=ax, linewidths=1, linecolor="0.5",
                xticklabels=["not flagged", "flagged"], yticklabels=LABELS)
    ax.set(xlabel="decision", ylabel="recording")
    return ax


def loss_curves(history, ax=None):
    """Losses over epochs; ``history`` maps a name to one number per epoch."""
    ax = _one(ax, height=2.6)
    for index, (name, losses) in enumerate(history.items()):
        if len(losses):
            ax.plot(np.arange(1, len(losses) + 1), losses, linestyle=LINE_STYLES[index], color=("0.1", "0.5")[index % 2],
                    label=name.replace("_", " "))
    ax.set(xlabel="epoch", ylabel="loss")
    ax.legend()
    return ax


def feature_contributions(contributions, feature_names, axes=None, *, titles=("most anomalous window", "least anomalous window")):
    """What each feature adds to the score of a window: one panel of bars per row of ``contributions``."""
    contributions = np.atleast_2d(contributions)
    if axes is None:
        axes = plt.subplots(1, len(contributions), figsize=(9, 0.9 + 0.19 * len(feature_names)), sharey=True, squeeze=False,
                            layout="constrained")[1][0]
    for ax, row, title in zip(axes, contributions, titles, strict=True):
        ax.barh(np.arange(len(feature_names)), row, color="0.45")
        ax.axvline(0, color="0.2", linewidth=0.8)
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_xlabel("contribution to the anomaly score")
    axes[0].set_yticks(range(len(feature_names)), feature_names, fontsize=8)
    axes[0].invert_yaxis()
    return axes


def correlations(table, ax=None):
    """Correlation matrix (a square DataFrame) of features: blue -1, white 0, red 1."""
    ax = _one(ax, width=6.2, height=5.2)
    image = ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.set_xticks(range(len(table)), table.columns, rotation=90, fontsize=8)
    ax.set_yticks(range(len(table)), table.columns, fontsize=8)
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label="correlation")
    return ax


def flag_map(table, titles, axes=None):
    """Which test window is flagged by which detector: dark is flagged. ``table`` from ``agreement``."""
    names = list(dict.fromkeys(table["recording"]))
    axes = _rows(len(names), axes, height=0.5 + 0.24 * len(titles))
    for ax, name in zip(axes, names, strict=True):
        part = table[table["recording"] == name]
        label = int(part["label"].iloc[0])
        hop_s = float(np.median(np.diff(part["start_s"])))
        edges_s = np.append(part["start_s"], part["start_s"].iloc[-1] + hop_s)
        ax.pcolormesh(edges_s, np.arange(len(titles) + 1), part[list(titles)].to_numpy(dtype=float).T, vmin=0, vmax=1.25,
                      cmap=("Blues", "Oranges")[label], rasterized=True)
        ax.set_yticks(np.arange(len(titles)) + 0.5, titles.values(), fontsize=8)
        ax.set_title(f"{name} ({LABELS[label]})", loc="left", fontsize=10)
        ax.grid(False)
        ax.invert_yaxis()
    axes[-1].set_xlabel("start of the window in s")
    return axes


def _share_time(axes, recordings):
    axes[-1].set(xlabel="time in s", xlim=(0, max(recording.duration_s for recording in recordings)))


def _timeline(ax, middle_s, values, threshold, label):
    middle_s, values = np.asarray(middle_s), np.asarray(values)
    flagged = values > threshold
    ax.plot(middle_s, values, color=COLOURS[label], linewidth=0.8, alpha=0.7)
    ax.plot(middle_s[~flagged], values[~flagged], MARKERS[label], color=COLOURS[label], markersize=4, markerfacecolor="white",
            label="not flagged")
    ax.plot(middle_s[flagged], values[flagged], MARKERS[label], color=COLOURS[label], markersize=5, label="flagged")
    ax.axhline(threshold, color="black", linestyle=":", linewidth=1.2, label="threshold")


def _curve_colour(index, n_curves):
    return "black" if n_curves == 1 else plt.get_cmap("viridis")(index / n_curves)


def _one(ax, *, width=8.0, height=3.0):
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def _rows(n_rows, axes, *, height, sharey=False):
    if axes is not None:
        return np.atleast_1d(axes)
    return plt.subplots(n_rows, 1, figsize=(9, height * n_rows + 0.4), sharex=True, sharey=sharey, squeeze=False,
                        layout="constrained")[1][:, 0]
