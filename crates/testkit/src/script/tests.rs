use super::ScriptedPeer;
use crate::wire::{AMQP, Frame, composite, header};

fn open(id: &str) -> Vec<u8> {
    Frame::new(0, composite("open").set("container-id", id)).bytes()
}

#[test]
fn a_script_runs_whatever_the_chunks() {
    for chunk in [1, 3, 1000] {
        let mut peer = ScriptedPeer::new();
        peer.accepts_open().send_begin(5);
        let bytes = [&header(AMQP)[..], &open("me")].concat();
        bytes.chunks(chunk).for_each(|bytes| peer.input(bytes));
        peer.check();
        let mut expected = header(AMQP).to_vec();
        expected.extend(open("peer"));
        let output = peer.output();
        assert!(output.starts_with(&expected));
        assert_eq!(peer.last("open").get("container-id").as_text(), Some("me"));
    }
}

#[test]
fn a_wrong_field_names_the_step_and_what_came() {
    let mut peer = ScriptedPeer::new();
    peer.expect_header(AMQP).respond();
    peer.expect_open().container_id("someone").respond();
    peer.input(&header(AMQP));
    peer.input(&open("me"));
    let failure = peer.failure().expect("the container id is another");
    assert_eq!(
        failure,
        "at step 2 (expect open, container-id=\"someone\"): container-id=\"someone\" does not hold; \
         open [container-id=\"me\"] on channel 0 came"
    );
}

#[test]
fn frames_after_the_script_fail_unless_tolerated() {
    let mut peer = ScriptedPeer::new();
    peer.tolerate("empty frame");
    peer.input(&Frame::empty().bytes());
    peer.check();
    peer.input(&open("me"));
    assert_eq!(
        peer.failure(),
        Some("after the last step (0): unexpected open [container-id=\"me\"] on channel 0")
    );
}

#[test]
fn the_end_of_the_stream_can_be_expected() {
    let mut peer = ScriptedPeer::new();
    peer.expect_eof().drop_wire();
    assert!(!peer.is_done());
    peer.input_end();
    assert!(peer.is_done() && peer.has_dropped_wire());
}
