"""Feature cache: the features of a recording are computed once and shared by all notebooks and runs.

An entry holds one recording's features; it is known by the audio's content and rate, the settings, and the source that makes them.
"""

from acoustic_nb.cache import entry_key, stored
from acoustic_nb.features import check_features, extract_features, join, load_kernel, window_table
from acoustic_nb.framing import window_lengths
from acoustic_nb.progress import progress_bar

MADE_BY = ("audio", "feature_cache", "features", "framing", "kernel")


def cached_features(recordings, folder=None, *, window_s=1.0, hop_s=0.5, n_mfcc=13, level="kept"):
    """What ``extract_features`` returns, from the cache where it was computed before, else with a progress bar.

    Parameters
    ----------
    recordings, window_s, hop_s, n_mfcc, level
        As for ``extract_features``.
    folder : path, optional
        Of the cache; ``cache.cache_folder()`` by default.

    Returns
    -------
    FeatureTable
    """
    if not recordings:
        raise ValueError("cached_features needs at least one recording, got none; give those whose features are wanted")
    check_features(n_mfcc=n_mfcc, level=level)
    window_lengths(recordings[0].sample_rate, window_s=window_s, hop_s=hop_s)
    settings = {"window_s": float(window_s), "hop_s": float(hop_s), "n_mfcc": n_mfcc, "level": level}
    expected = [max(1, int((recording.duration_s - window_s) / hop_s) + 1) for recording in recordings]
    tables, before = [], 0
    with progress_bar(total=sum(expected), desc="features", unit=" windows") as bar:
        for recording, n_windows in zip(recordings, expected, strict=True):
            def compute(recording=recording, before=before):
                bar.set_postfix_str(recording.name, refresh=False)
                load_kernel(recording.sample_rate, n_mfcc)
                bar.unpause()
                table = extract_features([recording], **settings, progress=lambda done: bar.update(before + done - bar.n))
                return {"values": table.values, "level_db": table.level_db}

            arrays = stored(entry_key([recording], settings, MADE_BY), compute, folder)
            tables.append(window_table(recording, arrays["values"], arrays["level_db"], **settings))
            before += n_windows
            bar.update(before - bar.n)
    return join(tables)
