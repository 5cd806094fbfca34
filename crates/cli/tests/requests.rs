//! `request` and `respond`.

mod common;

use std::process::{Child, Stdio};

use common::{Broker, deuteron, good, good_with_input, json_lines, run};

/// A `respond` that runs until it has answered so many requests.
fn respond(url: &str, count: &str, args: &[&str]) -> Child {
    let args = [&["respond", url, "--count", count], args].concat();
    deuteron(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

/// It has ended with this code; what it printed on standard error.
#[track_caller]
fn ended(child: Child, code: i32) -> String {
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn requests_are_answered() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let responder = respond(&url, "3", &[]);
    assert_eq!(good(&["request", &url, "a", "b", "c"]), "a\nb\nc\n");
    assert!(ended(responder, 0).contains("3 of 3 requests at q answered"));
    let responder = respond(&url, "4", &["--answer", "upper", "--credit", "1"]);
    assert_eq!(good_with_input(&["request", &url, "-"], b"text\n"), "TEXT\n\n");
    assert_eq!(good(&["request", &url, "--body-type", "binary", "x"]), "X\n");
    assert_eq!(good(&["request", &url, "y", "--count", "2"]), "Y\nY\n");
    ended(responder, 0);
}

#[test]
fn answers_have_the_order_of_the_requests() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let lines: String = (0..500).map(|number| format!("{number}\n")).collect();
    let one = respond(&url, "250", &[]);
    let other = respond(&url, "250", &[]);
    assert_eq!(good_with_input(&["request", &url, "--lines", "--in-flight", "50"], lines.as_bytes()), lines);
    // How the two share the requests is not certain.
    for mut responder in [one, other] {
        responder.kill().expect("it runs or has ended");
        responder.wait().expect("it ends");
    }
}

#[test]
fn requests_and_answers_have_ids() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let responder = respond(&url, "2", &[]);
    let answer =
        &json_lines(&good(&["request", &url, "x", "--json", "--id", ":ulong=7", "--subject", "s"]))[0];
    assert_eq!(answer["properties"]["correlation_id"], serde_json::json!({"$ulong": 7}));
    let answer = &json_lines(&good(&["request", &url, "x", "--json", "--correlation-id", "c"]))[0];
    assert_eq!(answer["properties"]["correlation_id"], serde_json::json!("c"));
    ended(responder, 0);
}

#[test]
fn nobody_answers() {
    let broker = Broker::start(&[]);
    let late = run(&["request", &broker.url("q"), "x", "--timeout", "50ms"]).expect(5);
    assert!(
        late.err.contains("no answer to request 1") && late.err.contains("0 of 1 request answered"),
        "{}",
        late.err
    );
    let idle = respond(&broker.url("other"), "1", &["--timeout", "50ms"]);
    assert!(ended(idle, 5).contains("0 of 1 request came in time"));
    assert!(
        run(&["respond", &broker.url("other"), "--timeout", "1ms"]).expect(0).err.contains("0 of 0 requests")
    );
}

#[test]
fn a_request_without_an_address_for_the_answer_is_rejected() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "x"]);
    assert!(ended(respond(&url, "1", &[]), 0).contains("no reply-to"));
    assert_eq!(good(&["receive", &url, "--until-empty"]), "");
}

#[cfg(unix)]
#[test]
fn a_command_answers() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let responder = respond(&url, "2", &["--exec", "tr a-z A-Z; echo !"]);
    assert_eq!(good(&["request", &url, "abc", "def"]), "ABC!\nDEF!\n");
    ended(responder, 0);
    // Whatever it does not read, prints as bytes, or knows.
    let mut command = deuteron(&["respond", &url, "--count", "1", "--exec", "echo \"<$DEUTERON_PASSWORD>\""]);
    let responder =
        command.env("DEUTERON_PASSWORD", "secret").stderr(Stdio::piped()).spawn().expect("it runs");
    assert_eq!(good(&["request", &url, &"x".repeat(100_000)]), "<>\n");
    ended(responder, 0);
}

#[cfg(unix)]
#[test]
fn a_command_that_fails_rejects_the_request() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    for (command, timeout, part) in [
        ("exit 3", "60s", "exit status: 3"),
        ("sleep 600", "50ms", "did not end within"),
        ("kill -9 $$", "60s", "signal"),
    ] {
        let responder = respond(&url, "1", &["--exec", command, "--exec-timeout", timeout]);
        // The broker has taken the request: nobody tells who asks.
        run(&["request", &url, "x", "--timeout", "2s"]).expect(5);
        let text = ended(responder, 0);
        assert!(text.contains(part) && text.contains("0 of 1 request"), "{command}: {text}");
    }
}
