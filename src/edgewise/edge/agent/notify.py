"""What systemd wants to hear: READY=1, WATCHDOG=1, STATUS=…, over its datagram socket (sd_notify(3))."""

import contextlib
import os
import socket


def tell(text: str) -> None:
    """Send `text`; nothing where systemd did not start us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)


def watchdog_s() -> float:
    """How often systemd must hear that we live: half of what it grants; 0 for never."""
    return int(os.environ.get("WATCHDOG_USEC", "0") or 0) / 2e6
