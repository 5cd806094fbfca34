//! How much `send` and `receive` do, how fast, and how messages are settled.

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use common::{Broker, deuteron, good, good_with_input, json_lines, run, summary, trace};

#[test]
fn count_rate_and_duration_of_senders() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    assert_eq!(summary(&["send", &url])["sent"], 1);
    assert_eq!(summary(&["send", &url, "--count", "3"])["accepted"], 3);
    // Held back it takes at least so long; by the last of them it is not known how long.
    let paced = summary(&["send", &url, "--count", "5", "--rate", "20"]);
    assert!(paced["seconds"].as_f64().expect("a number") >= 0.2, "{paced}");
    let timed = summary(&["send", &url, "--duration", "100ms", "--rate", "1000"]);
    assert!(timed["sent"].as_u64().expect("a number") > 1, "{timed}");
    assert!(timed["seconds"].as_f64().expect("a number") >= 0.1, "{timed}");
    let both = summary(&["send", &url, "--duration", "1h", "--count", "2"]);
    assert_eq!(both["sent"], 2);
}

#[test]
fn the_summary_has_three_forms() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let line = run(&["send", &url, "--count", "2"]).expect(0).err;
    assert!(
        line.starts_with("deuteron: 2 of 2 messages accepted by q, in ")
            && line.contains("; latency ")
            && !line.contains("p99")
            && !line.contains("messages/s"),
        "{line}"
    );
    let many = run(&["send", &broker.url("many"), "--count", "100"]).expect(0).err;
    assert!(many.contains(" messages/s; latency p50 ") && many.contains("p99.9"), "{many}");
    let one = run(&["send", &broker.url("one")]).expect(0).err;
    assert!(
        one.starts_with("deuteron: 1 of 1 message accepted by one, in ") && !one.contains("p50"),
        "{one}"
    );
    let none = run(&["receive", &url, "--selector", "a ="]).expect(1).err;
    assert!(none.lines().count() == 1 && none.contains("selector"), "{none}");
    assert_eq!(run(&["send", &url, "--summary", "none"]).expect(0).err, "");
    let json = &json_lines(&run(&["receive", &url, "--count", "3", "--json"]).expect(0).err)[0];
    assert_eq!((&json["command"], &json["received"]), (&"receive".into(), &3.into()));
    let text = run(&["send", &url, "--settle-mode", "settled", "--count", "4"]).expect(0).err;
    assert!(text.starts_with("deuteron: 4 messages sent to q, in "), "{text}");
}

#[test]
fn senders_keep_so_many_messages_in_flight() {
    let broker = Broker::start(&[]);
    let frames = trace(&["send", &broker.url("q"), "--count", "5", "--in-flight", "1"]);
    let turns: Vec<_> = frames
        .lines()
        .filter_map(|line| {
            let transfer = line.contains("-> @transfer").then_some("transfer");
            transfer.or_else(|| line.contains("<- @disposition").then_some("disposition"))
        })
        .collect();
    assert_eq!(turns, ["transfer", "disposition"].repeat(5), "{frames}");
}

#[test]
fn settle_modes_of_senders() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let frames = trace(&["send", &url, "--settle-mode", "settled"]);
    assert!(frames.contains("snd-settle-mode=1") && frames.contains("settled=true"), "{frames}");
    let frames = trace(&["send", &url, "--settle-mode", "exactly-once"]);
    assert!(frames.contains("rcv-settle-mode=1"), "{frames}");
    let ours =
        frames.lines().find(|line| line.contains("-> @disposition")).expect("we settle after the broker");
    assert!(ours.contains("settled=true"), "{frames}");
    let frames = trace(&["send", &url, "--settle-mode", "unsettled"]);
    assert!(!frames.contains("settled=true") || frames.contains("<- @disposition"), "{frames}");
}

