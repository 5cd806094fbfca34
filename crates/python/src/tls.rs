//! TLS on a transport: what comes in and goes out are records, and the engine gets what is in them.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, BytesMut};
use deuteron::tls::{TlsConfig, TlsError, TlsServerConfig, explain, subject_of};
use pyo3::prelude::*;
use rustls::client::Resumption;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, HandshakeKind, ServerConfig, ServerConnection};

use crate::names::{self, lock};

const VERIFY_PEER: u8 = 1;
const ANONYMOUS_PEER: u8 = 2;
const VERIFY_PEER_NAME: u8 = 3;

/// The settings of one side, ready for use.
#[pyclass(module = "proton", frozen)]
pub(crate) struct TlsDomain {
    side: Side,
    /// Whether clients without TLS are served too.
    unsecured: bool,
    /// Whether a certificate that the peer shows has been verified.
    verifies: bool,
}

enum Side {
    Client {
        config: Arc<ClientConfig>,
        /// The subject of our certificate.
        subject: Option<String>,
        /// Whether there has to be a name to compare the certificate with.
        wants_name: bool,
        /// What is needed to resume sessions, by the names that programs give them.
        sessions: Mutex<HashMap<String, Resumption>>,
    },
    Server(Arc<ServerConfig>),
}

/// Files as `SSLDomain` was given them.
#[derive(FromPyObject)]
struct Files {
    #[pyo3(attribute("_certificate"))]
    certificate: Option<PathBuf>,
    #[pyo3(attribute("_key"))]
    key: Option<PathBuf>,
    #[pyo3(attribute("_password"))]
    password: Option<String>,
    #[pyo3(attribute("_trusted"))]
    trusted: Vec<PathBuf>,
}

impl Files {
    fn client(&self) -> TlsConfig {
        let mut config = TlsConfig::new();
        for path in &self.trusted {
            config = if path.is_dir() { config.ca_directory(path) } else { config.ca_file(path) };
        }
        if let Some(certificate) = &self.certificate {
            config = config.client_certificate_files(certificate, self.key.as_ref().unwrap_or(certificate));
        }
        match &self.password {
            Some(password) => config.key_password(password),
            None => config,
        }
    }

    fn server(&self, verifies: bool) -> PyResult<TlsServerConfig> {
        let Some(certificate) = &self.certificate else {
            return Err(failure("a TLS server needs a certificate: call set_credentials() of its SSLDomain"));
        };
        let mut config = TlsServerConfig::files(certificate, self.key.as_ref().unwrap_or(certificate));
        if verifies {
            for path in &self.trusted {
                config = if path.is_dir() {
                    config.client_ca_directory(path)
                } else {
                    config.client_ca_file(path)
                };
            }
        }
        Ok(match &self.password {
            Some(password) => config.key_password(password),
            None => config,
        })
    }
}

/// The text begins as it does in Proton, which says no more.
fn failure(why: impl std::fmt::Display) -> PyErr {
    Python::attach(|py| names::error(py, "SSLException", format!("SSL failure. {why}")))
}

fn unusable(error: TlsError) -> PyErr {
    failure(error)
}

#[pymethods]
impl TlsDomain {
    /// The settings of `domain`, an `SSLDomain`.
    #[new]
    fn new(py: Python<'_>, files: Files, server: bool, verify: u8, unsecured: bool) -> PyResult<Self> {
        let side = if server {
            let config = files.server(verify != ANONYMOUS_PEER)?;
            Side::Server(py.detach(|| config.to_rustls()).map_err(unusable)?)
        } else {
            let config = match verify {
                ANONYMOUS_PEER => files.client().danger_accept_any_certificate(),
                VERIFY_PEER => files.client().danger_skip_name_check(),
                _ => files.client().match_common_name(),
            };
            Side::Client {
                config: py.detach(|| config.to_rustls()).map_err(unusable)?,
                subject: config.client_subject().map_err(unusable)?,
                wants_name: verify == VERIFY_PEER_NAME,
                sessions: Mutex::default(),
            }
        };
        Ok(Self { side, unsecured, verifies: verify != ANONYMOUS_PEER })
    }

    /// Reads the files of `domain`, an `SSLDomain`, and says what is wrong with them.
    #[staticmethod]
    fn check(py: Python<'_>, files: Files) -> PyResult<()> {
        let config = files.client().danger_accept_any_certificate();
        py.detach(|| config.check()).map_err(unusable)
    }
}

impl TlsDomain {
    fn begin(&self, hostname: Option<&str>, session_id: Option<&str>) -> Result<Connection, String> {
        match &self.side {
            Side::Server(config) => {
                ServerConnection::new(config.clone()).map(Connection::from).map_err(|error| error.to_string())
            }
            Side::Client { config, wants_name, sessions, .. } => {
                let name = match hostname {
                    Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| {
                        format!(
                            "certificate cannot be verified: {name:?} is neither a DNS name nor an address"
                        )
                    })?,
                    None if *wants_name => {
                        return Err("certificate cannot be verified: no peer hostname is set".to_owned());
                    }
                    // An address is not sent to the server, and nothing is compared with it.
                    None => ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0]))),
                };
                let mut config = ClientConfig::clone(config);
                config.resumption = match session_id {
                    Some(id) => lock(sessions).entry(id.to_owned()).or_default().clone(),
                    None => Resumption::disabled(),
                };
                ClientConnection::new(Arc::new(config), name)
                    .map(Connection::from)
                    .map_err(|error| error.to_string())
            }
        }
    }
}

