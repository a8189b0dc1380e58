"""Plots: data in, axes out. Normal is blue with dots, anomalous vermilion with triangles, in grey still apart by shape.

Every function takes ``ax=None`` (a new figure where it is missing) and returns the axes; ``show`` puts a figure into a
notebook together with its alternative text. What has more points than a page has dots is drawn thinned, as least and greatest
per column of time, so that nothing that sticks out is lost, and the figure says so.
"""

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from acoustic_nb.audio import LABEL_NAMES as LABELS

COLOURS = ("#0072B2", "#D55E00")
MARKERS = ("o", "^")
PART_STYLES = {"train": ("0.35", "//"), "calibration": ("0.65", ".."), "test": ("0.92", "")}
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
MAX_COLUMNS = 1000
MAX_CELLS = 500  # columns of a map of flags: each of them wider than a dot
MAX_ROWS = 24
MAX_STRIPS = 40
MARKS = ("●", "▲")
DPI = 110
LONG_TIMES = ((7200, 3600, "h"), (600, 60, "min"), (0, 1, "s"))  # from so many seconds on, a unit of so many and its name


class Figure:
    """A drawn figure with its alternative text, as JupyterLab, papermill and the report show it."""

    def __init__(self, figure, caption):
        self.figure, self.caption = figure, caption

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": self.figure.acoustic_nb_png, "text/plain": self.caption}, {"image/png": {"alt": self.caption}}


def use_style():
    """One look for all figures of a notebook: light grid, seaborn's whitegrid."""
    import seaborn as sns

    sns.set_theme(style="whitegrid", palette=COLOURS, rc={
        "axes.titlesize": 10, "axes.labelsize": 9, "font.size": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "grid.color": "0.9",
        "text.parse_math": False})  # a dollar sign in a file name is no formula


def use_tables():
    """Tables that show whole texts, and of many rows the first and the last."""
    import pandas as pd

    pd.set_option("display.max_colwidth", None, "display.max_rows", 24, "display.min_rows", 12, "display.max_columns", None)


def show(ax, caption):
    """Draw the figure of ``ax``, once, and display it with ``caption`` as caption and alternative text.

    Its PNG is kept on the figure as ``acoustic_nb_png`` (bytes), so that a file of it is the same picture.
    """
    figure = np.atleast_1d(ax).ravel()[0].figure
    plt.close(figure)
    figure.set_dpi(DPI)
    image = io.BytesIO()
    # straight from the canvas: ``savefig`` lays out and draws everything twice
    FigureCanvasAgg(figure).print_png(image, pil_kwargs={"compress_level": 3})
    figure.acoustic_nb_png = image.getvalue()
    return Figure(figure, caption)


def waveforms(overviews, axes=None):
    """Samples over time, one axes for each ``Overview``, all with one scale: least and greatest sample per column."""
    axes = _rows(len(overviews), axes, height=1.5, sharex=False)
    peak = max(max(-overview.low.min(), overview.high.max()) for overview in overviews)
    for ax, overview in zip(axes, overviews, strict=True):
        time_s = np.append(overview.start_s + np.arange(len(overview.low)) * overview.column_s, overview.end_s)
        ax.fill_between(time_s, *(np.append(edge, edge[-1]) for edge in (overview.low, overview.high)), step="post",
                        color=COLOURS[overview.label], linewidth=0.3, zorder=3)  # over the frame, which would hide the last column
        ax.set(ylabel="amplitude\n(1 = full scale)", ylim=(-1.05 * peak, 1.05 * peak))
        thinned = overview.column_s * overview.sample_rate > 1.5
        _of_recording(ax, overview, f"least and greatest sample of every {_span(overview.column_s)}" if thinned else "")
    _time_axis(axes)
    return axes


def spectrograms(overviews, axes=None):
    """Level over time and frequency, one axes for each ``Overview``, one colour scale."""
    axes = _rows(len(overviews), axes, height=2.0, sharex=False)
    top = max(overview.level_db.max() for overview in overviews)
    for ax, overview in zip(axes, overviews, strict=True):
        image = ax.imshow(overview.level_db, origin="lower", aspect="auto", cmap="magma", vmin=top - 80, vmax=top,
                          extent=(overview.start_s, overview.end_s, 0, overview.sample_rate / 2000), interpolation="nearest",
                          rasterized=True)
        ax.set(ylabel="frequency in kHz")
        _of_recording(ax, overview, f"one spectrum every {_span(overview.spectrum_s)}" if overview.gaps else "")
        ax.grid(False)
        ax.figure.colorbar(image, ax=ax, label="level in dBFS", pad=0.01)
    _time_axis(axes)
    return axes


