"""The API over HTTP: who may, what is refused and how, and that nothing falls over."""

import json
import time

import httpx
import pytest

from edgewise.core.database.engine import Database
from edgewise.core.hub import enrolment, users
from edgewise.core.hub.guard import Allowance
from edgewise.core.hub.metrics import Metrics
from edgewise.core.hub.users import Role
from edgewise.exchange import enrolment as documents
from edgewise.exchange import receipt, signing
from edgewise.exchange.message import Status
from fakes.hubs import FakeDevice, head, serving
from fakes.postgres import Postgres


def invited(client: httpx.Client, heads: dict[str, str], **more: object) -> str:
    made = client.post("/api/v1/enrolment-tokens", json={"site": "press-line", **more}, headers=heads)
    assert made.status_code == 201
    return str(made.json()["token"])


def test_from_an_invitation_to_a_device_on_the_list(database: Database) -> None:
    device, operator, viewer = FakeDevice(), head(database, Role.OPERATOR), head(database, Role.VIEWER)
    with serving(database) as client:
        token = invited(client, operator, labels={"ring": "canary"})
        told = documents.read_answer(client.post("/api/v1/enrol", content=device.asks(token)).content)
        assert (told.device, told.site, told.labels) == (device.id, "press-line", {"ring": "canary"})
        said = [device.report(), device.case()]
        sent = client.post("/api/v1/messages", content=signing.batch([device.signs(one) for one in said]))
        outcome = receipt.read(sent.content, [one.id for one in said])
        assert [one.taken for one in outcome.outcomes] == ["accepted", "accepted"]
        listed = client.get("/api/v1/devices", params={"status": "Online"}, headers=viewer).json()
        assert [one["id"] for one in listed["devices"]] == [device.id]
        assert client.get("/api/v1/overview", headers=viewer).json() == {
            "counts": [{"site": "press-line", "status": "Online", "devices": 1}],
            "cases_open": 1,
        }
        case = said[1].id
        answer = client.post(f"/api/v1/cases/{case}/answer", json={"answer": "7"}, headers=operator)
        assert (answer.status_code, answer.json()["answered_by"]) == (200, "the operator")
        again = client.post(f"/api/v1/cases/{case}/answer", json={"answer": "8"}, headers=operator)
        assert again.status_code == 409
        assert client.delete(f"/api/v1/devices/{device.id}", headers=operator).status_code == 204
        assert client.get("/api/v1/devices", headers=viewer).json()["devices"] == []
        changes = client.get("/api/v1/audit", headers=operator).json()
        assert [one["action"] for one in changes][:2] == ["revoke device", "answer case"]


def test_a_stolen_token_is_worth_nothing_after_its_device(database: Database) -> None:
    operator = head(database, Role.OPERATOR)
    with serving(database) as client:
        token = invited(client, operator)
        assert client.post("/api/v1/enrol", content=FakeDevice().asks(token)).status_code == 200
        refused = client.post("/api/v1/enrol", content=FakeDevice().asks(token))
        assert refused.status_code == 401
        assert "used by another device" in refused.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/api/v1/devices", Role.VIEWER),
        ("GET", "/api/v1/overview", Role.VIEWER),
        ("GET", "/api/v1/audit", Role.OPERATOR),
        ("DELETE", f"/api/v1/devices/{'0' * 32}", Role.OPERATOR),
        ("POST", "/api/v1/enrolment-tokens", Role.OPERATOR),
    ],
)
def test_nobody_does_what_his_role_does_not_allow(in_a_file: Database, method: str, path: str, role: Role) -> None:
    heads = {one: head(in_a_file, one) for one in Role}
    with serving(in_a_file) as client:
        assert client.request(method, path).status_code == 401
        assert client.request(method, path, headers={"Authorization": "Bearer ewu_wrong"}).status_code == 401
        for one, shown in heads.items():
            answered = client.request(method, path, headers=shown).status_code
            assert (answered != 403) == one.includes(role), one


def test_a_revoked_or_expired_token_is_refused(database: Database) -> None:
    now_s = int(time.time())
    with database.writing() as connection:
        token = users.make_token(connection, name="anna", role=Role.VIEWER, who="test", now_s=now_s)
        old = users.make_token(connection, name="old", role=Role.VIEWER, who="test", now_s=now_s - 100, life_s=60)
    with serving(database) as client:
        heads = {"Authorization": f"Bearer {token}"}
        assert client.get("/api/v1/overview", headers=heads).status_code == 200
        assert "expired" in client.get("/api/v1/overview", headers={"Authorization": f"Bearer {old}"}).json()["error"]
        with database.writing() as connection:
            users.revoke(connection, "anna", who="test", now_s=now_s)
        assert "revoked" in client.get("/api/v1/overview", headers=heads).json()["error"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/api/v1/messages", b""),
        ("/api/v1/messages", b"\xff"),
        ("/api/v1/messages", b"[" * 100_000),
        ("/api/v1/messages", b'{"apiVersion":"edgewise/v1","kind":"Batch","messages":[{}]}'),
        ("/api/v1/messages", b'{"apiVersion":"edgewise/v2","kind":"Batch","messages":[]}'),
        ("/api/v1/enrol", b'{"apiVersion":"edgewise/v1","kind":"Batch","messages":[]}'),
    ],
)
def test_rubbish_is_refused_with_a_sentence(database: Database, path: str, content: bytes) -> None:
    with serving(database) as client:
        refused = client.post(path, content=content)
        assert refused.status_code == 400
        assert refused.json()["error"]


