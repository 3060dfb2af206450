"""What a model's folder has beside its numbers."""

from __future__ import annotations

import numpy as np

from cellbox.data.simulation import simulate_system
from cellbox.models.model import FittedModel
from cellbox.models.model_files import PICTURES, write_pictures
from cellbox.models.training_record import Training
from cellbox.networks.known_systems import system
from cellbox.settings import Settings


def test_pictures_of_the_same_network_are_copied_but_for_the_training(tmp_path):
    data = simulate_system(system("CY"), n_conditions=6, n_times=2)
    curve = np.geomspace(1, 0.01, 4).tolist()
    models = [
        FittedModel(
            data.truth,
            Settings(),
            data.times,
            seed,
            Training(
                status="completed",
                message="",
                steps=4,
                validation_mae=0.01,
                history={"step": [1, 2, 3, 4], "training_loss": curve, "validation_mae": errors},
                seconds=1.0,
                compile_seconds=0.0,
            ),
        )
        for seed, errors in enumerate((curve, curve[::-1]))
    ]
    first, second = tmp_path / "first", tmp_path / "second"
    assert [path.name for path in write_pictures(models[0], data, data.split, first)] == [*PICTURES]
    # What is copied tells itself by this.
    for name in PICTURES:
        (first / name).write_bytes((first / name).read_bytes() + b" ")
    paths = write_pictures(models[1], data, data.split, second, alike=first)
    assert paths == [second / name for name in PICTURES]
    copied = [name for name in PICTURES if (second / name).read_bytes().endswith(b" ")]
    assert copied == [name for name in PICTURES if name != "loss_history.png"]
