"""The cache: computed once whoever asks, never half an entry whoever is killed, never much above its limit."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import as_recording, noise

from acoustic_nb import cache
from acoustic_nb.audio import load_recording
from acoustic_nb.cache import cache_folder, cache_limit_bytes, clear, entries, entry_key, stored
from acoustic_nb.feature_cache import MADE_BY, cached_features
from acoustic_nb.features import COLUMNS, extract_features

LONGEST_S = 120  # that a test waits for a process
ARRAYS = {"values": np.arange(600.0).reshape(200, 3), "level_db": -np.arange(200.0)}


def not_again():
    pytest.fail("computed again")


def assert_right(arrays, expected=ARRAYS):
    assert arrays.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(arrays[name], values)


def size_of(folder):
    return sum(n_bytes for _, n_bytes, _ in entries(folder))


def named(short):
    """An entry's name as there are many: what it is, and its key."""
    return f"{short}-{hashlib.sha256(short.encode()).hexdigest()[:24]}"


def names(folder):
    return sorted(path.stem.partition("-")[0] for path, _, _ in entries(folder))


def drafts(folder):
    return list(folder.glob("*.part"))


# Known by content, settings and source

def test_an_entry_is_computed_once_and_read_as_it_was(tmp_path):
    arrays = {**ARRAYS, "whole": np.array([1, 2], np.int32), "single": np.array([[0.1]], np.float32), "none": np.zeros((0, 3))}
    assert_right(stored(named("a"), lambda: arrays, tmp_path), arrays)
    again = stored(named("a"), not_again, tmp_path)
    assert_right(again, arrays)
    assert {name: values.dtype for name, values in again.items()} == {name: values.dtype for name, values in arrays.items()}
    with np.load(tmp_path / f"{named('a')}.npz") as file:  # numpy alone reads it too
        assert_right(dict(file), arrays)


def test_features_are_computed_once_and_equal_those_that_always_are(tmp_path, monkeypatch):
    recordings = [as_recording(noise()), as_recording(noise(seed=1), label=1, name="b")]
    first, expected = cached_features(recordings, tmp_path), extract_features(recordings)
    monkeypatch.setattr("acoustic_nb.feature_cache.extract_features", lambda *a, **k: not_again())
    again = cached_features(recordings, tmp_path)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(first, name), getattr(expected, name))
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))


@pytest.mark.parametrize("change", [{"window_s": 0.8}, {"hop_s": 0.25}, {"n_mfcc": 5}, {"level": "removed"}])
def test_other_settings_are_another_entry(tmp_path, change):
    recordings = [as_recording(noise())]
    cached_features(recordings, tmp_path)
    np.testing.assert_array_equal(cached_features(recordings, tmp_path, **change).values,
                                  extract_features(recordings, **change).values)
    assert len(entries(tmp_path)) == 2


def test_a_name_is_not_what_a_recording_is_known_by():
    recording = as_recording(noise())
    renamed = replace(recording, name="ü", label=1, path="b.wav", machine="fan", start_s=3.0)
    assert entry_key([renamed], {"n": 1}, MADE_BY) == entry_key([recording], {"n": 1}, MADE_BY)
    assert len(entry_key([recording], {"n": 1}, MADE_BY)) == 24


def test_the_key_changes_with_sound_rate_settings_and_order():
    one, other = as_recording(noise()), as_recording(noise(seed=1))
    settings = {"n": 1, "x": 0.5}
    keys = [entry_key(*given, ("audio",)) for given in (
        ([one], settings), ([other], settings), ([replace(one, sample_rate=16000)], settings), ([one, other], settings),
        ([other, one], settings), ([one], {"n": 2, "x": 0.5}), ([one], {"n": 1, "x": 0.25}), ([one], {"n": 1}), ([one], {}),
        ([one], {"n": "1", "x": 0.5}))]
    assert len(set(keys)) == len(keys)
    assert entry_key([one], {"x": 0.5, "n": 1}, ("audio",)) == keys[0]  # written in another order, they are the same settings


