"""The far edge: what runs on the device. Needs no more than `pip install edgewise[RUNTIME]`."""
