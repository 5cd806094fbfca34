use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> UrlError {
    match Url::parse(text) {
        Err(error) => error,
        Ok(url) => panic!("{text} was read as {url}"),
    }
}

/// The error, checked for all that every one of them has to have.
fn rejected(text: &str, position: usize, problem: &str, expected: &str) {
    let error = error(text);
    let shown = error.to_string();
    assert_eq!(error.position(), position, "{shown}");
    assert!(error.problem().contains(problem), "{shown}");
    assert!(error.expected().contains(expected), "{shown}");
    assert!(shown.contains(&format!("{:?}", error.text())), "{shown}");
    assert!(shown.contains(&format!("at character {}", position + 1)), "{shown}");
}

#[test]
fn examples_of_the_guide() {
    let plain = url("amqps://example.com");
    assert_eq!((plain.scheme(), plain.host(), plain.port()), (Scheme::Amqps, "example.com", 5671));
    assert_eq!(plain.explicit_port(), None);
    let other_port = url("amqps://example.net:56720");
    assert_eq!((other_port.host(), other_port.port()), ("example.net", 56720));
    let v4 = url("amqp://127.0.0.1");
    assert_eq!((v4.ip(), v4.port()), (Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 5672));
    let v6 = url("amqp://[::1]:2000");
    assert_eq!((v6.host(), v6.ip(), v6.port()), ("::1", Some(IpAddr::V6(Ipv6Addr::LOCALHOST)), 2000));
    assert_eq!(v6.authority(), "[::1]:2000");
}

#[test]
fn user_and_password_are_decoded_and_never_printed() {
    let url = url("amqp://al%40ice:s%3Ae%2Fc%25ret@example.com:1/queue");
    assert_eq!((url.user(), url.password()), (Some("al@ice"), Some("s:e/c%ret")));
    assert_eq!(url.to_string(), "amqp://al%40ice:***@example.com:1/queue");
    assert_eq!(format!("{url:?}"), "Url(amqp://al%40ice:***@example.com:1/queue)");
}

#[test]
fn user_without_password_and_empty_password() {
    let bare = url("amqp://alice@example.com");
    assert_eq!((bare.user(), bare.password()), (Some("alice"), None));
    assert_eq!(bare.to_string(), "amqp://alice@example.com");
    assert_eq!(url("amqp://alice:@example.com").password(), Some(""));
}

#[test]
fn password_with_colons_and_at_signs() {
    let url = url("amqp://alice:a:b@c@example.com");
    assert_eq!((url.password(), url.host()), (Some("a:b@c"), "example.com"));
}

#[test]
fn path_is_the_address_without_one_slash() {
    assert_eq!(url("amqp://h/orders").address(), Some("orders"));
    assert_eq!(url("amqp://h//orders").address(), Some("/orders"));
    assert_eq!(url("amqp://h/a/b?c#d%zz").address(), Some("a/b?c#d%zz"));
    assert_eq!((url("amqp://h/").address(), url("amqp://h/").path()), (None, Some("")));
    assert_eq!(url("amqp://h").path(), None);
}

#[test]
fn ports_by_name() {
    assert_eq!(url("amqp://h:amqps").port(), 5671);
    assert_eq!(url("amqps://h:amqp").port(), 5672);
    rejected("amqp://h:http", 9, "\"http\" is not a port", "amqp or amqps");
}

#[test]
fn scheme_and_host_are_without_case() {
    assert_eq!(url("AMQPS://Example.COM/Path").to_string(), "amqps://example.com/Path");
}

#[test]
fn zones() {
    assert_eq!(url("amqp://[fe80::1%eth0]").host(), "fe80::1%eth0");
    assert_eq!(url("amqp://[fe80::1%25eth0]:1").host(), "fe80::1%eth0");
    assert_eq!(url("amqp://[fe80::1%25]").host(), "fe80::1%25");
    assert_eq!(url("amqp://[FE80::1%3]").ip(), Some("fe80::1".parse().unwrap()));
    assert_eq!(url("amqp://[fe80::1%eth0]:9").to_string(), "amqp://[fe80::1%eth0]:9");
    rejected("amqp://[fe80::1%]", 16, "no zone", "eth0");
    rejected("amqp://[fe80::1%a%b]", 17, "'%' in a zone", "interface");
}