@pytest.fixture
def own_sources(tmp_path, monkeypatch):
    """A copy of the package's source that may be changed."""
    folder = tmp_path / "source"
    shutil.copytree(Path(cache.__file__).parent, folder, ignore=lambda _, names: [name for name in names if "." not in name])
    monkeypatch.setattr(cache, "__file__", str(folder / "cache.py"))
    cache._source_sha256.cache_clear()
    yield folder
    cache._source_sha256.cache_clear()


@pytest.mark.parametrize("module", MADE_BY)
def test_the_key_changes_with_every_source_that_makes_features(own_sources, module):
    recordings = [as_recording(noise(0.1))]
    before = entry_key(recordings, {}, MADE_BY)
    with open(own_sources / f"{module}.py", "a", encoding="utf-8") as file:
        file.write("#")
    assert entry_key(recordings, {}, MADE_BY) == before  # what runs is what was imported
    cache._source_sha256.cache_clear()
    assert entry_key(recordings, {}, MADE_BY) != before


def test_no_source_is_forgotten():
    code = ("import sys, numpy\nfrom acoustic_nb.audio import in_memory\nfrom acoustic_nb.features import extract_features\n"
            "extract_features([in_memory(numpy.random.default_rng(0).normal(size=8000), name='a', label=0, sample_rate=8000)])\n"
            "print(*[name.split('.', 1)[1] for name in sys.modules if name.startswith('acoustic_nb.')])")
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    # audit counts by the content that it hears, quiet makes no number, and the labels of stretches are not kept
    assert loaded - {"audit", "landmarks", "quiet", "stretches"} == set(MADE_BY) - {"feature_cache"}


@pytest.mark.parametrize("library", ["librosa", "numba", "numpy", "scipy", "soxr"])
def test_the_key_changes_with_the_version_of_a_library(monkeypatch, library):
    recordings, version = [as_recording(noise(0.1))], cache.metadata.version
    before = entry_key(recordings, {}, MADE_BY)
    monkeypatch.setattr(cache.metadata, "version", lambda name: "99" if name == library else version(name))
    cache._library_versions.cache_clear()
    try:
        assert entry_key(recordings, {}, MADE_BY) != before
    finally:
        cache._library_versions.cache_clear()


def test_a_file_that_was_changed_after_it_was_listened_to_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(), 22050)
    recording = load_recording(path)
    soundfile.write(path, noise(seed=1), 22050)
    os.utime(path, ns=(0, recording.audit["modified_ns"] + 1_000_000_000))
    with pytest.raises(ValueError, match="a.wav: was changed after it was listened to; load it again, or run the"):
        cached_features([recording], tmp_path / "cache")
    assert not entries(tmp_path / "cache")


def test_a_file_that_is_gone_keeps_its_features(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(), 22050)
    recording = load_recording(path)
    first = cached_features([recording], tmp_path / "cache")
    path.unlink()
    np.testing.assert_array_equal(cached_features([recording], tmp_path / "cache").values, first.values)


# Several processes

ASKING = """
import sys, time
from pathlib import Path
import numpy as np
from acoustic_nb.cache import stored

cache, signs, me = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def wait_for(sign):
    end = time.monotonic() + 120
    while not (signs / sign).exists():
        assert time.monotonic() < end, sign
        time.sleep(0.01)

def compute():
    (signs / f"computing {me}").touch()
    wait_for("compute")
    return {"values": np.arange(600.0).reshape(200, 3), "level_db": -np.arange(200.0)}
"""
ASK = """
(signs / f"asking {me}").touch()
arrays = stored(sys.argv[4], compute, cache)
assert (arrays["values"] == np.arange(600.0).reshape(200, 3)).all() and (arrays["level_db"] == -np.arange(200.0)).all()
"""
WRITE_SLOWLY = """
write_bytes = Path.write_bytes

def half_first(path, content):
    write_bytes(path, bytes(content)[:len(content) // 2])
    (signs / f"half {me}").touch()
    wait_for("write")
    return write_bytes(path, content)

Path.write_bytes = half_first
"""


