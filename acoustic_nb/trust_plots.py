"""Plots of what a result is worth: intervals against controls, loudness, and how faint an event is still found.

As in ``plots``: data in, axes out, a new figure where ``ax`` is missing.
"""

import matplotlib.pyplot as plt
import numpy as np

from acoustic_nb.plots import COLOURS, LABELS, MARKERS, curve_style


def auc_ranges(summary, ax=None):
    """ROC AUC of every detector with its 95 % interval; below it, thinner, the spreads over rotations and seeds if there are any.

    Grey bands are the identity controls, the dashed line is the level alone: a result should lie right of both.
    """
    ax = plt.subplots(figsize=(8.5, 1.2 + 0.62 * len(summary)), layout="constrained")[1] if ax is None else ax
    for row, about in enumerate(summary.itertuples()):
        once = {"label": None} if row else {}
        if np.isfinite(about.identity_high):
            width = max(about.identity_high - about.identity_low, 0.004)  # a single value is seen too
            ax.barh(row, width, left=about.identity_low, height=0.66, color="0.84", edgecolor="0.84",
                    **({"label": "identity control"} | once))
        ax.plot([about.roc_auc_low, about.roc_auc_high], [row, row], color="black", linewidth=2.2,
                **({"label": "95 % interval"} | once))
        ax.plot(about.roc_auc, row, "o", color="black", markersize=7, markerfacecolor="white" if about.n_eff < 8 else "black")
        if about.rotations > 1:
            ax.plot([about.roc_auc_min, about.roc_auc_max], [row + 0.2] * 2, "|-", color="0.35", linewidth=1.2,
                    **({"label": f"{about.rotations:.0f} rotations"} | once))
        if about.seeds > 1:
            ax.plot([about.seed_roc_auc_min, about.seed_roc_auc_max], [row + 0.32] * 2, "|:", color="0.35", linewidth=1.2,
                    **({"label": f"{about.seeds:.0f} seeds"} | once))
    ax.axvline(0.5, color="0.4", linewidth=0.8, label="chance")
    ax.axvline(summary["level_auc"].iloc[0], color="0.4", linestyle="--", linewidth=1.2, label="level alone")
    ax.set(yticks=range(len(summary)), xlabel="ROC AUC (white dot: fewer than 8 independent ones per class)", xlim=(-0.01, 1.01))
    ax.set_yticklabels([f"{about.title}{' (supervised)' if about.supervised else ''}" for about in summary.itertuples()])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.06 - 0.5 / len(summary)), ncols=6, fontsize=8, frameon=False)
    return ax


def level_responses(responses, axes=None):
    """Share of what is flagged when the test sound is made louder or softer: one axes per detector.

    ``responses`` maps a title to the DataFrame from ``level_shifts.level_response``.
    """
    n_columns = min(3, len(responses))
    n_rows = -(-len(responses) // n_columns)
    if axes is None:
        axes = plt.subplots(n_rows, n_columns, figsize=(max(4.2, 3.1 * n_columns), 0.6 + 2.2 * n_rows), sharey=True, squeeze=False,
                            layout="constrained")[1]
    for ax, (title, response) in zip(axes.flat, responses.items(), strict=False):
        place = np.arange(len(response))
        for label, name in enumerate(LABELS):
            ax.plot(place, response[f"flagged_{name}"], marker=MARKERS[label], color=COLOURS[label], linestyle=":", linewidth=0.8,
                    label=name)
        ax.set(ylim=(-0.04, 1.04), xticks=place)
        ax.set_xticklabels([f"{gain_db:+g}" if gain_db else "0" for gain_db in response["gain_db"]])
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_xlabel("test sound made louder by … dB", fontsize=8)
    for ax in axes.flat[len(responses):]:
        ax.set_visible(False)
    for row in axes:
        row[0].set_ylabel("share flagged")
    axes.flat[0].legend(fontsize=8)
    return axes


def detection_curves(shares, ax=None):
    """Share of mixed-in events that are found over their level, a line per detector; far left, what is flagged without any.

    ``shares`` maps a title to the DataFrame from ``sensitivity.found_shares``.
    """
    ax = plt.subplots(figsize=(8.5, 4.4), layout="constrained")[1] if ax is None else ax
    for title, share in shares.items():
        mixed = share[np.isfinite(share["level_db"])].sort_values("level_db")
        style = curve_style(title, shares)
        ax.plot(mixed["level_db"], mixed["share"], marker=".", label=title, **style)
        none = share[np.isneginf(share["level_db"])]
        ax.plot(np.full(len(none), mixed["level_db"].min() - 4), none["share"], "_", color=style["color"], markersize=14,
                markeredgewidth=2)
    ax.axhline(0.5, color="0.4", linestyle=":", linewidth=1)
    low = min(share.loc[np.isfinite(share["level_db"]), "level_db"].min() for share in shares.values())
    ax.text(low - 4, 1.02, "no event", ha="center", va="bottom", fontsize=8)
    ax.set(xlabel="level of the event relative to the normal sound in dB (RMS over its own length)", ylabel="share of events found",
           ylim=(-0.03, 1.08))
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax
