"""TLS on a transport, with rustls: no library of the system is needed."""

from __future__ import annotations

import os
from typing import Any

from deuteron import _core

from ._exceptions import SSLException


def _failure(why: str) -> SSLException:
    return SSLException(f"SSL failure. {why}")


class SSLDomain:
    """How TLS is to be done: certificates, and whom to trust. SSL objects made later go by its settings.

    All errors are :class:`SSLException`, with what is wrong in the text.
    """

    MODE_CLIENT = 1
    MODE_SERVER = 2
    VERIFY_PEER = 1
    ANONYMOUS_PEER = 2
    VERIFY_PEER_NAME = 3

    def __init__(self, mode: int) -> None:
        if mode not in (self.MODE_CLIENT, self.MODE_SERVER):
            raise _failure(f"the mode of an SSLDomain is MODE_CLIENT or MODE_SERVER, not {mode!r}")
        self._server = mode == self.MODE_SERVER
        self._certificate: str | None = None
        self._key: str | None = None
        self._password: str | None = None
        self._trusted: list = []
        self._verify = self.ANONYMOUS_PEER if self._server else self.VERIFY_PEER_NAME
        self._unsecured = False
        self._made: Any = None

    def set_credentials(self, cert_file: str, key_file: str | None, password: str | None) -> int:
        """The certificate chain of this side and its key, as PEM files. The key may be encrypted (PKCS#8)."""
        old = self._certificate, self._key, self._password
        self._certificate, self._key, self._password = cert_file, key_file, password
        return self._checked("_certificate", "_key", "_password", old)

    def set_trusted_ca_db(self, certificate_db: str) -> int:
        """A PEM file, or a directory of such, with the authorities to trust instead of the system's."""
        old = (self._trusted,)
        self._trusted = [certificate_db]
        return self._checked("_trusted", old)

    def set_peer_authentication(self, verify_mode: int, trusted_CAs: str | None = None) -> int:
        """How much of the peer's certificate is checked: VERIFY_PEER, VERIFY_PEER_NAME or ANONYMOUS_PEER.

        A server that verifies needs ``trusted_CAs``, the authorities of its clients, and a certificate of its own.
        """
        if verify_mode not in (self.VERIFY_PEER, self.ANONYMOUS_PEER, self.VERIFY_PEER_NAME):
            raise _failure(f"there is no verification mode {verify_mode!r}")
        if self._server and verify_mode != self.ANONYMOUS_PEER:
            if not trusted_CAs:
                raise _failure("a server that verifies its clients needs trusted_CAs")
            if self._certificate is None:
                raise _failure("a server that verifies its clients needs credentials: call set_credentials() before")
            if not self._trusted:
                self.set_trusted_ca_db(trusted_CAs)
        self._verify = verify_mode
        self._made = None
        return 0

    def allow_unsecured_client(self) -> int:
        """Lets a server serve clients without TLS on the same port."""
        if not self._server:
            raise _failure("only a server can allow clients without TLS")
        self._unsecured = True
        self._made = None
        return 0

    def _checked(self, *names_and_old: Any) -> int:
        """Reads the files that were set; puts the old settings back if they are not right."""
        *names, old = names_and_old
        try:
            for path in self._trusted:
                os.stat(path)
            _core.TlsDomain.check(self)
        except (SSLException, OSError) as error:
            for name, value in zip(names, old):
                setattr(self, name, value)
            raise error if isinstance(error, SSLException) else _failure(str(error)) from None
        self._made = None
        return 0

    def _native(self) -> Any:
        """The settings ready for use; an error if a server has no certificate."""
        if self._made is None:
            self._made = _core.TlsDomain(self, self._server, self._verify, self._unsecured)
        return self._made


