"""What a process gives back once it has loaded, and the Date of answers."""

import email.utils
import subprocess
import sys

from edgewise.edge.serve.http import answers

PROGRAM = """
import numpy as np
import onnxruntime
from edgewise.edge.serve.models import memory

def code_kib():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("RssFile")))

before = code_kib()
memory.give_back()
after = code_kib()
a = np.ones((64, 64), np.float32)
assert float((a @ a)[0, 0]) == 64.0
assert onnxruntime.get_available_providers()
print(before, after)
"""


def test_code_that_only_loading_ran_leaves_the_process_and_what_runs_comes_back():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, after = map(int, found.stdout.split())
    assert after < 0.7 * before


def test_the_date_is_what_the_standard_library_writes():
    for at_s in (0, 951782400, 1735689599, 1790000000):
        assert answers.date(at_s) == f"Date: {email.utils.formatdate(at_s, usegmt=True)}\r\n".encode()
