"""HTTP as bytes, for what a client library would not send."""

import re
import socket
from typing import Any
from urllib.parse import urlsplit


def raw(gateway: Any, data: bytes) -> bytes:
    """Send bytes as they are; everything that comes back until the gateway closes or is silent."""
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.settimeout(1)
        connection.sendall(data)
        received = b""
        try:
            while chunk := connection.recv(65_536):
                received += chunk
        except TimeoutError:
            return received
        return received


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
