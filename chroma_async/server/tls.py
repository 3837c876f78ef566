"""TLS of the server: certificate, key and the authority of clients, from files that may be replaced while it serves."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

from chroma_async.config.settings import Settings, SettingsError

#: What both sides of nearly every connection of today speak; older versions have known weaknesses.
MINIMUM_VERSION = ssl.TLSVersion.TLSv1_2


class Certificates:
    """The files, as the connections that begin now use them. Blocking to make and to reload.

    :ivar context: for the sockets; it stays the same, and hands each handshake on to the newest files.
    """

    def __init__(self, certificate: Path, key: Path | None = None, client_authority: Path | None = None) -> None:
        """
        :param certificate: PEM: the server's certificate, and those between it and the authority.
        :param key: PEM, without a password; ``None`` when it is in the file of the certificate.
        :param client_authority: PEM: clients need a certificate of this authority; ``None``: they need none.
        :raises SettingsError: a file cannot be used; names it.
        """
        self._files = certificate, key, client_authority
        self._newest = self._read()
        self.context = self._read()
        self.context.sni_callback = self._hand_on

    def reload(self) -> None:
        """Use the files as they are now, from the next connection on. :raises SettingsError: one cannot be used; nothing changes."""
        self._newest = self._read()

    def _hand_on(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        # Called in every handshake, also of a client that names no host.
        connection.context = self._newest

    def _read(self) -> ssl.SSLContext:
        certificate, key, client_authority = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = MINIMUM_VERSION
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(certificate, key, _no_password)
        except (OSError, ValueError) as error:
            setting, file = ("tls_cert", certificate) if key is None or not _is_readable(certificate) else ("tls_key", key)
            raise SettingsError(setting, str(file), "file", _reason(error)) from error
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(client_authority)
            except (OSError, ValueError) as error:
                raise SettingsError("tls_client_ca", str(client_authority), "file", _reason(error)) from error
        return context


def certificates_from(settings: Settings) -> Certificates | None:
    """What the settings name; ``None``: the server speaks plain HTTP.

    :raises SettingsError: a key or an authority without a certificate, or a file that cannot be used.
    """
    if not settings.tls_cert:
        for name in ("tls_key", "tls_client_ca"):
            if value := getattr(settings, name):
                raise SettingsError(name, value, "settings", "needs tls_cert, the server's certificate")
        return None
    key, authority = (Path(value) if value else None for value in (settings.tls_key, settings.tls_client_ca))
    return Certificates(Path(settings.tls_cert), key, authority)


def _no_password() -> NoReturn:
    """Asked for by OpenSSL, which would ask on the terminal, where a server has nobody."""
    raise ValueError("it is encrypted; a server's key has no password, keep the file readable by the server alone")


def _is_readable(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:
        return False
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        return "the key is not that of the certificate" if mismatch else f"it is no PEM file of that kind ({error.reason or error})"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
