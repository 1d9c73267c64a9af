"""The core of the server: one data plane under all skins. Queue, batches, priorities, deadlines.

`opening.opened` makes one.
"""
