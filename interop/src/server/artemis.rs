use super::{Node, PASSWORD, Program, Server, USER, free_port};
use crate::{Certificates, Folder, is_installed};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A file of `interop/servers/artemis/`.
macro_rules! configuration {
    ($name:literal) => {
        include_str!(concat!("../../servers/artemis/", $name))
    };
}

/// Apache ActiveMQ Artemis, one instance of its own.
#[derive(Debug)]
pub struct Artemis {
    folder: Folder,
    certificates: Certificates,
    plain: u16,
    tls: u16,
    certificate: u16,
    program: Mutex<Option<Program>>,
}

impl Artemis {
    /// Its name in `.peers/missing`.
    pub const NAME: &str = "artemis";

    /// Starts an instance, if Artemis is installed. Blocks until it listens. Otherwise says that the test is left out.
    ///
    /// # Panics
    /// When it cannot be started; and when it is not installed though the environment has `CI`.
    pub fn launch() -> Option<Self> {
        if !is_installed(Self::NAME, "apache-artemis/lib/artemis-boot.jar") {
            return None;
        }
        let artemis = Self {
            folder: Folder::new(),
            certificates: Certificates::new(),
            plain: free_port(),
            tls: free_port(),
            certificate: free_port(),
            program: Mutex::new(None),
        };
        artemis.configure();
        artemis.start();
        Some(artemis)
    }

    fn configure(&self) {
        for folder in ["etc", "log", "tmp"] {
            std::fs::create_dir_all(self.folder.path().join(folder)).expect("a folder can be made");
        }
        let home = self.folder.path().display();
        let users = format!("{USER} = {PASSWORD}\n");
        for (name, text) in [
            ("broker.xml", self.broker()),
            ("bootstrap.xml", configuration!("bootstrap.xml").replace("HOME", &home.to_string())),
            ("management.xml", configuration!("management.xml").to_owned()),
            ("login.config", configuration!("login.config").to_owned()),
            ("log4j2.properties", configuration!("log4j2.properties").to_owned()),
            ("users.properties", users),
            ("roles.properties", format!("amq = {USER}\n")),
            ("certificates.properties", format!("{USER} = CN={USER}\n")),
        ] {
            std::fs::write(self.folder.path().join("etc").join(name), text).expect("a file can be written");
        }
        let (chain, key) = self.certificates.server();
        let both = [chain, key]
            .map(|file| std::fs::read_to_string(file).expect("the certificate is there"))
            .concat();
        std::fs::write(self.folder.path().join("etc/server.pem"), both).expect("a file can be written");
    }

    /// Its configuration: what makes a difference to a client is as `artemis create` writes it.
    fn broker(&self) -> String {
        let etc = self.folder.file("etc");
        let authority = self.certificates.authority();
        let amqp = "protocols=AMQP;useEpoll=false;amqpCredits=1000;amqpLowCredits=300;amqpMinLargeMessageSize=102400;\
                    amqpDuplicateDetection=true;amqpIdleTimeout=10000;saslLoginConfigScope=scram";
        let tls = format!("sslEnabled=true;keyStoreType=PEM;keyStorePath={etc}/server.pem");
        let mechanisms = "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,ANONYMOUS";
        let trust = format!("needClientAuth=true;trustStoreType=PEMCA;trustStorePath={authority}");
        let acceptors = [
            format!("{}?{amqp};saslMechanisms={mechanisms}", self.plain),
            format!("{}?{amqp};saslMechanisms={mechanisms};{tls}", self.tls),
            format!("{}?{amqp};saslMechanisms=EXTERNAL;{tls};{trust}", self.certificate),
        ];
        let acceptors = acceptors.iter().enumerate();
        let acceptors =
            acceptors.map(|(n, a)| format!("<acceptor name=\"amqp{n}\">tcp://127.0.0.1:{a}</acceptor>\n"));
        configuration!("broker.xml")
            .replace("ACCEPTORS", &acceptors.collect::<String>())
            .replace("DATA", &self.folder.file("data"))
    }

    fn command(&self) -> Command {
        let home = installed();
        let folder = self.folder.path().display();
        let mut command = Command::new("java");
        command.args(["-Xms64M", "-Xmx512M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4"]);
        for (name, value) in [
            ("java.security.auth.login.config", format!("{folder}/etc/login.config")),
            ("java.io.tmpdir", format!("{folder}/tmp")),
            ("log4j2.configurationFile", format!("{folder}/etc/log4j2.properties")),
            ("log4j2.disableJmx", "true".to_owned()),
            ("artemis.home", home.display().to_string()),
            ("artemis.instance", folder.to_string()),
            ("artemis.instance.etc", format!("{folder}/etc")),
            ("data.dir", format!("{folder}/data")),
        ] {
            command.arg(format!("-D{name}={value}"));
        }
        command.arg("-classpath").arg(home.join("lib/artemis-boot.jar"));
        command.args(["org.apache.activemq.artemis.boot.Artemis", "run"]);
        command.current_dir(self.folder.path());
        command
    }
}

impl Server for Artemis {
    fn title(&self) -> &'static str {
        "Artemis 2.40.0"
    }

    fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.plain)
    }

    fn tls_url(&self) -> String {
        format!("amqps://localhost:{}", self.tls)
    }

    fn certificate_url(&self) -> String {
        format!("amqps://localhost:{}", self.certificate)
    }

    fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    async fn queue(&self, name: &str) -> Node {
        Node { capability: Some("queue"), ..Node::new(name) }
    }

    async fn topic(&self, name: &str) -> Node {
        Node { capability: Some("topic"), ..Node::new(name) }
    }

    /// The queue for dead letters is the one of its configuration, for all queues.
    async fn dead_letters(&self, name: &str) -> [Node; 2] {
        [self.queue(name).await, self.queue("DLQ").await]
    }

    fn kill(&self) {
        *self.program.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn start(&self) {
        let folders = [self.folder.path(), self.certificates.folder()];
        let log = self.folder.path().join("log/artemis.log");
        let mut program = Program::start(&mut self.command(), &folders, &log);
        program.wait_until_it_listens(&[self.plain, self.tls, self.certificate]);
        *self.program.lock().unwrap_or_else(PoisonError::into_inner) = Some(program);
    }
}

/// Where `scripts/peers.sh` has put it.
fn installed() -> PathBuf {
    crate::root().join(".peers/artemis/apache-artemis")
}
