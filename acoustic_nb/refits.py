"""Refits: the detectors of a run fitted once more, with the settings that their notebooks had."""

from acoustic_nb.detectors import DETECTORS, detector_class
from acoustic_nb.detectors.base import NotEnoughData
from acoustic_nb.progress import progress_bar
from acoustic_nb.rotations import refitted


def fit_again(run, split, *, seed):
    """Fit on the training windows of a split what the run holds results of, or where it holds none, all detectors.

    Parameters
    ----------
    run : Run
    split : Split
    seed : int
        For detectors without results; they have their defaults.

    Returns
    -------
    detectors : dict
        Title -> fitted Detector, in the order of the notebooks.
    left_out : dict
        Title -> why the data cannot carry that detector.
    """
    kept = {name: run.load_detector(name)[2] for name in run.detectors() if name in DETECTORS}
    detectors, left_out = {}, {}
    with progress_bar(total=len(kept or DETECTORS), desc="fitting", unit=" detectors") as bar:
        for name in kept or DETECTORS:
            about = kept.get(name, {"title": name.replace("_", " "), "settings": {"seed": seed}})
            bar.set_postfix_str(about["title"])
            try:
                detectors[about["title"]] = refitted(detector_class(name)(**about["settings"]), split)
            except NotEnoughData as error:  # shown beside the others
                left_out[about["title"]] = str(error)
            bar.update()
    return detectors, left_out
