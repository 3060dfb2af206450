"""Networks as SBML: what simulators of systems biology make of it is what the model predicts."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cellbox.equation.network_responses import responses
from cellbox.errors import InputError
from cellbox.networks.network import Network
from cellbox.networks.sbml import write_sbml

NETWORK = Network(
    nodes=("Pax6", "p53 & <friends>", "p53, friends", "βcat"),
    weights=np.array([[0.1, -2.0, 0, 0], [1.5, 0, 0, 0], [0, 0, 0, 0], [1 / 3, 0, 0.7, 0]]),
    amplitudes=np.array([0.2, 1.0, 0.5, 1 / 7]),
)
DOSES = {"Pax6": 0.4, "βcat": -0.3}
TIMES = np.array([0.5, 2.0, 7.0])

MATH = "{http://www.w3.org/1998/Math/MathML}"
CORE = "{http://www.sbml.org/sbml/level3/version1/core}"
OPERATORS = {
    "plus": lambda *terms: sum(terms),
    "minus": lambda first, *second: first - second[0] if second else -first,
    "times": lambda left, right: left * right,
    "tanh": np.tanh,
}


def value_of(element, names):
    """What a piece of MathML is, where these names have values."""
    tag = element.tag.removeprefix(MATH)
    if tag == "ci":
        return names[element.text]
    operator, *operands = element
    return OPERATORS[operator.tag.removeprefix(MATH)](*(value_of(one, names) for one in operands))


def simulated(path, times):
    """The states of an SBML file of parameters and rate rules, solved by SciPy."""
    root = ElementTree.parse(path).getroot()
    values = {one.get("id"): float(one.get("value")) for one in root.iter(f"{CORE}parameter")}
    rules = {
        one.get("variable"): one.find(f"{MATH}math")[0] for one in root.iter(f"{CORE}rateRule")
    }

    def velocity(time, states):
        names = {**values, **dict(zip(rules, states, strict=True))}
        return [value_of(rule, names) for rule in rules.values()]

    start = [values[name] for name in rules]
    solved = solve_ivp(velocity, (0, times[-1]), start, t_eval=times, rtol=1e-9, atol=1e-12)
    return dict(zip(rules, solved.y, strict=True))


def test_simulated_elsewhere_it_responds_as_the_model(tmp_path):
    ids = write_sbml(NETWORK, tmp_path / "model.xml", doses=DOSES)
    elsewhere = simulated(tmp_path / "model.xml", TIMES)
    u = np.array([[DOSES.get(name, 0.0) for name in NETWORK.nodes]])
    expected = responses(NETWORK, u, TIMES)[0].T
    found = np.array([elsewhere[ids.state[name]] for name in NETWORK.nodes])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_names_that_sbml_cannot_tell_apart_have_identifiers_of_their_own(tmp_path):
    ids = write_sbml(NETWORK, tmp_path / "model.xml")
    assert ids.state["p53 & <friends>"] == "x_p53_friends"
    assert ids.state["p53, friends"] == "x_p53_friends_2"
    assert len({*ids.state.values(), *ids.dose.values(), *ids.weight.values()}) == 4 + 4 + 5
    root = ElementTree.parse(tmp_path / "model.xml").getroot()
    names = {one.get("id"): one.get("name") for one in root.iter(f"{CORE}parameter")}
    assert {names[ids.state[name]] for name in NETWORK.nodes} == set(NETWORK.nodes)


def test_libsbml_finds_no_error(tmp_path):
    libsbml = pytest.importorskip("libsbml")
    write_sbml(NETWORK, tmp_path / "model.xml", doses=DOSES)
    document = libsbml.readSBML(str(tmp_path / "model.xml"))
    document.checkConsistency()
    found = [document.getError(k) for k in range(document.getNumErrors())]
    assert [one.getMessage() for one in found] == []


def test_names_with_control_characters_are_refused(tmp_path):
    strange = Network(("a\tb",), np.zeros((1, 1)), np.ones(1))
    with pytest.raises(InputError, match="control characters"):
        write_sbml(strange, tmp_path / "model.xml")
    assert not (tmp_path / "model.xml").exists()
