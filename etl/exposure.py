"""Who can reach a server: whether it is served beyond this machine, and whether that is allowed without sign-in."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterable

from etl.errors import SettingsError
from etl.settings import Settings

WARNING = """\
WARNING: {host} can be reached from other machines. Whoever opens the page sees the data and can start runs.
         METALAYER_ALLOW_ANONYMOUS allows it; every page says so."""
HINT = (
    "Serve on 127.0.0.1, or set METALAYER_ALLOW_ANONYMOUS=1 if everyone who reaches that address may see the "
    "data and start runs."
)


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone. A name is not looked up: only localhost is known."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1, on a socket that takes both families
    return (mapped or address).is_loopback


def sign_in_configured(settings: Settings) -> bool:
    """Whether people have to sign in. This version knows no way to: nobody ever has to, whatever is set."""
    del settings
    return False


def require_allowed(hosts: Iterable[str], settings: Callable[[], Settings]) -> list[str]:
    """Those of the addresses that anyone may come in by. Raises SettingsError unless somebody said that they may.

    `settings` is asked only where others come: on this machine alone nothing depends on them.
    """
    reached = sorted({host for host in hosts if not is_loopback(host)})
    if not reached or sign_in_configured(settings()):
        return []
    if not settings().allow_anonymous:
        raise SettingsError(
            f"{reached[0]} can be reached from other machines, and no sign-in is configured.", HINT
        )
    return reached


def listening() -> list[str]:
    """The addresses at which this process takes connections now."""
    import psutil  # not needed by any command but those that serve

    found = psutil.Process(os.getpid()).net_connections("inet")
    return sorted({each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN})
