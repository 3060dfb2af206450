"""The Kubernetes manifests: known fields, references that lead somewhere, nothing as root."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
import yaml

from search.cli import service
from search.cli.main import build_parser
from tests.deploy.compose import DEPLOY, read_compose

FOLDER = DEPLOY / "kubernetes"
RAY_PORTS = {"gcs", "dashboard", "agent"}
# Made by hand, as README.md says, so that nothing secret stands in a file.
BY_HAND = {("Secret", "cellbox-database"), ("ConfigMap", "cellbox-specs")}


def read(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((FOLDER / name).read_text()) if one]


RESOURCES = read("kustomization.yaml")[0]["resources"]
MANIFESTS = [one for name in (*RESOURCES, "rayjob.yaml") for one in read(name)]


def named(manifest: dict[str, Any]) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('name') or metadata['generateName']}"


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in MANIFESTS if one["kind"] == kind]


def pods() -> dict[str, dict[str, Any]]:
    """Each template of a pod, by a name."""
    found = {
        named(one): one["spec"]["template"]
        for one in MANIFESTS
        if one["kind"] in ("StatefulSet", "Deployment")
    }
    (cluster,), (job,) = of_kind("RayCluster"), of_kind("RayJob")
    found["head"] = cluster["spec"]["headGroupSpec"]["template"]
    found |= {one["groupName"]: one["template"] for one in cluster["spec"]["workerGroupSpecs"]}
    found["submit"] = job["spec"]["submitterPodTemplate"]
    return found


def containers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, pod in pods().items():
        for container in pod["spec"]["containers"]:
            yield name, pod, container


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def test_every_file_is_applied_or_started_by_hand():
    files = {file.name for file in FOLDER.glob("*.yaml")}
    assert files == {*RESOURCES, "rayjob.yaml", "kustomization.yaml"}


def test_all_is_in_one_namespace():
    (namespace,) = of_kind("Namespace")
    kustomization = read("kustomization.yaml")[0]
    (job,) = of_kind("RayJob")
    name = namespace["metadata"]["name"]
    assert kustomization["namespace"] == job["metadata"]["namespace"] == name


MODELS = {
    ("v1", "ConfigMap"): "V1ConfigMap",
    ("v1", "Namespace"): "V1Namespace",
    ("v1", "PersistentVolumeClaim"): "V1PersistentVolumeClaim",
    ("v1", "Service"): "V1Service",
    ("apps/v1", "Deployment"): "V1Deployment",
    ("apps/v1", "StatefulSet"): "V1StatefulSet",
    ("networking.k8s.io/v1", "NetworkPolicy"): "V1NetworkPolicy",
}


def problems_with(models: Any, value: Any, kind: str) -> list[str]:
    """Fields that Kubernetes does not know, lacks, or has as another type, with their places."""
    try:
        getattr(models, kind).model_validate(value)
    except pydantic.ValidationError as error:
        return [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        ]
    return []


@pytest.fixture(scope="module")
def models():
    client = pytest.importorskip("kubernetes.client", reason="needs the package kubernetes")
    return client


def test_the_check_of_fields_sees_what_is_wrong(models):
    wrong = {"metadata": {"nam": "x"}, "spec": {"ports": [{"prot": 1}], "clusterIP": 3}}
    found = problems_with(models, wrong, "V1Service")
    places = {text.split(":")[0] for text in found}
    assert places == {"metadata.nam", "spec.clusterIP", "spec.ports.0.prot", "spec.ports.0.port"}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_core_kinds_have_only_fields_that_kubernetes_knows(models, manifest):
    kind = MODELS.get((manifest["apiVersion"], manifest["kind"]))
    if kind is None:
        assert manifest["apiVersion"] == "ray.io/v1"
        return
    assert problems_with(models, manifest, kind) == []


@pytest.mark.parametrize("name", pods())
def test_pods_have_only_fields_that_kubernetes_knows(models, name):
    assert problems_with(models, pods()[name], "V1PodTemplateSpec") == []


def test_pods_are_not_root_and_may_do_nothing_more():
    for name, pod, container in containers():
        context = {**pod["spec"]["securityContext"], **container["securityContext"]}
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] >= 999, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
        # The autoscaler beside the head talks to Kubernetes, and nothing else does.
        if name != "head":
            assert pod["spec"]["automountServiceAccountToken"] is False, name


def test_every_container_has_limits():
    for name, _, container in containers():
        for part in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][part]), name
        assert "cpu" in container["resources"]["limits"], name


def test_everything_that_serves_is_probed():
    for name, _, container in containers():
        if name == "submit":
            continue
        assert {"readinessProbe", "livenessProbe"} <= set(container), name
        ports = {port["name"] for port in container["ports"]}
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            get = container.get(probe, {}).get("httpGet")
            assert get is None or get["port"] in ports, (name, probe)


def test_every_reference_leads_somewhere():
    there = BY_HAND | {(one["kind"], one["metadata"].get("name")) for one in MANIFESTS}
    for name, pod in pods().items():
        for value in walk(pod):
            for key in ("secretKeyRef", "configMapKeyRef"):
                if key in value:
                    kind = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}[key]
                    assert (kind, value[key]["name"]) in there, name
            if "persistentVolumeClaim" in value:
                claim = value["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", claim) in there, name
            if isinstance(value.get("configMap"), dict):
                assert ("ConfigMap", value["configMap"]["name"]) in there, name
    (cluster,), (job,) = of_kind("RayCluster"), of_kind("RayJob")
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}


def test_every_mount_is_a_volume_of_its_pod_and_every_volume_is_mounted():
    for name, pod in pods().items():
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        (stateful,) = of_kind("StatefulSet")
        if name == named(stateful):
            volumes |= {
                claim["metadata"]["name"] for claim in stateful["spec"]["volumeClaimTemplates"]
            }
        mounted = {
            mount["name"]
            for container in pod["spec"]["containers"]
            for mount in container.get("volumeMounts", [])
        }
        assert mounted == volumes, name


def test_services_choose_pods_and_ports_there_are():
    for one in of_kind("Service"):
        chosen = [
            (pod, container)
            for _, pod, container in containers()
            if one["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        assert chosen, named(one)
        for port in one["spec"]["ports"]:
            for _, container in chosen:
                assert port["targetPort"] in {known["name"] for known in container["ports"]}
        # None is reached from outside of the cluster.
        assert one["spec"].get("type", "ClusterIP") == "ClusterIP"


def test_policies_choose_pods_there_are_and_open_ports_that_are_used():
    labels = [
        # Those that KubeRay adds.
        {**pod["metadata"]["labels"], "ray.io/node-type": "head" if name == "head" else "worker"}
        for name, pod in pods().items()
    ]
    used = {port["containerPort"] for _, _, one in containers() for port in one.get("ports", [])}
    policies = of_kind("NetworkPolicy")
    assert any(one["spec"]["podSelector"] == {} for one in policies)
    for one in policies:
        for value in walk(one["spec"]):
            selector = value.get("podSelector", {})
            wanted = selector.get("matchLabels", {})
            assert any(wanted.items() <= have.items() for have in labels), named(one)
            if "port" in value and value["port"] != 53:
                assert value["port"] in used, named(one)


def test_secrets_come_by_reference():
    for name, _, container in containers():
        for variable in container.get("env", []):
            if re.search("PASSWORD|TOKEN|SECRET", variable["name"]):
                assert set(variable) == {"name", "valueFrom"}, name
    for file in FOLDER.glob("*.yaml"):
        assert not re.search(r"://[^@/ ]*:[^@/ ]*@", file.read_text()), file


def test_images_are_named_once_and_pinned():
    kustomization = read("kustomization.yaml")[0]
    replaced = {one["name"]: f"{one['newName']}:{one['newTag']}" for one in kustomization["images"]}
    seen = set()
    for _, _, container in containers():
        image = container["image"]
        seen.add(image)
        image = replaced.get(image, image)
        assert re.search(r":\d+\.\d+", image), image
    assert set(replaced) <= seen
    assert pods()["submit"]["spec"]["containers"][0]["image"] == replaced["cellbox"]
    database = read_compose()["services"]["postgres"]["image"]
    assert database in seen


def test_ray_is_the_version_that_is_pinned():
    (cluster,) = of_kind("RayCluster")
    pinned = re.search(r"^ray==(.+)$", (DEPLOY / "constraints.txt").read_text(), re.MULTILINE)
    assert cluster["spec"]["rayVersion"] == pinned[1]


def test_the_cluster_asks_for_a_token_and_shrinks_to_nothing():
    (cluster,) = of_kind("RayCluster")
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    assert cluster["spec"]["enableInTreeAutoscaling"] is True
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    groups = {one["groupName"]: one for one in cluster["spec"]["workerGroupSpecs"]}
    for one in groups.values():
        assert one["minReplicas"] == one["replicas"] == 0 < one["maxReplicas"]
    limits = groups["gpu"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "1"


def test_the_job_uses_flags_there_are_and_names_how_many_workers_may_come():
    (job,) = of_kind("RayJob")
    program, *words = job["spec"]["entrypoint"].split()
    assert program == "cellbox"
    arguments = build_parser(service.COMMANDS).parse_args(words)
    mounts = pods()["head"]["spec"]["containers"][0]["volumeMounts"]
    folders = {mount["mountPath"] for mount in mounts}
    assert f"/{arguments.spec.split('/')[1]}" in folders
    assert f"/{arguments.study.split('/')[1]}" in folders
    # Without a number only nodes that are there are used, and there are none.
    assert arguments.workers > 1


def test_the_database_begins_as_that_of_compose():
    (config,) = of_kind("ConfigMap")
    sql = (DEPLOY / "postgres-init.sql").read_text().splitlines()
    statements = [line for line in sql if not line.startswith("--")]
    assert config["data"]["optuna.sql"].splitlines() == statements


def test_mlflow_starts_as_it_does_in_compose():
    (deployment,) = of_kind("Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == read_compose()["services"]["mlflow"]["command"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_kubectl_puts_the_files_together():
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True
    )
    made = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert len(made) == sum(len(read(name)) for name in RESOURCES)
    assert "image: cellbox\n" not in done.stdout
    spaces = {one["metadata"].get("namespace") for one in made if one["kind"] != "Namespace"}
    assert spaces == {"cellbox"}
