"""Which devices Ray's workers own, with Ray's logical GPUs where there are no real ones."""

import os

import pytest

from cellbox.errors import InputError
from search.spec.tables import WorkersTable
from search.workers.start import started_workers

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),
]


@pytest.fixture(scope="module")
def ray_with_two_gpus():
    import ray

    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"
    ray.init(
        num_cpus=4,
        num_gpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100_000_000,
    )
    yield ray
    ray.shutdown()


@pytest.mark.parametrize(
    ("share", "n_workers", "n_devices", "fraction"), [(1.0, 2, 2, "0.900"), (0.5, 4, 2, "0.450")]
)
def test_workers_on_gpus_own_the_devices_ray_gave_them(
    ray_with_two_gpus, share, n_workers, n_devices, fraction
):
    from search.workers.ray_actors import RayCluster

    cluster = RayCluster(WorkersTable(gpus_per_worker=share))
    cluster.wait_until_prepared()
    described = ray_with_two_gpus.get([seat.actor.describe.remote() for seat in cluster.seats])
    cluster.close()
    assert len(described) == n_workers
    assert all(len(worker["gpus"]) == 1 for worker in described)
    assert len({worker["gpus"][0] for worker in described}) == n_devices
    assert {worker["memory_fraction"] for worker in described} == {fraction}
    assert {worker["jax_platforms"] for worker in described} == {None}
    # Ray was not started here, so it goes on.
    assert ray_with_two_gpus.is_initialized()


def test_more_workers_than_devices_are_refused(ray_with_two_gpus):
    with (
        pytest.raises(InputError, match=r"3 workers are asked for, and Ray has devices for 2"),
        started_workers(WorkersTable(gpus_per_worker=1.0, count=3), print, "train"),
    ):
        raise AssertionError("not reached")


def test_more_cpu_workers_than_cores_are_refused(ray_with_two_gpus):
    with (
        pytest.raises(InputError, match=r"devices for 4"),
        started_workers(WorkersTable(count=5), print, "train"),
    ):
        raise AssertionError("not reached")


def test_workers_on_gpus_and_on_cores_are_there_at_once(ray_with_two_gpus):
    from search.workers.ray_actors import RayCluster

    cluster = RayCluster(WorkersTable(gpus_per_worker=1.0, cpu_workers=1))
    cluster.wait_until_prepared()
    described = ray_with_two_gpus.get([seat.actor.describe.remote() for seat in cluster.seats])
    cluster.close()
    assert [len(worker["gpus"]) for worker in described] == [1, 1, 0]
    assert [worker["jax_platforms"] for worker in described] == [None, None, "cpu"]


def test_more_workers_beside_gpus_than_cores_are_refused(ray_with_two_gpus):
    with (
        pytest.raises(InputError, match=r"3 workers are asked for beside 2 on GPUs"),
        started_workers(WorkersTable(gpus_per_worker=1.0, cpu_workers=3), print, "train"),
    ):
        raise AssertionError("not reached")


def test_a_node_with_other_versions_is_refused(ray_with_two_gpus, monkeypatch):
    from search.workers import ray_actors
    from search.workers.versions import versions

    monkeypatch.setattr(ray_actors, "versions", lambda: {**versions(), "jax": "0.1.0"})
    cluster = ray_actors.RayCluster(WorkersTable(count=1))
    try:
        with pytest.raises(InputError, match=r"other versions are .*: jax .* instead of 0\.1\.0"):
            cluster.wait_until_prepared()
    finally:
        cluster.close()
