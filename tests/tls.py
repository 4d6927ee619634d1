"""TLS before a PostgreSQL that has none: what a client sees is a server with a certificate of its own."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.requirements_met import executable

WANTS_TLS = bytes.fromhex("0000000804d2162f")  # SSLRequest of PostgreSQL's protocol
CHUNK = 1 << 16


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate for a host name, and its key."""
    openssl = executable(("openssl",), cure="Debian, Ubuntu: apt install openssl")
    made, key = folder / f"{host}.crt", folder / f"{host}.key"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", str(key),
         "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@contextmanager
def before(port: int, made: Path, key: Path) -> Iterator[int]:
    """A port on which TLS is spoken; what comes over it goes on to `port` in the clear."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, port, context), daemon=True).start()
        yield int(listening.getsockname()[1])


def _serve(listening: socket.socket, port: int, context: ssl.SSLContext) -> None:
    with suppress(OSError):  # closed at the end
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_talk, args=(client, port, context), daemon=True).start()


def _talk(client: socket.socket, port: int, context: ssl.SSLContext) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        if client.recv(len(WANTS_TLS)) != WANTS_TLS:
            client.close()
            return
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as secret:
            back = threading.Thread(target=_pass_on, args=(server, secret), daemon=True)
            back.start()
            _pass_on(secret, server)
            back.join()


def _pass_on(giver: socket.socket, taker: socket.socket) -> None:
    with suppress(OSError):
        while chunk := giver.recv(CHUNK):
            taker.sendall(chunk)
    with suppress(OSError):
        taker.shutdown(socket.SHUT_RDWR)
