"""A model artifact, wherever it is, as the plain files of a model folder: for a volume, NFS, a bucket or a web server.

Every file is hashed on its way and stands there whole or not at all; model.json comes last, so that a folder that has
it is whole. What is there already, by digest, is not fetched again.
"""

from pathlib import Path

from edgewise.build.strategies import model as models
from edgewise.errors import BadImage
from edgewise.runtimes import served
from edgewise.store import atomic
from edgewise.store.blobs import digest_of_file
from edgewise.store.oci.documents import Descriptor, Manifest
from edgewise.store.oci.place import Place, document


def fetch(place: Place, name: str, folder: Path) -> str:
    """Write the files of the artifact `name` into `folder`; the digest of its model.json.

    Raises:
        NotFound: there is no such artifact.
        BadImage: it is no artifact of plain files, or a name in it leads out of the folder.
        WrongBytes, RegistryUnreachable, StoreCorrupt: a file did not come as promised; model.json is not written.
        StoreFull, StoreUnusable: the folder cannot be written.
    """
    found = document(place, place.resolve(name))
    if not isinstance(found, Manifest) or found.artifact_type != models.ARTIFACT_TYPE:
        raise BadImage(f"{name} is no model artifact", hint="edgewise build --strategy external makes one")
    files = {_checked(one, name): one for one in found.layers}
    if served.NAME not in files:
        raise BadImage(
            f"{name} has no {served.NAME} among its files", hint="its layers are archives, or another made it"
        )
    for path in sorted(files, key=lambda one: one == served.NAME):
        _fetch(place, files[path], folder / path)
    return files[served.NAME].digest


def _checked(one: Descriptor, name: str) -> str:
    path = one.annotations.get(models.FILEPATH, "")
    if not one.media_type.endswith(".raw"):
        raise BadImage(f"{name} holds {one.media_type}, which is no plain file", hint="pull the model's image instead")
    if path.startswith("/") or "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise BadImage(f"the file {path!r} of {name} leads out of the folder", hint="whoever made it must mend it")
    return path


def _fetch(place: Place, one: Descriptor, target: Path) -> None:
    try:
        if target.is_file() and not target.is_symlink() and digest_of_file(target) == one.digest:
            return
    except OSError as error:
        raise atomic.explain(error, target) from error
    with atomic.replacing(target) as file:
        for piece in place.fetch(one):
            file.write(piece)
