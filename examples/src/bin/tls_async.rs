//! TLS, with async and await: an authority of one's own, and a client certificate if one is given. A server that asks for
//! SASL EXTERNAL takes the name in the certificate as the user.
//!
//! `tls_async [URL] [CA-FILE] [CERTIFICATE-FILE KEY-FILE]`

use deuteron::{ConnectOptions, Connection, Error, TlsConfig};
use std::process::ExitCode;

async fn run(options: ConnectOptions) -> Result<(), Error> {
    let connection = Connection::connect(options).await?;
    let mechanism = connection.sasl_mechanism().unwrap_or_else(|| "no SASL".into());
    println!("connected to {connection} with {mechanism}");
    connection.close().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqps://localhost".into());
    let mut tls = TlsConfig::new();
    if let Some(authority) = arguments.next() {
        tls = tls.ca_file(authority);
    }
    if let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) {
        tls = tls.client_certificate_files(certificate, key);
    }
    match run(ConnectOptions::new(url).tls(tls).reconnect(false)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
