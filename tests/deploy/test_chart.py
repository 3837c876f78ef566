"""The Helm chart: every object is one of its kind, whichever values are set, and what it says of the server is true of the server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chroma_async.config.environment import environment_layer
from chroma_async.config.loading import examine
from chroma_async.config.settings import TABLE
from tests.deploy.chart import CHART, OLDEST, Object, judge, newest, notes, one, rendered
from tests.deploy.programs import ROOT

pytestmark = pytest.mark.deployment
NAME = "store-chroma-async"
TOKEN = {"auth": {"token": "a-token"}}
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example/chroma-async", "digest": f"sha256:{'0' * 64}", "pullSecrets": [{"name": "registry"}]},
    "auth": {"token": "a-token"},
    "settings": {"max_body_bytes": 83886080, "cors_allow_origins": ["https://app.example"]},
    "extraEnv": [{"name": "CHROMA_ASYNC_LOG_LEVEL", "value": "debug"}],
    "telemetry": {"endpoint": "http://collector.monitoring:4318"},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "certificate", "annotations": {"a": "b"}},
    "persistence": {"storageClass": "fast", "annotations": {"a": "b"}, "whenDeleted": "Delete"},
    "networkPolicy": {
        "from": [{"podSelector": {"matchLabels": {"app": "api"}}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    },
    "serviceAccount": {"annotations": {"a": "b"}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "search"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "only", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
}
CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "a secret that exists": {"auth": {"existingSecret": "tokens", "secretKey": "users.yaml"}},
    "open to all": {"auth": {"allowUnauthenticated": True}},
    "no volume": {"persistence": {"enabled": False}, "podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}},
    "a volume that exists": {"persistence": {"existingClaim": "mine"}, "serviceAccount": {"create": False}, "metrics": {"enabled": False}},
}
DEFAULTS = ["NetworkPolicy", "PodDisruptionBudget", "Service", "Service", "ServiceAccount", "StatefulSet"]


@pytest.mark.parametrize("case", CASES)
def test_the_linter_has_no_warning(case: str) -> None:
    import helm_python

    report = helm_python.lint(CHART, CASES[case], strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_one_of_its_kind_in_the_oldest_and_the_newest_kubernetes(case: str) -> None:
    objects = rendered(CASES[case])
    assert len(objects) >= 4
    for found in objects:
        for release in (OLDEST, newest()):
            judge(found, release)


def test_a_misspelt_field_and_a_kind_without_a_schema_are_found() -> None:
    stateful = one(rendered(), "StatefulSet")
    stateful["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(Exception, match="enableServiceLink"):
        judge(stateful, newest())
    with pytest.raises(LookupError, match="find schema for kind PodMonitor"):
        judge({"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "a"}}, newest())
    monitor = one(rendered(EVERYTHING), "ServiceMonitor")
    monitor["spec"]["endpoints"][0]["intervall"] = "1s"
    with pytest.raises(Exception, match="intervall"):
        judge(monitor, newest())


def test_what_is_made_by_default_and_with_everything() -> None:
    assert sorted(found["kind"] for found in rendered()) == DEFAULTS
    assert sorted(found["kind"] for found in rendered(EVERYTHING)) == sorted(
        [*DEFAULTS, "ConfigMap", "Ingress", "Secret", "ServiceMonitor"]
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"persistance": {}}, "persistance"),
        ({"image": {"tags": "1"}}, "tags"),
        ({"graceSeconds": "30"}, "graceSeconds"),
        ({"persistence": {"whenDeleted": "retain"}}, "whenDeleted"),
    ],
)
def test_a_misspelt_value_is_refused_by_name(values: dict[str, Any], said: str) -> None:
    import helm_python

    with helm_python.Chart.load(CHART) as chart, pytest.raises(helm_python.HelmError, match=said):
        chart.validate_schema(chart.merge_values(values))


def test_the_schema_knows_every_value_and_no_other() -> None:
    def names(value: Any, schema: Any, at: str = "") -> None:
        if "properties" in schema:
            assert set(schema["properties"]) - {"global"} == set(value), at
            for name, inner in value.items():
                names(inner, schema["properties"][name], f"{at}.{name}")

    names(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")), json.loads((CHART / "values.schema.json").read_text("utf-8")))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"auth": {"token": "x", "allowUnauthenticated": True}}, "exclude each other"),
        ({"metrics": {"enabled": False, "serviceMonitor": {"enabled": True}}}, "needs metrics.enabled"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: dict[str, Any], said: str) -> None:
    import helm_python

    with pytest.raises(helm_python.HelmError, match=said):
        rendered(values)


def test_the_values_on_the_page_are_values_of_the_chart() -> None:
    page = (ROOT / "docs" / "deployment" / "kubernetes.md").read_text("utf-8")
    examples = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)]
    assert len(examples) >= 2
    for values in examples:
        assert [judge(found, newest()) for found in rendered(values)]
    flags = dict(re.findall(r"--set ([\w.]+)=(\S+)", page))
    assert flags
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for flag in flags:
        group, _, name = flag.partition(".")
        assert name in defaults[group], flag


def pod(values: dict[str, Any] | None = None) -> Object:
    found: Object = one(rendered(values), "StatefulSet")["spec"]["template"]["spec"]
    return found


def variables(values: dict[str, Any] | None = None) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in pod(values)["containers"][0]["env"]}


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_a_setting_that_can_be_used(case: str) -> None:
    given = variables(CASES[case])
    assert given
    assert all(isinstance(value, str) for value in given.values())
    layer = environment_layer({name: value for name, value in given.items() if not name.endswith(("_FILE", "_CONFIG"))}, TABLE)
    assert (layer.faults, layer.notices) == ([], [])


def test_the_pod_has_no_rights_and_no_names_of_services() -> None:
    spec = pod()
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 65532
    inner = spec["containers"][0]["securityContext"]
    assert inner == {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_pod_is_given_longer_than_the_server_takes_to_stop() -> None:
    given = variables({"drainDelaySeconds": 7, "graceSeconds": 120})
    stopping = float(given["CHROMA_ASYNC_DRAIN_DELAY_S"]) + float(given["CHROMA_ASYNC_GRACE_S"])
    assert pod({"drainDelaySeconds": 7, "graceSeconds": 120})["terminationGracePeriodSeconds"] == stopping + 15


def test_probes_ask_routes_that_the_server_has_without_a_credential() -> None:
    container = pod()["containers"][0]
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/livez", "/readyz"}


def test_a_token_is_in_the_secret_and_nowhere_else() -> None:
    objects = rendered(TOKEN)
    assert one(objects, "Secret")["stringData"] == {"token": "a-token"}
    assert [found["kind"] for found in objects if "a-token" in yaml.safe_dump(found)] == ["Secret"]
    (volume,) = [item for item in pod(TOKEN)["volumes"] if item["name"] == "credentials"]
    assert volume["secret"] == {"secretName": NAME, "defaultMode": 0o440}
    assert variables(TOKEN)["CHROMA_SERVER_AUTHN_CREDENTIALS_FILE"] == "/run/secrets/chroma-async/token"


def test_a_secret_that_exists_is_mounted_and_none_is_made() -> None:
    values = CASES["a secret that exists"]
    assert [found for found in rendered(values) if found["kind"] == "Secret"] == []
    assert [item["secret"]["secretName"] for item in pod(values)["volumes"]] == ["tokens"]
    assert variables(values)["CHROMA_SERVER_AUTHN_CREDENTIALS_FILE"] == "/run/secrets/chroma-async/users.yaml"


def test_the_notes_say_where_the_token_is() -> None:
    assert "cat /data/initial-token" in notes()
    assert f"the secret {NAME}, under token" in notes(TOKEN)
    assert "Nobody is asked" in notes({"auth": {"allowUnauthenticated": True}})


def test_settings_are_a_file_that_the_server_takes(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(one(rendered(EVERYTHING), "ConfigMap")["data"]["config.yaml"])
    found = examine({}, {}, file)
    assert (found.faults, found.notices) == ((), ())
    assert found.values["cors_allow_origins"] == ("https://app.example",)
    assert variables(EVERYTHING)["CHROMA_ASYNC_CONFIG"] == "/etc/chroma-async/config.yaml"


def labels(found: Object) -> set[tuple[str, str]]:
    return set(found["metadata"]["labels"].items())


def test_what_selects_pods_selects_ours_and_the_monitor_the_service_with_metrics() -> None:
    objects = rendered(EVERYTHING)
    stateful = one(objects, "StatefulSet")
    ours = set(stateful["spec"]["template"]["metadata"]["labels"].items())
    selectors = [
        stateful["spec"]["selector"]["matchLabels"],
        one(objects, "Service")["spec"]["selector"],
        one(objects, "Service", f"{NAME}-headless")["spec"]["selector"],
        one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector and set(selector.items()) <= ours for selector in selectors)
    assert stateful["spec"]["serviceName"] == f"{NAME}-headless"
    monitored = set(one(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items())
    found = [item["metadata"]["name"] for item in objects if item["kind"] == "Service" and monitored <= labels(item)]
    assert found == [f"{NAME}-headless"]


def test_ports_have_the_same_names_everywhere() -> None:
    objects = rendered(EVERYTHING)
    ports = {port["name"]: port["containerPort"] for port in pod(EVERYTHING)["containers"][0]["ports"]}
    assert ports == {"http": 8000, "metrics": int(variables(EVERYTHING)["CHROMA_ASYNC_METRICS_PORT"])}
    policy = one(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in policy] == list(ports)
    assert one(objects, "ServiceMonitor")["spec"]["endpoints"][0]["port"] == "metrics"
    assert one(objects, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == NAME


def test_the_server_may_connect_to_nobody_but_the_collector_and_who_was_named() -> None:
    assert one(rendered(), "NetworkPolicy")["spec"]["egress"] == []
    traces, named = one(rendered(EVERYTHING), "NetworkPolicy")["spec"]["egress"]
    assert {port["port"] for port in traces["ports"]} == {53, 4317, 4318}
    assert named == {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}


def test_the_volume_stays_when_the_release_goes() -> None:
    spec = one(rendered(), "StatefulSet")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert spec["replicas"] == 1
