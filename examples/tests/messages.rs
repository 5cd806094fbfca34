//! The programs that send and receive.

mod support;

use deuteron::Ack;
use deuteron_broker::{Broker, BrokerConfig, BrokerThread};
use support::{Line, Server, program};

const ANY_PORT: &str = "amqp://127.0.0.1:0";

fn numbered(count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("message {number}")).collect()
}

#[test]
fn hello_world_needs_nothing_but_itself() {
    assert_eq!(program!("hello_world").succeed(), ["Hello World!"]);
}

#[test]
fn hello_world_says_where_it_cannot_listen() {
    let taken = Server::start(ANY_PORT);
    let finished = program!("hello_world", taken.url()).fail();
    assert!(finished.errors.contains(&format!("127.0.0.1:{}", taken.port())), "{}", finished.errors);
}

#[test]
fn direct_receive_gets_what_send_sends() {
    for send in [env!("CARGO_BIN_EXE_send"), env!("CARGO_BIN_EXE_send_async")] {
        let mut receive = program!("direct_receive", ANY_PORT, 2500);
        let sent =
            support::Program::start(send, &[&receive.url(), &"orders".into(), &"2500".into()]).succeed();
        assert_eq!(sent, ["2500 sent, 2500 accepted"]);
        let lines = receive.succeed();
        assert_eq!(
            lines[1..],
            numbered(2500).iter().map(|text| format!("orders: {text}")).collect::<Vec<_>>()
        );
    }
}

#[test]
fn direct_receive_async_gets_what_send_async_sends() {
    let mut receive = program!("direct_receive_async", ANY_PORT);
    assert_eq!(program!("send_async", receive.url()).succeed(), ["10 sent, 10 accepted"]);
    assert_eq!(receive.succeed()[1..], numbered(10));
}

#[test]
fn direct_receive_async_refuses_a_client_that_wants_messages() {
    let mut receive = program!("direct_receive_async", ANY_PORT);
    let client = program!("receive_async", receive.url()).fail();
    assert!(client.errors.contains("messages can only be sent here"), "{}", client.errors);
    receive.fail();
}

#[test]
fn receive_gets_what_direct_send_gives() {
    for receive in [env!("CARGO_BIN_EXE_receive"), env!("CARGO_BIN_EXE_receive_async")] {
        let mut send = program!("direct_send", ANY_PORT, 20);
        let arguments = [&send.url(), &"orders".into(), &"20".into()];
        assert_eq!(support::Program::start(receive, &arguments).succeed(), numbered(20));
        assert_eq!(send.succeed()[1..], ["20 accepted"]);
    }
}

#[test]
fn send_fails_when_a_message_is_rejected() {
    let server = Server::with(ANY_PORT, |_| Ack::Reject(None));
    let finished = program!("send", server.url()).fail();
    assert!(finished.errors.contains("rejected"), "{finished:?}");
    let finished = program!("send_async", server.url()).fail();
    assert_eq!(finished.lines, ["10 sent, 0 accepted"]);
}

#[test]
fn request_server_direct_answers_many_clients() {
    let mut server = program!("request_server_direct", ANY_PORT, 4);
    let url = server.url();
    let answers = ["one => ONE", "zwei => ZWEI"];
    let clients = [
        program!("request_client", url, "anything", "one", "zwei"),
        program!("request_client_async", url, "anything", "one", "zwei"),
    ];
    for client in clients {
        assert_eq!(client.succeed(), answers);
    }
    let mut requests = server.succeed().split_off(1);
    requests.sort();
    assert_eq!(requests, ["request: one", "request: one", "request: zwei", "request: zwei"]);
}

#[test]
fn timer_ticks_and_hears_another_thread() {
    let mut lines = program!("timer").succeed();
    lines.sort();
    assert_eq!(lines, ["greetings from another thread", "tick 1", "tick 2", "tick 3"]);
}

#[test]
fn hello_world_async_goes_through_a_broker() {
    let expected = ["sent: Accepted", "received: Hello World!"];
    assert_eq!(program!("hello_world_async").succeed(), expected);
    let broker = broker();
    assert_eq!(program!("hello_world_async", broker.url()).succeed(), expected);
    assert_eq!(broker.messages("examples").unwrap_or(0), 0);
}

#[test]
fn a_transaction_happens_whole() {
    let broker = broker();
    assert_eq!(program!("transaction", broker.url(), "orders", 3).succeed(), ["committed"]);
    assert_eq!(broker.messages("orders"), Some(3));
    assert_eq!(program!("transaction_async", broker.url(), "orders", "answers").succeed(), ["committed"]);
    assert_eq!((broker.messages("orders"), broker.messages("answers")), (Some(2), Some(1)));
    let answer = program!("receive", broker.url(), "answers", 1).succeed();
    assert!(answer[0].contains("seen: message 1"), "{answer:?}");
}

#[test]
fn send_leaves_messages_at_a_broker_and_receive_takes_as_many_as_it_was_told() {
    let broker = broker();
    assert_eq!(program!("send", broker.url(), "orders", 5).succeed(), ["5 sent, 5 accepted"]);
    assert_eq!(program!("receive", broker.url(), "orders", 3).succeed(), numbered(5)[..3]);
    assert_eq!(broker.messages("orders"), Some(2));
    assert_eq!(program!("receive_async", broker.url(), "orders", 1).succeed(), numbered(5)[3..4]);
    assert_eq!(program!("receive_async", broker.url(), "orders", 1).succeed(), numbered(5)[4..]);
}

#[test]
fn request_server_answers_clients_through_a_broker() {
    let broker = broker();
    let servers = [
        program!("request_server", broker.url(), "requests", 4),
        program!("request_server_async", broker.url(), "others", 4),
    ];
    for (mut server, address) in servers.into_iter().zip(["requests", "others"]) {
        assert_eq!(server.line(), format!("waiting for requests at {address}"));
        for client in [
            program!("request_client", broker.url(), address, "one", "zwei"),
            program!("request_client_async", broker.url(), address, "one", "zwei"),
        ] {
            assert_eq!(client.succeed(), ["one => ONE", "zwei => ZWEI"]);
        }
        server.succeed();
    }
}

fn broker() -> BrokerThread {
    Broker::start_on_thread(BrokerConfig::listening([ANY_PORT])).unwrap()
}

#[test]
fn receive_goes_on_after_a_cut() {
    let broker = broker();
    let port = broker.url().rsplit_once(':').unwrap().1.parse().unwrap();
    for receive in [env!("CARGO_BIN_EXE_receive"), env!("CARGO_BIN_EXE_receive_async")] {
        let line = Line::to(port);
        let mut program = support::Program::start(receive, &[&line.url(), &"orders".into(), &"2".into()]);
        program!("send", broker.url(), "orders", 1).succeed();
        assert_eq!(program.line(), "message 1");
        line.cut();
        program!("send", broker.url(), "orders", 1).succeed();
        program.succeed();
    }
}
