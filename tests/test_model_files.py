"""Model files: a state comes back bit by bit; files made by hand to do harm are refused and leave no mark."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC

from acoustic_nb.archives import BundleError, read_npz, write_npz
from acoustic_nb.model_files import ALLOWED, pack_state, unpack_state

RNG = np.random.default_rng(7)
VALUES = RNG.normal(size=(120, 3)) * [1, 2, 30]
LABEL = (VALUES[:, 0] + RNG.normal(size=120) > 0).astype(int)
NEW = RNG.normal(size=(50, 3)) * [1, 2, 30]
WEIGHTS = [RNG.normal(size=shape).astype("float32") for shape in [(3, 8), (8,), (), (2, 0), (8, 3)]]


class Evil:
    """A pickle of it makes a folder where it is opened."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def there_and_back(state):
    facts, arrays, files = pack_state(state)
    return unpack_state(json.loads(json.dumps(facts, allow_nan=False)), read_npz(write_npz(arrays), "arrays.npz"), files)


def refusal(files, *, facts=None, arrays=None):
    facts = facts or {"plain": {}, "arrays": [], "estimator": "model_", "weights": {}}
    with pytest.raises(BundleError) as caught:
        unpack_state(facts, arrays or {}, files, path="Lauf/gmm/bundle")
    message = str(caught.value)
    assert message.startswith("Lauf/gmm/bundle: ")
    assert "\n" not in message
    return message