def test_a_surrogate_and_a_nul_reach_no_database(database: Database) -> None:
    device = FakeDevice()
    device.enrols(database)
    with serving(database) as client:
        for reason in ("\\ud800", "\\u0000"):
            payload = device.signs(device.report(reason="XX")).payload.replace(b'"XX"', f'"{reason}"'.encode())
            sent = client.post("/api/v1/messages", content=signing.batch([signing.sign(payload, device.key)]))
            assert sent.status_code == 200
            assert sent.json()["messages"][0]["taken"] == "refused"


def test_bodies_are_bounded_stated_or_not(in_a_file: Database) -> None:
    with serving(in_a_file) as client:
        large = b" " * (documents.LIMIT_BYTES + 1)
        assert client.post("/api/v1/enrol", content=large).status_code == 413
        assert client.post("/api/v1/enrol", content=iter([large[:1000]] * 70)).status_code == 413


def test_bodies_are_json_of_the_declared_form(in_a_file: Database) -> None:
    heads = head(in_a_file, Role.OPERATOR)
    with serving(in_a_file) as client:
        path = "/api/v1/enrolment-tokens"
        assert client.post(path, content=b"site=gate", headers=heads).status_code == 415
        for body in ({"site": "gate", "role": "admin"}, {"site": 1}, {}, {"site": "gate", "life_s": 1}, []):
            refused = client.post(path, json=body, headers=heads)
            assert refused.status_code == 400, body
        assert client.get("/api/v1/devices?status=Happy", headers=heads).status_code == 400
        assert client.get("/api/v1/devices?limit=0", headers=heads).status_code == 400
        assert client.get("/api/v1/devices?limit=1&limit=2", headers=heads).status_code == 400
        assert client.put("/api/v1/devices", headers=heads).status_code == 405
        assert client.get("/api/v1/nothing", headers=heads).json()["error"]


def test_one_address_is_slowed_down_before_it_guesses_tokens(in_a_file: Database) -> None:
    with serving(in_a_file, attempts_per_s=0.2) as client:
        codes = [client.post("/api/v1/enrol", content=FakeDevice().asks(f"guess {n}")).status_code for n in range(6)]
        assert codes[0] == 401
        assert codes[-1] == 429
        refused = client.post("/api/v1/enrol", content=b"")
        assert int(refused.headers["Retry-After"]) >= 1


def test_an_allowance_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgewise.core.hub import guard

    now = [0.0]
    monkeypatch.setattr(guard, "monotonic", lambda: now[0])
    allowance = Allowance(per_s=2, most=3)
    assert [allowance.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert allowance.take("b") == 0
    now[0] = 0.5
    assert [allowance.take("a"), allowance.take("a") > 0] == [0, True]


def test_a_cookie_changes_nothing_over_the_api(in_a_file: Database) -> None:
    token = head(in_a_file, Role.PUBLISHER)["Authorization"].removeprefix("Bearer ")
    with in_a_file.writing() as connection:
        session = users.sign_in(connection, token, now_s=int(time.time()))
    with serving(in_a_file) as client:
        client.cookies.set("edgewise_session", session)
        assert client.get("/api/v1/overview").status_code == 200
        assert client.post("/api/v1/enrolment-tokens", json={"site": "gate"}).status_code == 401


def test_a_database_that_goes_away_and_comes_back(postgres: Postgres) -> None:
    from edgewise.core.database import migrate

    database = migrate.opened(postgres.new())
    device = FakeDevice()
    device.enrols(database)
    viewer = head(database, Role.VIEWER)
    batch = signing.batch([device.signs(device.report(Status.FAILED))])
    with serving(database) as client:
        assert client.get("/readyz").status_code == 200
        postgres.stop()
        try:
            lost = client.post("/api/v1/messages", content=batch)
            assert (lost.status_code, "database" in lost.json()["error"]) == (503, True)
            assert int(lost.headers["Retry-After"]) >= 1
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            assert client.get("/metrics").status_code == 200
        finally:
            postgres.start()
        assert client.post("/api/v1/messages", content=batch).json()["messages"][0]["taken"] == "accepted"
        assert client.get("/readyz").status_code == 200
        assert client.get("/api/v1/overview", headers=viewer).json()["counts"][0]["status"] == "Failed"
    database.close()


def test_metrics_are_prometheus_text(database: Database) -> None:
    device = FakeDevice()
    device.enrols(database, now_s=int(time.time()))
    with serving(database) as client:
        client.post("/api/v1/messages", content=signing.batch([device.signs(device.report())]))
        text = client.get("/metrics").text
    assert 'edgewise_hub_devices{site="press-line",status="Online"} 1' in text
    assert 'edgewise_hub_messages_total{taken="accepted"}' in text
    assert 'route="/api/v1/messages"' in text


def test_labels_of_metrics_are_escaped() -> None:
    metrics = Metrics()
    metrics.count("edgewise_hub_messages_total", taken='a"b\\c\nd')
    assert 'taken="a\\"b\\\\c\\nd"' in metrics.text([])


def test_every_answer_keeps_browsers_safe(in_a_file: Database) -> None:
    with serving(in_a_file) as client:
        for path in ("/healthz", "/api/v1/devices", "/nothing"):
            heads = client.get(path).headers
            assert "default-src 'none'" in heads["content-security-policy"]
            assert heads["x-content-type-options"] == "nosniff"


def test_the_document_of_the_api_names_every_call(database: Database) -> None:
    from edgewise.core.hub.calls import CALLS

    with serving(database) as client:
        document = client.get("/api/v1/openapi.json").json()
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == {
        (call.path, call.method.lower()) for call in CALLS
    }
    json.dumps(document)


def test_invitations_are_checked_by_the_hub_not_only_its_skin(database: Database) -> None:
    with database.writing() as connection, pytest.raises(Exception, match="site"):
        enrolment.invite(connection, site="../x", labels={}, who="x", now_s=0)
