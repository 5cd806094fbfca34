//! Links and sessions that the peer ends on a live wire, and what the table of failures does about each.

use std::time::Duration;

use deuteron_engine::codec::{Error, Symbol, condition};
use deuteron_engine::reconnect::{Backoff, ReconnectPolicy};
use deuteron_engine::{
    Cause, Connection, EndpointState, Event, LinkConfig, LinkId, Place, Recovery, Remedies, Remedy,
    SessionConfig, SessionId, Symptom, TABLE,
};
use deuteron_testkit::wire::composite;
use deuteron_testkit::{Answers, Conversation, Pair, Side};

fn sender(name: &str) -> LinkConfig {
    LinkConfig { reattach: Some(Backoff::new()), ..LinkConfig::sender(name, "queue") }
}

fn session() -> SessionConfig {
    SessionConfig { rebegin: Some(Backoff::new()), ..SessionConfig::default() }
}

/// A client with a sender that is attached, and the server's end of it.
fn attached(remedies: Remedies, link: LinkConfig) -> (Pair, SessionId, LinkId, LinkId) {
    let mut pair = Pair::plain();
    pair.client.config_mut().remedies = remedies;
    pair.open();
    let id = pair.client.begin(session());
    let (ours, theirs) = pair.attach(id, link);
    pair.events(Side::Client);
    (pair, id, ours, theirs)
}

fn end_link(server: &mut Connection, link: LinkId, symptom: &Symptom) {
    let mut link = server.link(link).expect("the server has the link");
    match symptom {
        Symptom::Condition(condition) => link.close(Some(Error::new(condition.clone(), "for a test"))),
        Symptom::Detached => link.detach(None),
        _ => link.close(None),
    }
}

fn state(pair: &mut Pair, link: LinkId) -> (EndpointState, EndpointState) {
    pair.client.link(link).map(|link| (link.local_state(), link.remote_state())).expect("ids stay")
}

/// What was done, seen from outside.
fn done(pair: &mut Pair, session: SessionId, link: LinkId) -> Remedy {
    let events = pair.events(Side::Client);
    if let Some(failure) = pair.client.transport_failure() {
        let Cause::Remedy(remedy) = failure.cause else { panic!("{failure:?}") };
        return remedy;
    }
    if events.contains(&Event::LinkClosed(link)) || events.contains(&Event::SessionEnded(session)) {
        return Remedy::GiveUp;
    }
    assert_eq!(state(pair, link), (EndpointState::Open, EndpointState::Open));
    assert!(events.contains(&Event::LinkAttached(link)), "{events:?}");
    if events.contains(&Event::SessionInterrupted(session)) {
        assert!(events.contains(&Event::SessionBegun(session)), "{events:?}");
        return Remedy::NewSession;
    }
    assert!(events.contains(&Event::LinkInterrupted(link)), "{events:?}");
    Remedy::Reattach
}

// The table -----------------------------------------------------------------------------------------------------

#[test]
fn each_row_for_links_is_what_happens() {
    let mut seen = 0;
    for row in TABLE.iter().filter(|row| row.place == Place::Link && row.symptom != Symptom::Late) {
        let symptom = match &row.symptom {
            Symptom::Any => Symptom::Condition("test:unheard-of".into()),
            known => known.clone(),
        };
        let (mut pair, session, ours, theirs) = attached(Remedies::default(), sender("s"));
        end_link(&mut pair.server, theirs, &symptom);
        pair.drive();
        assert_eq!(done(&mut pair, session, ours), row.remedy, "{row:?}");
        seen += 1;
    }
    assert!(seen > 10, "{seen} rows");
}

