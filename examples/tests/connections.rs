//! The programs of guide chapter 6: connection URLs, outgoing connections, reconnect, failover, listening.

mod support;

use deuteron::Ack;
use support::{Line, Server, program};

const ANY_PORT: &str = "amqp://127.0.0.1:0";

#[test]
fn connection_urls_shows_the_parts_of_the_guides_urls() {
    let lines = program!("connection_urls").succeed();
    assert_eq!(
        lines,
        [
            "amqps://example.com: TLS, host example.com, port 5671, user (none), address (none)",
            "amqps://example.net:56720: TLS, host example.net, port 56720, user (none), address (none)",
            "amqp://127.0.0.1: plain TCP, host 127.0.0.1, port 5672, user (none), address (none)",
            "amqp://[::1]:2000: plain TCP, host ::1, port 2000, user (none), address (none)",
            "amqps://alice:***@example.com/orders: TLS, host example.com, port 5671, user alice, address orders",
        ]
    );
}

#[test]
fn connection_urls_says_what_is_wrong_with_a_url() {
    let finished = program!("connection_urls", "http://example.com").fail();
    assert!(finished.errors.contains("amqps"), "{}", finished.errors);
    let finished = program!("connection_urls", "amqp://::1").fail();
    assert!(finished.errors.contains("amqp://::1"), "{}", finished.errors);
}

#[test]
fn connect_tells_when_the_connection_is_open() {
    let server = Server::start(ANY_PORT);
    let expected = [format!("connected to {}, container test-server", server.url()), "closed".into()];
    assert_eq!(program!("connect", server.url()).succeed(), expected);
    assert_eq!(program!("connect_async", server.url()).succeed(), expected);
}

#[test]
fn connect_fails_for_a_url_that_cannot_be_used() {
    for program in [program!("connect", "amqp://nowhere:x"), program!("connect_async", "amqp://nowhere:x")] {
        let finished = program.fail();
        assert!(finished.errors.contains("amqp://nowhere:x"), "{}", finished.errors);
    }
}

#[test]
fn reconnect_comes_back_after_a_cut() {
    let server = Server::start(ANY_PORT);
    let line = Line::to(server.port());
    let mut program = program!("reconnect", line.url());
    assert_eq!(program.line(), format!("connected to {}, time 1", line.url()));
    line.cut();
    assert!(program.line().starts_with("disconnected: "));
    assert_eq!(program.line(), "attempt 1 in 0 s");
    assert_eq!(program.line(), format!("connected to {}, time 2", line.url()));
    program.succeed();
}

#[test]
fn reconnect_waits_for_a_server_that_comes_late() {
    let server = Server::start(ANY_PORT);
    let line = Line::down();
    let mut program = program!("reconnect", line.url(), 1);
    assert_eq!(program.line_after("attempt 2 in "), "0.1 s");
    assert_eq!(program.line_after("attempt 3 in "), "0.2 s");
    line.up(server.port());
    program.line_after("connected to ");
    program.succeed();
}

#[test]
fn reconnect_async_loses_no_message_when_the_wire_is_cut() {
    let line = Line::down();
    let (cut, mut received) = (line.clone(), Vec::new());
    let (tell, all) = std::sync::mpsc::channel();
    let server = Server::with(ANY_PORT, move |delivery| {
        let text = delivery.message().unwrap().body_text().unwrap().to_owned();
        if text == "message 4" && !received.contains(&text) {
            // Neither the outcome of this message nor anything else gets through.
            cut.cut();
        }
        received.push(text);
        if received.last().is_some_and(|text| text == "message 10") {
            tell.send(received.clone()).unwrap();
        }
        Ack::Accept
    });
    line.up(server.port());
    let lines = program!("reconnect_async", line.url()).succeed();
    assert_eq!(lines, (1..=10).map(|number| format!("message {number}: Accepted")).collect::<Vec<_>>());
    let mut received = all.recv_timeout(support::PATIENCE).unwrap();
    assert_eq!(
        received.iter().filter(|text| *text == "message 4").count(),
        2,
        "it was sent again: {received:?}"
    );
    received.dedup();
    assert_eq!(received, (1..=10).map(|number| format!("message {number}")).collect::<Vec<_>>());
}

