"""Model files: what a detector has learned, as files that hold no code, and back; bit by bit the same.

An estimator goes through skops. What it may name is a fixed list, checked before skops is asked, and no array it holds may
be of another size than its neighbours: libraries in C read on without looking. Arrays go into .npz, never as Python objects.
"""

import io
import json
import math

import numpy as np

from acoustic_nb.archives import WAY_OUT, BundleError, one_line, read_npy, read_npz, read_zip, write_npz

SKOPS, WEIGHTS = "model.skops", "weights.npz"
ESTIMATORS = ("sklearn.cluster._kmeans.KMeans", "sklearn.mixture._gaussian_mixture.GaussianMixture", "sklearn.svm._classes.SVC")
ALLOWED = (  # each type with the way that skops makes it
    *((name, "ObjectNode") for name in ESTIMATORS),
    ("builtins.dict", "DictNode"), ("builtins.list", "ListNode"), ("builtins.tuple", "TupleNode"),
    ("builtins.str", "JsonNode"), ("builtins.str", "TypeNode"),  # numbers and texts; the type of a dict's keys
    ("numpy.ndarray", "NdArrayNode"), ("numpy.float32", "NdArrayNode"), ("numpy.float64", "NdArrayNode"),
    ("numpy.int64", "NdArrayNode"))
MOST_SCHEMA_BYTES = 1_000_000


def pack_state(state):
    """What a detector has learned, as facts, arrays and files.

    Parameters
    ----------
    state : dict
        Name -> a fitted estimator of ``ESTIMATORS``, a numeric array, a list of float arrays (the weights of a network), or
        what JSON knows: str, int, finite float, bool, None, lists and dicts of them. One estimator, or weights, at most.

    Returns
    -------
    facts : dict
        For JSON: ``{"plain": {name: value}, "arrays": [name], "estimator": name or None, "weights": {name: how many arrays}}``.
    arrays : dict
        ``{name: ndarray}``; `write_npz` makes bytes of them.
    files : dict
        ``{"model.skops": bytes}``, ``{"weights.npz": bytes}`` or empty.
    """
    facts = {"plain": {}, "arrays": [], "estimator": None, "weights": {}}
    arrays, files, weights = {}, {}, {}
    for name, value in state.items():
        if _type_name(value) in ESTIMATORS:
            if facts["estimator"] is not None:
                raise ValueError(f"a bundle keeps one estimator, got {facts['estimator']} and {name}; keep the other's arrays")
            facts["estimator"], files[SKOPS] = name, _write_estimator(value)
        elif isinstance(value, np.ndarray):
            facts["arrays"].append(name)
            arrays[name] = value
        elif isinstance(value, list) and value and all(isinstance(part, np.ndarray) for part in value):
            facts["weights"][name] = len(value)
            weights |= {f"{name}.{k:03d}": part for k, part in enumerate(value)}
        elif _is_plain(value):
            facts["plain"][name] = value
        else:
            raise ValueError(f"{name} is a {_type_name(value)}, which a bundle does not keep; give an estimator, a numeric array, "
                             "a list of arrays or what JSON knows")
    if weights and SKOPS in files:
        raise ValueError(f"a bundle keeps one model, got the estimator {facts['estimator']} and the weights "
                         f"{', '.join(facts['weights'])}; keep one of them as arrays")
    if weights:
        _check_weights(weights, "the model")
        files[WEIGHTS] = write_npz(weights)
    return facts, arrays, files


def unpack_state(facts, arrays, files, *, path="bundle"):
    """The state that `pack_state` was given; nothing in the files is executed.

    Parameters
    ----------
    facts, arrays, files : dict
        As from `pack_state`; arrays and files may hold more than that.
    path : path or str
        The bundle's, for messages.

    Raises
    ------
    BundleError
        One line: a type that is not on the list, arrays that do not fit each other or are not finite, a part that is missing.
    """
    _check_facts(facts, path)
    needed = [SKOPS] * (facts["estimator"] is not None) + [WEIGHTS] * bool(facts["weights"])
    missing = [name for name in needed if name not in files] + [name for name in facts["arrays"] if name not in arrays]
    if missing:
        raise BundleError(f"{path}: {missing[0]} is missing, but bundle.json names it; {WAY_OUT}")
    state = dict(facts["plain"])
    state |= {name: arrays[name] for name in facts["arrays"]}
    if facts["estimator"] is not None:
        state[facts["estimator"]] = _read_estimator(files[SKOPS], f"{path}: {SKOPS}")
    if facts["weights"]:
        stored = read_npz(files[WEIGHTS], f"{path}: {WEIGHTS}")
        _check_weights(stored, f"{path}: {WEIGHTS}")
        names = [f"{name}.{k:03d}" for name, n in facts["weights"].items() for k in range(min(n, len(stored) + 1))]
        if set(names) != set(stored):
            raise BundleError(f"{path}: {WEIGHTS} holds other arrays than bundle.json names; {WAY_OUT}")
        state |= {name: [stored[f"{name}.{k:03d}"] for k in range(n)] for name, n in facts["weights"].items()}
    return state