#[test]
fn each_row_for_sessions_is_what_happens() {
    let mut seen = 0;
    for row in TABLE.iter().filter(|row| row.place == Place::Session) {
        let condition = match &row.symptom {
            Symptom::Condition(condition) => condition.clone(),
            Symptom::Any => Symbol::from_static("test:unheard-of"),
            other => panic!("{other:?} is not tried"),
        };
        let (mut pair, session, ours, theirs) = attached(Remedies::default(), sender("s"));
        let there = pair.server.link(theirs).and_then(|link| link.session()).expect("it is on a session");
        pair.server.session(there).expect("it is there").end(Some(Error::new(condition, "for a test")));
        pair.drive();
        assert_eq!(done(&mut pair, session, ours), row.remedy, "{row:?}");
        seen += 1;
    }
    assert!(seen > 5, "{seen} rows");
}

#[test]
fn each_row_for_first_attaches_is_what_happens() {
    for row in TABLE.iter().filter(|row| row.place == Place::Attach) {
        let condition = match &row.symptom {
            Symptom::Condition(condition) => condition.clone(),
            _ => condition::NOT_FOUND,
        };
        let mut pair = Pair::plain();
        pair.open();
        let begun = pair.client.begin(session());
        pair.drive();
        pair.server_answers = Answers::none();
        let link = pair.client.attach(begun, sender("s")).expect("a fresh session");
        pair.drive();
        let theirs = pair.server_link("s");
        pair.server_answers = Answers::all();
        pair.server.link(theirs).expect("it is there").reject(Error::new(condition, "for a test"));
        pair.drive();
        assert_eq!(done(&mut pair, begun, link), row.remedy, "{row:?}");
    }
}

#[test]
fn every_remedy_can_be_chosen_for_a_link_and_for_a_session() {
    let odd = Symptom::Condition("test:odd".into());
    for (chosen, expected) in [
        (Remedy::Retry, Remedy::Reattach),
        (Remedy::Reattach, Remedy::Reattach),
        (Remedy::NewSession, Remedy::NewSession),
        (Remedy::NewConnection, Remedy::NewConnection),
        (Remedy::NextAddress, Remedy::NextAddress),
        (Remedy::GiveUp, Remedy::GiveUp),
    ] {
        let remedies = Remedies::default().with(Place::Link, odd.clone(), chosen);
        let (mut pair, session, ours, theirs) = attached(remedies, sender("s"));
        end_link(&mut pair.server, theirs, &odd);
        pair.drive();
        assert_eq!(done(&mut pair, session, ours), expected);

        let remedies = Remedies::default().with(Place::Session, odd.clone(), chosen);
        let (mut pair, session, ours, theirs) = attached(remedies, sender("s"));
        let there = pair.server.link(theirs).and_then(|link| link.session()).expect("it is on a session");
        let error = Error::new(Symbol::from_static("test:odd"), "for a test");
        pair.server.session(there).expect("it is there").end(Some(error));
        pair.drive();
        let expected = if expected == Remedy::Reattach { Remedy::NewSession } else { expected };
        assert_eq!(done(&mut pair, session, ours), expected);
    }
}

#[test]
fn an_attach_that_is_not_answered_again_needs_a_new_connection() {
    let (mut pair, _, _, theirs) = attached(Remedies::default(), sender("s"));
    pair.server_answers = Answers { accept: false, ..Answers::all() };
    end_link(&mut pair.server, theirs, &Symptom::Detached);
    pair.drive();
    pair.pass(Duration::from_secs(31));
    let failure = pair.client.transport_failure().expect("the wire is given up");
    assert_eq!(failure.cause, Cause::Remedy(Remedy::NewConnection));
}

#[test]
fn without_delays_nothing_comes_back() {
    let mut pair = Pair::plain();
    let (ours, theirs) = pair.sender();
    end_link(&mut pair.server, theirs, &Symptom::Detached);
    pair.drive();
    assert!(pair.events(Side::Client).contains(&Event::LinkDetached(ours)));
}

// What comes back -----------------------------------------------------------------------------------------------