#[test]
fn listening_hosts() {
    for text in ["amqp://0.0.0.0", "amqp://[::]:0", "amqp://[::0]:5672"] {
        assert!(url(text).is_wildcard(), "{text}");
    }
    assert!(!url("amqp://localhost").is_wildcard());
}

#[test]
fn port_zero_is_for_listening() {
    let listen = url("amqp://alice:secret@[::]:0/x");
    assert_eq!(listen.port(), 0);
    let error = listen.for_connect().unwrap_err();
    assert_eq!(&error.text()[error.position()..], "0/x");
    assert!(error.to_string().contains("for listening only"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(listen.with_port(2000).for_connect(), Ok(()));
}

#[test]
fn empty_host() {
    rejected("amqp://", 7, "no host", "a host name");
    rejected("amqp://:5672", 7, "no host", "a host name");
    rejected("amqp:///queue", 7, "no host", "a host name");
    rejected("amqp://alice:secret@", 20, "no host", "a host name");
    rejected("amqp://[]", 8, "no address", "::1");
}

#[test]
fn port_out_of_range() {
    rejected("amqp://h:65536", 9, "\"65536\" is too large", "0 to 65535");
    rejected("amqp://h:99999999999999999999", 9, "too large", "0 to 65535");
    rejected("amqp://h:-1", 9, "\"-1\" is not a port", "0 to 65535");
    rejected("amqp://h:+1", 9, "\"+1\" is not a port", "0 to 65535");
    rejected("amqp://h:/q", 9, "no port", "0 to 65535");
    assert_eq!(url("amqp://h:65535").port(), 65535);
}

#[test]
fn unbracketed_ipv6() {
    rejected("amqp://::1", 7, "without brackets", "[::1]");
    rejected("amqp://2001:db8::1/q", 7, "without brackets", "[2001:db8::1]");
    rejected("amqp://fe80::1%eth0", 7, "without brackets", "square brackets");
    rejected("amqp://[::1", 11, "no ']'", "]");
    rejected("amqp://[::1]5672", 12, "behind the ']'", "a ':' and a port");
    rejected("amqp://[::g]", 8, "not an IPv6 address", "::1");
    rejected("amqp://[127.0.0.1]", 8, "not an IPv6 address", "::1");
}

#[test]
fn spaces() {
    rejected("amqp://exa mple.com", 10, "a space", "no spaces");
    rejected(" amqp://example.com", 0, "a space", "no spaces");
    rejected("amqp://example.com\n", 18, "control character (\\n)", "no spaces");
    rejected("amqp://h/a queue", 10, "a space", "no spaces");
}

#[test]
fn bad_percent_escapes() {
    rejected("amqp://al%2gice@h", 9, "bad percent escape", "two hexadecimal digits");
    rejected("amqp://alice:%@h", 13, "bad percent escape", "two hexadecimal digits");
    rejected("amqp://alice:%4@h", 13, "bad percent escape", "two hexadecimal digits");
    rejected("amqp://alice:%ff@h", 13, "not UTF-8", "UTF-8");
    rejected("amqp://exa%6dple.com", 10, "'%' in the host", "without percent escapes");
}

#[test]
fn unknown_schemes_name_the_ones_that_work() {
    for text in ["http://example.com", "amqp+ws://h", "topic://x/y"] {
        rejected(text, 0, "unknown scheme", "amqp:// (plain TCP) or amqps:// (TLS)");
    }
    for text in ["example.com", "example.com:5672", "", "://h", "amqp:/h", "amqp:h", "//h"] {
        rejected(text, 0, "no scheme", "amqps://");
    }
}

#[test]
fn other_bad_input() {
    rejected("amqp://@h", 7, "no user name", "user:password@host");
    rejected("amqp://:secret@h", 7, "no user name", "user:password@host");
    rejected("amqp://h?x=1", 8, "'?' after the host", "a '/'");
    rejected("amqp://h\u{fc}he", 8, "in the host", "ASCII form");
    rejected("amqp://h\u{fc}\u{fc}:x y", 12, "a space", "no spaces");
    rejected("amqp://a,b", 8, "',' in the host", "letters");
}

#[test]
fn errors_hide_the_password_whatever_is_wrong() {
    for text in [
        "amqp://alice:secret@h:65536",
        "amqp://alice:secret@",
        "amqp://alice:secret%@h",
        "amqp://alice:%secret@h",
        "amqp://alice:secret/secret@h",
        "amqp://a::5ec/secret@h",
        "amqp://alice:99999/secret@h",
        "amqp://alice:a?secret@h:x",
        "amqp://alice: secret@h",
        "amqp:/alice:secret@h",
        "amqp//alice:secret@h",
        "alice:secret@h",
        "alice:secret@h://x",
        "http://alice:secret@h",
        "amqp://alice:secret@::1",
        "amqp://:secret@h",
        "amqp://alice:x@secret@h:65536",
    ] {
        let error = error(text);
        assert!(!["secret", "5ec", "99999"].iter().any(|part| error.to_string().contains(part)), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        assert!(error.text().contains(":***@"), "{error}");
    }
}

/// Texts that are nearly URLs, so that all branches are met.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "amqp",
        "amqps",
        "://",
        ":",
        "/",
        "@",
        "[",
        "]",
        "%",
        "%41",
        "::1",
        "fe80::1",
        "eth0",
        "0",
        "5672",
        "65536",
        "example.com",
        "alice",
        "?",
        "#",
        " ",
        "\u{fc}",
        ".",
        "-",
        "\u{1F600}",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn never_panics(text in ".*") {
        let _ = Url::parse(&text);
    }

    #[test]
    fn nearly_urls_never_panic_and_round_trip(tail in nearly(), prefixed in any::<bool>()) {
        let text = if prefixed { format!("amqp://{tail}") } else { tail };
        match Url::parse(&text) {
            Ok(url) => {
                let shown = url.to_string();
                let again = Url::parse(&shown).unwrap();
                prop_assert_eq!(again.to_string(), shown);
                prop_assert_eq!((again.host(), again.port(), again.path(), again.user()), (url.host(), url.port(), url.path(), url.user()));
                if url.password().is_none() {
                    prop_assert_eq!(again, url);
                }
            }
            Err(error) => prop_assert!(error.position() <= text.chars().count()),
        }
    }

    #[test]
    fn display_reads_back(
        tls in any::<bool>(),
        user in prop::option::of("\\PC{1,8}"),
        host in prop_oneof!["[a-z0-9][a-z0-9.-]{0,12}", any::<Ipv4Addr>().prop_map(|ip| ip.to_string())],
        port in any::<Option<u16>>(),
        path in prop::option::of("[!-~\u{a1}-\u{ff}]{0,12}"),
    ) {
        let scheme = if tls { Scheme::Amqps } else { Scheme::Amqp };
        let url = Url { scheme, user, password: None, host, ipv6: false, port, path };
        prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
    }

    #[test]
    fn ipv6_reads_back(ip in any::<Ipv6Addr>(), zone in prop::option::of("[a-z0-9_.-]{1,6}"), port in any::<Option<u16>>()) {
        let zone = zone.map_or(String::new(), |zone| format!("%{zone}"));
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let url = url(&format!("amqp://[{ip}{zone}]{port}"));
        prop_assert_eq!(url.ip(), Some(IpAddr::V6(ip)));
        prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
    }
}
