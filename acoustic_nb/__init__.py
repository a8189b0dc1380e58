"""Acoustic anomaly detection in Jupyter: recordings in, six detectors compared, one report out.

The nouns and verbs of the notebooks are importable from here and loaded when first used, so that ``import acoustic_nb``
itself is quick and loads neither TensorFlow nor papermill nor matplotlib.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "Recording": "audio", "load_recording": "audio", "load_recordings": "datasets", "demo_pair": "synth",
    "audit_table": "catalogue", "audit_summary": "catalogue", "audit_warnings": "catalogue", "pick": "catalogue",
    "FeatureTable": "features", "extract_features": "features", "cached_features": "feature_cache",
    "Split": "splits", "block_split": "splits", "split_recordings": "units", "describe_split": "units",
    "calibrate": "thresholds", "calibrate_items": "thresholds", "p_values": "thresholds", "rate_range": "thresholds",
    "make_judge": "judging", "kept_items": "judging",
    "evaluate": "evaluation", "by_recording": "evaluation", "score_table": "evaluation",
    "section_table": "sections", "means": "sections", "event_report": "events", "compare_units": "left_out",
    "auc_interval": "intervals", "rate_intervals": "intervals", "bootstrap_intervals": "bootstrap",
    "rotate": "rotations", "spread": "rotations", "vary_seed": "seeds", "seed_spread": "seeds",
    "level_control": "controls", "identity_control": "controls", "chance_control": "chance", "leakage_audit": "leakage",
    "probe_windows": "level_shifts", "shifted_features": "level_shifts", "level_response": "level_shifts",
    "level_sentence": "level_shifts", "kept_settings": "detectors.base",
    "load_results": "comparison", "missing_detectors": "comparison", "summary_table": "comparison",
    "section_summary": "comparison", "section_means": "comparison", "sound_of": "comparison", "unit_summary": "comparison",
    "compared_pairs": "comparison", "level_responses": "comparison", "amounts": "comparison", "agreement": "comparison",
    "recorder_differences": "comparison",
    "metrics_table": "tables", "ranking_table": "tables", "alarm_table": "tables", "control_table": "tables",
    "level_table": "tables", "pair_table": "tables",
    "reach_verdict": "verdict", "conclusions": "concluding",
    "find_event": "event_sounds", "mix": "mixtures", "mixture_to_hear": "mixtures", "found_shares": "sensitivity",
    "sensitivity_table": "sensitivity", "sensitivity_sentence": "sensitivity", "fit_again": "refits",
    "Run": "runs", "open_run": "runs", "player": "players", "player_gain": "players",
    "Bundle": "bundles", "load_bundle": "bundles", "make_bundle": "keeping", "write_cards": "model_card",
    "load_new": "scorings", "score_all": "scorings", "score_files": "scorings", "recordings_table": "scorings",
    "write_scoring": "scorings", "score_recording": "scoring", "events_table": "scored", "limits_of": "alarms",
    "decide": "alarms", "read_marks": "reviews", "review_table": "reviews", "save_marks": "reviews",
}
_MODULES = ("plots", "trust_plots", "event_plots")
__all__ = [*_HOME, *_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return import_module(f"acoustic_nb.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'acoustic_nb' has no attribute {name!r}")
    return getattr(import_module(f"acoustic_nb.{_HOME[name]}"), name)
