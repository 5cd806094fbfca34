//! The programs for link options, and what a listener sees of them.

mod support;

use support::{Program, program};

/// What `show_links` prints when this program attaches its link, without the first line and the link's name.
fn shown(client: &str) -> Vec<String> {
    let mut server = program!("show_links", "amqp://127.0.0.1:0", 1);
    let client = Program::start(client, &[&server.url(), &"news".into()]).succeed();
    let name = client[0].strip_prefix("attached ").unwrap();
    server.succeed().split_off(1).iter().map(|line| line.replace(name, "NAME")).collect()
}

#[test]
fn durable_subscription_outlives_its_link() {
    for client in
        [env!("CARGO_BIN_EXE_durable_subscription"), env!("CARGO_BIN_EXE_durable_subscription_async")]
    {
        assert_eq!(
            shown(client),
            [
                "link NAME: the client receives",
                "  source address news",
                "  durable unsettled-state, expires never",
                "link NAME: detached, what it is attached to stays",
            ]
        );
    }
    let mut server = program!("show_links", "amqp://127.0.0.1:0", 1);
    let lines = program!("durable_subscription", server.url()).succeed();
    assert_eq!(lines, ["attached sub-1", "gone sub-1"]);
}

#[test]
fn shared_subscription_has_its_capability_and_its_name() {
    let lines = shown(env!("CARGO_BIN_EXE_shared_subscription"));
    assert_eq!(
        lines,
        [
            "link NAME: the client receives",
            "  source address news",
            "  durable none, expires session-end",
            "  capability shared",
            "link NAME: closed",
        ]
    );
}

#[test]
fn selector_is_a_filter() {
    let lines = shown(env!("CARGO_BIN_EXE_selector"));
    let filter = lines.iter().find(|line| line.starts_with("  filter ")).unwrap();
    assert!(filter.contains("apache.org:selector-filter:string"), "{filter}");
    assert!(filter.contains("colour = 'green' AND weight > 100"), "{filter}");
}

#[test]
fn browse_copies() {
    let lines = shown(env!("CARGO_BIN_EXE_browse"));
    assert!(lines.contains(&"  distribution mode copy".into()), "{lines:?}");
}