#[test]
fn what_waits_is_sent_on_the_new_attachment_and_the_neighbour_notices_nothing() {
    let config = LinkConfig { recovery: Recovery::Replay, ..sender("s") };
    let (mut pair, session, ours, theirs) = attached(Remedies::default(), config);
    let (neighbour, _) = pair.attach(session, LinkConfig::sender("n", "queue"));
    pair.events(Side::Client);
    end_link(&mut pair.server, theirs, &Symptom::Detached);
    let first = pair.send(Side::Client, ours, b"waits");
    pair.send(Side::Client, neighbour, b"goes on");
    pair.drive();
    assert_eq!(pair.inbox[1].len(), 2);
    assert_eq!(state(&mut pair, neighbour), (EndpointState::Open, EndpointState::Open));
    let events = pair.events(Side::Client);
    assert!(!events.contains(&Event::LinkAttached(neighbour)));
    assert!(events.contains(&Event::DeliveryUpdated(first)));
}

#[test]
fn unsettled_sends_are_reported_or_replayed_as_their_link_says() {
    for recovery in [Recovery::Report, Recovery::Replay] {
        let config = LinkConfig { recovery, ..sender("s") };
        let (mut pair, _, ours, theirs) = attached(Remedies::default(), config);
        pair.server_answers.settle_with = None;
        let sent = pair.send(Side::Client, ours, b"once");
        pair.drive();
        pair.server_answers = Answers::all();
        end_link(&mut pair.server, theirs, &Symptom::Condition(condition::DETACH_FORCED));
        pair.drive();
        let events = pair.events(Side::Client);
        let lost = events.contains(&Event::DeliveryLost(sent));
        assert_eq!(
            (lost, pair.inbox[1].len()),
            match recovery {
                Recovery::Report => (true, 0),
                _ => (false, 1),
            }
        );
        assert_eq!(state(&mut pair, ours), (EndpointState::Open, EndpointState::Open));
    }
}

#[test]
fn a_receiver_gets_its_credit_window_again() {
    let config =
        LinkConfig { reattach: Some(Backoff::new()), credit_window: 7, ..LinkConfig::receiver("r", "queue") };
    let (mut pair, _, ours, theirs) = attached(Remedies::default(), config);
    end_link(&mut pair.server, theirs, &Symptom::Condition(condition::RESOURCE_DELETED));
    pair.drive();
    let theirs = pair.server_link("r");
    assert_eq!(pair.server.link(theirs).map(|link| link.credit()), Some(7));
    pair.send(Side::Server, theirs, b"again");
    pair.drive();
    assert_eq!(pair.delivered(Side::Client).len(), 1);
    assert_eq!(state(&mut pair, ours), (EndpointState::Open, EndpointState::Open));
}

#[test]
fn a_drain_that_is_interrupted_is_over() {
    let config = LinkConfig { reattach: Some(Backoff::new()), ..LinkConfig::receiver("r", "queue") };
    let (mut pair, _, ours, theirs) = attached(Remedies::default(), config);
    end_link(&mut pair.server, theirs, &Symptom::Detached);
    let mut link = pair.client.link(ours).expect("it is there");
    link.add_credit(5);
    link.drain();
    pair.drive();
    assert!(pair.events(Side::Client).contains(&Event::LinkDrained(ours)));
}

// Delays --------------------------------------------------------------------------------------------------------

