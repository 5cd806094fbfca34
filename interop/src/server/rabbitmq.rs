use super::{Node, PASSWORD, Program, Server, USER, free_port, management};
use crate::{Certificates, is_installed};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Which RabbitMQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.10, with its plugin for AMQP 1.0; the system's package.
    V3,
    /// 4.0, which speaks AMQP 1.0 itself; the package of a newer Debian, under a root of its own.
    V4,
}

impl Version {
    /// Its name in `.peers/missing`.
    fn name(self) -> &'static str {
        match self {
            Self::V3 => "rabbitmq3",
            Self::V4 => "rabbitmq4",
        }
    }

    /// The top of its file system.
    fn root(self) -> PathBuf {
        match self {
            Self::V3 => "/".into(),
            Self::V4 => crate::root().join(".peers/rabbitmq4/root"),
        }
    }
}

/// RabbitMQ, one node of its own.
#[derive(Debug)]
pub struct RabbitMq {
    version: Version,
    /// Its folder, as it sees it.
    folder: PathBuf,
    certificates: Certificates,
    plain: u16,
    tls: u16,
    /// For Erlang's own network: the list of nodes, and this node.
    names: u16,
    node: u16,
    programs: Mutex<Vec<Program>>,
}

impl RabbitMq {
    /// Starts a node, if RabbitMQ of that version is installed. Blocks until it listens. Otherwise says that the test is left
    /// out.
    ///
    /// # Panics
    /// When it cannot be started; and when it is not installed though the environment has `CI`.
    pub fn launch(version: Version) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !is_installed(version.name(), "installed") {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let server = Self {
            version,
            folder: format!("/tmp/deuteron-{}-{}-{number}", version.name(), std::process::id()).into(),
            certificates: Certificates::new(),
            plain: free_port(),
            tls: free_port(),
            names: free_port(),
            node: free_port(),
            programs: Mutex::default(),
        };
        server.configure();
        server.start();
        Some(server)
    }

    /// A path of its file system, as this process sees it.
    fn outside(&self, path: &Path) -> PathBuf {
        self.version.root().join(path.strip_prefix("/").unwrap_or(path))
    }

    fn inside(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn configure(&self) {
        let folder = self.outside(&self.folder);
        std::fs::create_dir_all(folder.join("home")).expect("a folder can be made");
        let (chain, key) = self.certificates.server();
        let authority = self.certificates.authority();
        for (from, to) in [(authority, "ca.pem"), (chain, "server.pem"), (key, "server.key")] {
            std::fs::copy(from, folder.join(to)).expect("a certificate can be copied");
        }
        let plugins = match self.version {
            Version::V3 => "[rabbitmq_amqp1_0,rabbitmq_auth_mechanism_ssl].\n",
            Version::V4 => "[rabbitmq_auth_mechanism_ssl].\n",
        };
        for (name, text) in [("enabled_plugins", plugins), ("rabbitmq.conf", &self.configuration())] {
            std::fs::write(folder.join(name), text).expect("a file can be written");
        }
    }

    fn configuration(&self) -> String {
        let mut text = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nlisteners.ssl.1 = 127.0.0.1:{}\n\
             ssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = false\n\
             ssl_cert_login_from = common_name\ndefault_user = {USER}\ndefault_pass = {PASSWORD}\n\
             heartbeat = 10\nauth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = EXTERNAL\n",
            self.plain,
            self.tls,
            self.inside("ca.pem"),
            self.inside("server.pem"),
            self.inside("server.key")
        );
        let anonymous = match self.version {
            Version::V3 => format!("amqp1_0.default_user = {USER}\namqp1_0.default_vhost = /\n"),
            Version::V4 => format!(
                "auth_mechanisms.3 = ANONYMOUS\nanonymous_login_user = {USER}\nanonymous_login_pass = {PASSWORD}\n"
            ),
        };
        let _ = write!(text, "{anonymous}");
        text
    }

    /// One of its programs, run where it lives.
    fn command(&self, program: &str) -> Command {
        let mut command = match self.version {
            Version::V3 => Command::new(program),
            Version::V4 => {
                let mut command = Command::new("chroot");
                command.arg(self.version.root()).arg(program);
                command
            }
        };
        command.current_dir("/").env("HOME", self.inside("home")).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command.env("ERL_EPMD_PORT", self.names.to_string());
        command
    }

    fn node_command(&self) -> Command {
        let mut command = self.command("/usr/lib/rabbitmq/bin/rabbitmq-server");
        let erlang = "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none";
        for (name, value) in [
            ("NODENAME", "rabbit@localhost".to_owned()),
            ("CONFIG_FILE", self.inside("rabbitmq.conf")),
            ("CONF_ENV_FILE", "/dev/null".to_owned()),
            ("ENABLED_PLUGINS_FILE", self.inside("enabled_plugins")),
            ("MNESIA_BASE", self.inside("mnesia")),
            ("LOG_BASE", self.inside("log")),
            ("PID_FILE", self.inside("rabbit.pid")),
            ("FEATURE_FLAGS_FILE", self.inside("feature_flags")),
            ("GENERATED_CONFIG_DIR", self.inside("generated")),
            ("DIST_PORT", self.node.to_string()),
            ("SERVER_ADDITIONAL_ERL_ARGS", erlang.to_owned()),
        ] {
            command.env(format!("RABBITMQ_{name}"), value);
        }
        // It then becomes the node itself instead of waiting for it, so that what is killed is the node.
        command.env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }
}

impl RabbitMq {
    /// A queue of RabbitMQ 4, made with arguments such as `x-queue-type` if it is not there.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn declare(&self, name: &str, arguments: &[(&str, &str)]) -> Node {
        management::declare_queue(&self.url(), name, arguments).await;
        Node::new(format!("/queues/{name}"))
    }

    /// Has a topic exchange of RabbitMQ 4 put messages whose key matches a pattern into a queue.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn bind(&self, queue: &str, pattern: &str) {
        management::bind_queue(&self.url(), queue, "amq.topic", pattern).await;
    }

    /// Has dead letters of one queue go to another one, by the program that its administrators use. Blocks.
    fn set_policy(&self, queue: &str, dead: &str) {
        let pattern = format!("^{}$", queue.replace('.', "\\."));
        let definition =
            serde_json::json!({ "dead-letter-exchange": "", "dead-letter-routing-key": dead }).to_string();
        let mut command = self.command("/usr/lib/rabbitmq/bin/rabbitmqctl");
        command.env("RABBITMQ_NODENAME", "rabbit@localhost").env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.args(["set_policy", queue, &pattern, &definition, "--apply-to", "queues"]);
        let output = command.output().expect("rabbitmqctl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill();
        // It is only litter when this fails.
        let _ = std::fs::remove_dir_all(self.outside(&self.folder));
    }
}

impl Server for RabbitMq {
    fn title(&self) -> &'static str {
        match self.version {
            Version::V3 => "RabbitMQ 3.10",
            Version::V4 => "RabbitMQ 4.0",
        }
    }

    fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.plain)
    }

    fn tls_url(&self) -> String {
        format!("amqps://localhost:{}", self.tls)
    }

    fn certificate_url(&self) -> String {
        self.tls_url()
    }

    fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    async fn queue(&self, name: &str) -> Node {
        let recovery = name.starts_with("recovery.");
        match self.version {
            // Made by the first link; what must be there after a crash is made durable.
            Version::V3 => Node { durable: recovery, ..Node::new(format!("/queue/{name}")) },
            Version::V4 => {
                // What must be there right after a crash is not left to an election.
                let kind = if recovery { "classic" } else { "quorum" };
                self.declare(name, &[("x-queue-type", kind)]).await
            }
        }
    }

    async fn topic(&self, name: &str) -> Node {
        match self.version {
            Version::V3 => Node::new(format!("/topic/{name}")),
            Version::V4 => Node::new(format!("/exchanges/amq.topic/{name}")),
        }
    }

    async fn dead_letters(&self, name: &str) -> [Node; 2] {
        let other = format!("{name}.dead");
        let dead = self.queue(&other).await;
        let queue = match self.version {
            Version::V3 => {
                self.set_policy(name, &other);
                self.queue(name).await
            }
            Version::V4 => {
                let exchange = ("x-dead-letter-exchange", "");
                self.declare(
                    name,
                    &[("x-queue-type", "quorum"), exchange, ("x-dead-letter-routing-key", &other)],
                )
                .await
            }
        };
        [queue, dead]
    }

    fn drains(&self) -> bool {
        self.version == Version::V4
    }

    fn kill(&self) {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn start(&self) {
        let folder = self.outside(&self.folder);
        let folders = [folder.as_path(), self.certificates.folder()];
        let log = folder.join("node.log");
        let mut names = self.command("/usr/bin/epmd");
        names.args(["-address", "127.0.0.1", "-port", &self.names.to_string()]);
        let mut names = Program::start(&mut names, &[], &folder.join("epmd.log"));
        names.wait_until_it_listens(&[self.names]);
        let mut node = Program::start(&mut self.node_command(), &folders, &log);
        node.wait_until_it_listens(&[self.plain, self.tls]);
        // The node goes first.
        *self.programs.lock().unwrap_or_else(PoisonError::into_inner) = vec![node, names];
    }
}
