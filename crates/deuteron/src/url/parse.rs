//! Reads the text of a URL, left to right. Each failure knows the byte it is at, so that the error can point there.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;

use super::{MASK, Scheme, Url, UrlError};

const SCHEMES: &str = "amqp:// (plain TCP) or amqps:// (TLS)";
const PORTS: &str = "a port from 0 to 65535, or the name amqp or amqps";
const HOSTS: &str = "a host name, an IPv4 address, or an IPv6 address in square brackets";

/// A problem at one byte of the text.
struct Fault {
    at: usize,
    problem: String,
    expected: String,
}

type Parsed<T> = Result<T, Fault>;

fn fault<T>(at: usize, problem: impl Into<String>, expected: impl Into<String>) -> Parsed<T> {
    Err(Fault { at, problem: problem.into(), expected: expected.into() })
}

pub(super) fn url(text: &str) -> Result<Url, UrlError> {
    parse(text).map_err(|fault| UrlError {
        text: masked(text),
        position: text.char_indices().take_while(|(offset, _)| *offset < fault.at).count(),
        problem: fault.problem,
        expected: fault.expected,
    })
}

fn parse(text: &str) -> Parsed<Url> {
    if let Some((at, found)) = text.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control()) {
        return fault(
            at,
            format!("{} in a URL", name_of(found)),
            "no spaces or control characters; write %20 in a user name or password",
        );
    }
    let (scheme, authority) = scheme(text)?;
    let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |at| authority + at);
    let host = match text[authority..end].rfind('@') {
        Some(at) => authority + at + 1,
        None => authority,
    };
    let (user, password) =
        if host > authority { credentials(text, authority, host - 1)? } else { (None, None) };
    let (name, ipv6, rest) = host_name(text, host, end)?;
    let port = port(text, rest, end)?;
    let path = match text[end..].chars().next() {
        None => None,
        Some('/') => Some(text[end + 1..].to_owned()),
        Some(other) => {
            return fault(end, format!("'{other}' after the host"), "a '/' and an address, or the end");
        }
    };
    Ok(Url { scheme, user, password, host: name, ipv6, port, path })
}

/// The scheme, and the byte where the rest starts.
fn scheme(text: &str) -> Parsed<(Scheme, usize)> {
    let Some(at) = text.find("://") else {
        return fault(0, "no scheme", format!("{SCHEMES} in front of the host"));
    };
    let scheme = match &text[..at] {
        name if name.eq_ignore_ascii_case("amqp") => Scheme::Amqp,
        name if name.eq_ignore_ascii_case("amqps") => Scheme::Amqps,
        "" => return fault(0, "no scheme", SCHEMES),
        name if is_scheme(name) => return fault(0, format!("unknown scheme {name:?}"), SCHEMES),
        _ => return fault(0, "no scheme", SCHEMES),
    };
    Ok((scheme, at + 3))
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// User and password of `text[start..end]`, decoded.
fn credentials(text: &str, start: usize, end: usize) -> Parsed<(Option<String>, Option<String>)> {
    let colon = text[start..end].find(':').map(|at| start + at);
    let user_end = colon.unwrap_or(end);
    if user_end == start {
        return fault(start, "no user name in front of the '@'", "user:password@host, or the host alone");
    }
    let user = decode(text, start, user_end)?;
    let password = match colon {
        Some(colon) => Some(decode(text, colon + 1, end)?),
        None => None,
    };
    Ok((Some(user), password))
}

/// Percent-decodes `text[start..end]`. The error never quotes the text: it may be a password.
fn decode(text: &str, start: usize, end: usize) -> Parsed<String> {
    let bytes = &text.as_bytes()[start..end];
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            decoded.push(byte);
            at += 1;
            continue;
        }
        match (hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => {
                return fault(
                    start + at,
                    "bad percent escape",
                    "two hexadecimal digits after the '%'; write %25 for the character itself",
                );
            }
        }
        at += 3;
    }
    String::from_utf8(decoded).or_else(|_| fault(start, "percent escapes that are not UTF-8", "UTF-8 text"))
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    digit.and_then(|digit| char::from(*digit).to_digit(16)).and_then(|value| u8::try_from(value).ok())
}

