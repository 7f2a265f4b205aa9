"""What others hold of our YAML: Kubernetes by its own JSON schemas, as strictly as `kubectl apply` is, and Istio by models
that were generated from its CustomResourceDefinitions. Neither is ours.

    judge.py FOLDER...      one line a document: "ok PLACE" or "no PLACE: what is wrong, at which field"
"""

import importlib
import sys
from pathlib import Path

import cloudcoil.pydantic
import kubernetes_validate
import pydantic
import yaml

# The models drop what they do not know, as an API server does without saying so; here it is a mistake. Models are made
# as they are imported, so this has to come first.
cloudcoil.pydantic.BaseModel.model_config["extra"] = "forbid"

# The Kubernetes whose types weft reads.
KUBERNETES = "1.32"

# The models are those of Istio 1.24. What Istio took up later, by kind and field: VirtualService's backoff is of 1.26.
LATER = {("VirtualService", ("spec", "http", "retries", "backoff"))}


def istio(kind, group, version, document):
    """What Istio's own models find wrong."""
    module = importlib.import_module(f"cloudcoil.models.istio.{group.split('.')[0]}.{version}")
    try:
        getattr(module, kind).model_validate(document)
    except pydantic.ValidationError as error:
        for one in error.errors():
            fields = tuple(part for part in one["loc"] if isinstance(part, str))
            if one["type"] != "extra_forbidden" or (kind, fields) not in LATER:
                yield f"{'.'.join(map(str, one['loc']))}: {one['msg']}"


def kubernetes(document):
    """What Kubernetes' own schemas find wrong."""
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(map(str, error.path))}: {error.message}"


def mistakes(document):
    group, _, version = document["apiVersion"].rpartition("/")
    kind = document["kind"]
    return istio(kind, group, version, document) if group.endswith("istio.io") else kubernetes(document)


def main(folders):
    for path in (path for folder in folders for path in sorted(Path(folder).rglob("*.yaml"))):
        for document in filter(None, yaml.safe_load_all(path.read_text())):
            place = f"{path} {document['kind']}/{document['metadata']['name']}"
            try:
                found = "; ".join(mistakes(document))
            except (AttributeError, ModuleNotFoundError, kubernetes_validate.SchemaNotFoundError) as error:
                found = f"nobody knows {document['apiVersion']} {document['kind']}: {error}"
            print(f"no {place}: {found}" if found else f"ok {place}")


main(sys.argv[1:])