class SSLSessionDetails:
    """What a TLS session is resumed by."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id

    def get_session_id(self) -> str:
        """The name of the session."""
        return self._session_id


class SSL:
    """TLS on a transport: one for each, whoever asks for it."""

    RESUME_UNKNOWN = 0
    RESUME_NEW = 1
    RESUME_REUSED = 2

    SHA1 = 0
    SHA256 = 1
    SHA512 = 2
    MD5 = 3

    CERT_COUNTRY_NAME = 0
    CERT_STATE_OR_PROVINCE = 1
    CERT_CITY_OR_LOCALITY = 2
    CERT_ORGANIZATION_NAME = 3
    CERT_ORGANIZATION_UNIT = 4
    CERT_COMMON_NAME = 5

    _transport: Any
    _domain: SSLDomain
    _session_details: SSLSessionDetails | None

    @staticmethod
    def present() -> bool:
        """Whether there is TLS: always."""
        return True

    def __new__(cls, transport: Any, domain: SSLDomain | None, session_details: SSLSessionDetails | None = None) -> SSL:
        """The TLS layer of a transport, by default with a domain that has nothing set.

        SSLException if there is one already with another domain or other details.
        """
        known = transport._ssl
        if known is not None:
            if (domain is not None and known._domain is not domain) or (
                session_details is not None and known._session_details is not session_details
            ):
                raise SSLException("Cannot re-configure existing SSL object!")
            return known
        if domain is None:
            domain = SSLDomain(SSLDomain.MODE_SERVER if transport._is_server() else SSLDomain.MODE_CLIENT)
        session_id = None if session_details is None else str(session_details.get_session_id())
        transport._use_tls(domain._native(), session_id)
        ssl = super().__new__(cls)
        ssl._transport = transport
        ssl._domain = domain
        ssl._session_details = session_details
        transport._ssl = ssl
        return ssl

    def cipher_name(self) -> str | None:
        """The cipher suite, as OpenSSL names it; None before the handshake."""
        return self._transport._tls_result()[2]

    def protocol_name(self) -> str | None:
        """``TLSv1.3`` or ``TLSv1.2``; None before the handshake."""
        return self._transport._tls_result()[1]

    def resume_status(self) -> int:
        """Whether an earlier session was resumed: RESUME_REUSED, else RESUME_NEW."""
        return self.RESUME_REUSED if self._transport._tls_result()[3] else self.RESUME_NEW

    @property
    def peer_hostname(self) -> str:
        """The name that the peer is asked for (SNI), and that its certificate has to be for."""
        return self._transport._tls_hostname or ""

    @peer_hostname.setter
    def peer_hostname(self, hostname: str | None) -> None:
        self._transport._tls_hostname = hostname or None

    @property
    def remote_subject(self) -> str | None:
        """The subject of the peer's certificate (RFC 2253); None if it has shown none."""
        found = self._transport._peer_certificate()
        return None if found is None else found[1]

    def get_cert_subject(self) -> str | None:
        """The subject of the peer's certificate; None if it has shown none."""
        return self.remote_subject

    def get_cert_subject_subfield(self, subfield_name: int) -> str | None:
        """One part of the peer's subject, by one of the CERT_ numbers; None if there is no such part."""
        name = _SUBFIELDS.get(subfield_name)
        found = self._transport._peer_certificate()
        if name is None or found is None:
            return None
        return next((value for field, value in found[2] if field == name), None)

    def get_cert_country(self) -> str | None:
        """The country (C) in the peer's subject."""
        return self.get_cert_subject_subfield(SSL.CERT_COUNTRY_NAME)

    def get_cert_state_or_province(self) -> str | None:
        """The state or province (ST) in the peer's subject."""
        return self.get_cert_subject_subfield(SSL.CERT_STATE_OR_PROVINCE)

    def get_cert_locality_or_city(self) -> str | None:
        """The city (L) in the peer's subject."""
        return self.get_cert_subject_subfield(SSL.CERT_CITY_OR_LOCALITY)

    def get_cert_organization(self) -> str | None:
        """The organization (O) in the peer's subject."""
        return self.get_cert_subject_subfield(SSL.CERT_ORGANIZATION_NAME)

    def get_cert_organization_unit(self) -> str | None:
        """The unit (OU) in the peer's subject."""
        return self.get_cert_subject_subfield(SSL.CERT_ORGANIZATION_UNIT)

    def get_cert_common_name(self) -> str | None:
        """The common name (CN) in the peer's subject."""
        return self.get_cert_subject_subfield(SSL.CERT_COMMON_NAME)

    def get_cert_fingerprint(self, fingerprint_length: int, digest_name: int) -> str | None:
        """A digest of the peer's certificate in hexadecimal.

        None if there is no certificate, the algorithm is unknown, or ``fingerprint_length`` is too small for the digits
        and one character more.
        """
        algorithm = _DIGESTS.get(digest_name)
        found = self._transport._peer_certificate()
        if algorithm is None or found is None:
            return None
        import hashlib

        digest = hashlib.new(algorithm, found[0], usedforsecurity=False).hexdigest()
        return digest if fingerprint_length > len(digest) else None

    def get_cert_fingerprint_sha1(self) -> str | None:
        """The SHA-1 fingerprint of the peer's certificate."""
        return self.get_cert_fingerprint(41, SSL.SHA1)

    def get_cert_fingerprint_sha256(self) -> str | None:
        """The SHA-256 fingerprint of the peer's certificate."""
        return self.get_cert_fingerprint(65, SSL.SHA256)

    def get_cert_fingerprint_sha512(self) -> str | None:
        """The SHA-512 fingerprint of the peer's certificate."""
        return self.get_cert_fingerprint(129, SSL.SHA512)

    def get_cert_fingerprint_md5(self) -> str | None:
        """The MD5 fingerprint of the peer's certificate."""
        return self.get_cert_fingerprint(33, SSL.MD5)

    def _get_cert_subject_unknown_subfield(self) -> str | None:
        return self.get_cert_subject_subfield(10)

    def _get_cert_fingerprint_unknown_hash_alg(self) -> str | None:
        return self.get_cert_fingerprint(41, 10)


_SUBFIELDS = {0: "C", 1: "ST", 2: "L", 3: "O", 4: "OU", 5: "CN"}
_DIGESTS = {0: "sha1", 1: "sha256", 2: "sha512", 3: "md5"}
