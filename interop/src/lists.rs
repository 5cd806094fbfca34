//! The test programs are lists: which scenarios run with which peer or server. These macros make tests of them.

/// A test for each line, with a program of `interop/peers/`: `name;` runs the scenario of that name, `name(scenario, "more");`
/// another one, with further arguments.
#[macro_export]
macro_rules! with_peer {
    ($peer:expr; $($(#[$meta:meta])* $test:ident $(($scenario:ident $(, $argument:expr)*))?;)*) => {
        $($(#[$meta])*
        #[tokio::test]
        async fn $test() {
            $crate::with_peer!(@run $peer, $test $(, $scenario $(, $argument)*)?);
        })*
    };
    (@run $peer:expr, $test:ident) => { $crate::scenario::$test($peer).await };
    (@run $peer:expr, $test:ident, $scenario:ident $(, $argument:expr)*) => {
        $crate::scenario::$scenario($peer $(, $argument)*).await
    };
}

/// A test for each line, with a server that users run, as [`with_peer`]. They share one: `$server` is a static
/// `LazyLock<Option<Arc<impl Server>>>`, empty if it is not installed.
#[macro_export]
macro_rules! with_server {
    ($server:expr; $($(#[$meta:meta])* $test:ident $(($scenario:ident $(, $argument:expr)*))?;)*) => {
        $($(#[$meta])*
        #[tokio::test]
        async fn $test() {
            let Some(server) = $server.as_deref() else { return };
            $crate::with_server!(@run server, $test $(, $scenario $(, $argument)*)?);
        })*
    };
    (@run $server:expr, $test:ident) => { $crate::scenario::server::$test($server).await };
    (@run $server:expr, $test:ident, $scenario:ident $(, $argument:expr)*) => {
        $crate::scenario::server::$scenario($server $(, $argument)*).await
    };
}