def entries(content):
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zip_of(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, each in files.items():
            file.writestr(name, each)
    return content.getvalue()


def skops_of(estimator):
    return pack_state({"model_": estimator})[2]["model.skops"]


def described(change, estimator=None):
    """A skops file, written by skops, whose description ``change`` has altered."""
    files = entries(skops_of(estimator or GaussianMixture(random_state=1).fit(VALUES)))
    schema = json.loads(files["schema.json"])
    return zip_of(files | {"schema.json": json.dumps(change(schema) or schema)})


def node(module, name, loader, **more):
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def text(value):
    return node("builtins", "str", "JsonNode", content=json.dumps(value), is_json=True)


def collection(kind, *content):
    return node("builtins", kind, f"{kind.capitalize()}Node", content=list(content))


@pytest.mark.parametrize("seed", [3, np.int64(3)])
@pytest.mark.parametrize("n_components", [1, 3])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_a_mixture_scores_the_same_bit_by_bit(covariance_type, n_components, seed):
    mixture = GaussianMixture(n_components, covariance_type=covariance_type, random_state=seed, reg_covar=1 / 3).fit(VALUES)
    again = there_and_back({"mixture_": mixture})["mixture_"]
    assert again.score_samples(NEW).tobytes() == mixture.score_samples(NEW).tobytes()
    assert again.get_params() == mixture.get_params()


@pytest.mark.parametrize("C", [1.0, np.float64(1 / 3)])
@pytest.mark.parametrize("gamma", ["scale", "auto", 0.1, np.float64(0.1)])
def test_a_support_vector_machine_scores_the_same_bit_by_bit(gamma, C):
    svc = SVC(C=C, gamma=gamma, random_state=1).fit(VALUES, LABEL)
    again = there_and_back({"svc_": svc})["svc_"]
    assert again.decision_function(NEW).tobytes() == svc.decision_function(NEW).tobytes()


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_k_means_measures_the_same_bit_by_bit(kind):
    kmeans = KMeans(4, n_init=3, random_state=2).fit(VALUES.astype(kind))
    again = there_and_back({"kmeans_": kmeans})["kmeans_"]
    assert again.transform(NEW).tobytes() == kmeans.transform(NEW).tobytes()


def test_the_fixed_list_is_exactly_what_these_estimators_are_made_of():
    def pairs(node):
        if isinstance(node, dict):
            yield from [(f"{node['__module__']}.{node['__class__']}", node["__loader__"])] if "__loader__" in node else []
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from pairs(each)

    estimators = [GaussianMixture(random_state=np.int64(1)), SVC(), KMeans(2, n_init=1)]
    fitted = [estimator.fit(VALUES.astype(kind), LABEL) for kind in ("f4", "f8") for estimator in map(clone, estimators)]
    found = {pair for estimator in fitted for pair in pairs(json.loads(entries(skops_of(estimator))["schema.json"]))}
    assert found == set(ALLOWED)


def test_weights_arrays_and_plain_values_come_back_as_they_were():
    arrays = {"centers_": RNG.normal(size=(4, 3)), "n_": np.arange(3), "used_": np.array([True, False]), "no_": np.empty((0, 3))}
    plain = {"boundary": 1 / 3, "name": "Lüfter {1}", "n": 5, "yes": True, "nothing": None, "list": [1, [2.5, "x"], {}], "no": []}
    state = there_and_back({"generator_": WEIGHTS, "critic_": WEIGHTS[:1], **arrays, **plain})
    assert {name: state[name] for name in plain} == plain
    assert type(state["yes"]) is bool and type(state["n"]) is int
    for name, value in arrays.items():
        assert (state[name].dtype, state[name].shape, state[name].tobytes()) == (value.dtype, value.shape, value.tobytes())
    assert [(part.dtype, part.shape, part.tobytes()) for part in state["generator_"]] == [
        (part.dtype, part.shape, part.tobytes()) for part in WEIGHTS]
    assert len(state["critic_"]) == 1


def test_more_than_nine_hundred_and_ninety_nine_weights_keep_their_order():
    weights = [np.array([float(k)]) for k in range(1100)]
    assert [part.item() for part in there_and_back({"w": weights})["w"]] == list(range(1100))


@pytest.mark.parametrize(("state", "reason"), [
    (dict.fromkeys("ab", KMeans(1, n_init=1).fit(VALUES)), "one estimator, got a and b"),
    ({"a": KMeans(1, n_init=1).fit(VALUES), "b": WEIGHTS}, "one model, got the estimator a and the weights b"),
    ({"a": LogisticRegression()}, "a is a sklearn.linear_model._logistic.LogisticRegression, which a bundle does not keep"),
    ({"a": (1, 2)}, "a is a builtins.tuple"), ({"a": {1: 2}}, "a is a builtins.dict"), ({"a": np.nan}, "a is a builtins.float"),
    ({"a": np.int64(1)}, "a is a numpy.int64"), ({"a": [np.ones(2, int)]}, "weights a.000 are int64"),
    ({"a": [np.ones(2), np.array([np.inf])]}, "weights a.001 are not all finite"),
    ({"a": GaussianMixture(random_state=np.random.RandomState(1)).fit(VALUES)}, "names 'numpy.random.mtrand.RandomState'"),
    ({"a": SVC(kernel="linear").fit(VALUES, LABEL)}, "is no SVC with a radial kernel")])
def test_what_could_not_come_back_the_same_is_not_packed(state, reason):
    with pytest.raises(ValueError, match=reason):
        pack_state(state)


@pytest.mark.parametrize("array", [np.array([None]), np.array(["x"]), np.array([1j])])
def test_arrays_of_anything_but_numbers_are_not_written(array):
    with pytest.raises(ValueError, match="cannot be kept; numbers or bools are"):
        write_npz({"a": array})


FORBIDDEN = {
    "posix.system": node("posix", "system", "FunctionNode"), "os.system": node("os", "system", "TypeNode"),
    "builtins.eval": node("builtins", "eval", "TypeNode"),
    "operator.methodcaller": node("operator", "methodcaller", "OperatorFuncNode", attrs=collection("tuple", text("fit"))),
    "functools.partial": node("functools", "partial", "PartialNode", content={}),
    "MethodNode": node("sklearn.svm._classes", "SVC", "MethodNode", content={"func": "fit", "obj": text(1)}),
    "sklearn.utils._bunch.Bunch": node("sklearn.utils._bunch", "Bunch", "ObjectNode"),
    "sklearn.linear_model._logistic.LogisticRegression": node("sklearn.linear_model._logistic", "LogisticRegression", "ObjectNode"),
    "numpy.absolute": node("numpy", "absolute", "FunctionNode"),
    "sklearn.cluster._kmeans.k_means": node("sklearn.cluster._kmeans", "k_means", "FunctionNode"),
    "CachedNode": node(None, None, "CachedNode"), "builtins.map": node("builtins", "map", "TypeNode"),
    "pathlib.PosixPath": node("pathlib", "PosixPath", "ConstructorFromReduceNode", content=collection("tuple", text("/"))),
}


@pytest.mark.parametrize("place", ["root", "attribute", "key type", "beside"])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_description_that_names_anything_else_is_refused_before_skops_sees_it(monkeypatch, name, place):
    bad = FORBIDDEN[name]

    def change(schema):
        if place == "root":
            return bad | {"protocol": 2}
        content = schema["content"]
        if place == "attribute":
            content["content"]["tol"] = bad
        elif place == "key type":
            content["key_types"]["content"][0] = bad
        else:  # where skops of today does not look
            schema["more"] = [[{"x": bad}]]
        return None

    forged = described(change)
    monkeypatch.setattr("skops.io.loads", lambda *_, **__: pytest.fail("opened"))
    named = f"{bad['__module__']}.{bad['__class__']}"
    assert f"names {named!r} ({bad['__loader__']!r}), which is not on the fixed list" in refusal({"model.skops": forged})


def test_what_skops_trusts_by_itself_is_refused_all_the_same():
    import skops.io

    forged = skops.io.dumps(LogisticRegression().fit(VALUES, LABEL))
    assert skops.io.get_untrusted_types(data=forged) == []
    assert "names 'sklearn.linear_model._logistic.LogisticRegression'" in refusal({"model.skops": forged})


def test_a_call_that_skops_would_make_when_told_to_trust_it_leaves_no_mark(tmp_path):
    import skops.io

    marker = tmp_path / "marker"
    call = node("pathlib", "Path", "ObjectNode")
    make = node("operator", "methodcaller", "OperatorFuncNode", attrs=collection("tuple", text("mkdir"), text(str(marker))))
    run = node("functools", "partial", "PartialNode", content={
        "func": node("os", "mkdir", "TypeNode"), "args": collection("tuple", text(str(marker))), "kwds": text({}),
        "namespace": text(None)})
    direct = node("os", "mkdir", "ConstructorFromReduceNode", content=collection("tuple", text(str(marker))))
    for bad in (call, make, run, direct):
        forged = zip_of({"schema.json": json.dumps(bad | {"protocol": 2})})
        assert "which is not on the fixed list" in refusal({"model.skops": forged})
    assert not marker.exists()
    skops.io.loads(forged, trusted=["os.mkdir"])
    assert marker.exists()  # so it was a real one


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_under_the_name_of_a_model_is_refused(tmp_path, protocol):
    content = pickle.dumps(Evil(tmp_path / "marker"), protocol)
    assert "model.skops: is no zip" in refusal({"model.skops": content})
    facts = {"plain": {}, "arrays": [], "estimator": None, "weights": {"w": 1}}
    assert "weights.npz: is no zip" in refusal({"weights.npz": content}, facts=facts)
    assert not (tmp_path / "marker").exists()


def test_an_object_array_is_refused_wherever_it_lies(tmp_path):
    marker = tmp_path / "marker"
    content = io.BytesIO()
    np.savez(content, **{"w.000": np.array([Evil(marker)], dtype=object)})
    facts = {"plain": {}, "arrays": [], "estimator": None, "weights": {"w": 1}}
    reason = "holds Python objects (a pickle), which run code when they are opened"
    assert reason in refusal({"weights.npz": content.getvalue()}, facts=facts)
    files = entries(skops_of(KMeans(2, n_init=1).fit(VALUES)))
    name = next(name for name in files if name.endswith(".npy"))
    assert reason in refusal({"model.skops": zip_of(files | {name: entries(content.getvalue())["w.000.npy"]})})
    assert not marker.exists()
    np.load(io.BytesIO(content.getvalue()), allow_pickle=True)["w.000"]
    assert marker.exists()  # so it was a real one


def npy(header, data=b"", version=1):
    header = header.encode("latin1") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2 if version == 1 else 4, "little") + header + data