#[test]
fn nodes_are_asked_for() {
    let broker = Broker::start(&[]);
    let (url, bare) = (broker.url("q"), broker.bare_url());
    assert!(trace(&["send", &url, "--queue"]).contains("capabilities=@symbol[:queue]"));
    assert!(trace(&["receive", &url, "--queue", "--count", "1"]).contains("capabilities=@symbol[:queue]"));
    let topic = trace(&["receive", &broker.url("t"), "--topic", "--capability", "x", "--timeout", "1ms"]);
    assert!(topic.contains("capabilities=@symbol[:topic, :x]"), "{topic}");
    assert!(trace(&["send", &broker.url("t"), "--topic"]).contains("capabilities=@symbol[:topic]"));
    // The address need not be in the URL.
    good(&["send", bare, "--address", "elsewhere", "one"]);
    good(&["send", bare, "--anonymous", "--to", "elsewhere", "two"]);
    assert_eq!(good(&["receive", bare, "--address", "elsewhere", "--count", "2"]), "one\ntwo\n");
    let missing = run(&["send", bare]).expect(2);
    assert!(missing.err.contains("has no address"), "{}", missing.err);
}

#[test]
fn senders_say_what_was_not_accepted() {
    let broker = Broker::start(&[]);
    // The anonymous relay needs an address in each message.
    let run = run(&["send", broker.bare_url(), "--anonymous", "--count", "3"]).expect(4);
    assert!(
        run.err.contains("0 of 3 messages accepted") && run.err.contains("3 messages were not accepted"),
        "{}",
        run.err
    );
}

#[test]
fn senders_do_not_wait_for_ever() {
    let broker = Broker::start(&["--max-queue-messages", "1", "--credit", "1"]);
    let url = broker.url("q");
    let full = run(&["send", &url, "--count", "100", "--timeout", "100ms"]).expect(5);
    assert!(full.err.contains("credit"), "{}", full.err);
    // What is over ends it as well.
    let timed = run(&["send", &url, "--count", "100", "--duration", "100ms"]).expect(0);
    assert!(timed.err.contains("messages accepted"), "{}", timed.err);
}

#[test]
fn lines_are_sent_as_they_come() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let mut sender = deuteron(&["send", &url, "--lines"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut receiver =
        deuteron(&["receive", &url]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut input = sender.stdin.take().expect("it is piped");
    let mut output = BufReader::new(receiver.stdout.take().expect("it is piped"));
    for text in ["one\n", "two\n"] {
        // Each comes through before the next is written.
        std::io::Write::write_all(&mut input, text.as_bytes()).expect("it is read");
        let mut line = String::new();
        output.read_line(&mut line).expect("it is written");
        assert_eq!(line, text);
    }
    drop(input);
    assert!(sender.wait().expect("it ends").success());
    receiver.kill().expect("it runs");
    receiver.wait().expect("it ends");
}

#[test]
fn many_lines_go_through() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    good_with_input(&["send", &url, "--lines"], lines.as_bytes());
    assert_eq!(good(&["receive", &url, "--count", "20000", "--credit", "100"]), lines);
}

#[test]
fn receivers_end_when_they_are_told_to() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "x", "--count", "5"]);
    assert_eq!(good(&["receive", &url, "--count", "2"]).lines().count(), 2);
    assert_eq!(good(&["receive", &url, "--until-empty", "--count", "2"]).lines().count(), 2);
    assert_eq!(good(&["receive", &url, "--until-empty", "--count", "2"]).lines().count(), 1);
    assert_eq!(good(&["receive", &url, "--until-empty"]), "");
    // Without a number there is nothing that could be missing.
    assert_eq!(good(&["receive", &url, "--timeout", "10ms"]), "");
    assert_eq!(good(&["receive", &url, "--duration", "10ms"]), "");
    let late = run(&["receive", &url, "--timeout", "10ms", "--count", "1"]).expect(5);
    assert!(late.err.contains("0 of 1 message came in time"), "{}", late.err);
    run(&["receive", &url, "--duration", "10ms", "--count", "1"]).expect(5);
    assert_eq!(good(&["receive", &url, "--count", "0"]), "");
}

#[test]
fn rounds_of_credit_empty_a_queue() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "x", "--count", "25"]);
    for credit in ["1", "5", "7", "25", "100"] {
        let browsed = good(&["browse", &url, "--credit", credit]);
        assert_eq!(browsed.lines().count(), 25, "with a credit of {credit}");
    }
    assert_eq!(good(&["receive", &url, "--until-empty", "--credit", "4"]).lines().count(), 25);
}

