"""edge.yaml: what is written is what is meant; the published JSON Schema says the same as the loader."""

from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.words import DIMENSIONS
from edgewise.errors import BadBudget, BadDocument, NotFound
from edgewise.flow.edgefile import BudgetSection, EdgeFile, Project, contradictions, load
from edgewise.nouns import Budget, Limit, Link, MachineChoice, Quantity

EXAMPLE = """\
apiVersion: edgewise/v1
model:
  name: meter-reader
  file: model.onnx            # or .tflite
  data: eval.npz
  metric: accuracy
sites:
  press-line:
    node: device              # device, microshift, openshift
    machines: [this, coral-dev-board, alif-ensemble-e7]
    budget: {latency_p99: 10ms, memory: 64MiB, power: 3W, price: 150USD, accuracy_drop: 0.01}
    link: {bandwidth: 2Mbit/s, updates_per_month: 4}
    strategy: auto            # embedded, external, modelcar, auto
"""

LEAST = """\
apiVersion: edgewise/v1
model: {name: m, file: m.onnx, data: e.npz}
sites: {here: {machines: [this]}}
"""

FAULTY = """\
apiVersion: edgewise/v2
model:
  name: Meter Reader
  file: []
  data: eval.npz
  metrik: auc
sites:
  press-line:
    node: devise
    machines:
      - this
      - name: coral-dev-board
        threads: [0]
      - power: 3W
    budget: {latency_p99: 10, memory: 64mib}
    link: {updates_per_month: 4}
    strategy: autos
"""

SCHEMA = EdgeFile.model_json_schema(by_alias=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "edge.yaml"


def loaded(path: Path, text: str) -> Project:
    path.write_text(text, encoding="utf-8")
    return load(path)


def accepted_by_schema(text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text)))


def changed(what: str, into: str) -> str:
    assert EXAMPLE.count(what) == 1
    return EXAMPLE.replace(what, into)


def with_budget(budget: str) -> str:
    return LEAST.replace("machines: [this]", f"machines: [this], budget: {{{budget}}}")


class TestWhatItMeans:
    def test_the_example_of_the_design(self, path: Path) -> None:
        project = loaded(path, EXAMPLE)
        assert project.name == "meter-reader"
        assert project.model_paths == (path.parent / "model.onnx",)
        assert project.data == str(path.parent / "eval.npz")
        assert (project.metric, project.seed) == ("accuracy", 0)
        site = project.site("press-line")
        assert (site.node, site.strategy) == ("device", "auto")
        names = ("this", "coral-dev-board", "alif-ensemble-e7")
        assert site.machines == tuple(MachineChoice(name=name) for name in names)
        assert site.link == Link(bandwidth_bit_per_s=2e6, updates_per_month=4)
        assert {limit.quantity: (limit.value, limit.unit) for limit in site.budget.limits} == {
            Quantity.LATENCY_P99: (10, "ms"),
            Quantity.MEMORY: (64 * 2**20, "B"),
            Quantity.POWER: (3, "W"),
            Quantity.PRICE: (150, "USD"),
            Quantity.DROP: (0.01, ""),
        }

    def test_what_may_be_left_out(self, path: Path) -> None:
        project = loaded(path, LEAST)
        site = project.site("here")
        assert (project.metric, project.seed, site.node, site.strategy) == ("accuracy", 0, "device", "auto")
        assert (site.budget.limits, site.link) == ((), None)

    def test_every_key_of_a_budget_becomes_a_limit_in_its_base_unit(self, path: Path) -> None:
        written = {
            "latency_p50": "1ms", "latency_p90": "2ms", "latency_p99": "3ms", "throughput": "5/s", "memory": "1KiB",
            "flash": "2KiB", "load_time": "1s", "power": "2W", "energy": "1mJ", "price": "9USD", "accuracy_drop": "1%",
        }  # fmt: skip
        assert set(written) == set(BudgetSection.model_fields)
        text = ", ".join(f"{name}: {value}" for name, value in written.items())
        found = loaded(path, with_budget(text)).site("here").budget.limits
        assert {limit.quantity.value: limit.value for limit in found} == {
            "latency_p50": 1, "latency_p90": 2, "latency_p99": 3, "throughput": 5, "memory": 1024, "flash": 2048,
            "load_time": 1000, "power": 2, "energy": 1, "price": 9, "accuracy_drop": 0.01,
        }  # fmt: skip
        assert all(limit.unit == DIMENSIONS[limit.quantity].base for limit in found)

    def test_machines_may_say_more_about_themselves(self, path: Path) -> None:
        machines = "[{name: this, threads: 2, power: 15W}, {name: pi, threads: [1, 4], price: 80USD}, other]"
        project = loaded(path, changed("[this, coral-dev-board, alif-ensemble-e7]", machines))
        assert project.site("press-line").machines == (
            MachineChoice(name="this", threads=(2,), power_watt=15),
            MachineChoice(name="pi", threads=(1, 4), price_usd=80),
            MachineChoice(name="other"),
        )

    def test_files_may_be_one_or_several_and_the_first_is_the_reference(self, path: Path) -> None:
        project = loaded(path, changed("model.onnx ", "[model.onnx, trained/int8.tflite]"))
        assert project.model_paths == (path.parent / "model.onnx", path.parent / "trained/int8.tflite")

    def test_an_unknown_site_names_those_there_are(self, path: Path) -> None:
        with pytest.raises(NotFound) as caught:
            loaded(path, EXAMPLE).site("pres-line")
        assert "press-line" in caught.value.hint