/// A peer that ends the link whenever it is attached: how long each return takes, until the link is given up.
fn delays(backoff: Backoff, mut seconds_up: impl FnMut(usize) -> u64) -> Vec<Duration> {
    let config = LinkConfig { reattach: Some(backoff), ..sender("s") };
    let (mut pair, _, ours, _) = attached(Remedies::default(), config);
    let mut delays = Vec::new();
    for round in 0..8 {
        pair.pass(Duration::from_secs(seconds_up(round)));
        let theirs = pair.server_link("s");
        end_link(&mut pair.server, theirs, &Symptom::Condition(condition::DETACH_FORCED));
        let mut delay = None;
        let before = pair.now;
        pair.drive();
        for event in pair.events(Side::Client) {
            match event {
                Event::LinkInterrupted(_) => delay = Some(Duration::ZERO),
                Event::LinkClosed(_) => return delays,
                _ => {}
            }
        }
        let told = pair.client.link(ours).and_then(|link| link.interruption().cloned());
        if let Some(told) = told {
            assert_eq!(told.attempt as usize, delays.len() + 1);
            pair.pass(told.delay);
            delay = Some(pair.now - before);
        }
        assert_eq!(state(&mut pair, ours), (EndpointState::Open, EndpointState::Open));
        delays.extend(delay);
    }
    delays
}

#[test]
fn a_link_that_goes_down_at_once_comes_back_ever_later() {
    let millis: Vec<_> = delays(Backoff::new(), |_| 0).iter().map(Duration::as_millis).collect();
    assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 6400]);
}

#[test]
fn a_link_that_was_up_for_a_while_comes_back_at_once() {
    let delays = delays(Backoff::new(), |_| 2);
    assert_eq!(delays, [Duration::ZERO; 8]);
}

#[test]
fn attempts_run_out() {
    let limited = Backoff::new().max_attempts(3);
    let millis: Vec<_> = delays(limited, |_| 0).iter().map(Duration::as_millis).collect();
    assert_eq!(millis, [0, 100, 200]);
}

/// A client whose link waits for the delay before it is attached again.
fn waiting() -> (Pair, SessionId, LinkId) {
    let mut slow = Backoff::new().initial(Duration::from_secs(5)).max_delay(Duration::from_secs(5));
    slow.next();
    let config = LinkConfig { reattach: Some(slow), ..sender("s") };
    let (mut pair, session, ours, theirs) = attached(Remedies::default(), config);
    end_link(&mut pair.server, theirs, &Symptom::Detached);
    pair.drive();
    assert_eq!(state(&mut pair, ours), (EndpointState::Open, EndpointState::Uninit));
    let told = pair.client.link(ours).and_then(|link| link.interruption().cloned()).expect("it is down");
    assert_eq!((told.symptom, told.delay), (Symptom::Detached, Duration::from_secs(5)));
    (pair, session, ours)
}

#[test]
fn a_link_that_waits_can_be_closed() {
    let (mut pair, _, ours) = waiting();
    pair.client.link(ours).expect("it is there").close(None);
    pair.pass(Duration::from_secs(20));
    assert_eq!(state(&mut pair, ours), (EndpointState::Closed, EndpointState::Uninit));
}

#[test]
fn a_link_that_waits_comes_back_with_the_next_wire_at_once() {
    let (mut pair, _, ours) = waiting();
    pair.rebind();
    pair.drive();
    assert_eq!(state(&mut pair, ours), (EndpointState::Open, EndpointState::Open));
}

#[test]
fn a_link_that_waits_does_not_come_back_early() {
    let (mut pair, session, ours) = waiting();
    // A channel or a handle that is free again makes everything be looked at that is not attached.
    let (other, _) = pair.attach(session, LinkConfig::sender("o", "queue"));
    pair.client.link(other).expect("it is there").close(None);
    pair.pass(Duration::from_millis(4999));
    assert_eq!(state(&mut pair, ours).1, EndpointState::Uninit);
    pair.pass(Duration::from_millis(1));
    assert_eq!(state(&mut pair, ours).1, EndpointState::Open);
}

// Sessions ------------------------------------------------------------------------------------------------------