def header(descr="'<f8'", shape="(2,)"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize(("content", "reason"), [
    (npy(header(), bytes(15)), "is no array, or a damaged or cut one (shape (2,) does not fit"),
    (npy(header(), bytes(17)), "is no array, or a damaged or cut one (shape (2,) does not fit"),
    (npy(header(shape="(10**9,)"), bytes(16)), "is no array"), (npy(header(shape="(1000000000000,)"), bytes(16)), "does not fit"),
    (npy(header(shape="(-1, -2)"), bytes(16)), "does not fit"), (npy(header("'<U4'"), bytes(32)), "holds <U4, but only numbers"),
    (npy(header("'<c16'"), bytes(32)), "holds complex128, but only numbers"), (npy(header("'O'"), bytes(16)), "Python objects"),
    (npy(header("[('a', 'O')]"), bytes(16)), "Python objects"), (npy(header("[('a', '<f8')]"), bytes(16)), "but only numbers"),
    (npy("(" * 5000), "is no array"), (npy("-" * 9000 + "1"), "is no array"), (npy("__import__('os').abort()"), "is no array"),
    (npy(header(), bytes(16), version=2), "is no array"), (npy(header(), bytes(16), version=9), "is no array"),
    (pickle.dumps(1), "is no array"), (b"", "is no array")])
def test_an_array_that_is_none_is_refused(content, reason):
    with pytest.raises(BundleError, match="^x, a.npy: ") as caught:
        read_npz(zip_of({"a.npy": content}), "x")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("files", "reason"), [
    ({"../evil.npy": b""}, "climbs out"), ({"/evil.npy": b""}, "absolute"), ({"a/b.npy": b""}, "in a folder"),
    ({"evil.pkl": b""}, "is a pickle"), ({"evil": pickle.dumps(1)}, "is a pickle"), ({"evil.txt": b""}, "does not belong")])
def test_the_zips_inside_are_looked_at_as_closely(files, reason):
    with pytest.raises(BundleError, match=reason):
        read_npz(zip_of(files), "x")
    assert reason in refusal({"model.skops": zip_of({"schema.json": "{}"} | files)})