#[test]
fn reconnect_off_tries_once() {
    let server = Server::start(ANY_PORT);
    let connected = [format!("connected to {}", server.url())];
    assert_eq!(program!("reconnect_off", server.url()).succeed(), connected);
    assert_eq!(program!("reconnect_off_async", server.url()).succeed(), connected);
    let line = Line::down();
    let lines = program!("reconnect_off", line.url()).fail().lines;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("gave up after 1 attempt: ") && lines[0].contains(&line.url()), "{lines:?}");
    let lines = program!("reconnect_off_async", line.url()).fail().lines;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("gave up: ") && lines[0].contains(&line.url()), "{lines:?}");
}

#[test]
fn reconnect_backoff_has_the_delays_that_it_was_given_and_gives_up() {
    let server = Server::start(ANY_PORT);
    let lines = program!("reconnect_backoff", server.url()).succeed();
    assert_eq!(lines, [format!("connected to {}", server.url())]);
    let lines = program!("reconnect_backoff", Line::down().url()).fail().lines;
    let attempts =
        ["attempt 2 in 0.01 s", "attempt 3 in 0.03 s", "attempt 4 in 0.05 s", "attempt 5 in 0.05 s"];
    assert_eq!(lines[..4], attempts);
    assert!(lines[4].starts_with("gave up after 5 attempts: "), "{lines:?}");
    assert_eq!(lines.len(), 5, "{lines:?}");
}

#[test]
fn reconnect_policy_is_reset_before_and_asked_for_each_delay() {
    let server = Server::start(ANY_PORT);
    let line = Line::down();
    let mut program = program!("reconnect_policy", line.url(), 2);
    for expected in ["reset", "next delay: 0 s", "next delay: 0.1 s", "next delay: 0.2 s"] {
        assert_eq!(program.line(), expected);
    }
    line.up(server.port());
    program.line_after("connected to ");
    line.cut();
    for expected in ["reset", "next delay: 0 s"] {
        assert_eq!(program.line(), expected);
    }
    assert_eq!(program.line(), format!("connected to {}", line.url()));
    program.succeed();
}

#[test]
fn reconnect_policy_async_gives_up_when_its_delays_are_used_up() {
    let server = Server::start(ANY_PORT);
    let lines = program!("reconnect_policy_async", server.url()).succeed();
    assert_eq!(lines.last().unwrap(), &format!("connected to {}", server.url()));
    let lines = program!("reconnect_policy_async", Line::down().url()).fail().lines;
    assert_eq!(
        lines[..3],
        ["one more attempt, then 2", "one more attempt, then 1", "one more attempt, then 0"]
    );
    assert!(lines[3].starts_with("gave up: "), "{lines:?}");
}

#[test]
fn failover_goes_to_the_next_server_and_back_to_the_first() {
    let server = Server::start(ANY_PORT);
    let (first, second) = (Line::down(), Line::to(server.port()));
    let mut program = program!("failover", first.url(), second.url());
    assert!(program.line().starts_with(&format!("not connected to {}: ", first.url())));
    assert_eq!(program.line(), format!("connected to {}", second.url()));
    first.up(server.port());
    second.take_down();
    assert_eq!(program.line_after("connected to "), first.url());
    program.succeed();
}

#[test]
fn failover_async_tries_each_server_once() {
    let server = Server::start(ANY_PORT);
    let (first, second) = (Line::down(), Line::down());
    let lines = program!("failover_async", first.url(), second.url(), server.url()).succeed();
    assert_eq!(lines, [format!("connected to {}", server.url())]);
    let lines = program!("failover_async", first.url(), second.url()).fail().lines;
    assert!(lines[0].starts_with("none of them: ") && lines[0].contains(&second.url()), "{lines:?}");
}

#[test]
fn listen_tells_who_connects() {
    let urls = [ANY_PORT, "amqp://[::1]:0", "amqp://0.0.0.0:0"];
    for url in urls {
        for mut program in [program!("listen", url, 1), program!("listen_async", url, 1)] {
            let address = program.line_after("listening on ").replace("0.0.0.0", "127.0.0.1");
            let client = program!("connect", format!("amqp://{address}")).succeed();
            assert_eq!(client.len(), 2, "{client:?}");
            let lines = program.succeed();
            assert!(lines[1].starts_with("opened by container "), "{lines:?}");
            assert_eq!(lines[2], "closed");
        }
    }
}

#[test]
fn listen_on_a_port_in_use_names_the_address() {
    let taken = Server::start(ANY_PORT);
    for program in [program!("listen", taken.url()), program!("listen_async", taken.url())] {
        let finished = program.fail();
        assert!(finished.errors.contains(&format!("127.0.0.1:{}", taken.port())), "{}", finished.errors);
    }
}