#[test]
fn a_session_that_was_to_be_renewed_survives_the_loss_of_the_wire() {
    let odd = Symptom::Condition("test:odd".into());
    let remedies = Remedies::default().with(Place::Link, odd.clone(), Remedy::NewSession);
    let (mut pair, session, ours, theirs) = attached(remedies, sender("s"));
    pair.server_answers = Answers::none();
    end_link(&mut pair.server, theirs, &odd);
    pair.drive();
    assert_eq!(pair.client.session(session).map(|s| s.local_state()), Some(EndpointState::Closed));
    pair.server_answers = Answers::all();
    pair.rebind();
    pair.drive();
    assert_eq!(state(&mut pair, ours), (EndpointState::Open, EndpointState::Open));
}

#[test]
fn a_session_whose_end_is_not_answered_needs_a_new_connection() {
    let odd = Symptom::Condition("test:odd".into());
    let remedies = Remedies::default().with(Place::Link, odd.clone(), Remedy::NewSession);
    let (mut pair, _, _, theirs) = attached(remedies, sender("s"));
    pair.server_answers = Answers::none();
    end_link(&mut pair.server, theirs, &odd);
    pair.pass(Duration::from_secs(31));
    let failure = pair.client.transport_failure().expect("the wire is given up");
    assert_eq!(failure.cause, Cause::Remedy(Remedy::NewConnection));
}

#[test]
fn another_session_notices_nothing() {
    let (mut pair, _, ours, theirs) = attached(Remedies::default(), sender("s"));
    let (other, _) = pair.link(sender("other"));
    pair.events(Side::Client);
    let there = pair.server.link(theirs).and_then(|link| link.session()).expect("it is on a session");
    let error = Error::new(condition::ERRANT_LINK, "for a test");
    pair.server.session(there).expect("it is there").end(Some(error));
    pair.send(Side::Client, other, b"goes on");
    pair.drive();
    assert_eq!(pair.inbox[1].len(), 1);
    assert!(!pair.events(Side::Client).contains(&Event::LinkAttached(other)));
    pair.send(Side::Client, ours, b"goes on as well");
    pair.drive();
    assert_eq!(pair.inbox[1].len(), 2);
}

#[test]
fn sends_wait_in_order_for_a_session_that_is_begun_again() {
    let (mut pair, _, ours, theirs) =
        attached(Remedies::default(), LinkConfig { recovery: Recovery::Replay, ..sender("s") });
    pair.server_answers.settle_with = None;
    for number in 0..5_u8 {
        pair.send(Side::Client, ours, &[number]);
    }
    pair.drive();
    pair.server_answers = Answers::all();
    let there = pair.server.link(theirs).and_then(|link| link.session()).expect("it is on a session");
    let error = Error::new(condition::WINDOW_VIOLATION, "for a test");
    pair.server.session(there).expect("it is there").end(Some(error));
    for number in 5..8_u8 {
        pair.send(Side::Client, ours, &[number]);
    }
    pair.drive();
    let got: Vec<u8> = pair.inbox[1].iter().map(|payload| payload[0]).collect();
    assert_eq!(got, (0..8).collect::<Vec<u8>>());
}

// On the wire ---------------------------------------------------------------------------------------------------

#[test]
fn the_detach_is_answered_before_the_link_is_attached_again() {
    Conversation::each_client(|c| {
        let link = c.sender_with(0, sender("s"));
        c.send(link, b"waits");
        c.peer.send(0, composite("detach").set("handle", 0u32));
        c.peer.expect_detach().handle(0);
        c.peer.expect_attach().name("s").role_sender().handle(0).respond();
        c.peer.send_credit(0, 1);
        c.peer.expect_transfer().handle(0).payload(b"waits".to_vec());
        let events = c.run();
        assert_eq!(events.first(), Some(&Event::LinkInterrupted(link)));
    });
}

// What the peer does wrong ---------------------------------------------------------------------------------------

fn receiver() -> LinkConfig {
    LinkConfig { reattach: Some(Backoff::new()), ..LinkConfig::receiver("r", "queue") }
}