/// The host in `text[start..end]`, whether it is an IPv6 address, and the byte behind it.
fn host_name(text: &str, start: usize, end: usize) -> Parsed<(String, bool, usize)> {
    let authority = &text[start..end];
    if let Some(bracketed) = authority.strip_prefix('[') {
        let Some(length) = bracketed.find(']') else {
            return fault(end, "no ']' behind the IPv6 address", "']'");
        };
        let close = start + 1 + length;
        return Ok((ipv6(text, start + 1, close)?, true, close + 1));
    }
    if looks_like_ipv6(authority) {
        let example = if maybe_password(text, end) { "::1" } else { address_part(authority) };
        let expected = format!("square brackets around it, as in [{example}]");
        return fault(start, "an IPv6 address without brackets", expected);
    }
    let length = authority.find(':').unwrap_or(authority.len());
    if length == 0 {
        return fault(start, "no host", HOSTS);
    }
    let host = &authority[..length];
    if let Some((at, found)) = host.char_indices().find(|(_, c)| !is_host_char(*c)) {
        let expected = match found {
            '%' => "a host name as it stands, without percent escapes",
            c if !c.is_ascii() => "the ASCII form of the name (xn--...)",
            _ => "a host name of letters, digits, '-', '.' and '_'",
        };
        return fault(start + at, format!("{} in the host", name_of(found)), expected);
    }
    Ok((host.to_ascii_lowercase(), false, start + length))
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// `::1`, `fe80::1%eth0`, `2001:db8:0:0:0:0:0:1`: two colons at least, which no host with a port has.
fn looks_like_ipv6(authority: &str) -> bool {
    let address = address_part(authority);
    address.matches(':').count() >= 2
        && address.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'))
}

fn address_part(authority: &str) -> &str {
    authority.split('%').next().unwrap_or(authority)
}

/// The IPv6 address in `text[start..end]`, that is between the brackets.
fn ipv6(text: &str, start: usize, end: usize) -> Parsed<String> {
    let literal = &text[start..end];
    let (address, zone) = match literal.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (literal, None),
    };
    if address.parse::<Ipv6Addr>().is_err() {
        let problem = if address.is_empty() { "no address in the brackets" } else { "not an IPv6 address" };
        return fault(start, problem, "an IPv6 address such as ::1 between the brackets");
    }
    let mut host = address.to_ascii_lowercase();
    if let Some(zone) = zone {
        let zone_start = start + address.len() + 1;
        let zone = bare_zone(zone);
        if zone.is_empty() {
            return fault(
                zone_start,
                "no zone after the '%'",
                "the name or number of an interface, as in fe80::1%eth0",
            );
        }
        if let Some((at, found)) = zone.char_indices().find(|(_, c)| !is_zone_char(*c)) {
            let problem = format!("{} in a zone", name_of(found));
            return fault(zone_start + at, problem, "the name or number of an interface");
        }
        host.push('%');
        host.push_str(zone);
    }
    Ok(host)
}

fn is_zone_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

/// RFC 6874 wants the '%' itself escaped, `%25eth0`. Both forms are taken; digits behind `%25` make it a number,
/// as interface 251 is likelier than an escaped "1".
fn bare_zone(zone: &str) -> &str {
    match zone.strip_prefix("25") {
        Some(bare) if bare.starts_with(|c: char| !c.is_ascii_digit()) => bare,
        _ => zone,
    }
}

/// The port in `text[start..end]`, colon and all.
fn port(text: &str, start: usize, end: usize) -> Parsed<Option<u16>> {
    let port = match text[start..end].strip_prefix(':') {
        None if start == end => return Ok(None),
        None => return fault(start, "text behind the ']'", "a ':' and a port, a '/' or the end"),
        Some(port) => port,
    };
    match port {
        "" => return fault(start + 1, "no port after the ':'", PORTS),
        "amqp" => return Ok(Some(Scheme::Amqp.default_port())),
        "amqps" => return Ok(Some(Scheme::Amqps.default_port())),
        _ => {}
    }
    let shown = if maybe_password(text, end) { "this text".to_owned() } else { format!("{port:?}") };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return fault(start + 1, format!("{shown} is not a port"), PORTS);
    }
    port.parse().map(Some).or_else(|_| fault(start + 1, format!("{shown} is too large for a port"), PORTS))
}

/// True if an '@' follows the end of the host, so that what looks like host and port may be a user name and the start
/// of a password with a '/' in it.
fn maybe_password(text: &str, end: usize) -> bool {
    text[end..].contains('@')
}

fn name_of(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        c if c.is_control() || c.is_whitespace() => format!("a control character ({})", c.escape_default()),
        c => format!("'{c}'"),
    }
}

/// The text with `***` in place of all that may be a password. A text that is no URL has no sure boundaries (a '/'
/// in a password ends the host, for example), so this errs on the side of hiding too much.
fn masked(text: &str) -> String {
    let start = text.find("://").filter(|at| is_scheme(&text[..*at])).map_or(0, |at| at + 3);
    let Some(at) = text[start..].rfind('@').map(|at| start + at) else {
        return text.to_owned();
    };
    let Some(colon) = text[start..at].find(':').map(|colon| start + colon) else {
        return text.to_owned();
    };
    format!("{}:{MASK}{}", &text[..colon], &text[at..])
}

/// Writes a user name so that [`url`] reads it back.
pub(super) fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        let plain = c.is_ascii_alphanumeric()
            || matches!(
                c,
                '-' | '.' | '_' | '~' | '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '='
            )
            || (!c.is_ascii() && !c.is_whitespace() && !c.is_control());
        if plain {
            f.write_char(c)?;
        } else {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                write!(f, "%{byte:02X}")?;
            }
        }
    }
    Ok(())
}
