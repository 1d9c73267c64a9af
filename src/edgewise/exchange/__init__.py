"""What near edge and far edge tell each other: releases and offers go down, reports and cases come up.

Both sides import this room and are blind to each other. Its documents are JSON: bounded before they are parsed, checked
field by field, written so that equal values are equal bytes. No pydantic: an agent that waits for work keeps little in
memory.
"""
