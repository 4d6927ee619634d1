"""Commands that become another program: `up` becomes the server, `bench` the measuring."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

from etl.errors import SettingsError, UsageError
from etl.exposure import WARNING, require_allowed

if TYPE_CHECKING:
    from pathlib import Path

    from etl.cli.running import Context
    from etl.settings import Settings


def up(context: Context) -> NoReturn:
    """Say what will be started, and become the server. Raises MetaLayerError when it cannot start."""
    settings, output = context.settings, context.output
    host, port = context.arguments.host, context.arguments.port
    app = settings.root / "app.py"
    _refuse_second(settings)
    _require_free(host, port)
    _require_place_for_sample(settings)
    open_at = require_allowed([host], lambda: settings)
    url = f"http://{_named(host)}:{port}"
    output.say(f"Workspace: {'sample (synthetic data)' if settings.sample else 'your own'}")
    output.say(f"  files arrive in  {settings.landing}")
    output.say(f"  state is kept in {settings.state}")
    for address in open_at:
        output.say(WARNING.format(host=address))
    output.say(f"Starting the dashboard and the engine: {url} (Ctrl-C stops both)")
    if output.as_json:
        output.document({"url": url, "pid": os.getpid(), "sample": settings.sample})
        output.stdout.flush()
        os.dup2(sys.stderr.fileno(), 1)  # what the server prints is no JSON
    _become_server(settings, app, host, port)


def bench(options: list[str]) -> int:
    """Become the measuring program, with its own options."""
    from etl.settings import ROOT

    if (ROOT / "bench" / "__main__.py").exists():
        _become(["-m", "bench", *options], ROOT, {})
    print("metalayer: bench/ is missing from this installation.", file=sys.stderr)
    return UsageError.exit_code


def _refuse_second(settings: Settings) -> None:
    from etl.announcement import read_announcement
    from etl.door import living

    announcement = read_announcement(settings.engine_file)
    if announcement is not None and living(settings) is not None:
        raise UsageError(
            f"MetaLayer already runs on this workspace: {announcement.url} (pid {announcement.pid}).",
            "Open that address, or stop it first.",
        )


def _require_free(host: str, port: int) -> None:
    """Raises SettingsError when nothing can listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does it: an address that a connection just left is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except socket.gaierror as fault:
        raise SettingsError(f"host {host!r} is no address of this machine: {fault.strerror}.") from fault
    except PermissionError as fault:
        raise SettingsError(f"Port {port} may not be used by this user.", "Take one above 1023.") from fault
    except OSError as fault:
        raise SettingsError(
            f"{_named(host)}:{port} cannot be listened on: {fault.strerror or fault}.",
            f"Take another port: ./metalayer up --port {port + 1 if port < 65_535 else 8501}",  # noqa: PLR2004
        ) from fault


def _require_place_for_sample(settings: Settings) -> None:
    if settings.sample and not settings.on_its_own:  # nobody else waits for these imports twice
        from etl.service import require_place_for_sample

        require_place_for_sample(settings)


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _become_server(settings: Settings, app: Path, host: str, port: int) -> NoReturn:
    environment = {"METALAYER_HOST": host, "METALAYER_PORT": str(port)}
    if settings.sample:
        environment["METALAYER_SAMPLE"] = "1"
    server = ["--server.address", host, "--server.port", str(port), "--server.headless", "true"]
    _become(["-m", "streamlit", "run", str(app), *server], settings.root, environment)


def _become(arguments: list[str], root: Path, environment: dict[str, str]) -> NoReturn:
    """The same process, another program; it imports from the project's root and finds its settings there."""
    os.chdir(root)
    path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH", ""))))
    everything = {**os.environ, **environment, "PYTHONPATH": path}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-P", *arguments], everything)  # noqa: S606 (our own interpreter)
