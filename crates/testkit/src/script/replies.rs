use crate::wire::{Composite, Frame, Plain, composite};

/// What a plain, willing peer answers to a frame, on the same channel and with the same handle.
pub(super) fn natural(frame: &Frame) -> Composite {
    match frame.name() {
        "open" => composite("open").set("container-id", "peer"),
        "begin" => composite("begin")
            .set("remote-channel", frame.channel)
            .set("next-outgoing-id", 0u32)
            .set("incoming-window", 2048u32)
            .set("outgoing-window", 2048u32),
        "attach" => attach(frame),
        "transfer" => composite("disposition")
            .set("role", true)
            .set("first", frame.get("delivery-id").clone())
            .set("settled", true)
            .set("state", composite("accepted")),
        "disposition" => disposition(frame),
        "detach" => {
            composite("detach").set("handle", frame.get("handle").clone()).set("closed", closed(frame))
        }
        "end" => composite("end"),
        "close" => composite("close"),
        other => panic!("there is no natural reply to {other}: use reply(..)"),
    }
}

fn closed(detach: &Frame) -> Plain {
    detach.get("closed").clone()
}

fn attach(frame: &Frame) -> Composite {
    let is_receiver = frame.get("role").as_bool().expect("an attach has a role");
    let mut reply = composite("attach").set("role", !is_receiver);
    for same in ["name", "handle", "snd-settle-mode", "rcv-settle-mode", "source", "target"] {
        reply = reply.set(same, frame.get(same).clone());
    }
    if is_receiver { reply.set("initial-delivery-count", 0u32) } else { reply }
}

fn disposition(frame: &Frame) -> Composite {
    let is_receiver = frame.get("role").as_bool().expect("a disposition has a role");
    composite("disposition")
        .set("role", !is_receiver)
        .set("first", frame.get("first").clone())
        .set("last", frame.get("last").clone())
        .set("settled", true)
        .set("state", frame.get("state").clone())
}