def split_timeline(split, ax=None):
    """Which seconds of each recording went into which part, white is gap; of many recordings, how many went where."""
    names = list(dict.fromkeys(block.recording for block in split.blocks))
    if len(names) > MAX_ROWS:
        return _split_counts(split, ax)
    ax = _one(ax, height=0.8 + (0.7 if len(names) < 5 else 0.34) * len(names))
    for block in split.blocks:
        shade, hatch = PART_STYLES[block.part]
        row = names.index(block.recording)
        ax.barh(row, block.end_s - block.start_s, left=block.start_s, height=0.6, color=shade, hatch=hatch,
                edgecolor=COLOURS[block.label], linewidth=1.5)
        ax.text((block.start_s + block.end_s) / 2, row, f"{block.part} {block.n_windows}", ha="center", va="center", fontsize=8,
                bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1})
    ax.set(yticks=range(len(names)), yticklabels=[_short(name, 40) for name in names])
    _time_axis([ax], more=" (numbers: windows)")
    ax.invert_yaxis()
    ax.grid(False)
    return ax


def _split_counts(split, ax):
    """Bars of recordings per part, one row for each label."""
    ax = _one(ax, height=1.9)
    for row in (0, 1):
        left = 0
        for part, (shade, hatch) in PART_STYLES.items():
            count = sum(block.part == part and block.label == row for block in split.blocks)
            if count:
                ax.barh(row, count, left=left, height=0.6, color=shade, hatch=hatch, edgecolor=COLOURS[row], linewidth=1.5)
                ax.text(left + count / 2, row, f"{part} {count}", ha="center", va="center", fontsize=8,
                        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1})
            left += count
    ax.set(yticks=(0, 1), yticklabels=LABELS, xlabel="number of recordings")
    ax.invert_yaxis()
    ax.grid(False)
    return ax


def score_strips(windows, scores, items, threshold, ax=None):
    """Scores of all windows of each recording in a row of its own, the anomalous recordings below the normal ones.

    Where recordings are judged a diamond is the recording's score, filled if flagged. They stand by falling score, or highest
    window score; of more than 40, the first 20 of each label are drawn.
    """
    scores = np.asarray(scores)
    names = {label: list(dict.fromkeys(windows.recording[windows.recording_label == label])) for label in (0, 1)}
    judged = {} if "start_s" in items else dict(zip(items["recording"], items["score"], strict=True))
    height = judged or {name: scores[windows.recording == name].max() for own in names.values() for name in own}
    most = MAX_STRIPS if len(height) <= MAX_STRIPS else MAX_STRIPS // 2
    shown = [name for own in names.values() for name in sorted(own, key=height.get, reverse=True)[:most]]
    ax = _one(ax, height=0.9 + (0.45 if len(shown) < 6 else 0.21) * len(shown))
    for row, name in enumerate(shown):
        own = windows.recording == name
        label = int(windows.recording_label[own][0])
        drawn = scores[own]
        if len(drawn) > 2 * MAX_COLUMNS:  # by far more lines than there are dots
            drawn = drawn[_extremes(drawn, drawn, MAX_COLUMNS)]
        ax.plot(drawn, np.full(len(drawn), row), "|", color=COLOURS[label], alpha=0.6, markersize=9)
        if name in judged:
            ax.plot(judged[name], row, "D", color="black", markersize=6,
                    markerfacecolor=COLOURS[label] if judged[name] > threshold else "white")
    ax.axvline(threshold, color="black", linestyle=":", linewidth=1.2)
    left_out = sum(map(len, names.values())) - len(shown)
    ax.set(yticks=range(len(shown)), xlabel="anomaly score (dotted: threshold)" + (
        f"; {left_out} recordings with lower scores are not drawn" if left_out else ""))
    ax.set_yticklabels([f"{_short(name, 40)} {MARKS[name in names[1]]}" for name in shown], fontsize=8)
    ax.invert_yaxis()
    return ax


