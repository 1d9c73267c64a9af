"""What a plan's figures were made with: the packages that are installed here, by name. Quick to import."""

import importlib.metadata

import edgewise

TOOLCHAINS = ("onnx", "onnxslim", "onnxruntime", "openvino", "nncf", "ai-edge-litert", "ethos-u-vela", "numpy")


def versions() -> dict[str, str]:
    """The version of Edgewise and of every toolchain that is here."""
    found = {"edgewise": edgewise.__version__}
    for package in TOOLCHAINS:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
