"""Loading: the recordings of a run, listened to and checked together with the settings before anything is started."""

from acoustic_nb.catalogue import audit_text, pick
from acoustic_nb.datasets import brought_together, check_seed, listen, refuse_same_audio
from acoustic_nb.inputs import find_entries


def load_inputs(inputs, settings):
    """The recordings and what was left out, listened to and checked together with the settings that every notebook would refuse.

    What was recognised and heard is printed on the way.
    """
    if wrong := wrong_settings(settings):
        raise ValueError("; ".join(wrong))
    found = find_entries(inputs)
    print(found.sentence)
    recordings, left_out = listen(found, inputs, channel=settings["channel"], seed=settings["seed"])
    print(audit_text(recordings, left_out))
    return check_recordings(recordings, settings), left_out


def wrong_settings(settings):
    """What is wrong with settings whatever the recordings, and with the cache's: a list of lines."""
    from acoustic_nb.cache import cache_folder, cache_limit_bytes
    from acoustic_nb.clips import pool_scores
    from acoustic_nb.features import check_features
    from acoustic_nb.mixtures import check_trials
    from acoustic_nb.seeds import check_seeds
    from acoustic_nb.thresholds import check_rate

    checks = [
        cache_folder, cache_limit_bytes, lambda: check_seed(settings["seed"]), lambda: check_rate(settings["false_alarm_rate"]),
        lambda: check_features(n_mfcc=settings["n_mfcc"], level=settings["level"]), lambda: check_seeds(settings.get("seeds", 1)),
        lambda: pool_scores([0.0], settings["clip_score"])]
    if "trials" in settings:  # the sensitivity is run too
        checks.append(lambda: check_trials(settings["trials"]))
    wrong = []
    for check in checks:
        try:
            check()
        except ValueError as error:
            wrong.append(str(error))
    return wrong


def check_recordings(recordings, settings):
    """The recordings at one rate, or a ValueError where they cannot be judged with these settings."""
    from acoustic_nb.event_sounds import check_event
    from acoustic_nb.units import check_rotations

    refuse_same_audio(recordings)
    together = brought_together(recordings, **{name: settings[name] for name in ("sample_rate", "window_s", "hop_s")})
    if "trials" in settings:
        longest = max((each for each in together if each.label == 1), key=lambda each: each.end_s)
        check_event(longest, settings["event_start_s"], settings["event_end_s"])
    check_rotations(together, settings.get("rotations", 1), window_s=settings["window_s"], hop_s=settings["hop_s"])
    return together


def share_features(recordings, settings):
    """Compute once what every notebook finds in the cache: features, as they are and of louder and softer test sound, overviews."""
    from acoustic_nb.feature_cache import cached_features
    from acoustic_nb.level_shifts import probe_windows, shifted_features
    from acoustic_nb.overviews import overviews
    from acoustic_nb.units import split_recordings

    table = cached_features(recordings, **{name: settings[name] for name in ("window_s", "hop_s", "n_mfcc", "level")})
    if "rotations" in settings:  # a detector's notebook is run, not the sensitivity alone
        shifted_features(probe_windows(split_recordings(table, recordings)), recordings)
        overviews(pick(recordings))


def share_from_catalogue(inputs, settings):
    """The same in another process, from what a run has written down of its recordings, without printing anything."""
    recordings, _ = listen(find_entries(inputs), inputs, channel=settings["channel"], seed=settings["seed"])
    share_features(check_recordings(recordings, settings), settings)
