//! From arguments to a connection.

use std::path::Path;
use std::time::Duration;

use deuteron::{Backoff, ConnectOptions, Connection, Deadlines, TlsConfig, Url};

use crate::args::{ConnectArgs, IdentityArgs};
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// The environment variable with a password, where it is in no other place.
pub(crate) const PASSWORD: &str = "DEUTERON_PASSWORD";
/// The environment variable with the password of an encrypted private key.
const KEY_PASSWORD: &str = "DEUTERON_TLS_KEY_PASSWORD";

/// Where to connect, how, and to which address there.
pub(crate) struct Destination {
    pub(crate) options: ConnectOptions,
    /// That of the URLs, if they have one.
    pub(crate) address: Option<String>,
    /// The first URL, password masked.
    pub(crate) url: String,
    /// Whether the connection comes back by itself.
    pub(crate) reconnects: bool,
}

impl Destination {
    /// Reads `url`, a list perhaps, and the settings. `waiting` bounds the waits for credit and outcomes.
    pub(crate) fn new(url: &str, args: &ConnectArgs, waiting: Option<Duration>) -> Result<Self, Failure> {
        let urls = urls(url, &args.failover)?;
        let address = common_address(&urls)?;
        let several = urls.len() > 1;
        let url = urls.first().map(ToString::to_string).unwrap_or_default();
        let has_user = urls.iter().any(|url| url.user().is_some()) || args.user.is_some();
        let mut options = ConnectOptions::from(urls);
        if let Some(user) = &args.user {
            options = options.user(user);
        }
        if let Some(password) = password(args)?.filter(|_| has_user) {
            options = options.password(password);
        }
        let reconnects = !args.no_reconnect && (several || args.wants_reconnect());
        let options = settings(options, args, waiting).tls(tls(args)?);
        let options = if reconnects { options.backoff(backoff(args)) } else { options.reconnect(false) };
        Ok(Self { options, address, url, reconnects })
    }

    /// The address: that of `--address`, else that of the URL.
    pub(crate) fn address(&self, given: Option<&str>) -> Result<String, Failure> {
        match given.or(self.address.as_deref()) {
            Some(address) if !address.is_empty() => Ok(address.to_owned()),
            _ => {
                let url = self.url.trim_end_matches('/');
                Err(Failure::usage(format!("{url} has no address; put it behind the port: {url}/examples")))
            }
        }
    }

    /// Connects, unless it is interrupted before.
    pub(crate) async fn connect(&self, interrupt: &Interrupt) -> Result<Connection, Failure> {
        tokio::select! {
            connection = Connection::connect(self.options.clone()) => connection.map_err(|error| Failure::connecting(&error)),
            () = interrupt.come() => Err(Failure::new("interrupted before it was connected")),
        }
    }
}

/// All URLs: those in the list, which are separated by commas, and the further ones.
fn urls(list: &str, further: &[String]) -> Result<Vec<Url>, Failure> {
    let mut urls = Vec::new();
    for text in std::iter::once(list).chain(further.iter().map(String::as_str)) {
        let mut rest = text;
        // An address may have commas; what follows one that separates has a scheme.
        while let Some(at) = rest.match_indices(',').map(|(at, _)| at).find(|at| has_scheme(&rest[at + 1..]))
        {
            urls.push(parse(&rest[..at])?);
            rest = &rest[at + 1..];
        }
        urls.push(parse(rest)?);
    }
    Ok(urls)
}

fn has_scheme(text: &str) -> bool {
    ["amqp://", "amqps://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn parse(text: &str) -> Result<Url, Failure> {
    text.parse().map_err(|error: deuteron::UrlError| Failure::usage(error.to_string()))
}

/// The address that the URLs have; those without one mean that of the others.
fn common_address(urls: &[Url]) -> Result<Option<String>, Failure> {
    let mut addresses = urls.iter().filter_map(Url::address);
    let first = addresses.next();
    match addresses.find(|address| Some(*address) != first) {
        Some(other) => Err(Failure::usage(format!(
            "the URLs have different addresses, '{}' and '{other}'; a failover list has one address",
            first.unwrap_or_default()
        ))),
        None => Ok(first.map(str::to_owned)),
    }
}

/// The password, if there is one outside of the URL.
fn password(args: &ConnectArgs) -> Result<Option<String>, Failure> {
    if args.ask_password {
        return ask_password("Password: ").map(Some);
    }
    password_from(args.password_file.as_deref(), PASSWORD)
}

/// The password of an encrypted private key, if there is one.
pub(crate) fn key_password(identity: &IdentityArgs) -> Result<Option<String>, Failure> {
    password_from(identity.tls_key_password_file.as_deref(), KEY_PASSWORD)
}

/// That in a file, else that in an environment variable.
fn password_from(file: Option<&Path>, variable: &str) -> Result<Option<String>, Failure> {
    if let Some(path) = file {
        return read_password(path).map(Some);
    }
    match std::env::var(variable) {
        Ok(password) => Ok(Some(password)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!("{variable} is not UTF-8"))),
    }
}