#[test]
fn receivers_give_so_much_credit() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let flow = |args: &[&str]| {
        let frames = trace(&[&["receive", &url], args].concat());
        let flow = frames.lines().find(|line| line.contains("-> @flow")).map(str::to_owned);
        flow.unwrap_or_else(|| panic!("{frames}"))
    };
    assert!(flow(&["--credit", "7", "--timeout", "1ms"]).contains("link-credit=7"));
    assert!(flow(&["--timeout", "1ms"]).contains("link-credit=1000"));
    good(&["send", &url, "--count", "3"]);
    assert!(flow(&["--count", "3"]).contains("link-credit=3"));
}

#[test]
fn each_acknowledgement_has_its_effect() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let left = |ack: &str| {
        good(&["send", &url, "x"]);
        let taken = good(&["receive", &url, "--count", "1", "--ack", ack]);
        assert_eq!(taken, "x\n", "{ack}");
        json_lines(&good(&["receive", &url, "--until-empty", "--json"]))
    };
    assert_eq!(left("accept").len(), 0);
    assert_eq!(left("reject").len(), 0);
    let released = left("release");
    assert_eq!((released.len(), &released[0]["header"]["delivery_count"]), (1, &serde_json::Value::Null));
    let modified = left("modify");
    assert_eq!((modified.len(), &modified[0]["header"]["delivery_count"]), (1, &1.into()));
    let frames = {
        good(&["send", &url, "x"]);
        trace(&["receive", &url, "--count", "1", "--ack", "modify-undeliverable"])
    };
    assert!(frames.contains("undeliverable-here=true"), "{frames}");
}

#[test]
fn settle_modes_of_receivers() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "--count", "2"]);
    let frames = trace(&["receive", &url, "--count", "1", "--settle-mode", "settled"]);
    assert!(
        frames.lines().any(|line| line.contains("<- @transfer") && line.contains("settled=true")),
        "{frames}"
    );
    let frames = trace(&["receive", &url, "--count", "1", "--settle-mode", "exactly-once"]);
    assert!(frames.contains("rcv-settle-mode=1"), "{frames}");
    assert_eq!(good(&["receive", &url, "--until-empty"]), "");
}

#[test]
fn browsing_leaves_messages_where_they_are() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good_with_input(&["send", &url, "--lines"], b"1\n2\n3\n");
    assert_eq!(good(&["browse", &url]), "1\n2\n3\n");
    assert_eq!(good(&["browse", &url, "--count", "2"]), "1\n2\n");
    assert_eq!(good(&["receive", &url, "--browse", "--count", "3"]), "1\n2\n3\n");
    assert_eq!(good(&["receive", &url, "--until-empty"]), "1\n2\n3\n");
}

