"""The one moment that an image knows: SOURCE_DATE_EPOCH, as reproducible-builds.org specifies it; never the clock."""

from collections.abc import Mapping

from edgewise.errors import BadConfiguration

VARIABLE = "SOURCE_DATE_EPOCH"
LATEST = (1 << 33) - 1
"""What tar's and config's times can say: until the year 2242."""


def source_date_epoch(environment: Mapping[str, str]) -> int:
    """Seconds since 1970 (UTC); 0 where the variable is not set.

    Raises:
        BadConfiguration: it is no such number.
    """
    text = environment.get(VARIABLE, "") or "0"
    if not (text.isascii() and text.isdigit()) or int(text) > LATEST:
        raise BadConfiguration(f"{VARIABLE}={text} is no time", hint="seconds since 1970, as `git log -1 --format=%ct`")
    return int(text)
