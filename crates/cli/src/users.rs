//! Users of the broker, from arguments and from a file.

use std::path::Path;

use deuteron::sasl::Users;
use deuteron_broker::BrokerConfig;

use crate::failure::Failure;

/// Adds a `name:password`. The password is in no error text.
pub(crate) fn add(config: &mut BrokerConfig, text: &str, place: &str) -> Result<(), Failure> {
    let Some((name, password)) = text.split_once(':').filter(|(name, _)| !name.is_empty()) else {
        return Err(Failure::usage(format!("{place}: a user is given as name:password")));
    };
    config
        .add_user(name, password)
        .map_err(|error| Failure::usage(format!("{place}: {}", error.description())))
}

/// Adds the users of a file.
pub(crate) fn read(config: &mut BrokerConfig, path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the users in {shown}: {error}")))?;
    parse(config, &text, &shown.to_string())
}

fn parse(config: &mut BrokerConfig, text: &str, place: &str) -> Result<(), Failure> {
    let is_hashed = |line: &&str| line.contains(":SCRAM-");
    // Lines keep their numbers, for errors.
    let hashed: Vec<_> = text.lines().map(|line| if is_hashed(&line) { line } else { "" }).collect();
    let users: Users =
        hashed.join("\n").parse().map_err(|error| Failure::usage(format!("{place}: {error}")))?;
    if !users.is_empty() {
        config.users = Some(users);
    }
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if !line.is_empty() && !line.starts_with('#') && !is_hashed(&line) {
            add(config, line, &format!("{place}, line {number}"))?;
        }
    }
    if config.users.is_none() {
        return Err(Failure::usage(format!("{place}: there are no users in it")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use deuteron::sasl::{Authenticator, Decision};

    use super::*;

    #[test]
    fn a_file_has_passwords_and_hashes() {
        let mut hashed = BrokerConfig::default();
        hashed.add_user("bob", "builder").unwrap();
        let text = format!("# users\nalice:wonder:land\n{}", hashed.users.unwrap().to_text());
        let mut config = BrokerConfig::default();
        parse(&mut config, &text, "file").unwrap();
        let users = config.users.unwrap();
        assert_eq!(users.plain(None, "alice", "wonder:land"), Decision::Accept);
        assert_eq!(users.plain(None, "bob", "builder"), Decision::Accept);
        assert_eq!(users.plain(None, "bob", "wonder:land"), Decision::Reject);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_the_password() {
        let mut config = BrokerConfig::default();
        let failure = parse(&mut config, "a:b\n\nsecret\n", "file").unwrap_err();
        assert_eq!(
            (failure.to_string().as_str(), failure.code()),
            ("file, line 3: a user is given as name:password", 2)
        );
        assert!(parse(&mut BrokerConfig::default(), "# nobody\n", "file").is_err());
    }
}