def score_timeline(windows, scores, threshold, recordings, axes=None):
    """Scores over time, one axes for each of ``recordings`` that has windows here, with the threshold; flagged are filled.

    Known events are drawn as a band at the foot; the clicks planted in the demo as ticks. Of very many windows the least and the
    greatest score per column of time are drawn; the share in the title is that of all.
    """
    there = set(windows.recording)
    recordings = [recording for recording in recordings if recording.name in there]
    axes = _rows(len(recordings), axes, height=1.9, sharey=True, sharex=False)
    for ax, recording in zip(axes, recordings, strict=True):
        rows = windows.recording == recording.name
        middle_s, values = (windows.start_s[rows] + windows.end_s[rows]) / 2, np.asarray(scores)[rows]
        thinned = _timeline(ax, middle_s, values, threshold, recording.label)
        ax.set_ylabel(f"anomaly score\n({thinned})" if thinned else "anomaly score")
        ax.set_title(f"{_short(recording.name, 28)} ({LABELS[recording.label]}): {_share(values > threshold)} windows flagged",
                     loc="left", fontsize=10)
        _truth(ax, recording, windows.start_s[rows].min(), windows.end_s[rows].max())
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0.1, fontsize=8, ncols=5)
    _time_axis(axes)
    return axes


def stacked_timelines(tables, thresholds, recordings, axes=None):
    """Test scores of several detectors over time: a row per detector, a column for each of ``recordings`` that was tested.

    ``tables`` maps a title to the detector's kept scores (DataFrame), ``thresholds`` to the threshold for its windows.
    """
    there = set(next(iter(tables.values()))["recording"])
    recordings = [recording for recording in recordings if recording.name in there]
    if axes is None:
        axes = plt.subplots(len(tables), len(recordings), figsize=(max(9.5, 3.2 * len(recordings)), 1.35 * len(tables) + 0.8),
                            sharex="col", sharey="row", squeeze=False, layout="constrained")[1]
    for row, (title, table) in enumerate(tables.items()):
        for column, recording in enumerate(recordings):
            part = table[table["recording"] == recording.name]
            ax = axes[row, column]
            thinned = _timeline(ax, (part["start_s"] + part["end_s"]) / 2, part["score"], thresholds[title], recording.label,
                                columns=MAX_COLUMNS // len(recordings))
            _truth(ax, recording, part["start_s"].min(), part["end_s"].max())
            if row == 0:
                ax.set_title(f"{_short(recording.name, 76 // len(recordings) - 12)} ({LABELS[recording.label]})", loc="left",
                             fontsize=10)
                _note(ax, thinned)
        axes[row, 0].set_ylabel(f"{title}\nscore", fontsize=8)
    for ax in axes[-1]:
        _time_axis([ax])
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
    ax.set(xlabel="anomaly score (the highest 1 % in the last bin)", ylabel="number tested")
    ax.legend()
    return ax


def roc_curves(curves, ax=None, *, marks=None):
    """ROC curves: share of anomalous windows flagged over share of normal windows flagged.

    ``curves`` maps a title to (label, scores); ``marks`` a title to the threshold in use, drawn as a dot.
    """
    ax = _one(ax, width=4.6, height=4.2)
    for title, (label, scores) in curves.items():
        false_alarm_rate, recall, _ = roc_curve(label, scores)
        line, = ax.plot(false_alarm_rate, recall, **curve_style(title, curves),
                        label=f"{title}: AUC {auc(false_alarm_rate, recall):.3f}")
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
    for title, (label, scores) in curves.items():
        precision, recall, _ = precision_recall_curve(label, scores)
        ax.plot(recall, precision, **curve_style(title, curves), label=title, drawstyle="steps-post")
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
    ax.set(xlabel="decision", ylabel="truth")
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


def feature_contributions(contributions, feature_names, axes=None, *, xlabel,
                           titles=("most anomalous window", "least anomalous window")):
    """What each feature does to the score of a window, in the model's own terms (``xlabel``): a panel per row."""
    contributions = np.atleast_2d(contributions)
    if axes is None:
        axes = plt.subplots(1, len(contributions), figsize=(9, 0.9 + 0.19 * len(feature_names)), sharey=True, squeeze=False,
                            layout="constrained")[1][0]
    for ax, row, title in zip(axes, contributions, titles, strict=True):
        ax.barh(np.arange(len(feature_names)), row, color="0.45")
        ax.axvline(0, color="0.2", linewidth=0.8)
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_xlabel(xlabel)
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
    """What is flagged by which detector: dark is flagged. ``table`` from ``agreement``, of windows or of recordings.

    Very many share columns: a column is the darker the more in it is flagged, and white only where nothing is.
    """
    if "start_s" not in table:
        return _recording_flags(table, titles, axes)
    names = list(dict.fromkeys(table["recording"]))
    axes = _rows(len(names), axes, height=0.5 + 0.24 * len(titles), sharex=False)
    for ax, name in zip(axes, names, strict=True):
        part = table[table["recording"] == name]
        label = int(part.get("recording_label", part["label"]).max())
        hop_s = float(np.median(np.diff(part["start_s"])))
        edges_s = np.append(part["start_s"], part["start_s"].iloc[-1] + hop_s)
        column_s = _flag_cells(ax, edges_s, part[list(titles)], label, rasterized=True)
        _detector_rows(ax, titles, f"{_short(name, 50)} ({LABELS[label]})", f"a column is {_span(column_s)}" if column_s else "")
    _time_axis(axes, "start of the window")
    return axes


def _recording_flags(table, titles, axes):
    axes = _rows(2, axes, height=0.5 + 0.24 * len(titles), sharex=False)
    for label, ax in enumerate(axes):
        part = table[table["label"] == label]
        few = len(part) <= MAX_CELLS
        apart = {"edgecolors": "white", "linewidth": 0.3} if few else {}
        _flag_cells(ax, np.arange(len(part) + 1), part[list(titles)], label, **apart)
        _detector_rows(ax, titles, f"{len(part)} {LABELS[label]} recording{'s' * (len(part) != 1)}"
                       f"{', one column each' if few else ''}", "" if few else f"a column is {-(-len(part) // MAX_CELLS)} or fewer")
        ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
    axes[-1].set_xlabel("test recordings in the order of the run")
    return axes


def _flag_cells(ax, edges, flags, label, **style):
    """Draw flags, a column per row of the DataFrame between its ``edges``; where many share a column, return its width, else 0."""
    shade, width = flags.to_numpy(dtype=float), 0
    if len(flags) > MAX_CELLS:
        starts, edges = edges[:-1], np.linspace(edges[0], edges[-1], MAX_CELLS + 1)
        width = edges[1] - edges[0]
        column = np.minimum(np.searchsorted(edges, starts, side="right") - 1, MAX_CELLS - 1)
        n_windows = np.maximum(np.bincount(column, minlength=MAX_CELLS), 1)
        share = np.stack([np.bincount(column, weights=flag, minlength=MAX_CELLS) / n_windows for flag in shade.T], axis=1)
        shade = np.where(share > 0, 0.2 + 0.8 * np.sqrt(share), 0)  # a single one among very many is seen
    ax.pcolormesh(edges, np.arange(flags.shape[1] + 1), shade.T, vmin=0, vmax=1.25, cmap=("Blues", "Oranges")[label], **style)
    return width


def _detector_rows(ax, titles, title, column):
    ax.set_yticks(np.arange(len(titles)) + 0.5, titles.values(), fontsize=8)
    ax.set_title(title, loc="left", fontsize=10)
    _note(ax, f"{column}: the darker, the more of it is flagged" if column else "")
    ax.grid(False)
    ax.invert_yaxis()


def _short(name, longest):
    """A name that fits: its end tells it from others."""
    return name if len(name) <= longest else f"…{name[1 - longest:]}"


def _of_recording(ax, overview, thinned):
    label = "" if overview.label is None else f" ({LABELS[overview.label]})"
    ax.set_title(f"{_short(overview.name, 50)}{label}", loc="left", fontsize=10)
    _note(ax, thinned)
    ax.set_xlim(overview.start_s, overview.end_s)


def _note(ax, text):
    """How a figure was thinned, small and grey at its upper right."""
    ax.set_title(text, loc="right", fontsize=8, color="0.4")


def _span(seconds):
    """A time in two figures: 30 ms, 0.3 s, 86 s, 3 min."""
    unit_s, unit = next(((unit_s, unit) for unit_s, unit in ((3600, "h"), (60, "min"), (1, "s")) if seconds >= 1.65 * unit_s),
                        (1, "s") if seconds >= 0.0995 else (0.001, "ms"))
    return f"{seconds / unit_s:.2g} {unit}"


def _share(flagged):
    """Which share of the windows is flagged, or how many where a rounded share would say none, or all."""
    n_flagged, share = np.count_nonzero(flagged), f"{np.mean(flagged):.0%}"
    says_wrong = (share == "0%" and n_flagged) or (share == "100%" and n_flagged < len(flagged))
    return f"{n_flagged if says_wrong else share} of {len(flagged)}"


class _TimeTicks(MaxNLocator):
    """Ticks at round numbers of a unit of time, on an axis in seconds."""

    def __init__(self, unit_s):
        super().__init__("auto", steps=(1, 2, 3, 5, 6, 10))
        self.unit_s = unit_s

    def tick_values(self, vmin, vmax):
        return super().tick_values(vmin / self.unit_s, vmax / self.unit_s) * self.unit_s


def _time_axis(axes, what="time in the file", more=""):
    """Name the time of axes in seconds: what shows more than ten minutes is read in min, from two hours on in h."""
    units = [next((unit_s, unit) for least_s, unit_s, unit in LONG_TIMES if np.ptp(ax.get_xlim()) >= least_s) for ax in axes]
    for ax, (unit_s, unit) in zip(axes, units, strict=True):
        if unit_s > 1:
            ax.xaxis.set_major_locator(_TimeTicks(unit_s))
            ax.xaxis.set_major_formatter(lambda time_s, place, unit_s=unit_s: f"{time_s / unit_s:g}")
        if ax is axes[-1] or unit != units[-1][1]:
            ax.set_xlabel(f"{what} in {unit}{more}")


def _extremes(place, values, n_columns):
    """Rows of the least and of the greatest value in each of ``n_columns`` equal parts of what ``place`` spans, rising."""
    width = (place.max() - place.min()) / n_columns or 1
    column = np.minimum(((place - place.min()) / width).astype(int), n_columns - 1)
    order = np.lexsort((values, column))
    first = np.flatnonzero(np.diff(column[order], prepend=-1))
    return np.unique(np.concatenate([order[first], order[np.append(first[1:], len(order)) - 1]]))


def _truth(ax, recording, from_s, to_s):
    """Known events of a recording between two times, at the foot of the axes."""
    low, high = ax.get_xlim()
    spans = [(event.start_s, max(event.end_s, event.start_s + 0.006 * (to_s - from_s))) for event in recording.events or ()
             if event.end_s > from_s and event.start_s < to_s]
    if spans:
        corners = [[(start, 0), (start, 0.08), (end, 0.08), (end, 0)] for start, end in spans]
        ax.add_collection(PolyCollection(corners, transform=ax.get_xaxis_transform(), facecolor="black", alpha=0.75, linewidth=0,
                                         label="known event"), autolim=False)
    inside = [time for time in recording.event_times_s if from_s <= time <= to_s]
    if inside:
        ax.plot(inside, np.full(len(inside), 0.03), "|", color="black", transform=ax.get_xaxis_transform(), label="known click")
    ax.set_xlim(low, high)


def _timeline(ax, middle_s, values, threshold, label, *, columns=MAX_COLUMNS):
    """Draw scores over time; of very many, the least and the greatest of each column, and return in words that it is so."""
    middle_s, values = np.asarray(middle_s), np.asarray(values)
    many = len(values) > 2 * columns
    thinned = f"extremes of {_span(np.ptp(middle_s) / columns)}" if many else ""
    if many:
        rows = _extremes(middle_s, values, columns)
        middle_s, values = middle_s[rows], values[rows]
    flagged = values > threshold
    ax.plot(middle_s, values, color=COLOURS[label], linewidth=0.8, alpha=0.7, label="not flagged" if many else None)
    if not many:
        ax.plot(middle_s[~flagged], values[~flagged], MARKERS[label], color=COLOURS[label], markersize=4, markerfacecolor="white",
                label="not flagged")
    ax.plot(middle_s[flagged], values[flagged], MARKERS[label], color=COLOURS[label], markersize=3 if many else 5, label="flagged")
    ax.axhline(threshold, color="black", linestyle=":", linewidth=1.2, label="threshold")
    return thinned


def curve_style(title, titles):
    """Colour and line of one of several titles: the same in every figure that draws these, in whatever order."""
    place = sorted(titles).index(title)
    return {"color": "black" if len(titles) == 1 else plt.get_cmap("viridis")(place / len(titles)),
            "linestyle": LINE_STYLES[place % len(LINE_STYLES)]}


def _one(ax, *, width=8.0, height=3.0):
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def _rows(n_rows, axes, *, height, sharey=False, sharex=True):
    if axes is not None:
        return np.atleast_1d(axes)
    return plt.subplots(n_rows, 1, figsize=(9, height * n_rows + 0.4), sharex=sharex, sharey=sharey, squeeze=False,
                        layout="constrained")[1][:, 0]
