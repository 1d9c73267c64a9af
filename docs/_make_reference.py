"""Write the pages of docs/reference that are made from the code: cli.md, exit-codes.md, nodes.md, edge.schema.json.

python docs/_make_reference.py            write them
python docs/_make_reference.py --check    exit 1 where one is not current
"""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgewise.build.nodes import versions
from edgewise.build.nodes.quadlet.keys import KEYS
from edgewise.cli._lazy import PROGRAM, LazyCommand, LazyGroup
from edgewise.cli.main import commands
from edgewise.edge.agent import diagram
from edgewise.errors import EdgewiseError
from edgewise.flow import fleetfile
from edgewise.flow.edgefile import EdgeFile

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Made by docs/_make_reference.py: change the code, not this page. -->"

CONVENTIONS = """\
# Command line

What you asked for goes to stdout, everything else (progress, notes, errors) to stderr, so that a pipe gets data
and nothing else.

- `-o table|wide|json|yaml|name` on every listing. A table fits the terminal, or 80 columns when piped, and says on
  stderr which columns it left out; `wide` has them all, one row a line.
- `--progress auto|plain|none|json`: bars on a terminal, plain lines when piped, nothing, or lines of JSON with
  `stage`, `done`, `total` and `note`.
- `NO_COLOR` switches colours off; there are none when piped.
- Settings: a flag comes before the environment (`EDGEWISE_STORE`, `EDGEWISE_MACHINES`, `EDGEWISE_PROGRESS`,
  `EDGEWISE_OUTPUT`, `EDGEWISE_METER`, `EDGEWISE_DATABASE`, `EDGEWISE_HUB`), before `~/.config/edgewise/config.yaml`, before `/etc/edgewise/config.yaml`,
  before what is built in. [`edgewise config show`](#edgewise-config-show) says where each value comes from.
- Exit codes: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C, and one for every kind of error: [exit codes](exit-codes.md).
"""

EXIT_CODES = """\
# Exit codes

Every kind of error has a code of its own, so that a script can tell them apart.

| code | meaning |
|---:|---|
| 0 | done |
| 1 | failed for a reason without a code of its own; after a traceback: a bug, please report it |
| 2 | the command line cannot be understood |
| 130 | interrupted with Ctrl-C; what was done is kept, and the same command goes on from there |
| 141 | whoever read the output has gone |
"""


def pages() -> dict[str, str]:
    """Content of every page, by its name."""
    schema = EdgeFile.model_json_schema(by_alias=True)
    return {
        "cli.md": f"{MADE}\n\n{CONVENTIONS}\n" + "\n".join(_commands(commands(), PROGRAM)),
        "exit-codes.md": f"{MADE}\n\n{EXIT_CODES}" + "".join(_codes()),
        "nodes.md": f"{MADE}\n\n{(FOLDER.parent / '_nodes.md').read_text(encoding='utf-8')}" + "".join(_nodes()),
        "agent-states.md": f"{MADE}\n\n{diagram.page()}",
        "edge.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        "fleet.schema.json": json.dumps(fleetfile.schema(), indent=2, ensure_ascii=False) + "\n",
    }


def _commands(group: LazyGroup, path: str) -> Iterator[str]:
    for name, entry in group.commands.items():
        if isinstance(entry, LazyGroup):
            yield from _commands(entry, f"{path} {name}")
        elif isinstance(entry, LazyCommand):
            yield from _command(entry.load(), f"{path} {name}")


def _command(command: Any, path: str) -> Iterator[str]:
    with command.make_context(path, [], resilient_parsing=True) as context:
        pieces = command.collect_usage_pieces(context)
        records = [(param.param_type_name, param.get_help_record(context)) for param in command.get_params(context)]
    yield f"## {path}\n"
    yield f"{inspect.cleandoc(command.help)}\n"
    yield f"```\n{' '.join([path, *pieces])}\n```\n"
    shown = [(kind, record) for kind, record in records if record and not record[0].startswith("--help")]
    if shown:
        yield "| | |\n|---|---|"
        for _, (names, text) in sorted(shown, key=lambda row: row[0] != "argument"):
            yield f"| {_code(names)} | {_cell(text)} |"
        yield ""


def _codes() -> Iterator[str]:
    for error in sorted(_tree(EdgewiseError), key=lambda error: error.exit_code):
        if error is not EdgewiseError and "exit_code" in vars(error):
            meaning = " ".join((error.__doc__ or "").split("\n\n")[0].split())
            yield f"| {error.exit_code} | `{error.__name__}`: {_cell(meaning)} |\n"


def _nodes() -> Iterator[str]:
    yield "\n## Versions\n\n| product | what | since | older versions get | source |\n|---|---|---|---|---|\n"
    for row in versions.TABLE:
        yield f"| {row.product} | {row.feature} | {row.version} | {_cell(row.otherwise)} | {row.source} |\n"
    defaults = ", ".join(f"{product} {version}" for product, version in versions.DEFAULTS.items())
    yield f"\nWithout `--target-version`, files are for {defaults}; `edgewise deploy` asks the node.\n"
    yield "\n## Keys of quadlet units\n\nWhat `edgewise` takes Podman's generator to know, by section and version.\n"
    for section, keys in KEYS.items():
        yield f"\n**[{section}]**\n\n| since | keys |\n|---|---|\n"
        for since in sorted(set(keys.values())):
            yield f"| {since} | {', '.join(f'`{key}`' for key, first in sorted(keys.items()) if first == since)} |\n"


def _tree(error: type[EdgewiseError]) -> Iterator[type[EdgewiseError]]:
    yield error
    for kind in error.__subclasses__():
        yield from _tree(kind)


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write or check the pages; the exit code."""
    old = [name for name, text in pages().items() if not _is(FOLDER / name, text)]
    if "--check" not in sys.argv[1:]:
        for name in old:
            (FOLDER / name).write_text(pages()[name], encoding="utf-8")
            sys.stderr.write(f"wrote {FOLDER / name}\n")
        return 0
    for name in old:
        sys.stderr.write(f"{FOLDER / name} is not current: python docs/_make_reference.py\n")
    return 1 if old else 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
