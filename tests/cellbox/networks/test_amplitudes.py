"""Amplitudes from a file or a spread."""

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.networks.amplitudes import with_amplitudes
from cellbox.networks.known_systems import system

NETWORK = system("VSC").network


def test_amplitudes_of_a_file_are_matched_by_name(tmp_path):
    file = tmp_path / "amplitudes.csv"
    lines = [f"{node},{k + 1}" for k, node in enumerate(reversed(NETWORK.nodes))]
    file.write_text("\n".join(["node,amplitude", *lines]) + "\n")
    changed = with_amplitudes(NETWORK, file=file)
    np.testing.assert_array_equal(changed.amplitudes, np.arange(8, 0, -1))
    np.testing.assert_array_equal(changed.weights, NETWORK.weights)


def test_a_spread_is_of_the_logarithm_and_drawn_from_the_seed():
    several = [np.log(with_amplitudes(NETWORK, spread=0.5, seed=s).amplitudes) for s in range(100)]
    off = np.array(several) - np.log(NETWORK.amplitudes)
    assert off.std() == pytest.approx(0.5, rel=0.1)
    again = with_amplitudes(NETWORK, spread=0.5, seed=7)
    np.testing.assert_allclose(np.log(again.amplitudes), several[7])


def test_a_bad_file_and_a_bad_spread_are_refused(tmp_path):
    file = tmp_path / "amplitudes.csv"
    file.write_text("node,amplitude\nShh,-1\nnobody,1\n")
    with pytest.raises(InputError, match="expected an amplitude for each node"):
        with_amplitudes(NETWORK, file=file)
    with pytest.raises(InputError, match="from 0 up, found -1"):
        with_amplitudes(NETWORK, spread=-1.0)
