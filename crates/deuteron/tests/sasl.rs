//! Authentication, from both sides.

mod common;

use std::sync::Arc;

use common::{on_loopback, url};
use deuteron::sasl::{Authenticator, Decision, Password, ScramCredentials, ScramHash, Users};
use deuteron::{
    ConnectOptions, Connection, Container, Context, Error, ListenOptions, Listener, MessagingHandler, Scope,
};

struct Nothing;

impl MessagingHandler for Nothing {}

fn with(user: &str, password: &str) -> Arc<dyn Authenticator> {
    let mut users = Users::new();
    users.add(user, &Password::from(password), b"sixteen bytes of salt").unwrap();
    Arc::new(users)
}

fn users() -> Arc<dyn Authenticator> {
    with("alice", "wonderland")
}

async fn listening(options: ListenOptions) -> Listener {
    Container::new().listen(options).await.unwrap()
}

fn alice(listener: &Listener) -> ConnectOptions {
    ConnectOptions::new(url(listener)).user("alice").password("wonderland").reconnect(false)
}

/// The identity that the listener has established, and the mechanism.
async fn connects(listener: &Listener, options: ConnectOptions) -> Result<(Option<String>, String), Error> {
    let connection = Connection::connect(options).await?;
    let accepted = listener.accept().await?;
    let seen = (accepted.authenticated_identity(), accepted.sasl_mechanism().unwrap_or_default());
    connection.close().await?;
    Ok(seen)
}

#[tokio::test]
async fn anonymous_is_the_default() {
    let listener = listening(on_loopback()).await;
    let options = ConnectOptions::new(url(&listener));
    assert_eq!(connects(&listener, options).await.unwrap(), (None, "ANONYMOUS".into()));
}

#[tokio::test]
async fn the_strongest_common_mechanism_is_used() {
    let all = ["ANONYMOUS", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"];
    let listener = listening(on_loopback().sasl(all, Some(users()))).await;
    let seen = connects(&listener, alice(&listener)).await.unwrap();
    assert_eq!(seen, (Some("alice".into()), "SCRAM-SHA-512".into()));
    let options = alice(&listener).allowed_mechanisms(["SCRAM-SHA-1", "SCRAM-SHA-256"]);
    assert_eq!(connects(&listener, options).await.unwrap().1, "SCRAM-SHA-256");
}

#[tokio::test]
async fn plain_in_the_clear_needs_permission_on_both_sides() {
    let plain = || on_loopback().sasl(["PLAIN"], Some(users())).allow_insecure_mechanisms(true);
    let listener = listening(plain()).await;
    let error = connects(&listener, alice(&listener)).await.unwrap_err();
    assert_eq!(error.scope(), Scope::Sasl, "{error}");
    assert!(!error.is_retryable());
    let options = alice(&listener).allow_insecure_mechanisms(true);
    assert_eq!(connects(&listener, options).await.unwrap(), (Some("alice".into()), "PLAIN".into()));
}

#[tokio::test]
async fn credentials_in_the_url_win_and_are_decoded() {
    let listener = listening(on_loopback().sasl(["SCRAM-SHA-256"], Some(with("a@b", "p:/?#")))).await;
    let text = format!("amqp://a%40b:p%3A%2F%3F%23@127.0.0.1:{}", listener.port());
    let options = ConnectOptions::new(text).user("somebody").password("else");
    assert_eq!(connects(&listener, options).await.unwrap().0.as_deref(), Some("a@b"));
}

#[tokio::test]
async fn a_wrong_password_ends_the_attempts_and_never_reaches_open() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let options = on_loopback().sasl([mechanism], Some(users())).allow_insecure_mechanisms(true);
        let listener = listening(options).await;
        let options =
            alice(&listener).password("looking-glass").allow_insecure_mechanisms(true).reconnect(true);
        let error = Connection::connect(options).await.unwrap_err();
        assert_eq!(
            (error.scope(), error.condition()),
            (Scope::Sasl, Some("amqp:unauthorized-access")),
            "{error}"
        );
        assert_eq!(error.attempt(), Some(1));
        assert!(!format!("{error} {error:?}").contains("looking"));
        while listener.connections() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_listener_may_insist_on_sasl() {
    let listener = listening(on_loopback()).await;
    let bare = || ConnectOptions::new(url(&listener)).sasl(false).reconnect(false);
    assert!(Connection::connect(bare()).await.is_ok());
    let strict = listening(on_loopback().require_sasl(true)).await;
    let bare = ConnectOptions::new(url(&strict)).sasl(false).reconnect(false);
    assert!(Connection::connect(bare).await.is_err());
    assert!(Connection::connect(url(&strict)).await.is_ok());
}

/// Wants to be asked later.
#[derive(Debug)]
struct Slow;

impl Authenticator for Slow {
    fn plain(&self, _: Option<&str>, _: &str, _: &str) -> Decision {
        Decision::Pending
    }
    fn scram(&self, _: &str, _: ScramHash) -> Option<ScramCredentials> {
        None
    }
    fn external(&self, _: &str, _: Option<&str>) -> Decision {
        Decision::Reject
    }
}

/// Decides on another thread.
struct Asks(bool);

impl MessagingHandler for Asks {
    fn on_sasl_pending(&mut self, _: &mut Context<'_>, connection: &Connection) {
        let (connection, accept) = (connection.clone(), self.0);
        std::thread::spawn(move || connection.decide_sasl(accept));
    }
}

#[tokio::test]
async fn an_authenticator_may_answer_later() {
    for accept in [true, false] {
        let options = on_loopback().sasl(["PLAIN"], Some(Arc::new(Slow))).allow_insecure_mechanisms(true);
        let listener = Container::new().serve(options, move || Asks(accept)).await.unwrap();
        let options = alice(&listener).allow_insecure_mechanisms(true);
        assert_eq!(Connection::connect(options).await.is_ok(), accept);
    }
    // Nobody answers: a refusal.
    let options = on_loopback().sasl(["PLAIN"], Some(Arc::new(Slow))).allow_insecure_mechanisms(true);
    let listener = Container::new().serve(options, || Nothing).await.unwrap();
    let options = alice(&listener).allow_insecure_mechanisms(true);
    assert_eq!(Connection::connect(options).await.unwrap_err().scope(), Scope::Sasl);
}
