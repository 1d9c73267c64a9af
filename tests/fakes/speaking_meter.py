"""A meter that speaks: `python speaking_meter.py KIND [WATTS]`, a reading every 10 ms, as a program of a user's would.

good     power, as said          energy   joules upwards        coarse   a reading every 100 ms
silent   five readings, no more  garbage  five, then nonsense   dying    five, then exit code 3
slow     a reading every 1.3 s   endless  a line without end    mute     nothing at all
piled    coarse, after ten readings at once
"""

import sys
import time

EVERY_S = {"coarse": 0.1, "piled": 0.1, "slow": 1.3}


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main(kind: str, watts: float) -> int:
    if kind == "mute":
        time.sleep(60)
    if kind == "endless":
        say("1" * 5000)
        time.sleep(60)
    started = time.monotonic()
    for number in range(1_000_000):
        if number == 5:
            if kind == "silent":
                time.sleep(60)
            if kind == "garbage":
                say("E2: overload\n")
            if kind == "dying":
                return 3
        energy = watts * (time.monotonic() - started)
        say(f"{energy:.6f} J\n" if kind == "energy" else f"{watts:.3f} W\n")
        time.sleep(0.0005 if kind == "piled" and number < 10 else EVERY_S.get(kind, 0.01))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 3.0))
