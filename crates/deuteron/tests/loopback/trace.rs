//! `PN_TRACE_FRM=1` prints the frames on standard error, and no secret among them.

use std::process::{Command, Stdio};

use deuteron::{Ack, ConnectOptions};

use crate::support::*;

/// Set for the process that is traced.
const MARK: &str = "DEUTERON_TEST_TRACED";

/// Runs in a process of its own, with the environment that the test wants: two programs that talk.
#[test]
fn traced_conversation() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    let server = Program::reacting(|_, _| Ack::Accept);
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        let options =
            loopback().sasl([mechanism], users()).require_sasl(true).allow_insecure_mechanisms(true);
        let listener = server.listen(options);
        let client = Program::new();
        let options = ConnectOptions::new(url(&listener))
            .user("alice")
            .password("wonderland")
            .allow_insecure_mechanisms(true);
        let connection = client.connect(options);
        connection.open_sender("traced").unwrap().send_now("a body").unwrap();
        client.until(|seen| matches!(seen, Seen::Accepted(_)).then_some(()));
        drop(connection.close());
        client.closed();
    }
}

/// What the process writes on standard error.
fn trace_with(value: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "trace::traced_conversation", "--nocapture"]).env(MARK, "1");
    match value {
        Some(value) => command.env("PN_TRACE_FRM", value),
        None => command.env_remove("PN_TRACE_FRM"),
    };
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn every_frame_is_a_line_in_both_directions_and_secrets_are_masked() {
    let trace = trace_with(Some("1"));
    for performative in ["open", "begin", "attach", "flow", "transfer", "disposition", "close"] {
        for direction in ["->", "<-"] {
            let found = trace
                .lines()
                .any(|line| line.contains(direction) && line.contains(&format!("@{performative}(")));
            assert!(found, "no {direction} @{performative} in\n{trace}");
        }
    }
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        assert!(trace.contains(mechanism), "no {mechanism} in\n{trace}");
    }
    assert!(trace.contains("@sasl-init(") && trace.contains("@sasl-challenge("), "{trace}");
    assert!(trace.contains("traced"), "the address is in the attach\n{trace}");
    assert!(!trace.contains("wonderland"), "{trace}");
    // Base64 of the client's first words in SCRAM and the like is a secret as well: nothing of it is shown.
    assert!(!trace.contains("n=alice") && !trace.contains("alice\\x00"), "{trace}");
}

#[test]
fn without_the_variable_or_with_it_off_nothing_is_printed() {
    for value in [None, Some("0"), Some("false"), Some("")] {
        let trace = trace_with(value);
        assert!(!trace.contains("@open("), "{value:?}: {trace}");
    }
}
