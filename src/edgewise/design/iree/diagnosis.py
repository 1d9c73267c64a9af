"""From what the compiler writes to one sentence that names the operator. Pure.

The compiler knows an operator by its location, which is the name of the ONNX node. So the nodes are renamed in a
copy of the model before it is compiled, to names that say what they are and are found again in any text.
"""

import re

MARK = "onnx-node"
MAX_DETAIL = 160
MAX_NAME = 60
UNKNOWN_OPERATOR = "failed to legalize operation 'torch.operator'"
NO_MEMORY = (
    "out of memory",
    "bad_alloc",
    "alloc failed",
    "MemoryError",
    "annot allocate memory",
    "pthread_create failed",
)
"""How LLVM, C++, protobuf, Python, the C library and threads say it."""

_LABEL = re.compile(rf"{MARK}#(?P<operator>[^#]*)#(?P<name>[^#]*)#")
_ERROR = re.compile(r"error: ?(?P<detail>.*)")
_LOCATION = re.compile(r'^(?:loc\(.*?"\)+|<unknown>:0|"[^"]*":\d+:\d+): *')
_UNSAFE = re.compile(r"[^\w./:+-]")


def label(operator: str, name: str, domain: str = "") -> str:
    """Name of a node in the copy; `name` is its own, or an output's where it has none."""
    full = f"{domain}.{operator}" if domain not in ("", "ai.onnx") else operator
    return f"{MARK}#{_UNSAFE.sub('_', full)}#{_UNSAFE.sub('_', name)}#"


def named(text: str) -> str:
    """`text` with every label as people read it."""
    return _LABEL.sub(_read, text)


def short_of_memory(diagnostics: str) -> bool:
    """True where the compiler ended because it got no more memory."""
    return any(words in diagnostics for words in NO_MEMORY)


def reason(diagnostics: str) -> str:
    """Why it does not compile, in a sentence, by the first error in `diagnostics`."""
    for line in diagnostics.splitlines():
        error = _ERROR.search(line)
        if error is None:
            continue
        node = _LABEL.search(line)
        subject = _read(node) if node else "the model"
        if node and UNKNOWN_OPERATOR in line:
            return f"{subject} is an operator that IREE does not support, or not in this form"
        detail = _brief(named(_LOCATION.sub("", error["detail"])))
        return f"{subject} does not compile: {detail}" if detail else f"{subject} does not compile"
    return "the model does not compile, and the compiler does not say why"


def _read(found: re.Match[str]) -> str:
    """A label as people read it; of a long name the end, where the layers of one model differ."""
    name = found["name"]
    return f"{found['operator']} (node {name if len(name) <= MAX_NAME else '...' + name[3 - MAX_NAME :]})"


def import_reason(refusal: str, where: str = "") -> str:
    """Why IREE's importer does not take the model, in a sentence.

    Args:
        refusal: what the importer says.
        where: the label of the node, or the tensor, that it was at; "" where it was at none.
    """
    lines = [named(_LOCATION.sub("", line.strip())) for line in refusal.splitlines() if line.strip()]
    return f"IREE does not import {named(where) or 'the model'}: {_brief(' '.join(lines[:2]))}"


def _brief(detail: str) -> str:
    """The first clause: behind it stands the compiler's own form of the operation, of any length."""
    text = re.split(r': %|: "[\w.]+"\(|<\{', detail, maxsplit=1)[0].strip().rstrip(".:")
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 3] + "..."
