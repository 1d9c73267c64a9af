#!/usr/bin/env python3
"""A Podman that runs nothing: `podman.py FOLDER WORDS…` remembers in FOLDER what it was told, and fails as it should.

FOLDER/asked has a line of JSON for every call. FOLDER/fail/COMMAND holds what the command says as it fails, with its
exit code in the first line. A container is a process that sleeps; FOLDER/containers/NAME holds its pid, image and end.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


def answer(folder: Path, words: list[str]) -> tuple[int, str, str]:
    """Exit code, what is printed, and what is said of it."""
    out: list[str] = []
    with (folder / "asked").open("a") as asked:
        asked.write(json.dumps(words) + "\n")
    command = words[0]
    failing = folder / "fail" / command
    if failing.exists():
        code, _, said = failing.read_text().partition("\n")
        return int(code), "", said
    images, containers = folder / "images", folder / "containers"
    match command:
        case "image":
            return (0 if (images / words[-1].replace("/", "%")).exists() else 1), "", ""
        case "pull":
            out.append("0123abc\n")
        case "tag":
            (images / words[-1].replace("/", "%")).touch()
        case "rmi":
            (images / words[-1].replace("/", "%")).unlink()
        case "images":
            for one in images.iterdir():
                out.append(one.name.replace("%", "/").replace(":", " ") + "\n")
        case "run" | "create":
            name = next(one.removeprefix("--name=") for one in words if one.startswith("--name="))
            entry = {"pid": sleeping() if command == "run" else 0, "code": 0, "starved": False}
            (containers / name).write_text(json.dumps(entry))
        case "cp":
            inside = words[1].partition(":")[2]
            Path(words[2]).write_bytes((folder / "inside" / Path(inside).name).read_bytes())
        case "inspect":
            entry = json.loads((containers / words[-1]).read_text())
            shown = f"{entry['code']} {str(entry['starved']).lower()}" if "ExitCode" in words[1] else entry["pid"]
            out.append(f"{shown}\n")
        case "ps":
            for one in containers.iterdir():
                pid = json.loads(one.read_text())["pid"]
                out.append(f"{one.name} {'running' if runs(pid) else 'exited'}\n")
        case "logs":
            out.append((folder / "said").read_text() if (folder / "said").exists() else "")
        case "rm":
            entry = json.loads((containers / words[-1]).read_text()) if (containers / words[-1]).exists() else {}
            if entry.get("pid") and runs(entry["pid"]):
                os.kill(entry["pid"], 9)
            (containers / words[-1]).unlink(missing_ok=True)
        case "stop":
            os.kill(json.loads((containers / words[-1]).read_text())["pid"], 15)
    return 0, "".join(out), ""


def sleeping() -> int:
    """A process that belongs to nobody here, as a container does not."""
    program = "(sleep 600 > /dev/null 2>&1 & echo $!)"
    return int(subprocess.run(["sh", "-c", program], check=True, capture_output=True).stdout)


def runs(pid: int) -> bool:
    try:
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    code, printed, said = answer(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.write(printed)
    sys.stderr.write(said)
    sys.exit(code)
