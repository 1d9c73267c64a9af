"""Whose systemd runs the units of a device: the machine's own, or that of a user who needs no privilege for it.

Folders are below the root of the device for the machine's, below the user's home for a user's. In units a user's home
is `%h`: whoever generates them need not know it.
"""

from dataclasses import dataclass

from edgewise.build.nodes.quadlet.unit import HOME

_MODELS = "edgewise/models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A manager of systemd, and where it and Podman look.

    Attributes:
        is_user: whether it is a user's.
        quadlets: folder of quadlet units.
        services: folder of systemd's own units.
        models: folder of model folders, which are in it by digest of their model.json.
        model_store: the same, as units say it.
        target: what is started at boot, or for a user as soon as its manager runs.
    """

    is_user: bool
    quadlets: str
    services: str
    models: str
    model_store: str
    target: str


SYSTEM = Owner(
    is_user=False,
    quadlets="etc/containers/systemd",
    services="etc/systemd/system",
    models=f"var/lib/{_MODELS}",
    model_store=f"/var/lib/{_MODELS}",
    target="multi-user.target",
)
USER = Owner(
    is_user=True,
    quadlets=".config/containers/systemd",
    services=".config/systemd/user",
    models=f".local/share/{_MODELS}",
    model_store=f"{HOME}/.local/share/{_MODELS}",
    target="default.target",
)
