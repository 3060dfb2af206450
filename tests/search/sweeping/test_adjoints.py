"""diffrax's adjoints, where named, train a sweep from end to end on Ray."""

import numpy as np
import pytest

from tests.search.tiny import run


@pytest.fixture(scope="module")
def one_ray():
    """Ray, started once for all sweeps."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.cluster
@pytest.mark.slow
def test_each_of_diffraxs_adjoints_trains_a_sweep_on_ray_to_about_the_same_errors(
    one_ray, tmp_path
):
    errors = {}
    for adjoint in ("direct", "recursive_checkpoint", "backsolve"):
        result = run(
            tmp_path / adjoint,
            trials=2,
            training={"steps": 60, "validate_every": 20, "adjoint": adjoint, "max_steps": 40},
            workers={"executor": "ray", "count": 1},
        )
        assert result.counts.as_dict() == {"complete": 2, "pruned": 0, "diverged": 0}, adjoint
        errors[adjoint] = [record.objectives["validation_mae"] for record in result.records]
        best = result.best.record
        assert best.metrics["test_mae"] < best.baselines["mean"]["test_mae"], adjoint
    # Loose on purpose: 4.9 % lay between the two exact adjoints after these 60 steps, and why was
    # not examined. That gradients agree is the matter of test_default_gradient.
    for adjoint in ("recursive_checkpoint", "backsolve"):
        np.testing.assert_allclose(errors[adjoint], errors["direct"], rtol=0.2, err_msg=adjoint)
