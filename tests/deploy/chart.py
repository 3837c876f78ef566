"""The Helm chart, rendered, and each of its objects judged by the schema of its kind; a kind without a schema is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.programs import DEPLOY

CHART = DEPLOY / "helm"
#: The oldest release of Kubernetes that the chart is for, as far as there are schemas, and the newest.
OLDEST = "1.27"
Object = dict[str, Any]


def rendered(values: dict[str, Any] | None = None) -> list[Object]:
    """The objects that a release named ``store`` in ``ns`` would make."""
    import helm_python

    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values or {}, name="store", namespace="ns")
    texts = [text for name, text in sorted(files.items()) if not name.endswith("NOTES.txt")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found is not None]


def notes(values: dict[str, Any] | None = None) -> str:
    """What is shown after an installation."""
    import helm_python

    with helm_python.Chart.load(CHART) as chart:
        return str(chart.render(values or {}, name="store", namespace="ns")["chroma-async/templates/NOTES.txt"])


def judge(found: Object, release: str) -> None:
    """:raises Exception: the object is none of its kind, or nothing is known of its kind."""
    import jsonschema
    import kubernetes_validate

    if found["kind"] == "ServiceMonitor":
        schema = json.loads((Path(__file__).parent / "servicemonitor.json").read_text("utf-8"))
        jsonschema.validate(found, schema)
    else:
        try:
            kubernetes_validate.validate(found, release, strict=True)
        except kubernetes_validate.SchemaNotFoundError as error:
            # Its text is empty.
            raise LookupError(error.message) from error


def newest() -> str:
    import kubernetes_validate

    return str(kubernetes_validate.latest_version())


def one(objects: list[Object], kind: str, name: str = "store-chroma-async") -> Object:
    """The only object of this kind and name."""
    (found,) = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    return found
