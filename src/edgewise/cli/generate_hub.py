"""`edgewise generate hub`: the hub on a cluster, with PostgreSQL."""

from typing import Annotated

import typer

from edgewise.build.nodes.kubernetes import hub
from edgewise.build.nodes.kubernetes.hub import HubLayout
from edgewise.cli._nodes import HostFlag, OutFlag, check_label, deliver, pinned


def run(
    image: Annotated[str, typer.Option("--image", help="Image with edgewise[hub], by digest: host/app@sha256:…")],
    out: OutFlag = None,
    namespace: Annotated[str, typer.Option("--namespace", help="That the hub runs in.")] = "edgewise",
    name: Annotated[str, typer.Option("--name", help="Of its objects.")] = "edgewise-hub",
    replicas: Annotated[int, typer.Option(help="Processes of the hub.", min=1)] = 2,
    database_image: Annotated[
        str,
        typer.Option(
            help="Image of PostgreSQL (of sclorg, as registry.redhat.io/rhel9/postgresql-16), by digest."
            " Left out: the database is there already.",
            show_default=False,
        ),
    ] = "",
    database_size: Annotated[str, typer.Option(help="Size of the database's claim.")] = "10Gi",
    host: HostFlag = "",
) -> None:
    """Write the hub for a cluster.

    Its passwords are in no file: make the secret NAME-database with the keys url, user and password.

    Example: edgewise generate hub --image registry.example/edgewise@sha256:… --out hub
    """
    layout = HubLayout(
        image=pinned(image, "--image"),
        namespace=check_label(namespace, "--namespace"),
        name=check_label(name, "--name"),
        replicas=replicas,
        database=bool(database_image),
        database_image=pinned(database_image, "--database-image") if database_image else "",
        database_size=database_size,
        host=host,
    )
    deliver(hub.files(layout), out)