@pytest.fixture
def others(tmp_path):
    """``others(me, code)`` starts a process that asks the cache for entry a; all are ended with the test."""
    (tmp_path / "signs").mkdir()
    started = []

    def start(me, code=ASK):
        words = [sys.executable, "-c", ASKING + code, str(tmp_path / "cache"), str(tmp_path / "signs"), me, named("a")]
        started.append(subprocess.Popen(words, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition):
    end = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_ends_well(process):
    _, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, errors


def kill(process):
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    process.wait(LONGEST_S)


def test_of_several_processes_one_computes(others, tmp_path):
    signs = tmp_path / "signs"
    processes = [others(str(k)) for k in range(4)]
    wait_for(lambda: len(list(signs.glob("asking *"))) == 4 and list(signs.glob("computing *")))
    time.sleep(0.3)  # in which the others come to the lock
    (signs / "compute").touch()
    for process in processes:
        assert_ends_well(process)
    assert len(list(signs.glob("computing *"))) == 1
    assert names(tmp_path / "cache") == ["a"]
    assert not drafts(tmp_path / "cache")


def test_of_several_threads_one_computes(tmp_path):
    computed, found = [], []

    def compute():
        computed.append(1)
        time.sleep(0.2)
        return ARRAYS

    threads = [threading.Thread(target=lambda: found.append(stored(named("a"), compute, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONGEST_S)
    assert len(computed) == 1 and len(found) == 4
    for arrays in found:
        assert_right(arrays)


def test_one_that_waits_for_a_killed_process_goes_on(others, tmp_path):
    signs = tmp_path / "signs"
    first = others("first")
    wait_for((signs / "computing first").exists)
    second = others("second")
    wait_for((signs / "asking second").exists)
    time.sleep(0.3)
    assert not (signs / "computing second").exists()
    kill(first)
    wait_for((signs / "computing second").exists)
    (signs / "compute").touch()
    assert_ends_well(second)
    assert_right(stored(named("a"), not_again, tmp_path / "cache"))


def test_half_a_draft_of_a_killed_process_is_never_read(others, tmp_path):
    folder, signs = tmp_path / "cache", tmp_path / "signs"
    (signs / "compute").touch()
    writing = others("writing", WRITE_SLOWLY + ASK)
    wait_for((signs / "half writing").exists)
    assert not entries(folder)
    kill(writing)
    (draft,) = drafts(folder)
    assert 0 < draft.stat().st_size < 6400
    assert_right(stored(named("a"), lambda: ARRAYS, folder))
    assert_right(stored(named("a"), not_again, folder))
    assert not drafts(folder)


def test_a_draft_that_nobody_comes_back_to_is_removed_too(others, tmp_path):
    folder, signs = tmp_path / "cache", tmp_path / "signs"
    (signs / "compute").touch()
    writing = others("writing", WRITE_SLOWLY + ASK)
    wait_for((signs / "half writing").exists)
    stored(named("b"), lambda: ARRAYS, folder)
    assert clear(folder) == (1, pytest.approx(7000, abs=1000))
    assert drafts(folder)  # its process lives
    kill(writing)
    assert clear(folder) == (0, 0)
    assert not drafts(folder)


def test_a_process_that_writes_removes_the_drafts_of_killed_ones(tmp_path):
    (tmp_path / f"{named('a')}.part").write_bytes(b"half")
    stored(named("b"), lambda: ARRAYS, tmp_path)
    assert not drafts(tmp_path)


def test_clearing_does_not_disturb_one_that_writes(others, tmp_path):
    folder, signs = tmp_path / "cache", tmp_path / "signs"
    (signs / "compute").touch()
    writing = others("writing", WRITE_SLOWLY + ASK)
    wait_for((signs / "half writing").exists)
    clear(folder)
    (signs / "write").touch()
    assert_ends_well(writing)
    assert_right(stored(named("a"), not_again, folder))


def test_what_goes_wrong_while_computing_is_said_as_it_is_and_locks_nobody_out(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", "a.wav")

    def compute():
        raise error

    for _ in range(2):
        with pytest.raises(PermissionError) as caught:
            stored(named("a"), compute, tmp_path)
        assert caught.value is error
    assert_right(stored(named("a"), lambda: ARRAYS, tmp_path))


def test_a_folder_that_is_removed_while_one_computes_is_made_again(tmp_path):
    def compute():
        shutil.rmtree(tmp_path / "cache")
        return ARRAYS

    stored(named("a"), compute, tmp_path / "cache")
    assert_right(stored(named("a"), not_again, tmp_path / "cache"))


def test_an_entry_that_another_process_removes_at_once_is_given_nonetheless(tmp_path, monkeypatch):
    put = os.replace
    monkeypatch.setattr(cache.os, "replace", lambda draft, path: (put(draft, path), path.unlink()))
    assert_right(stored(named("a"), lambda: ARRAYS, tmp_path))


# Damage

@pytest.mark.parametrize("damage", [
    lambda content: b"", lambda content: content[:1], lambda content: content[:31], lambda content: content[:32],
    lambda content: content[:33], lambda content: content[:len(content) // 2], lambda content: content[:-33],
    lambda content: content[:-32], lambda content: content[:-1], lambda content: content + b"\0",
    lambda content: bytes(len(content)), lambda content: np.random.default_rng(0).bytes(len(content)),
    lambda content: b"\x93NUMPY" + content, lambda content: b"PK\x03\x04" + bytes(200)])
def test_a_damaged_entry_is_computed_anew_and_replaced(tmp_path, damage):
    stored(named("a"), lambda: {"values": np.zeros(3)}, tmp_path)
    (path, _, _), = entries(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert_right(stored(named("a"), lambda: ARRAYS, tmp_path))
    assert_right(stored(named("a"), not_again, tmp_path))


def test_one_changed_bit_is_damage_wherever_it_is(tmp_path):
    stored(named("a"), lambda: {"x": np.zeros(3), "y": np.ones(2)}, tmp_path)
    (path, _, _), = entries(tmp_path)
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert cache._read(path) is None, place


# The limit

def write(folder, name, n_bytes, used_s=None):
    path = folder / f"{named(name)}.npz"
    stored(named(name), lambda: {"x": np.zeros(n_bytes // 8)}, folder)
    if used_s is not None:
        os.utime(path, (used_s, used_s))


def test_what_was_not_used_for_longest_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "1")
    for used_s, name in enumerate("ihgfedcba", 1_000_000_000):
        write(tmp_path, name, 100_000, used_s)
    assert [path.stem[0] for path, _, _ in entries(tmp_path)] == list("ihgfedcba")
    stored(named("i"), not_again, tmp_path)  # reading is using
    assert names(tmp_path) == list("abcdefghi")
    # 10 entries of a little more than 100,000 bytes are above the limit of 1,000,000, and 9 above 9/10 of it: 2 have to go
    write(tmp_path, "new", 100_000)
    assert names(tmp_path) == ["a", "b", "c", "d", "e", "f", "i", "new"]


@pytest.mark.parametrize("n_bytes", [1_000, 20_000, 300_000])
def test_the_folder_never_grows_beyond_its_limit_and_a_twentieth(tmp_path, monkeypatch, n_bytes):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "0.5")
    largest = 0
    for k in range(max(4, 1_000_000 // n_bytes)):
        write(tmp_path, f"{k}", n_bytes)
        assert f"{k}" in names(tmp_path)
        largest = max(largest, size_of(tmp_path))
    assert 0.3e6 <= largest <= 0.525e6


def test_an_entry_larger_than_the_limit_stays_until_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "0.1")
    write(tmp_path, "before", 50_000)
    write(tmp_path, "large", 300_000)
    assert names(tmp_path) == ["large"]
    assert len(stored(named("large"), not_again, tmp_path)["x"]) == 300_000 // 8
    write(tmp_path, "next", 10_000)
    assert names(tmp_path) == ["next"]


def test_the_entry_just_written_stays_whatever_the_clock_says(tmp_path, monkeypatch):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "0.1")
    write(tmp_path, "of tomorrow", 80_000, time.time() + 86_400)
    write(tmp_path, "new", 80_000)
    assert names(tmp_path) == ["new"]


def test_what_may_not_be_removed_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "0.1")
    write(tmp_path, "held", 80_000, 1_000_000_000)
    remove = Path.unlink

    def refuse(path, **settings):
        if path.stem == named("held"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        remove(path, **settings)

    monkeypatch.setattr(Path, "unlink", refuse)
    write(tmp_path, "new", 80_000)
    assert names(tmp_path) == ["held", "new"]
    with pytest.raises(PermissionError):
        clear(tmp_path)


def test_two_caches_in_one_process_know_nothing_of_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "0.1")
    for folder, value in (("one", 1.0), ("other", 2.0)):
        stored(named("a"), lambda value=value: {"x": np.full(9_000, value)}, tmp_path / folder)
    write(tmp_path / "one", "b", 72_000)
    assert (names(tmp_path / "one"), names(tmp_path / "other")) == (["b"], ["a"])
    assert stored(named("a"), not_again, tmp_path / "other")["x"][0] == 2.0
    # little was written since a look at one: the other is looked at for its own sake
    write(tmp_path / "one", "c", 1_000)
    write(tmp_path / "third", "c", 1_000)
    (tmp_path / "fourth").mkdir()
    (tmp_path / "fourth" / f"{named('a')}.part").touch()
    write(tmp_path / "fourth", "c", 1_000)
    assert not drafts(tmp_path / "fourth")


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "2 GB", "x", " "])
def test_a_limit_that_is_no_size_is_refused_before_anything_is_computed(tmp_path, monkeypatch, given):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", given)
    with pytest.raises(ValueError, match=f"ACOUSTIC_NB_CACHE_MB = {given}: is the largest size .* above 0; change it or unset it"):
        stored(named("a"), not_again, tmp_path)


@pytest.mark.parametrize(("given", "expected"), [("1", 1_000_000), ("0.5", 500_000), ("", 2_000_000_000), ("3e3", 3_000_000_000)])
def test_the_limit_is_in_millions_of_bytes(monkeypatch, given, expected):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", given)
    assert cache_limit_bytes() == expected


# The folder

def test_the_folder_is_the_systems_for_caches_or_another_that_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE", str(tmp_path / "ä b"))
    assert cache_folder() == tmp_path / "ä b"
    stored(named("a"), lambda: ARRAYS)
    assert names(tmp_path / "ä b") == ["a"]
    monkeypatch.setenv("ACOUSTIC_NB_CACHE", "~/features")
    assert cache_folder() == Path.home() / "features"
    monkeypatch.delenv("ACOUSTIC_NB_CACHE")
    assert cache_folder().is_absolute() and "acoustic_nb" in cache_folder().parts


def test_a_relative_folder_is_refused(monkeypatch, tmp_path):
    # each notebook would have one of its own, and the run another
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACOUSTIC_NB_CACHE", "features")
    with pytest.raises(ValueError, match=f"ACOUSTIC_NB_CACHE = features: must be an absolute path.* {tmp_path / 'features'}"):
        cache_folder()


@pytest.mark.parametrize("name", ["Prüfstand 3", "{x} {}", "[ab]*?", "%s 'q'", "a/b/c"])
def test_any_name_of_a_folder_will_do(tmp_path, name):
    if os.name == "nt" and set(name) & set("*?"):
        pytest.skip("no such names on Windows")
    folder = tmp_path / name
    stored(named("a"), lambda: ARRAYS, folder)
    assert_right(stored(named("a"), not_again, str(folder)))
    assert names(folder) == ["a"]
    assert clear(folder)[0] == 1 and names(folder) == []


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert entries(tmp_path / "no") == [] and clear(tmp_path / "no") == (0, 0)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("name", ["data.npz", "x.part", "a-0123456789abcdef.npz", f"{named('a')}.npy"])
def test_files_that_are_not_the_caches_are_left_alone(tmp_path, monkeypatch, name):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "0.1")
    (tmp_path / name).write_bytes(bytes(200_000))
    os.utime(tmp_path / name, (0, 0))
    for short in "bcd":
        write(tmp_path, short, 60_000)
    assert clear(tmp_path)[0] == 1
    assert (tmp_path / name).stat().st_size == 200_000


def refuse_to_write(monkeypatch, error):
    """As the system would: to root nothing is forbidden."""
    def refuse(*_, **__):
        raise error

    for name in ("mkdir", "write_bytes", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(cache.os, "utime", refuse)


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "Permission denied"), OSError(errno.EROFS, "Read-only")])
def test_from_a_folder_that_can_only_be_read_is_read_and_more_is_refused_in_one_line(tmp_path, monkeypatch, error):
    stored(named("a"), lambda: ARRAYS, tmp_path)
    refuse_to_write(monkeypatch, error)
    assert_right(stored(named("a"), not_again, tmp_path))
    with pytest.raises(type(error)) as caught:
        stored(named("b"), not_again, tmp_path)
    assert str(caught.value) == (f"{tmp_path}: cannot be used as the cache ({error.strerror}); mend that, or name another folder "
                                 "with ACOUSTIC_NB_CACHE")


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="to root nothing is forbidden")
def test_permissions_that_bind_are_said_in_the_same_line(tmp_path):
    stored(named("a"), lambda: ARRAYS, tmp_path)
    (tmp_path / "locks").chmod(0o500)
    tmp_path.chmod(0o500)
    try:
        assert_right(stored(named("a"), not_again, tmp_path))
        with pytest.raises(PermissionError, match="cannot be used as the cache"):
            stored(named("b"), not_again, tmp_path)
    finally:
        tmp_path.chmod(0o700)
        (tmp_path / "locks").chmod(0o700)


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file: cannot be used as the cache .*; mend that, or name another folder"):
        stored(named("a"), not_again, tmp_path / "file")


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def half(path, content):
        write_bytes(path, bytes(content)[:100])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match=r"cannot be used as the cache \(No space left on device\); mend that, or name"):
        stored(named("a"), lambda: ARRAYS, tmp_path)
    assert not entries(tmp_path) and not drafts(tmp_path)
    monkeypatch.undo()
    assert_right(stored(named("a"), lambda: ARRAYS, tmp_path))


