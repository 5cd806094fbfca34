//! Options of `broker`, and what it does for the other commands: topics, subscriptions, selectors.

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use common::{Broker, deuteron, good, good_with_input, run, trace};

/// A `receive` that runs, and has said that it is attached.
struct Receiving {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Receiving {
    fn start(args: &[&str]) -> Self {
        let mut child = deuteron(&[&["receive", "--trace"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut frames = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        while !line.contains("-> @flow") {
            line.clear();
            assert_ne!(frames.read_line(&mut line).expect("it is written"), 0, "it ended before it received");
        }
        // Somebody has to read the rest.
        std::thread::spawn(move || std::io::copy(&mut frames, &mut std::io::sink()));
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("it is written");
        line.trim_end().to_owned()
    }

    #[track_caller]
    fn ended(mut self) {
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn each_subscriber_of_a_topic_gets_each_message() {
    let broker = Broker::start(&["--topic", "news"]);
    let url = broker.url("news");
    good(&["send", &url, "nobody hears this"]);
    let mut both =
        [Receiving::start(&[&url, "--count", "2"]), Receiving::start(&[&url, "--count", "2", "--topic"])];
    good_with_input(&["send", &url, "--lines"], b"one\ntwo\n");
    for receiver in &mut both {
        assert_eq!((receiver.line(), receiver.line()), ("one".to_owned(), "two".to_owned()));
    }
    both.into_iter().for_each(Receiving::ended);
    // The same by capability, and a queue beside it.
    let mut other = Receiving::start(&[&broker.url("other"), "--topic", "--count", "1"]);
    good(&["send", &broker.url("other"), "--topic", "x"]);
    assert_eq!(other.line(), "x");
    other.ended();
}

#[test]
fn a_durable_subscription_collects_until_it_is_ended() {
    let broker = Broker::start(&["--topic", "news"]);
    let url = broker.url("news");
    let durable = ["receive", &url, "--durable", "mine", "--container-id", "me"];
    let with = |more: &[&str]| good(&[&durable[..], more].concat());
    assert_eq!(with(&["--timeout", "1ms"]), "");
    good_with_input(&["send", &url, "--lines"], b"one\ntwo\n");
    assert_eq!(with(&["--count", "1"]), "one\n");
    good(&["send", &url, "three"]);
    assert_eq!(with(&["--count", "2"]), "two\nthree\n");
    good(&["send", &url, "gone"]);
    assert_eq!(with(&["--unsubscribe"]), "");
    good(&["send", &url, "gone too"]);
    assert_eq!(with(&["--until-empty", "--unsubscribe"]), "");
}

#[test]
fn a_shared_subscription_is_shared_out() {
    let broker = Broker::start(&["--topic", "news"]);
    let url = broker.url("news");
    let share = |id: &str| {
        let args =
            [&url, "--shared", "workers", "--global", "--container-id", id, "--count", "2", "--credit", "2"];
        Receiving::start(&args)
    };
    let (mut first, mut second) = (share("a"), share("b"));
    good_with_input(&["send", &url, "--lines"], b"1\n2\n3\n4\n");
    let mut all = [first.line(), first.line(), second.line(), second.line()];
    all.sort();
    assert_eq!(all, ["1", "2", "3", "4"]);
    first.ended();
    second.ended();
    // Kept, it goes on collecting.
    let kept = ["receive", &url, "--shared", "kept", "--global", "--keep"];
    assert_eq!(good(&[&kept[..], &["--timeout", "1ms"]].concat()), "");
    good(&["send", &url, "later"]);
    assert_eq!(good(&[&kept[..], &["--count", "1"]].concat()), "later\n");
}

#[test]
fn selectors_choose() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    for (colour, size) in [("green", "5"), ("red", "6"), ("green", "7")] {
        good(&[
            "send",
            &url,
            &format!("{colour} {size}"),
            "-p",
            &format!("colour={colour}"),
            "-p",
            &format!("size:int={size}"),
        ]);
    }
    let green = "colour = 'green' AND size > 5";
    assert_eq!(good(&["browse", &url, "--selector", green]), "green 7\n");
    assert_eq!(good(&["receive", &url, "--selector", green, "--until-empty"]), "green 7\n");
    assert_eq!(good(&["receive", &url, "--until-empty"]), "green 5\nred 6\n");
    let wrong = run(&["receive", &url, "--selector", "size >"]).expect(1);
    assert!(wrong.err.contains("amqp:invalid-field") || wrong.err.contains("selector"), "{}", wrong.err);
}

#[test]
fn only_what_is_configured_is_there() {
    let broker = Broker::start(&["--queue", "q", "--topic", "t", "--no-on-demand"]);
    good(&["send", &broker.url("q"), "x"]);
    good(&["send", &broker.url("t"), "x"]);
    let refused = run(&["send", &broker.url("other"), "x"]).expect(1);
    assert!(refused.err.contains("amqp:not-found"), "{}", refused.err);
    assert_eq!(good(&["receive", &broker.url("q"), "--until-empty"]), "x\n");
}

#[test]
fn further_nodes_are_refused() {
    let broker = Broker::start(&["--max-queues", "1", "--max-topics", "1", "--max-subscriptions", "1"]);
    good(&["send", &broker.url("q"), "x"]);
    run(&["send", &broker.url("other"), "x"]).expect(1);
    let first = Receiving::start(&[&broker.url("t"), "--topic", "--count", "1"]);
    run(&["receive", &broker.url("t"), "--topic", "--count", "1", "--timeout", "10s"]).expect(1);
    run(&["send", &broker.url("u"), "--topic", "x"]).expect(1);
    good(&["send", &broker.url("t"), "--topic", "x"]);
    first.ended();
}

#[test]
fn dead_letters_are_kept() {
    let broker = Broker::start(&["--dead-letter", "dead", "--max-deliveries", "1"]);
    let url = broker.url("q");
    for (text, ack) in [("bad", "reject"), ("stubborn", "modify")] {
        good(&["send", &url, text]);
        good(&["receive", &url, "--count", "1", "--ack", ack]);
    }
    assert_eq!(good(&["receive", &broker.url("dead"), "--count", "2"]), "bad\nstubborn\n");
}

#[test]
fn what_has_expired_is_kept() {
    let broker = Broker::start(&["--expiry", "late"]);
    good(&["send", &broker.url("q"), "--ttl", "1ms", "old news"]);
    assert_eq!(good(&["receive", &broker.url("late"), "--count", "1", "--timeout", "60s"]), "old news\n");
}

#[test]
fn a_connection_is_told_how_many_sessions_it_may_have() {
    let broker = Broker::start(&["--max-sessions", "3"]);
    let trace = run(&["send", &broker.url("q"), "--trace", "x"]);
    assert!(trace.err.contains("channel-max=2"), "{}", trace.err);
}

#[test]
fn further_connections_and_links_are_refused() {
    let broker = Broker::start(&["--max-connections", "1"]);
    let _first = Receiving::start(&[&broker.url("q")]);
    let refused = run(&["send", &broker.url("q"), "x"]);
    assert!(refused.err.contains("amqp:resource-limit-exceeded"), "{}", refused.err);
    let broker = Broker::start(&["--max-links", "0"]);
    let refused = run(&["send", &broker.url("q"), "x"]);
    assert!(refused.err.contains("amqp:resource-limit-exceeded"), "{}", refused.err);
}

#[test]
fn bounds_make_senders_wait() {
    for bound in [["--max-bytes", "10k"], ["--max-queue-bytes", "10k"], ["--max-queue-messages", "10"]] {
        let broker = Broker::start(&[&bound[..], &["--credit", "1"]].concat());
        let url = broker.url("q");
        let full = run(&["send", &url, "--size", "1k", "--count", "100", "--timeout", "100ms"]).expect(5);
        assert!(full.err.contains("credit"), "{bound:?}: {}", full.err);
        let held = good(&["receive", &url, "--until-empty"]).lines().count();
        assert!((1..=20).contains(&held), "{bound:?}: {held}");
    }
}

#[test]
fn the_broker_says_who_it_is() {
    let broker = Broker::start(&[
        "--container-id",
        "the-broker",
        "--heartbeat",
        "7s",
        "--credit",
        "5",
        "--threads",
        "1",
    ]);
    let frames = trace(&["send", &broker.url("q")]);
    let open = frames.lines().find(|line| line.contains("<- @open")).expect("an open");
    assert!(open.contains("container-id=\"the-broker\"") && open.contains("idle-time-out="), "{open}");
    let flow = frames.lines().rfind(|line| line.contains("<- @flow")).expect("a flow");
    assert!(flow.contains("link-credit=5"), "{flow}");
}

#[test]
fn it_listens_at_several_places() {
    let mut child = deuteron(&["broker", "--listen", "amqp://127.0.0.1:0", "--listen", "amqp://127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let urls: Vec<_> = lines
        .by_ref()
        .take(2)
        .map(|line| line.expect("text").trim_start_matches("listening at ").to_owned())
        .collect();
    good(&["send", &format!("{}/q", urls[0]), "x"]);
    assert_eq!(good(&["receive", &format!("{}/q", urls[1]), "--count", "1"]), "x\n");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn transactions_have_their_effect_or_none() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let lines = b"1\n2\n3\n4\n5\n";
    good_with_input(&["send", &url, "--lines", "--transaction", "2", "--rollback"], lines);
    assert_eq!(good(&["browse", &url]), "");
    good_with_input(&["send", &url, "--lines", "--transaction", "2"], lines);
    let all = "1\n2\n3\n4\n5\n";
    assert_eq!(good(&["browse", &url]), all);
    // What was acknowledged in vain comes again.
    let take = ["receive", &url, "--count", "5", "--transaction", "3"];
    assert_eq!(good(&[&take[..], &["--rollback"]].concat()), all);
    assert_eq!(good(&take), all);
    assert_eq!(good(&["receive", &url, "--until-empty", "--transaction", "10"]), "");
    good_with_input(&["send", &url, "--lines"], lines);
    assert_eq!(good(&["receive", &url, "--until-empty", "--transaction", "10"]), all);
    assert_eq!(good(&["browse", &url]), "");
}

#[test]
fn transactions_have_bounds() {
    let none = Broker::start(&["--max-transactions", "0"]);
    let refused = run(&["send", &none.url("q"), "--transaction", "1"]).expect(1);
    assert!(refused.err.contains("transaction"), "{}", refused.err);
    let hasty = Broker::start(&["--transaction-timeout", "50ms"]);
    let mut sender = deuteron(&["send", &hasty.url("q"), "--lines", "--transaction", "1000000"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut input = sender.stdin.take().expect("it is piped");
    // It goes on until it is told that there is no transaction any more.
    while std::io::Write::write_all(&mut input, b"x\n").is_ok()
        && sender.try_wait().expect("it runs").is_none()
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(input);
    assert_ne!(sender.wait().expect("it ends").code(), Some(0));
    assert_eq!(good(&["browse", &hasty.url("q")]), "");
}

#[test]
fn the_trace_of_a_broker_tells_connections_apart() {
    let mut broker = Broker::start(&["--trace", "--user", "alice:secret", "--allow-insecure"]);
    let url = broker.url_as("alice:secret", "q");
    for _ in 0..2 {
        good(&["send", &url, "--sasl-mechanisms", "PLAIN", "--allow-insecure"]);
    }
    broker.child.kill().expect("it runs");
    let mut text = String::new();
    let mut errors = broker.child.stderr.take().expect("it is piped");
    errors.read_to_string(&mut text).expect("it is text");
    assert!(!text.contains("secret"), "{text}");
    for number in ["[1] ", "[2] "] {
        let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(number)).collect();
        assert!(lines[0].starts_with("connection of 127.0.0.1:"), "{text}");
        for part in ["<- SASL", "<- @sasl-init", "<- @open", "-> @open", "<- @transfer", "-> @disposition"] {
            assert_eq!(lines.iter().filter(|line| line.contains(part)).count(), 1, "{part}: {text}");
        }
    }
}
