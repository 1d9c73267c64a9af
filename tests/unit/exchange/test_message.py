"""What a device says, and who said it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import BadMessage
from edgewise.exchange import message, signing
from edgewise.exchange.message import Case, Figures, Report, Status

KEY = signing.make_key()
ID = "0" * 32
said = [status for status in Status if status is not Status.OFFLINE]
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
reports = st.builds(
    Report,
    id=st.just(ID),
    device=st.just(ID),
    site=st.just("press-line"),
    sequence=st.integers(0, 1 << 53),
    time_s=st.integers(0, 1 << 53),
    status=st.sampled_from(said),
    reason=texts,
    labels=st.dictionaries(texts, texts, max_size=3),
    log=st.lists(texts, max_size=3).map(tuple),
    figures=st.builds(Figures, requests=st.integers(0, 1 << 53), latency_p99_ms=st.none() | st.floats(0, 1e9)),
)
cases = st.builds(
    Case,
    id=st.just(ID),
    device=st.just(ID),
    site=st.just("press-line"),
    sequence=st.integers(0, 1 << 53),
    time_s=st.integers(0, 1 << 53),
    release=st.just(""),
    model=texts,
    why=texts,
    prediction=texts,
    confidence=st.none() | st.floats(0, 1),
)


def report(**changes: object) -> Report:
    return replace(
        Report(id=ID, device=ID, site="press-line", sequence=1, time_s=0, status=Status.ONLINE),
        **changes,  # type: ignore[arg-type]
    )


@given(reports | cases)
def test_what_is_written_is_read(made: Report | Case) -> None:
    assert message.read(message.written(made)) == made


def test_no_device_says_that_it_is_offline() -> None:
    with pytest.raises(BadMessage, match="no device says"):
        message.read(message.written(report(status=Status.OFFLINE)))


@pytest.mark.parametrize("status", said)
def test_who_went_back_is_never_up_to_date(status: Status) -> None:
    assert report(status=status).up_to_date is (status in (Status.ONLINE, Status.DEGRADED))


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", "1"), ("id", "G" * 32), ("sequence", -1), ("sequence", 1.5), ("status", "Fine"), ("booted", "latest")],
)
def test_what_is_wrong_is_named(field: str, value: object) -> None:
    document = json.loads(message.written(report()))
    document[field] = value
    with pytest.raises(BadMessage, match=field):
        message.read(json.dumps(document).encode())


def test_a_signed_message_is_verified_and_nothing_else() -> None:
    payload = message.written(report())
    signed, public = signing.sign(payload, KEY), signing.public_bytes(KEY)
    assert signing.verified(signed, public) == payload
    other = signing.make_key()
    for wrong, key in (
        (replace(signed, payload=payload + b" "), public),
        (replace(signed, signature=bytes(64)), public),
        (replace(signed, signature=b"short"), public),
        (signed, signing.public_bytes(other)),
        (replace(signing.sign(payload, other), device=signed.device), public),
    ):
        with pytest.raises(BadMessage):
            signing.verified(wrong, key)


def test_a_signature_for_another_purpose_is_none() -> None:
    payload = message.written(report())
    signed = signing.sign(payload, KEY)
    with pytest.raises(BadMessage, match="wrong signature"):
        signing.verified(replace(signed, signature=KEY.sign(payload)), signing.public_bytes(KEY))


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_a_batch_brings_what_was_put_in(payloads: list[bytes]) -> None:
    messages = tuple(signing.sign(payload, KEY) for payload in payloads)
    assert signing.read_batch(signing.batch(messages)) == messages


def test_a_batch_of_too_many_is_refused() -> None:
    one = signing.sign(b"", KEY)
    with pytest.raises(BadMessage, match="messages"):
        signing.read_batch(signing.batch([one] * (signing.MAX_MESSAGES + 1)))


def test_a_key_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "device.pem"
    signing.keep_key(KEY, path)
    assert path.stat().st_mode & 0o777 == signing.OWNER_ONLY
    assert signing.public_bytes(signing.read_key(path)) == signing.public_bytes(KEY)
    path.write_text("no key")
    with pytest.raises(BadMessage, match="no key"):
        signing.read_key(path)