#[test]
fn a_browser_can_follow() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let mut browser = deuteron(&["browse", &url, "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut output = BufReader::new(browser.stdout.take().expect("it is piped"));
    for text in ["one", "two"] {
        good(&["send", &url, text]);
        let mut line = String::new();
        output.read_line(&mut line).expect("it is written");
        assert_eq!(line.trim_end(), text);
    }
    browser.kill().expect("it runs");
    browser.wait().expect("it ends");
    assert_eq!(good(&["browse", &url]), "one\ntwo\n");
}

#[test]
fn links_ask_for_subscriptions() {
    let broker = Broker::start(&[]);
    let attach = |args: &[&str]| {
        let frames =
            run(&[&["receive", &broker.url("t"), "--topic", "--timeout", "1ms", "--trace"], args].concat())
                .err;
        let attach = frames
            .lines()
            .find(|line| line.contains("-> @attach"))
            .unwrap_or_else(|| panic!("{frames}"))
            .to_owned();
        let detach = frames
            .lines()
            .find(|line| line.contains("-> @detach"))
            .unwrap_or_else(|| panic!("{frames}"))
            .to_owned();
        (attach, detach)
    };
    let durable = ["--durable", "sub", "--container-id", "me"];
    let (asked, left) = attach(&durable);
    assert!(asked.contains("name=\"sub\"") && asked.contains("durable=2, expiry-policy=:never"), "{asked}");
    assert!(
        asked.contains("capabilities=@symbol[:topic]") && !left.contains("closed=true"),
        "{asked} {left}"
    );
    let (_, left) = attach(&[&durable[..], &["--unsubscribe"]].concat());
    assert!(left.contains("closed=true"), "{left}");
    let (asked, left) = attach(&["--shared", "s"]);
    assert!(
        asked.contains("name=\"s\"") && asked.contains("[:topic, :shared]") && left.contains("closed=true"),
        "{asked} {left}"
    );
    let (asked, left) = attach(&["--shared", "s", "--global", "--keep"]);
    assert!(
        asked.contains(":global") && asked.contains("durable=2") && !left.contains("closed=true"),
        "{asked} {left}"
    );
    assert!(attach(&["--link-name", "mine"]).0.contains("name=\"mine\""));
    let (asked, _) = attach(&["--selector", "a = 1", "--no-local", "--filter", "x:y={\"k\":1}"]);
    for part in
        ["apache.org:selector-filter:string \"a = 1\"", "apache.org:no-local-filter:list []", ":x:y=@:x:y "]
    {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    for wrong in [
        &["--durable", "d"][..],
        &["--unsubscribe"],
        &["--global"],
        &["--filter", "x"],
        &["--durable", "d", "--container-id", "c", "--shared", "s"],
    ] {
        run(&[&["receive", "amqp://127.0.0.1:1/q"], wrong].concat()).expect(2);
    }
}

#[test]
fn a_filter_that_is_not_applied_is_an_error() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "x"]);
    let refused = run(&["receive", &url, "--filter", "example.com:unknown=1", "--count", "1"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.out.is_empty() && refused.err.contains("example.com:unknown"), "{refused:?}");
    assert_eq!(good(&["receive", &url, "--count", "1"]), "x\n");
}

#[test]
fn a_temporary_address_is_told() {
    let broker = Broker::start(&[]);
    let mut receiver = deuteron(&["receive", broker.bare_url(), "--dynamic", "--count", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    BufReader::new(receiver.stderr.as_mut().expect("it is piped")).read_line(&mut line).expect("it tells");
    let address = line.trim().strip_prefix("deuteron: receiving from ").expect("it tells where").to_owned();
    good(&["send", broker.bare_url(), "--address", &address, "x"]);
    // The address may be gone before this is acknowledged.
    good(&["send", broker.bare_url(), "--address", &address, "--settle-mode", "settled", "y"]);
    let output = receiver.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"x\ny\n"[..]));
}

#[test]
fn a_reader_that_leaves_ends_it_in_order() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "x", "--count", "3"]);
    let mut receiver =
        deuteron(&["receive", &url]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut output = BufReader::new(receiver.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it is written");
    drop(output);
    // Another test that is starting a process may hold the pipe open for a moment.
    let code = loop {
        good(&["send", &url, "y"]);
        if let Some(status) = receiver.try_wait().expect("it runs") {
            break status.code();
        }
    };
    assert_eq!(code, Some(0));
    // What could not be written has gone back.
    assert!(good(&["receive", &url, "--until-empty"]).lines().all(|line| line == "y" || line == "x"));
    assert_eq!(good(&["receive", &url, "--until-empty"]), "");
}

#[test]
fn what_is_no_message_is_rejected() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
        let connection = deuteron::Connection::connect(broker.bare_url()).await.expect("it connects");
        let sender = connection.sender("q").await.expect("a sender");
        let encoded = deuteron::Encoded(bytes::Bytes::from_static(b"\x00\x53\x77\xff"));
        assert!(sender.send(encoded).await.is_ok());
        connection.close().await.expect("it closes");
    });
    let run = run(&["receive", &url, "--until-empty", "--json"]);
    if run.code != Some(0) {
        assert!(run.code == Some(1) && run.err.contains("1 message could not be read"), "{run:?}");
    }
    assert_eq!(good(&["receive", &url, "--until-empty"]), "");
}
