"""What may go wrong in a training, as settings.json asks for it: once, where it names a marker, else every time."""

import json
import os
import signal
import time
from pathlib import Path

SETTINGS = json.loads((Path(__file__).parent / "settings.json").read_text())


def happen(structure):
    for accident in SETTINGS.get("accidents", []):
        if all(structure[name] == value for name, value in accident["where"].items()):
            befall(accident)


def befall(accident):
    marker = accident.get("once")
    if marker:
        if Path(marker).exists():
            return
        Path(marker).touch()
    match accident["kind"]:
        case "the worker is killed":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raises":
            raise ValueError("the loss is not finite")
        case "waits":
            time.sleep(accident["seconds"])


def note(structure):
    """Write down that a training was done."""
    if "diary" in SETTINGS:
        with Path(SETTINGS["diary"]).open("a") as diary:
            diary.write(json.dumps(structure) + "\n")
