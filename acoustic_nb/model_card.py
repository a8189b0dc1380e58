"""The model card: what a kept detector was trained on, how it was judged, and what the run's verdict says, for people.

It is written with the bundle and once more when the run knows its verdict.
"""

import json
import sys

from acoustic_nb.archives import BundleError
from acoustic_nb.bundle_files import read_bundle_files, replace_card

VERDICT_HEADING = "## The verdict of its run"
UNKNOWN = "No verdict yet: the comparison of the run (`07_comparison`) writes it."


def model_card(about, metrics, verdict):
    """The card as Markdown.

    Parameters
    ----------
    about : dict
        ``bundle.json``.
    metrics : dict
        What the run keeps of the detector, ``metrics.json``.
    verdict : dict or None
        ``{"kind", "text"}`` of the run.
    """
    features, run = about["features"], about["run"]
    labels = {label: [each for each in about["recordings"] if each["label"] == label] for label in ("normal", "anomalous")}
    level = {"kept": "hear loudness", "removed": "are blind to loudness"}[features["level"]]
    lines = [
        f"# {about['title']}, kept from {run['name']}", "",
        f"Made {about['made']} by acoustic_nb {about['versions']['acoustic-nb']}. It gives every window of new sound an anomaly "
        "score, higher = more anomalous, and flags what scores above its threshold.", "",
        "## What it is for", "",
        "The machine, place, microphone and gain of the recordings below. `acoustic-nb score` says when new sound is outside of "
        "that; believe it before any alarm.", "",
        "## What it has learned from", "",
        f"- {_sum_of(labels['normal'], 'normal')}"
        + (f"; {_sum_of(labels['anomalous'], 'anomalous')}, half of which it has heard in training" if about["supervised"] else
           f"; it has learned nothing from the anomalous recordings ({len(labels['anomalous'])})"),
        *(f"  - {each['name']}: {each['label']}, {each['duration_s']:.1f} s at {each['native_sample_rate']} Hz, used for "
          f"{', '.join(each['parts']) or 'nothing'}" for each in about["recordings"][:20]),
        *([f"  - and {len(about['recordings']) - 20} more"] if len(about["recordings"]) > 20 else []),
        f"- {len(features['names'])} features per window of {features['window_s']:g} s, a window every {features['hop_s']:g} s, at "
        f"{about['sample_rate']} Hz; the features {level}",
        f"- settings: {', '.join(f'{name} = {value}' for name, value in about['settings'].items())}", "",
        "## Its threshold", "",
        *(f"- {_threshold(calibration)}" for calibration in (metrics["alarm"], metrics["calibration"])
          if calibration is metrics["alarm"] or about["judged_by"] == "recording"), "",
        "## How it was judged", "", *_judged(metrics, about["judged_by"]), "",
        VERDICT_HEADING, "",
        f"**{verdict['kind']}**: {verdict['text']}" if verdict else UNKNOWN, "",
        "## Versions", "", ", ".join(f"{package} {version}" for package, version in about["versions"].items() if version) + ".", ""]
    return "\n".join(lines)


def verdict_of(card):
    """The verdict that a card carries, as ``{"kind", "text"}``; of kind ``none`` where it has none."""
    section = card.partition(f"{VERDICT_HEADING}\n\n")[2].partition("\n\n## ")[0]
    kind, colon, text = section.removeprefix("**").partition("**: ")
    return {"kind": kind, "text": text} if colon else {"kind": "none", "text": section}


def write_cards(run):
    """Put the run's verdict into the cards of all bundles that it holds; the bundles stay what they are.

    A bundle that is not whole keeps its card, and that is said on stderr: the run itself is not to fail for it.
    """
    verdict = run.verdict()
    for name in run.detectors():
        folder = run.folder / name / "bundle"
        if folder.is_dir():
            try:
                about = json.loads(read_bundle_files(folder)[0]["bundle.json"])
                replace_card(folder, model_card(about, run.load_metrics(name), verdict))
            except BundleError as error:
                print(f"{error}; its card does not know the verdict", file=sys.stderr)


def _sum_of(recordings, label):
    minutes = sum(each["duration_s"] for each in recordings) / 60
    return f"{len(recordings) or 'no'} {label} recording{'s' * (len(recordings) != 1)}, {minutes:.1f} min"


def _threshold(calibration):
    word = "promised" if calibration["promised"] else "aimed at, not promised"
    item, n = calibration["judged_by"], calibration["n"]
    return (f"a {item} is flagged above {calibration['threshold']:.6g}, the false-alarm rate of {calibration['used_rate']:.1%} is "
            f"{word} ({n} calibration {item}{'s' * (n != 1)}, worth about {calibration['n_eff']:.0f} independent)")


def _judged(metrics, item):
    """Numbers with their intervals and what they are to be held against."""
    scores, interval, controls = metrics["metrics"], metrics["interval"], metrics["controls"]
    yield f"- {metrics['sentence']}"
    yield (f"- ROC AUC {scores['roc_auc']:.3f}, 95 % interval {interval['low']:.3f} to {interval['high']:.3f}, from about "
           f"{interval['n_eff']:.0f} independent items of the smaller class"
           + ("" if interval["enough"] else ": too little independent data"))
    for name, word in (("recall", f"share of anomalous {item}s flagged"), ("false_alarm_rate", f"share of normal {item}s flagged"),
                       ("false_events_per_hour", "false events per hour of normal sound")):
        low, high = metrics["intervals"].get(name, (None, None))
        if scores.get(name) is not None and low is not None and scores[name] == scores[name]:
            yield f"- {word}: {scores[name]:.3g}, 95 % interval {low:.3g} to {high:.3g}"
    yield f"- level alone, without any detector: ROC AUC {controls['level_auc']:.3f}"
