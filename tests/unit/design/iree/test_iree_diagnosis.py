"""What the compiler writes, as one sentence. The lines are the real compiler's, of version 3.13.0."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.iree.diagnosis import import_reason, label, named, reason, short_of_memory

DFT = label("DFT", "dft_0")
NMS = label("NonMaxSuppression", "nms_7")


def test_an_operator_that_is_not_supported_is_named() -> None:
    line = (
        f"<unknown>:0: error: loc(\"{DFT}\"): failed to legalize operation 'torch.operator' that was explicitly marked "
        'illegal: %1 = "torch.operator"(%arg0) <{name = "onnx.DFT"}> {torch.onnx.axis = 1 : si64} : (!torch.vtensor'
    )
    assert reason(line) == "DFT (node dft_0) is an operator that IREE does not support, or not in this form"


def test_the_first_error_is_the_reason() -> None:
    lines = [
        "warning: error-prone",
        f'<unknown>:0: error: loc("{NMS}"): operand and result must have the same size and dtype',
        f'<unknown>:0: note: loc("{NMS}"): see current operation: %24 = "torch_c.from_builtin_tensor"(%23)',
        f'<unknown>:0: error: loc("{DFT}"): something later',
    ]
    expected = "NonMaxSuppression (node nms_7) does not compile: operand and result must have the same size and dtype"
    assert reason("\n".join(lines)) == expected


def test_the_compilers_own_form_of_the_operation_is_left_out() -> None:
    line = f'<unknown>:0: error: loc("{DFT}"): too large a stack: %1 = "linalg.generic"(%0) {"x" * 9000}'
    assert reason(line) == "DFT (node dft_0) does not compile: too large a stack"


@pytest.mark.parametrize("text", ["", "warning: slow", "note: nothing"])
def test_without_an_error_it_says_so(text: str) -> None:
    assert reason(text) == "the model does not compile, and the compiler does not say why"


def test_an_error_without_a_place() -> None:
    assert reason("<unknown>:0: error: missing GPU target") == "the model does not compile: missing GPU target"


def test_what_the_importer_says() -> None:
    said = import_reason(f'Verification failed:\nerror: "{DFT}": wrong type\nnote: more\n')
    assert import_reason("bad type", "tensor w") == "IREE does not import tensor w: bad type"
    assert said == 'IREE does not import the model: Verification failed: error: "DFT (node dft_0)": wrong type'


@pytest.mark.parametrize("text", ["LLVM ERROR: out of memory", "std::bad_alloc", "Arena alloc failed", "MemoryError"])
def test_no_memory_is_known_by_what_it_is_called(text: str) -> None:
    assert short_of_memory(f"x\n{text}\n")
    assert not short_of_memory("error: allocation of 3 tiles")


@given(operator=st.text(min_size=1), name=st.text(), domain=st.sampled_from(["", "ai.onnx", "com.example"]))
def test_a_label_is_found_again_whatever_the_names(operator: str, name: str, domain: str) -> None:
    made = label(operator, name, domain)
    read = named(f'loc("{made}") and {made}')
    assert "#" not in read
    assert read.count(" (node ") == 2
    assert ("com.example." in read) is (domain == "com.example")


def test_of_a_long_name_the_end_is_shown() -> None:
    said = named(label("Conv", "block/" * 40 + "last"))
    assert said.startswith("Conv (node ...")
    assert said.endswith("block/last)")
    assert len(said) < 80


@given(st.text())
def test_any_text_becomes_one_bounded_line(text: str) -> None:
    for said in (reason(text), import_reason(text)):
        assert "\n" not in said
        assert len(said) < 300
