//! `broker`, `send` and `receive`, as processes.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use common::{Broker, deuteron};

fn run(args: &[&str]) -> Output {
    deuteron(args).output().expect("the command runs")
}

/// Output of a run that must go well.
fn good(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn messages_go_through_the_broker() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "one"]);
    good(&["send", &url, "two", "--count", "2"]);
    good(&["send", &url, "--size", "2k"]);
    let large = "x".repeat(2048);
    assert_eq!(good(&["receive", &url, "--count", "4"]), format!("one\ntwo\ntwo\n{large}\n"));
}

#[test]
fn a_receiver_takes_no_more_than_it_was_told() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "x", "--count", "10"]);
    assert_eq!(good(&["receive", &url, "--count", "3"]).lines().count(), 3);
    assert_eq!(good(&["receive", &url, "--count", "7"]).lines().count(), 7);
}

#[test]
fn users_need_their_password() {
    let broker = Broker::start(&["--user", "alice:wonderland"]);
    let with = |user: &str| broker.url("q").replace("amqp://", &format!("amqp://{user}@"));
    good(&["send", &with("alice:wonderland"), "x"]);
    for url in [with("alice:nonsense"), broker.url("q")] {
        let output = run(&["send", &url, "x"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), text.lines().count()), (Some(3), 1), "{text}");
        assert!(text.contains("authentication") && !text.contains("nonsense"), "{text}");
    }
}

#[test]
fn wrong_settings_of_the_broker_are_usage_errors() {
    for args in [
        &["broker", "--listen", "http://127.0.0.1"][..],
        &["broker", "--user", "nobody"],
        &["broker", "--users", "/nowhere/at/all"],
        &["broker", "--tls-cert", "alone.pem"],
        &["broker", "--max-bytes", "many"],
    ] {
        let output = run(args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    }
}

#[cfg(unix)]
mod interrupts {
    use super::*;
    use std::io::Read;

    fn interrupt(child: &Child) {
        let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    #[test]
    fn the_broker_stops_in_order() {
        let mut broker = Broker::start(&[]);
        good(&["send", &broker.url("q"), "x"]);
        interrupt(&broker.child);
        assert_eq!(broker.child.wait().expect("it ends").code(), Some(0));
        let mut text = String::new();
        broker.child.stderr.take().expect("it is piped").read_to_string(&mut text).expect("it prints");
        assert!(text.contains("in memory only"), "{text}");
        assert!(text.contains("1 message received, 0 delivered, 0 rejected, 1 held"), "{text}");
    }

    #[test]
    fn a_receiver_stops_in_order() {
        let broker = Broker::start(&[]);
        let url = broker.url("q");
        let mut receiver = deuteron(&["receive", &url]).stdout(Stdio::piped()).spawn().expect("it runs");
        good(&["send", &url, "x"]);
        let mut line = String::new();
        let out = receiver.stdout.as_mut().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it prints");
        assert_eq!(line, "x\n");
        interrupt(&receiver);
        assert_eq!(receiver.wait().expect("it ends").code(), Some(0));
    }
}
