"""Tests keep what they compute in a cache of their own, not in the user's."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """The cache of this session of tests, also for the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACOUSTIC_NB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