fn read_password(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the password in {shown}: {error}")))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::usage(format!("{shown} has no password in its first line"))),
    }
}

/// Asks at the terminal, and does not show what is typed.
pub(crate) fn ask_password(prompt: &str) -> Result<String, Failure> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        return Err(Failure::usage("there is no terminal to ask for the password at"));
    }
    let asked = terminal.write_str(prompt).and_then(|()| terminal.read_secure_line());
    asked.map_err(|error| Failure::new(format!("the terminal gives no password: {error}")))
}

fn settings(mut options: ConnectOptions, args: &ConnectArgs, waiting: Option<Duration>) -> ConnectOptions {
    let default = Deadlines::default();
    options = options
        .deadlines(Deadlines {
            establish: Some(args.connect_timeout),
            credit: waiting.or(default.credit),
            settle: waiting.or(default.settle),
            ..default
        })
        .allow_insecure_mechanisms(args.allow_insecure)
        .sasl(!args.no_sasl)
        .trace(args.trace);
    if !args.sasl_mechanisms.is_empty() {
        options =
            options.allowed_mechanisms(args.sasl_mechanisms.iter().map(|name| name.to_ascii_uppercase()));
    }
    if let Some(name) = &args.sni {
        options = options.sni(name);
    }
    if let Some(host) = &args.hostname {
        options = options.virtual_host(host);
    }
    if let Some(id) = &args.container_id {
        options = options.container_id(id);
    }
    if let Some(heartbeat) = args.heartbeat {
        options = options.heartbeat(heartbeat);
    }
    if let Some(bytes) = args.max_frame_size {
        options = options.max_frame_size(bytes);
    }
    options
}

fn tls(args: &ConnectArgs) -> Result<TlsConfig, Failure> {
    let mut tls = args.tls_ca.iter().fold(TlsConfig::new(), TlsConfig::ca_file);
    if let Some((chain, key)) = args.identity.files() {
        tls = tls.client_certificate_files(chain, key);
        if let Some(password) = key_password(&args.identity)? {
            tls = tls.key_password(password);
        }
    }
    Ok(if args.danger_tls_no_verify { tls.danger_accept_any_certificate() } else { tls })
}

fn backoff(args: &ConnectArgs) -> Backoff {
    let mut backoff = Backoff::new();
    if let Some(delay) = args.reconnect_delay {
        backoff = backoff.initial(delay);
    }
    if let Some(delay) = args.reconnect_max_delay {
        backoff = backoff.max_delay(delay);
    }
    if let Some(rounds) = args.reconnect_attempts {
        backoff = backoff.max_attempts(rounds);
    }
    backoff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: &str, further: &[&str]) -> Vec<String> {
        let further: Vec<_> = further.iter().map(|url| (*url).to_owned()).collect();
        urls(list, &further).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_are_split_where_a_scheme_follows() {
        assert_eq!(shown("amqp://a/x,y", &[]), ["amqp://a/x,y"]);
        assert_eq!(
            shown("amqp://a/x,AMQPS://b,amqp://c", &["amqp://d"]),
            ["amqp://a/x", "amqps://b", "amqp://c", "amqp://d"]
        );
        assert!(urls("amqp://a,amqp://", &[]).is_err());
    }

    #[test]
    fn a_list_has_one_address() {
        let address = |list: &str| common_address(&urls(list, &[]).unwrap());
        assert_eq!(address("amqp://a/x,amqp://b").unwrap().as_deref(), Some("x"));
        assert_eq!(address("amqp://a,amqp://b/x,amqp://c/x").unwrap().as_deref(), Some("x"));
        assert_eq!(address("amqp://a").unwrap(), None);
        assert!(address("amqp://a/x,amqp://b/y").is_err());
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_the_password() {
        let failure = urls("amqp://alice:secret@host:badport/q", &[]).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(!failure.to_string().contains("secret"), "{failure}");
    }
}
