"""What refining came to, and when it is not kept."""

import math
from dataclasses import replace

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.networks.interventions import held_nodes
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refined import Refined
from cellbox.training.endings import Candidate, all_in, error_sentence

TRAINING = MultipleShooting(np.ones((2, 1)), np.array([[[0.3]], [[-0.3]]]), np.array([1.0]))


def candidate(noise, errors):
    network = Network(("a",), np.zeros((1, 1)), np.ones(1))
    found = Refined(network, noise, 0, 2, 1, 0.0, 0.0, math.inf)
    return Candidate(found, "a regression", np.array(errors), float(np.mean(errors)))


def test_what_a_fit_leaves_is_noise_up_to_the_size_of_the_data():
    before = np.array([0.1, 0.1])
    # The data are of size 0.3: a quarter of that may be lost, whatever is left.
    assert not candidate(0.9, [0.17, 0.17]).is_worse_than(before, TRAINING, lambda: None)
    assert candidate(0.9, [0.19, 0.19]).is_worse_than(before, TRAINING, lambda: None)


def test_what_an_empty_network_leaves_is_no_noise_where_descent_leaves_less():
    before = np.array([0.1, 0.1])
    empty = candidate(0.3, [0.17, 0.17])
    unlike = replace(TRAINING, perturbations=np.array([[1.0], [-1.0]]))
    assert not empty.is_worse_than(before, unlike, lambda: 0.3)
    assert empty.is_worse_than(before, unlike, lambda: 0.05)


def test_what_descent_leaves_is_not_asked_for_where_a_refined_network_explains_the_data():
    def asked():
        raise AssertionError

    assert not candidate(0.01, [0.1, 0.1]).is_worse_than(np.array([0.1, 0.1]), TRAINING, asked)


def test_known_errors_are_said_beside_what_is_left():
    assert error_sentence(TRAINING, 0.1) == ""
    known = MultipleShooting(
        TRAINING.perturbations,
        TRAINING.measurements,
        TRAINING.times,
        errors=np.full((2, 1, 1), 0.05),
        typical_error=0.05,
    )
    assert "(typically 0.05); what is left is 2 times as large" in error_sentence(known, 0.1)


def test_a_knock_out_is_no_condition_that_was_trained_on_where_a_control_was():
    control = np.zeros((1, 2))
    known = MultipleShooting(control, np.zeros((1, 1, 2)), np.array([1.0]))
    asked = Dataset(("a", "b"), known.times, control, known.measurements, ("c",), np.zeros(2, bool))
    held = held_nodes({"a": -3.0}, asked.nodes, 1)
    knock_out = replace(asked, interventions=held)
    assert all_in(asked, known)
    assert not all_in(knock_out, known)
    assert all_in(knock_out, replace(known, interventions=held))
