"""Optuna asks: the same questions for the same answers, and none wasted on what misses the budget."""

from edgewise.design.structure.ask import FIRST, Asker
from edgewise.design.structure.space import declared

SPACE = declared({"width": {"range": [1, 64]}, "rate": {"range": [0.0, 1.0]}, "kind": {"choices": ["a", "b"]}})


def asked(seed: int, batches: int = 6) -> list[dict[str, object]]:
    asker, found = Asker(SPACE, higher_is_better=True, seed=seed), []
    for _ in range(batches):
        for trial, structure in asker.ask(4):
            found.append(dict(structure))
            asker.tell(trial, structure["width"] * structure["rate"], float(structure["width"]))
    return found


def test_the_seed_and_the_answers_decide_every_question():
    assert asked(3) == asked(3)
    assert asked(3) != asked(4)


def test_questions_are_within_the_declared_ranges():
    for structure in asked(0):
        assert structure["width"] in range(1, 65)
        assert 0.0 <= structure["rate"] <= 1.0
        assert structure["kind"] in ("a", "b")
        assert list(structure) == ["width", "rate", "kind"]


def test_it_learns_to_avoid_what_misses_the_budget():
    asker = Asker(SPACE, higher_is_better=True, seed=0)
    widths = []
    for _ in range(12):
        for trial, structure in asker.ask(4):
            widths.append(structure["width"])
            if structure["width"] > 20:
                asker.tell_infeasible(trial, float(structure["width"]))
            else:
                asker.tell(trial, 0.5 + structure["width"] / 100, float(structure["width"]))
    early, late = widths[:FIRST], widths[-16:]
    assert sum(width > 20 for width in late) / len(late) < sum(width > 20 for width in early) / len(early)


def test_what_was_learnt_before_counts_as_told():
    taught = Asker(SPACE, higher_is_better=False, seed=0)
    for width in range(1, 13):
        taught.learn({"width": width, "rate": 0.5, "kind": "a"}, 1.0 / width, float(width))
    plain = Asker(SPACE, higher_is_better=False, seed=0)
    assert [s for _, s in taught.ask(8)] != [s for _, s in plain.ask(8)]


def test_a_failure_teaches_nothing():
    failing, silent = (Asker(SPACE, higher_is_better=True, seed=0) for _ in range(2))
    first = failing.ask(2)
    for trial, _ in first:
        failing.tell_failed(trial)
    assert [s for _, s in first] == [s for _, s in silent.ask(2)]
