"""What tests of several commands share."""

import pytest

from tests.search.cli_helpers import simulate_small


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return simulate_small(tmp_path_factory.mktemp("simulated") / "small")