class TestPaths:
    def test_are_taken_from_the_folder_of_the_file_and_not_from_here(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.write_text(EXAMPLE, encoding="utf-8")
        elsewhere = path.parent / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        project = load(Path("../edge.yaml"))
        assert project.model_paths[0].is_absolute()
        assert project.model_paths[0] == path.parent / "model.onnx"
        assert Path(project.data) == path.parent / "eval.npz"

    def test_absolute_ones_stay(self, path: Path) -> None:
        project = loaded(path, changed("model.onnx ", "/models/m.onnx"))
        assert project.model_paths == (Path("/models/m.onnx"),)

    def test_a_link_keeps_its_own_name(self, path: Path) -> None:
        """Model caches are farms of links: the name with its ending is the link's, and so are the neighbours."""
        (path.parent / "blob-without-ending").touch()
        (path.parent / "model.onnx").symlink_to("blob-without-ending")
        assert loaded(path, EXAMPLE).model_paths[0].name == "model.onnx"

    def test_a_link_to_itself_is_left_to_whoever_opens_it(self, path: Path) -> None:
        (path.parent / "model.onnx").symlink_to("model.onnx")
        assert loaded(path, EXAMPLE).model_paths[0].name == "model.onnx"

    @pytest.mark.parametrize(
        ("data", "meant"),
        [
            ("eval.npz", "{folder}/eval.npz"),
            ("'a:b.npz'", "{folder}/a:b.npz"),
            ("load.py:arrays", "{folder}/load.py:arrays"),
            ("/x/load.py:arrays", "/x/load.py:arrays"),
            ("package.module:arrays", "package.module:arrays"),
        ],
    )
    def test_data_is_an_archive_or_a_function(self, path: Path, data: str, meant: str) -> None:
        assert loaded(path, changed("eval.npz", data)).data == meant.format(folder=path.parent)


class TestFaults:
    def test_all_are_listed_with_line_found_allowed_and_nearest(self, path: Path) -> None:
        with pytest.raises(BadDocument) as caught:
            loaded(path, FAULTY)
        sizes = "a size such as 10B, 10KiB, 10MiB, 10GiB, 10TiB"
        site = "sites.press-line"
        assert [(fault.line, f"{fault.where}: {fault.problem}") for fault in caught.value.faults] == [
            (1, "apiVersion: found 'edgewise/v2'; allowed are edgewise/v1; did you mean edgewise/v1?"),
            (3, "model.name: found 'Meter Reader'; allowed is text that matches "
                "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"),
            (4, "model.file: found an empty list; allowed is 1 or more"),
            (6, "model.metrik: found an unknown key; allowed are data, file, metric, name, seed, train; "
                "did you mean metric?"),
            (9, f"{site}.node: found 'devise'; allowed are device, microshift, openshift; did you mean device?"),
            (13, f"{site}.machines.1.threads.0: found 0; allowed is greater than or equal to 1"),
            (14, f"{site}.machines.2.name: this key is missing"),
            (15, f"{site}.budget.latency_p99: found 10 without a unit; "
                 "allowed is a time such as 10us, 10ms, 10s"),
            (15, f"{site}.budget.memory: found the unit 'mib'; allowed is {sizes}; did you mean MiB?"),
            (16, f"{site}.link.bandwidth: this key is missing"),
            (17, f"{site}.strategy: found 'autos'; allowed are embedded, external, modelcar, auto; "
                 "did you mean auto?"),
        ]  # fmt: skip
        assert caught.value.exit_code == 10

    @pytest.mark.parametrize(
        ("what", "into"),
        [
            ("updates_per_month: 4", "updates_per_month: .inf"),
            ("updates_per_month: 4", "updates_per_month: .nan"),
            ("updates_per_month: 4", "updates_per_month: -1"),
            ("[this, coral-dev-board, alif-ensemble-e7]", "[]"),
            ("[this, coral-dev-board, alif-ensemble-e7]", "this"),
            ("[this, coral-dev-board, alif-ensemble-e7]", "[{name: this, threads: [true]}]"),
            ("[this, coral-dev-board, alif-ensemble-e7]", "[{name: this, threads: -2}]"),
            ("model.onnx ", "''"),
            ("model.onnx ", '"a\\0b"'),
            ("press-line:", "-line:"),
            ("press-line:", f"{'x' * 64}:"),
            ("accuracy_drop: 0.01", "accuracy_drop: -0.01"),
        ],
    )
    def test_values_that_mean_nothing_are_refused(self, path: Path, what: str, into: str) -> None:
        with pytest.raises(BadDocument) as caught:
            loaded(path, changed(what, into))
        assert len(caught.value.faults) == 1

    def test_a_missing_file_says_how_to_write_one(self, path: Path) -> None:
        with pytest.raises(NotFound, match=r"there is no edge\.yaml") as caught:
            load(path)
        assert caught.value.exit_code == 18
        assert "edgewise init" in caught.value.hint


class TestBudgetsThatContradictThemselves:
    @pytest.mark.parametrize(
        ("budget", "says"),
        [
            ("latency_p50: 20ms, latency_p99: 10ms", "latency_p50 may be 20.0 ms, more than latency_p99 with 10.0 ms"),
            ("latency_p50: 20ms, latency_p90: 10ms", "latency_p50 may be 20.0 ms, more than latency_p90 with 10.0 ms"),
            ("latency_p90: 2s, latency_p99: 10ms", "latency_p90 may be 2.00 s, more than latency_p99 with 10.0 ms"),
            ("memory: 0B", "memory of 0 leaves nothing to run"),
            ("latency_p99: 0ms", "latency_p99 of 0 leaves nothing to run"),
            ("throughput: 1000/s, energy: 5mJ, power: 3W", "1000/s at 5.00 mJ each may draw more than the 3.00 W"),
        ],
    )
    def test_are_refused_with_the_contradiction(self, path: Path, budget: str, says: str) -> None:
        with pytest.raises(BadBudget) as caught:
            loaded(path, with_budget(budget))
        assert caught.value.exit_code == 15
        assert caught.value.message.startswith("the budget of site here contradicts itself: ")
        assert says in caught.value.message

    def test_all_contradictions_are_named(self, path: Path) -> None:
        with pytest.raises(BadBudget) as caught:
            loaded(path, with_budget("latency_p50: 20ms, latency_p99: 10ms, memory: 0B"))
        assert "latency_p50" in caught.value.message
        assert "memory" in caught.value.message

    @pytest.mark.parametrize(
        "budget",
        [
            "latency_p50: 10ms, latency_p90: 10ms, latency_p99: 10ms",
            "accuracy_drop: 0",
            "throughput: 600/s, energy: 5mJ, power: 3W",
            "throughput: 1000/s, energy: 1.1mJ, power: 1.1W",
        ],
    )
    def test_what_just_fits_together_is_no_contradiction(self, path: Path, budget: str) -> None:
        assert loaded(path, with_budget(budget)).site("here").budget.limits

    @given(st.integers(1, 10**6), st.integers(1, 10**4))
    def test_power_that_is_exactly_enough_is_enough(self, energy_uj: int, per_second: int) -> None:
        """In micro-units, so that the product itself is exact and only the conversions round."""
        quantities = (Quantity.ENERGY, Quantity.THROUGHPUT, Quantity.POWER)
        values = (energy_uj * 1e-3, float(per_second), energy_uj * per_second * 1e-6)
        budget = Budget(
            limits=tuple(
                Limit(quantity=quantity, value=value, unit=DIMENSIONS[quantity].base)
                for quantity, value in zip(quantities, values, strict=True)
            )
        )
        assert contradictions(budget) == []


SAME_VERDICT = [
    EXAMPLE,
    LEAST,
    FAULTY,
    changed("model.onnx ", "[model.onnx, b.tflite]"),
    changed("model.onnx ", "[]"),
    changed("model.onnx ", "''"),
    changed("[this, coral-dev-board, alif-ensemble-e7]", "[{name: this, threads: 2}, {name: a, threads: [1, 2]}, b]"),
    changed("[this, coral-dev-board, alif-ensemble-e7]", "[{name: this, threads: 0}]"),
    changed("[this, coral-dev-board, alif-ensemble-e7]", "[{name: this, threads: []}]"),
    changed("[this, coral-dev-board, alif-ensemble-e7]", "[{threads: 1}]"),
    changed("[this, coral-dev-board, alif-ensemble-e7]", "[Not Good]"),
    changed("[this, coral-dev-board, alif-ensemble-e7]", "this"),
    changed("[this, coral-dev-board, alif-ensemble-e7]", "[]"),
    changed("apiVersion", "api_version"),
    changed("node: device", "node: devise"),
    changed("press-line:", "Press Line:"),
    changed("updates_per_month: 4", "updates_per_month: -4"),
    changed("updates_per_month: 4", "updates_per_week: 4"),
    changed("bandwidth: 2Mbit/s, ", ""),
    *[
        changed("latency_p99: 10ms", f"latency_p99: {value}")
        for value in ("10", "'10'", "10 ms", "1e3us", "'.5s'", "5.s", "1.2.3ms", "-1ms", "10MiB", "'+1ms'", "msec")
    ],
    *[
        changed("accuracy_drop: 0.01", f"accuracy_drop: {value}")
        for value in ("1%", "'0.01'", "0", "-1", "1ms", "true")
    ],
    changed("price: 150USD", "price: 150EUR"),
]


class TestTheJsonSchema:
    def test_is_a_schema(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    @pytest.mark.parametrize("text", SAME_VERDICT, ids=range(len(SAME_VERDICT)))
    def test_accepts_what_the_loader_accepts_and_nothing_else(self, path: Path, text: str) -> None:
        try:
            loaded(path, text)
        except BadDocument:
            assert not accepted_by_schema(text)
        else:
            assert accepted_by_schema(text)

    def test_describes_every_key(self) -> None:
        sections = [SCHEMA, *SCHEMA["$defs"].values()]
        keys = [(name, key) for section in sections for name, key in section.get("properties", {}).items()]
        undescribed = [name for name, key in keys if "description" not in key and "$ref" not in key]
        assert len(keys) > 20
        assert undescribed == []


class TestTraining:
    def test_train_instead_of_file(self, path: Path) -> None:
        project = loaded(path, LEAST.replace("file: m.onnx", "train: net/train.py"))
        assert project.train == path.parent / "net/train.py"
        assert project.model_paths == ()
        assert loaded(path, LEAST).train is None

    @pytest.mark.parametrize(
        ("model", "problem"),
        [
            ("name: m, data: e.npz", "model: found neither file nor train; allowed is exactly one of them"),
            (
                "name: m, data: e.npz, file: m.onnx, train: t.py",
                "model: found both file and train; allowed is exactly one of them",
            ),
        ],
    )
    def test_exactly_one_of_both_and_the_schema_says_so(self, path: Path, model: str, problem: str) -> None:
        text = f"apiVersion: edgewise/v1\nmodel: {{{model}}}\nsites: {{a: {{machines: [this]}}}}\n"
        with pytest.raises(BadDocument) as caught:
            loaded(path, text)
        assert [(fault.line, f"{fault.where}: {fault.problem}") for fault in caught.value.faults] == [(2, problem)]
        assert not accepted_by_schema(text)

    @pytest.mark.parametrize("file", ["train.py", "deep/train.py"])
    def test_the_schema_takes_what_is_taken(self, path: Path, file: str) -> None:
        text = LEAST.replace("file: m.onnx", f"train: {file}")
        assert loaded(path, text).train == path.parent / file
        assert accepted_by_schema(text)


class TestServe:
    def steps(self, tmp_path: Path, text: str) -> tuple[str, ...]:
        path = tmp_path / "edge.yaml"
        path.write_text(
            "apiVersion: edgewise/v1\nmodel: {name: a, file: m.onnx, data: d.npz}\n"
            f"sites: {{a: {{machines: [this]}}}}\n{text}"
        )
        return load(path).steps

    def test_steps_are_kept_in_their_order_and_none_are_needed(self, tmp_path: Path) -> None:
        assert self.steps(tmp_path, "") == ()
        steps = "serve: {steps: [pre.py:scale, model, other/model.json]}\n"
        assert self.steps(tmp_path, steps) == ("pre.py:scale", "model", "other/model.json")

    @pytest.mark.parametrize(
        ("steps", "words"),
        [
            ("[pre.py:scale]", "found 0 steps called model; allowed is exactly one"),
            ("[model, model]", "found 2 steps called model"),
            ("[model, pre.py]", "text that matches"),
            ("[]", "1 or more"),
        ],
    )
    def test_what_is_no_pipeline_is_said(self, tmp_path: Path, steps: str, words: str) -> None:
        with pytest.raises(BadDocument) as caught:
            self.steps(tmp_path, f"serve: {{steps: {steps}}}\n")
        assert any(words in str(fault) for fault in caught.value.faults)