#[test]
fn a_link_on_which_too_much_came_is_closed_with_the_error_and_attached_again() {
    Conversation::each_client(|c| {
        let link = c.receiver_with(1, receiver());
        c.peer.send_transfer(0, 0, b"with credit").send_transfer(0, 1, b"without");
        c.peer.expect_detach().handle(0).flag("closed", true).error("amqp:link:transfer-limit-exceeded");
        let events = c.run();
        assert!(events.contains(&Event::LinkInterrupted(link)), "{events:?}");
        let state = c.engine.link(link).map(|link| (link.local_state(), link.remote_state()));
        assert_eq!(state, Some((EndpointState::Open, EndpointState::Uninit)));
        // The name is free again only now.
        c.peer.send_detach(0);
        c.peer.expect_attach().name("r").role_receiver().respond();
        assert!(c.run().contains(&Event::LinkAttached(link)));
    });
}

#[test]
fn a_link_that_was_closed_for_its_peers_fault_can_be_closed_for_good() {
    Conversation::each_client(|c| {
        let link = c.receiver_with(1, receiver());
        c.peer.send_transfer(0, 0, b"with credit").send_transfer(0, 1, b"without");
        c.peer.expect_detach().handle(0);
        c.run();
        c.engine.link(link).expect("it is there").close(None);
        c.peer.send_detach(0);
        assert!(!c.run().contains(&Event::LinkAttached(link)));
    });
}

#[test]
fn a_detach_of_ours_that_is_not_answered_needs_a_new_connection() {
    let mut c = Conversation::client(usize::MAX);
    c.receiver_with(1, receiver());
    c.peer.send_transfer(0, 0, b"with credit").send_transfer(0, 1, b"without");
    c.peer.expect_detach().handle(0);
    c.run();
    c.peer.expect_close().error("amqp:internal-error");
    c.pass(Duration::from_secs(31));
    let failure = c.engine.transport_failure().expect("the wire is given up");
    assert_eq!(failure.cause, Cause::Remedy(Remedy::NewConnection));
}

#[test]
fn a_session_whose_rules_were_broken_is_ended_with_the_error_and_begun_again() {
    Conversation::each_client(|c| {
        c.peer.accepts_session();
        c.peer.expect_attach().respond();
        c.engine.open();
        let id = c.engine.begin(session());
        let link = c.engine.attach(id, sender("s")).expect("a fresh session");
        c.run();
        c.peer.send(0, composite("detach").set("handle", 9_u32));
        c.peer.expect_end().error("amqp:session:unattached-handle");
        assert!(c.run().contains(&Event::SessionInterrupted(id)));
        c.peer.send_end(0);
        c.peer.expect_begin().respond();
        c.peer.expect_attach().name("s").respond();
        let events = c.run();
        assert!(events.contains(&Event::SessionBegun(id)) && events.contains(&Event::LinkAttached(link)));
    });
}

#[test]
fn a_link_that_is_attached_again_has_nothing_of_the_old_credit() {
    let mut pair = Pair::plain();
    let (ours, theirs) = pair.receiver();
    pair.client.link(ours).expect("it is there").add_credit(9);
    pair.drive();
    assert_eq!(pair.server.link(theirs).map(|link| link.credit()), Some(9));
    pair.client.link(ours).expect("it is there").detach(None);
    pair.drive();
    pair.client.link(ours).expect("it is there").attach();
    pair.drive();
    let theirs = pair.server_link("r");
    assert_eq!(pair.server.link(theirs).map(|link| link.credit()), Some(0));
}

#[test]
fn nobody_is_late_with_a_detach_that_was_answered_before_the_link_was_attached_again() {
    let mut pair = Pair::plain();
    let (_, theirs) = pair.link(sender("s"));
    pair.server.link(theirs).expect("it is there").detach(None);
    pair.drive();
    assert!(pair.server.link(theirs).is_some_and(|link| link.remote_state().is_open()));
    pair.events(Side::Server);
    pair.pass(Duration::from_secs(60));
    assert_eq!(pair.events(Side::Server), []);
}
