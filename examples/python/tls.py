"""Connects over TLS, and shows a certificate of its own if one is given."""

from __future__ import annotations

import argparse

from proton.handlers import MessagingHandler
from proton.reactor import Container


class Connect(MessagingHandler):
    """Says how it got there, and ends."""

    def __init__(self, url: str, authority: str, certificate: str | None, key: str | None) -> None:
        super().__init__()
        self.url = url
        self.authority = authority
        self.certificate = certificate
        self.key = key

    def on_start(self, event):
        """Connects: the server's certificate must be for the host of the url."""
        domain = event.container.ssl.client
        domain.set_trusted_ca_db(self.authority)
        if self.certificate:
            domain.set_credentials(self.certificate, self.key, None)
        event.container.connect(self.url, ssl_domain=domain, reconnect=False)

    def on_connection_opened(self, event):
        """It is there."""
        print(f"connected with {event.transport.sasl().mech}, encrypted: {event.transport.encrypted}")
        event.connection.close()

    def on_transport_error(self, event):
        """It could not be made."""
        print(f"not connected: {event.transport.condition.description}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where to connect, like amqps://localhost")
    parser.add_argument("authority", help="a PEM file with the certificates that are trusted")
    parser.add_argument("--certificate", help="a PEM file with our certificate")
    parser.add_argument("--key", help="a PEM file with its key")
    arguments = parser.parse_args()
    Container(Connect(arguments.url, arguments.authority, arguments.certificate, arguments.key)).run()