def set_to(name, value):
    def change(schema):
        schema["content"]["content"][name] = value
    return change


def looped(schema):
    schema["content"]["content"]["tol"] = collection("list", collection("list") | {"__id__": 5}) | {"__id__": 5}


@pytest.mark.parametrize(("content", "reason"), [
    (zip_of({"1.npy": npy(header(), bytes(16))}), "holds no schema.json"), (zip_of({"schema.json": b"\xff\xff"}), "cannot be read"),
    (zip_of({"schema.json": b"[" * 100_000}), "cannot be read (RecursionError"),
    (zip_of({"schema.json": b'{"a":' * 900 + b"1" + b"}" * 900}), "cannot be read ("),
    (zip_of({"schema.json": b" " * 1_000_001}), "has 1000001 bytes"), (zip_of({"schema.json": b"[]"}), "cannot be read"),
    (zip_of({"schema.json": json.dumps(text("x") | {"protocol": 2})}), "holds a builtins.str, but"),
    (zip_of({"schema.json": json.dumps(text("x") | {"protocol": 99})}), "cannot be read (ValueError"),
    (lambda: described(set_to("n_components", text(10**9))), "weights_ has shape (1,), but (1000000000,) fits"),
    (lambda: described(set_to("means_", text(None))), "cannot be read (AttributeError"),
    (lambda: described(set_to("covariance_type", text("odd"))), "cannot be read (KeyError"),
    (lambda: described(looped), "cannot be read ("),
    (lambda: described(set_to("reg_covar", node("builtins", "str", "JsonNode", content="[" * 99_999))), "cannot be read ("),
    (lambda: described(set_to("tol", node("builtins", "str", "JsonNode", content="Infinity"))), "tol is not finite"),
    (lambda: described(set_to("__class__", text(1))), "which is not on the fixed list"),
    (lambda: described(set_to("kernel", text("poly")), SVC().fit(VALUES, LABEL)), "is no SVC with a radial kernel"),
    (lambda: described(set_to("kernel", node("builtins", "str", "TypeNode")), SVC().fit(VALUES, LABEL)), "is no SVC with a radial"),
    (lambda: described(set_to("n_features_in_", text(2)), KMeans(2, n_init=1).fit(VALUES)), "cluster_centers_ has shape")])
def test_a_forged_description_ends_in_a_refusal(content, reason):
    assert reason in refusal({"model.skops": content() if callable(content) else content})


@pytest.mark.parametrize(("name", "forge"), [
    ("_n_support", lambda n: np.array([-2_000_000_000, 2_000_000_000 + n.sum()], dtype=n.dtype)),
    ("_n_support", lambda n: n[:1]), ("_dual_coef_", lambda a: a[:, :1].copy()), ("support_vectors_", lambda a: a[:, :2].copy()),
    ("support_", lambda a: a[:5]), ("_intercept_", lambda a: a * np.nan), ("_probA", lambda _: np.ones(1))])
def test_support_vectors_that_do_not_fit_are_refused_before_c_reads_past_their_end(name, forge):
    import skops.io

    svc = SVC().fit(VALUES, LABEL)
    setattr(svc, name, forge(getattr(svc, name)))
    message = refusal({"model.skops": skops.io.dumps(svc)})
    assert name in message or "support vectors add up" in message


def test_parts_that_bundle_json_names_but_nobody_holds_are_named():
    facts, arrays, files = pack_state({"centers_": np.eye(2), "network_": WEIGHTS})
    assert "weights.npz is missing, but bundle.json names it" in refusal({}, facts=facts, arrays=arrays)
    assert "centers_ is missing, but bundle.json names it" in refusal(files, facts=facts)
    assert "model.skops is missing, but bundle.json names it" in refusal({})
    for weights in ({"network_": 4}, {"network_": 6}, {"network_": 10**12}, {"other_": 5}):
        assert "other arrays than bundle.json names" in refusal(files, facts=facts | {"weights": weights}, arrays=arrays)


@pytest.mark.parametrize("facts", [
    [], {}, {"plain": {}}, {"plain": [], "arrays": [], "estimator": None, "weights": {}},
    {"plain": {}, "arrays": [{}], "estimator": None, "weights": {}}, {"plain": {}, "arrays": [], "estimator": 3, "weights": {}},
    {"plain": {}, "arrays": [], "estimator": None, "weights": {"w": "5"}}])
def test_facts_of_another_form_are_refused(facts):
    with pytest.raises(BundleError, match="does not tell the model's parts in the known form"):
        unpack_state(facts, {}, {})


def test_the_module_is_light_until_an_estimator_is_kept():
    code = "import sys, acoustic_nb.model_files as m; m.pack_state({'a': m.np.eye(2)}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded and not {"skops", "sklearn", "scipy", "pandas"} & set(loaded)
