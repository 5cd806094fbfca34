"""Certificates for tests, made by the command openssl when the tests run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from proton import SSLDomain


def _openssl(*arguments: str, at: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=at, check=True, capture_output=True, timeout=60)


class Authority:
    """An authority, and the certificates that it signs, in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.name = name
        self.file = str(folder / f"{name}.pem")
        arguments = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}.example", "-days", "2"]
        arguments += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"]
        _openssl("req", *arguments, "-keyout", f"{name}.key", "-out", f"{name}.pem", at=folder)

    def sign(self, name: str, subject: str, alternative_names: str | None = None, password: str | None = None) -> tuple:
        """A certificate and its key, as paths."""
        key = ["-newkey", "rsa:2048", "-keyout", f"{name}.key"]
        key += ["-nodes"] if password is None else ["-passout", f"pass:{password}"]
        _openssl("req", *key, "-subj", subject, "-out", f"{name}.csr", at=self.folder)
        extensions = self.folder / f"{name}.ext"
        names = f"subjectAltName={alternative_names}\n" if alternative_names else ""
        extensions.write_text(f"basicConstraints=CA:FALSE\n{names}")
        signing = ["-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key", "-CAcreateserial", "-days", "2"]
        signing += ["-extfile", extensions.name]
        _openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem", at=self.folder)
        return str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")


def server_domain(files: tuple) -> SSLDomain:
    """A server that shows a certificate and asks for none."""
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    domain.set_credentials(*files, None)
    return domain


def client_domain(ca: Authority, verify: int = SSLDomain.VERIFY_PEER_NAME) -> SSLDomain:
    """A client that trusts one authority."""
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(ca.file)
    domain.set_peer_authentication(verify)
    return domain


def verifying(ca: Authority, files: tuple) -> SSLDomain:
    """A server that asks its clients for certificates."""
    domain = server_domain(files)
    domain.set_trusted_ca_db(ca.file)
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER, ca.file)
    return domain
