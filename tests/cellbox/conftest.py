"""What several tests of the science share."""

import pytest


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """Gradient checks are remembered in a folder of the tests, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
