//! What a terminal gets and a pipe does not, and Ctrl-C.
#![cfg(unix)]

mod common;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

use common::{Broker, deuteron, good, json_lines, run};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// A terminal: our side, and the side for a program.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("it is ours");
    unlockpt(&ours).expect("it is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let theirs =
        File::options().read(true).write(true).open(name.to_str().expect("it is UTF-8")).expect("it opens");
    (File::from(ours), theirs)
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
}

/// Reads from a terminal until a text has come, or to the end.
fn read_until(terminal: &mut File, wanted: &str) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        // The end of a terminal is an error.
        match terminal.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(size) => text.extend_from_slice(&chunk[..size]),
        }
        if String::from_utf8_lossy(&text).contains(wanted) {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn long_work_has_a_bar_at_a_terminal() {
    let broker = Broker::start(&[]);
    for args in [&["send", "--rate", "100"][..], &["send", "--rate", "100", "--count", "100000"]] {
        let (mut ours, theirs) = terminal();
        let url = broker.url("bar");
        let args = [&args[..1], &[url.as_str(), "--duration", "600s"], &args[1..]].concat();
        let mut sender = deuteron(&args).stderr(theirs).spawn().expect("it runs");
        let shown = read_until(&mut ours, "p99 ");
        assert!(shown.contains(" messages, ") && shown.contains("/s, p50 "), "{shown:?}");
        assert_eq!(shown.contains("/100,000"), args.contains(&"100000"), "{shown:?}");
        interrupt(&sender);
        let rest = read_until(&mut ours, "messages accepted by bar");
        assert!(rest.contains("messages accepted by bar"), "{rest:?}");
        let code = if args.contains(&"100000") { 1 } else { 0 };
        assert_eq!(sender.wait().expect("it ends").code(), Some(code));
    }
}

#[test]
fn a_bar_can_be_turned_off() {
    let broker = Broker::start(&[]);
    let (mut ours, theirs) = terminal();
    let args = ["send", &broker.url("q"), "--rate", "100", "--duration", "1500ms", "--no-progress"];
    let mut sender = deuteron(&args).stderr(theirs).spawn().expect("it runs");
    let shown = read_until(&mut ours, "messages accepted by q");
    assert!(shown.starts_with("deuteron: ") && !shown.contains('\u{1b}'), "{shown:?}");
    assert!(sender.wait().expect("it ends").success());
}

#[test]
fn a_pipe_has_no_bar() {
    let broker = Broker::start(&[]);
    for command in ["send", "bench"] {
        let run = run(&[command, &broker.url("q"), "--duration", "1500ms", "--rate", "100"]).expect(0);
        let all = format!("{}{}", run.out, run.err);
        assert!(!all.contains('\r') && !all.contains('\u{1b}'), "{all:?}");
    }
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let broker = Broker::start(&["--user", "alice:wonderland"]);
    let (mut ours, theirs) = terminal();
    let stdin = theirs.try_clone().expect("it can be shared");
    let args = ["send", &broker.url("q"), "--user", "alice", "--ask-password"];
    let mut sender = deuteron(&args).stdin(stdin).stderr(theirs).spawn().expect("it runs");
    let asked = read_until(&mut ours, "Password: ");
    assert!(asked.contains("Password: "), "{asked:?}");
    // What is typed before the echo is off is thrown away.
    let echoes = || tcgetattr(&ours).expect("it is a terminal").local_modes.contains(LocalModes::ECHO);
    while echoes() && sender.try_wait().expect("it runs").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    ours.write_all(b"wonderland\n").expect("it reads");
    let rest = read_until(&mut ours, "accepted by q");
    assert!(rest.contains("1 of 1 message accepted by q") && !rest.contains("wonderland"), "{rest:?}");
    assert!(sender.wait().expect("it ends").success());
}

#[test]
fn ctrl_c_ends_a_sender_in_order() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let mut sender = deuteron(&["send", &url, "--lines", "--summary", "json"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut input = sender.stdin.take().expect("it is piped");
    input.write_all(b"one\ntwo\n").expect("it reads");
    assert_eq!(good(&["receive", &url, "--count", "2"]), "one\ntwo\n");
    interrupt(&sender);
    let output = sender.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // There could have been more lines.
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (first, rest) = text.split_once('\n').expect("two lines");
    assert_eq!(json_lines(first)[0]["accepted"], 2, "{text}");
    assert_eq!(rest, "deuteron: interrupted\n");
}

#[test]
fn ctrl_c_ends_a_receiver_that_wants_more() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    good(&["send", &url, "x", "--count", "3"]);
    let mut receiver = deuteron(&["receive", &url, "--count", "10"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut out = BufReader::new(receiver.stdout.take().expect("it is piped"));
    for _ in 0..3 {
        let mut line = String::new();
        out.read_line(&mut line).expect("it prints");
        assert_eq!(line, "x\n");
    }
    interrupt(&receiver);
    let output = receiver.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("3 messages received from q") && text.contains("interrupted"), "{text}");
    // They were acknowledged.
    assert_eq!(good(&["receive", &url, "--until-empty"]), "");
}

#[test]
fn ctrl_c_twice_ends_at_once() {
    // A server that takes messages and never acknowledges them.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (tell, told) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let listener = deuteron::Container::new().listen("amqp://127.0.0.1:0").await.expect("it listens");
        tell.send(listener.local_addr()).expect("the test waits");
        let connection = listener.accept().await.expect("a client");
        let link = connection.accept_link().await.expect("a link");
        link.accept();
        let mut kept = Vec::new();
        while let Some(Ok(delivery)) = match link.as_receiver() {
            Some(receiver) => Some(receiver.recv().await),
            None => None,
        } {
            kept.push(delivery);
            let _ = tell.send(listener.local_addr());
        }
    });
    let address = told.recv().expect("it listens");
    let url = format!("amqp://{address}/q");
    let mut sender = deuteron(&["send", &url, "--in-flight", "1", "--count", "2"])
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    told.recv().expect("a message came");
    interrupt(&sender);
    // It waits for the acknowledgement now; signals that come at once would be one.
    while sender.try_wait().expect("it runs").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
        if sender.try_wait().expect("it runs").is_none() {
            interrupt(&sender);
        }
    }
    assert_eq!(sender.wait().expect("it ends").code(), Some(130));
    runtime.shutdown_background();
}

#[test]
fn ctrl_c_ends_a_responder_and_a_measurement() {
    let broker = Broker::start(&[]);
    let url = broker.url("q");
    let responder = deuteron(&["respond", &url]).stderr(Stdio::piped()).spawn().expect("it runs");
    assert_eq!(good(&["request", &url, "x"]), "x\n");
    interrupt(&responder);
    let output = responder.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("1 of 1 request"), "{text}");
    let args =
        ["bench", &broker.url("b"), "--duration", "600s", "--rate", "100", "--receivers", "0", "--json"];
    let bench = deuteron(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    good(&["receive", &broker.url("b"), "--count", "1"]);
    interrupt(&bench);
    let output = bench.wait_with_output().expect("it ends");
    let result = json_lines(&String::from_utf8_lossy(&output.stdout));
    assert_eq!((output.status.code(), &result[0]["sent"]), (Some(0), &result[0]["accepted"]));
}