def _check_weights(weights, where):
    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            what = f"are {array.dtype}" if array.dtype.kind != "f" else "are not all finite"
            raise BundleError(f"{where}: weights {name} {what}, but weights are finite floats; {WAY_OUT}")


def _check_facts(facts, path):
    """Whether facts are as `pack_state` makes them; they may come from anywhere."""
    kinds = {"plain": dict, "arrays": list, "estimator": str | None, "weights": dict}
    if (not isinstance(facts, dict) or facts.keys() != kinds.keys()
            or not all(isinstance(facts[name], kind) for name, kind in kinds.items())
            or not all(isinstance(name, str) for name in facts["arrays"])
            or not all(type(n) is int and n > 0 for n in facts["weights"].values())):
        raise BundleError(f"{path}: bundle.json does not tell the model's parts in the known form; {WAY_OUT}")


def _write_estimator(estimator):
    import skops.io

    content = skops.io.dumps(estimator)
    _read_estimator(content, "the fitted model")  # what could not be read later is not kept
    return content


def _read_estimator(content, where):
    """The estimator in a skops file whose every type is on the list."""
    files = read_zip(io.BytesIO(content), where, names=r"schema\.json|[0-9]+\.npy")
    for name, entry in files.items():
        if name != "schema.json":
            read_npy(entry, f"{where}, {name}")
    if "schema.json" not in files:
        raise BundleError(f"{where}: holds no schema.json, so skops has not written it; {WAY_OUT}")
    if len(files["schema.json"]) > MOST_SCHEMA_BYTES:
        raise BundleError(f"{where}: its schema.json has {len(files['schema.json'])} bytes, "
                          f"but the models kept here need less than {MOST_SCHEMA_BYTES}; {WAY_OUT}")
    try:
        _check_types(json.loads(files["schema.json"]), where)
        import skops.io

        estimator = skops.io.loads(content, trusted=[])
        if _type_name(estimator) not in ESTIMATORS:
            raise BundleError(f"{where}: holds a {_type_name(estimator)}, but {', '.join(ESTIMATORS)} are known; {WAY_OUT}")
        _check_fitted(estimator, where)
    except BundleError:
        raise
    except Exception as error:  # what a forged description leads to has no end; here it always ends in a refusal
        raise BundleError(f"{where}: cannot be read ({type(error).__name__}: {one_line(error)}); {WAY_OUT}") from error
    return estimator


def _check_types(node, where):
    """Refuse a description that names, anywhere in it, a type or a way to make it that is not on the list."""
    if isinstance(node, dict):
        if node.keys() & {"__module__", "__class__", "__loader__"}:
            name, loader = f"{node.get('__module__')}.{node.get('__class__')}", node.get("__loader__")
            if (name, loader) not in ALLOWED:
                raise BundleError(f"{where}: names {name[:100]!r} ({str(loader)[:100]!r}), which is not on the fixed list of types "
                                  "that a model here is made of, so it is not opened; do not use this bundle")
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            _check_types(each, where)


def _check_fitted(estimator, where):
    """Refuse arrays that are not finite or do not fit each other."""
    n = estimator.n_features_in_
    kind = type(estimator).__name__
    if kind == "GaussianMixture":
        k = estimator.n_components
        matrices = {"full": (k, n, n), "tied": (n, n), "diag": (k, n), "spherical": (k,)}[estimator.covariance_type]
        shapes = {"weights_": (k,), "means_": (k, n), "covariances_": matrices, "precisions_": matrices,
                  "precisions_cholesky_": matrices}
    elif kind == "KMeans":
        shapes = {"cluster_centers_": (estimator.n_clusters, n)}
    else:
        n_vectors = len(estimator.support_)
        shapes = {"support_": (n_vectors,), "support_vectors_": (n_vectors, n), "_n_support": (2,), "classes_": (2,),
                  "class_weight_": (2,), "_probA": (0,), "_probB": (0,),
                  **dict.fromkeys(("dual_coef_", "_dual_coef_"), (1, n_vectors)),
                  **dict.fromkeys(("intercept_", "_intercept_"), (1,))}
        if (estimator.kernel, estimator._sparse, estimator._n_support.sum()) != ("rbf", False, n_vectors) or (
                estimator._n_support < 0).any():
            raise BundleError(f"{where}: is no SVC with a radial kernel whose support vectors add up; {WAY_OUT}")
    for name, shape in shapes.items():
        if getattr(estimator, name).shape != shape:
            raise BundleError(f"{where}: {name} has shape {getattr(estimator, name).shape}, but {shape} fits its {kind}; {WAY_OUT}")
    for name, value in vars(estimator).items():
        if isinstance(value, np.ndarray | np.generic | float) and not np.isfinite(value).all():
            raise BundleError(f"{where}: {name} is not finite, so no score would be; {WAY_OUT}")


def _type_name(value):
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _is_plain(value):
    """Whether JSON gives back the very same."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bool | int) or isinstance(value, float) and math.isfinite(value)
