//! The demonstration, with fewer messages.

use std::process::Command;

/// Runs it; returns what it printed.
fn demo(count: u64) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_deuteron"))
        .args(["demo", "--count", &count.to_string()])
        .output()
        .expect("the command runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    out.into_owned()
}

/// The numbers of the last line, which has exactly one form.
fn numbers(out: &str) -> Vec<u64> {
    let last = out.lines().last().expect("it prints something");
    let rest = last.strip_prefix("demo: ").expect("the last line is the result");
    let fields: Vec<_> = rest.split(' ').map(|field| field.split_once('=').expect("name=number")).collect();
    let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["sent", "settled", "received", "lost", "duplicated", "failovers"]);
    fields.iter().map(|(_, number)| number.parse().expect("a number")).collect()
}

#[test]
fn nothing_is_lost_when_the_first_server_is_killed() {
    for count in [2, 3, 2000, 20_000] {
        let out = demo(count);
        let [sent, settled, received, lost, duplicated, failovers] = numbers(&out)[..] else {
            panic!("{out}")
        };
        assert_eq!((sent, settled, received, lost, failovers), (count, count, count, 0, 1), "{out}");
        // The first server never acknowledged its last message, if no more.
        assert!((1..=count / 2).contains(&duplicated), "{out}");
    }
}

#[test]
fn it_shows_what_happens_in_order() {
    let out = demo(2000);
    let mut rest = out.as_str();
    for event in [
        "first server: listening at amqp://127.0.0.1:",
        "second server: listening at amqp://",
        "client: connecting with the list amqp://127.0.0.1:",
        "client: connected to the first server",
        "first server: KILLED after 1000 messages",
        "client: disconnected",
        "client: reconnecting, attempt 1",
        "client: reconnecting, attempt 2",
        "client: FAILED OVER to the second server",
        "client: all 2000 messages are settled",
        "first server: is back",
        "demo: sent=2000",
    ] {
        let at = rest.find(event).unwrap_or_else(|| panic!("'{event}' is missing or out of order:\n{out}"));
        rest = &rest[at + event.len()..];
    }
    // That the first server listens again comes while the client goes on, in no certain order.
    assert_eq!(out.matches("first server: listening at").count(), 2, "{out}");
}

#[test]
fn wrong_arguments_are_told_apart_from_failures() {
    let run = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_deuteron")).args(args).output().expect("the command runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run(&["demo", "--count", "1"]).0, Some(2));
    assert_eq!(run(&["demo", "--nonsense"]).0, Some(2));
    assert_eq!(run(&["send", "amqp://127.0.0.1:1"]).0, Some(2));
    let (code, text) = run(&["send", "amqp://127.0.0.1:1/q"]);
    assert_eq!((code, text.lines().count()), (Some(3), 1), "{text}");
    assert!(text.contains("127.0.0.1:1"), "{text}");
}
