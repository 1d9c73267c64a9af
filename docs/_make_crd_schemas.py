"""Write the JSON schemas of KServe's objects from the models of its own Python package (Apache-2.0).

python docs/_make_crd_schemas.py FOLDER    FOLDER holds kserve/models, as `pip download --no-deps kserve` and unzip give it

The package is read, not imported: it wants pydantic, Ray and a cluster. Types of Kubernetes itself become references into
the schemas of kubernetes-validate.
"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[1] / "src/edgewise/build/nodes/kubernetes/schemas"
CORE = "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.api.core.v1."
ELSEWHERE = {
    "V1ObjectMeta": "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    "V1LabelSelector": "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
    "K8sIoApiAppsV1DeploymentStrategy": "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.api.apps.v1.DeploymentStrategy",
    "K8sIoApimachineryPkgApisMetaV1LabelSelector": (
        "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"
    ),
    "ResourceQuantity": "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity",
}
PLAIN: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "object": {"type": "object"},
}
KINDS = {
    "inferenceservice": ("serving.kserve.io/v1beta1", "InferenceService", "V1beta1InferenceServiceSpec"),
    "servingruntime": ("serving.kserve.io/v1alpha1", "ServingRuntime", "V1alpha1ServingRuntimeSpec"),
}


def main(folder: Path) -> None:
    """Write the schema of every kind."""
    models = {name: found for path in sorted((folder / "kserve/models").glob("*.py")) for name, found in _types(path)}
    version = re.search(r"kserve-([0-9.]+)\.dist-info", " ".join(str(path) for path in folder.iterdir()))
    for name, (api, kind, spec) in KINDS.items():
        definitions: dict[str, Any] = {}
        _define(spec, models, definitions)
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$comment": f"From the models of kserve {version[1] if version else ''}, Apache-2.0, "
            "Copyright The KServe Authors; made by docs/_make_crd_schemas.py.",
            "type": "object",
            "additionalProperties": False,
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "properties": {
                "apiVersion": {"const": api},
                "kind": {"const": kind},
                "metadata": {"$ref": ELSEWHERE["V1ObjectMeta"]},
                "spec": {"$ref": f"#/$defs/{spec}"},
            },
            "$defs": definitions,
        }
        text = json.dumps(schema, sort_keys=True, separators=(",", ":")) + "\n"
        (SCHEMAS / f"{name}.json").write_text(text, encoding="utf-8")


def _types(path: Path) -> list[tuple[str, dict[str, tuple[str, str, bool]]]]:
    """Classes of a module: attributes as the API names them, with type and whether they are required."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            tables = {
                target.id: ast.literal_eval(line.value)
                for line in node.body
                if isinstance(line, ast.Assign)
                for target in line.targets
                if isinstance(target, ast.Name) and target.id in ("openapi_types", "attribute_map")
            }
            if len(tables) == 2:
                needed = set(re.findall(r"`(\w+)`, must not be `None`", ast.unparse(node)))
                rows = {
                    tables["attribute_map"][name]: (kind, name, name in needed)
                    for name, kind in tables["openapi_types"].items()
                }
                found.append((node.name, rows))
    return found


def _define(name: str, models: dict[str, Any], definitions: dict[str, Any]) -> None:
    if name in definitions:
        return
    definitions[name] = {}
    rows = models[name]
    definitions[name] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _schema(kind, models, definitions) for key, (kind, _, _) in rows.items()},
        **({"required": needed} if (needed := [key for key, (_, _, must) in rows.items() if must]) else {}),
    }


def _schema(kind: str, models: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if inner := re.fullmatch(r"list\[(.+)\]", kind):
        return {"type": "array", "items": _schema(inner[1], models, definitions)}
    if inner := re.fullmatch(r"dict\(str, (.+)\)", kind):
        return {"type": "object", "additionalProperties": _schema(inner[1], models, definitions)}
    if kind in PLAIN:
        return PLAIN[kind]
    if kind in models:
        _define(kind, models, definitions)
        return {"$ref": f"#/$defs/{kind}"}
    if kind in ELSEWHERE:
        return {"$ref": ELSEWHERE[kind]}
    if kind.startswith("V1") and not kind.startswith(("V1alpha", "V1beta")):
        return {"$ref": CORE + kind[2:]}
    return {}  # a type that the package does not describe: anything


if __name__ == "__main__":
    main(Path(sys.argv[1]))
