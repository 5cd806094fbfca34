//! `bench`, and the pages and scripts that are generated.

mod common;

use common::{Broker, Directory, good, json_lines, run};
use serde_json::Value;

/// The one line of JSON.
#[track_caller]
fn bench(args: &[&str]) -> Value {
    let out = good(&[&["bench", "--json"], args].concat());
    let mut lines = json_lines(&out);
    assert_eq!(lines.len(), 1, "{out}");
    lines.remove(0)
}

#[track_caller]
fn positive(result: &Value, place: &str) {
    let number = result.pointer(place).and_then(Value::as_f64);
    assert!(number.is_some_and(|number| number > 0.0), "{place}: {result}");
}

#[test]
fn it_measures_a_broker_of_its_own() {
    let result =
        bench(&["--count", "1000", "--size", "1k", "--senders", "3", "--receivers", "2", "--credit", "10"]);
    for (name, number) in [
        ("sent", 1000),
        ("accepted", 1000),
        ("received", 1000),
        ("size", 1024),
        ("senders", 3),
        ("receivers", 2),
    ] {
        assert_eq!(result[name], number, "{name}: {result}");
    }
    for place in
        ["/rate", "/seconds", "/ack_us/p50", "/ack_us/p99", "/ack_us/p99.9", "/ack_us/max", "/arrive_us/p50"]
    {
        positive(&result, place);
    }
    if cfg!(target_os = "linux") {
        positive(&result, "/peak_memory_kib");
    }
}

#[test]
fn it_measures_without_a_broker() {
    let result = bench(&["--direct", "--count", "1000", "--senders", "2"]);
    assert_eq!((&result["received"], &result["receivers"]), (&1000.into(), &2.into()));
    let result = bench(&["--direct", "--count", "100", "--latency"]);
    assert_eq!(result["latency_mode"], true);
    positive(&result, "/arrive_us/max");
}

#[test]
fn settled_messages_are_counted_where_they_arrive() {
    let result = bench(&["--count", "1000", "--settled"]);
    assert_eq!(
        (&result["accepted"], &result["received"], &result["ack_us"]),
        (&0.into(), &1000.into(), &Value::Null)
    );
}

#[test]
fn it_measures_a_server() {
    let broker = Broker::start(&[]);
    let text = good(&["bench", &broker.url("q"), "--count", "1000", "--no-progress"]);
    assert!(text.contains("sent       1000 messages, 1000 acknowledged"), "{text}");
    assert!(
        text.contains("rate ")
            && text.contains("to ack ")
            && text.contains("to arrive ")
            && text.contains("p99.9"),
        "{text}"
    );
    // Only sending leaves them there.
    assert_eq!(bench(&[&broker.url("left"), "--count", "7", "--receivers", "0"])["received"], 0);
    assert_eq!(good(&["browse", &broker.url("left"), "--quiet", "--credit", "3"]), "");
    assert!(run(&["browse", &broker.url("left"), "--quiet"]).expect(0).err.contains("7 messages found"));
    run(&["bench", "amqp://127.0.0.1:1/q", "--count", "1"]).expect(3);
    run(&["bench", &broker.url("q"), "--direct"]).expect(2);
}

#[test]
fn time_and_rate_bound_it() {
    let result = bench(&["--duration", "100ms"]);
    positive(&result, "/received");
    assert_eq!(result["sent"], result["received"]);
    let paced = bench(&["--count", "5", "--rate", "20"]);
    assert!(paced["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.2), "{paced}");
}

#[test]
fn completions_know_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = good(&["completions", shell]);
        assert!(script.contains("receive") && script.contains("until-empty"), "{shell}");
    }
    run(&["completions", "tcsh"]).expect(2);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let directory = Directory::new("man");
    let target = directory.0.join("man1");
    good(&["man", target.to_str().expect("it is UTF-8")]);
    for command in [
        "",
        "-broker",
        "-send",
        "-receive",
        "-browse",
        "-request",
        "-respond",
        "-bench",
        "-demo",
        "-user-hash",
    ] {
        let page = std::fs::read_to_string(target.join(format!("deuteron{command}.1")));
        assert!(page.is_ok_and(|page| page.contains(".TH")), "deuteron{command}.1");
    }
    assert!(good(&["man"]).contains(".TH deuteron"));
}

#[test]
fn help_tells_exit_codes() {
    for command in ["broker", "send", "receive", "browse", "request", "respond", "bench", "demo"] {
        let help = good(&[command, "--help"]);
        assert!(help.contains("Exit codes: 0 all went well"), "{command}");
    }
}