def test_a_write_that_the_system_ends_halfway_leaves_nothing(others, tmp_path):
    pytest.importorskip("resource")
    (tmp_path / "signs" / "compute").touch()
    small = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    _, errors = others("me", small + ASK).communicate(timeout=LONGEST_S)
    assert errors.splitlines()[-1].startswith(f"OSError: {tmp_path / 'cache'}: cannot be used as the cache (File too large)")
    assert not entries(tmp_path / "cache") and not drafts(tmp_path / "cache")


def test_on_windows_a_file_that_is_being_read_is_replaced_a_little_later(tmp_path, monkeypatch):
    stored(named("a"), lambda: {"x": np.zeros(3)}, tmp_path)
    (tmp_path / f"{named('a')}.npz").write_bytes(b"damaged")
    put, refused = os.replace, []

    def refuse_twice(draft, path):
        if len(refused) < 2:
            refused.append(1)
            raise PermissionError(errno.EACCES, "Access is denied")
        put(draft, path)

    monkeypatch.setattr(cache, "WINDOWS", True)
    monkeypatch.setattr(cache.os, "replace", refuse_twice)
    assert_right(stored(named("a"), lambda: ARRAYS, tmp_path))
    assert len(refused) == 2
    assert_right(stored(named("a"), not_again, tmp_path))


@pytest.mark.parametrize(("settings", "message"), [
    ({"hop_s": 0}, "hop_s must be a positive number of seconds, got 0"), ({"hop_s": float("nan")}, "hop_s must be a positive"),
    ({"window_s": float("inf")}, "window_s must be a positive number of seconds, got inf")])
def test_settings_that_do_not_fit_are_refused_before_anything_is_kept(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        cached_features([as_recording(noise())], tmp_path, **settings)
    with pytest.raises(ValueError, match="needs at least one recording, got none"):
        cached_features([], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file: is a file, not a folder for the cache; name another one"):
        entries(tmp_path / "file")
