//! The last thing we say reaches a peer that is still talking.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::on_loopback;
use deuteron::{Container, Context, Delivery, MessagingHandler};

struct Takes;

impl MessagingHandler for Takes {
    fn on_message(&mut self, _: &mut Context<'_>, _: &Delivery) -> deuteron::Ack {
        deuteron::Ack::Accept
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (8 + body.len() as u32).to_be_bytes().to_vec();
    frame.extend([2, 0, 0, 0]);
    frame.extend(body);
    frame
}

#[tokio::test]
async fn a_close_is_read_by_a_peer_that_goes_on_talking() {
    let listener = Container::new().serve(on_loopback(), || Takes).await.unwrap();
    let address = listener.local_addr();
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut bytes = b"AMQP\x00\x01\x00\x00".to_vec();
        bytes.extend(framed(b"\x00\x53\x10\xc0\x04\x01\xa1\x01x"));
        bytes.extend(framed(b"\x00\x53\x18\x45"));
        // The connection is over, but we talk on, far more than any buffer takes at once.
        bytes.resize(bytes.len() + (4 << 20), 0);
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    };
    let answer = tokio::task::spawn_blocking(talk).await.unwrap();
    let close = [0, 0x53, 0x18];
    assert!(answer.windows(3).any(|bytes| bytes == close), "no close in {answer:02x?}");
}
