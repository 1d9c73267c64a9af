"""A device that measures for this machine: the other end of `edgewise agent --bench`, as a `Place`."""

from edgewise.design.device.device import Device, connect

__all__ = ["Device", "connect"]
