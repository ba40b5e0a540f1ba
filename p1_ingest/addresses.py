"""Where may a request go, and which key goes with it? To https alone, or to this machine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from lake import settings
from meta.errors import Usage
from p1_ingest.sources.base import Host


def base_url(name: str, url: str) -> str:
    """The base URL without its trailing slash. Raises Usage unless it is https (or http on loopback), host and path."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Usage(f"{name}: its base URL is not a URL; give one such as https://example.com") from None
    if not re.fullmatch(r"[A-Za-z0-9.:-]+", host) or parts.username or parts.password or parts.query or parts.fragment:
        raise Usage(f"{name}: its base URL should be scheme, host and path alone, such as https://example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(host)):
        raise Usage(f"{name}: its base URL at {host} is not https; plain http is for loopback alone")
    return url.rstrip("/")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def keys_for(hosts: Mapping[str, Host]) -> dict[str, str]:
    """Which keys that these hosts take are set in the environment or secrets/.env (name -> key)?"""
    found = {host.key_name: settings.key(host.key_name) for host in hosts.values() if host.key_name}
    return {name: key for name, key in found.items() if key}