/// TLS of one transport.
pub(crate) struct Tls {
    domain: Py<TlsDomain>,
    pub(crate) hostname: Option<String>,
    session_id: Option<String>,
    connection: Option<Connection>,
    /// Records that wait to be written.
    pub(crate) sealed: BytesMut,
    pub(crate) failed: bool,
    /// Whether the peer has said that no more will come.
    pub(crate) peer_ended: bool,
    ended: bool,
}

/// What the bytes of a peer turned out to be.
pub(crate) enum Opened {
    Records,
    /// A client that does without TLS, and may.
    Plain,
    /// A client that does without TLS, and may not.
    Forbidden,
}

impl Tls {
    pub(crate) fn new(domain: Py<TlsDomain>, session_id: Option<String>) -> Self {
        Self {
            domain,
            hostname: None,
            session_id,
            connection: None,
            sealed: BytesMut::new(),
            failed: false,
            peer_ended: false,
            ended: false,
        }
    }

    pub(crate) fn is_of(&self, domain: &Bound<'_, TlsDomain>, session_id: Option<&str>) -> bool {
        self.domain.is(domain) && self.session_id.as_deref() == session_id
    }

    /// Whether messages can be exchanged: the handshake is over.
    pub(crate) fn is_ready(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| !connection.is_handshaking()) && !self.failed
    }

    fn is_server(&self) -> bool {
        matches!(self.domain.get().side, Side::Server(_))
    }

    fn connection(&mut self) -> Result<&mut Connection, String> {
        if self.connection.is_none() {
            let mut connection =
                self.domain.get().begin(self.hostname.as_deref(), self.session_id.as_deref())?;
            // The transport has limits of its own.
            connection.set_buffer_limit(None);
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or_else(|| "no connection".to_owned())
    }

    /// Takes what the peer sent, and appends what was in it to `input`. An error says why the connection is of no use.
    pub(crate) fn open(&mut self, mut bytes: &[u8], input: &mut BytesMut) -> Result<Opened, String> {
        if self.connection.is_none() && self.is_server() && bytes.first() == Some(&b'A') {
            if self.domain.get().unsecured {
                input.extend_from_slice(bytes);
                return Ok(Opened::Plain);
            }
            self.failed = true;
            return Ok(Opened::Forbidden);
        }
        let mut peer_ended = self.peer_ended;
        let connection = self.connection()?;
        while !bytes.is_empty() {
            if connection.read_tls(&mut bytes).map_err(|error| error.to_string())? == 0 {
                // The peer has said that it ends: what it sends after that does not count.
                break;
            }
            match connection.process_new_packets() {
                Ok(state) => peer_ended |= state.peer_has_closed(),
                Err(error) => {
                    self.failed = true;
                    self.seal()?;
                    return Err(words(&error));
                }
            }
            let mut opened = [0; 16 << 10];
            // No more for now, or for good.
            while let Ok(count @ 1..) = connection.reader().read(&mut opened) {
                input.extend_from_slice(&opened[..count]);
            }
        }
        self.peer_ended = peer_ended;
        self.seal()?;
        Ok(Opened::Records)
    }

    /// Encrypts `output`, and makes records of all that is to be written.
    pub(crate) fn close_over(&mut self, output: &mut BytesMut) -> Result<(), String> {
        if self.failed {
            return Ok(());
        }
        if self.connection.is_none() && self.is_server() {
            return Ok(());
        }
        let connection = self.connection()?;
        connection.writer().write_all(output).map_err(|error| error.to_string())?;
        output.clear();
        self.seal()
    }

    fn seal(&mut self) -> Result<(), String> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        while connection.wants_write() {
            connection.write_tls(&mut (&mut self.sealed).writer()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Tells the peer, once, that no more will come.
    pub(crate) fn end(&mut self) {
        if let Some(connection) = &mut self.connection
            && !std::mem::replace(&mut self.ended, true)
        {
            connection.send_close_notify();
            // Records in memory: it cannot fail.
            let _ = self.seal();
        }
    }

    /// Who one is without the help of SASL: a server's client, by its verified certificate; a client itself.
    pub(crate) fn external_identity(&self) -> Option<String> {
        let domain = self.domain.get();
        match &domain.side {
            Side::Client { subject, .. } => subject.clone(),
            Side::Server(_) if domain.verifies => self.peer_certificate().and_then(|found| subject_of(found)),
            Side::Server(_) => None,
        }
    }

    pub(crate) fn peer_certificate(&self) -> Option<&rustls::pki_types::CertificateDer<'static>> {
        self.connection.as_ref()?.peer_certificates()?.first()
    }

    pub(crate) fn protocol(&self) -> Option<&'static str> {
        match self.connection.as_ref()?.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => Some("TLSv1.2"),
        }
    }

    /// The name of the cipher suite as OpenSSL has it.
    pub(crate) fn cipher(&self) -> Option<String> {
        let suite = self.connection.as_ref()?.negotiated_cipher_suite()?.suite();
        let name = suite.as_str()?;
        if let Some(name) = name.strip_prefix("TLS13_") {
            return Some(format!("TLS_{name}"));
        }
        let name = name.trim_start_matches("TLS_").replace("_WITH_", "_");
        let name = name.replace("AES_", "AES").replace("_CBC_", "_");
        Some(name.replace("_POLY1305_SHA256", "_POLY1305").replace('_', "-"))
    }

    pub(crate) fn is_resumed(&self) -> bool {
        let kind = self.connection.as_ref().and_then(|connection| connection.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }
}

/// What an error of TLS is, and what to do about it. Those of certificates say so.
fn words(error: &rustls::Error) -> String {
    let failure = explain(error);
    format!("{} ({}; {})", failure.problem, error, failure.advice)
}
