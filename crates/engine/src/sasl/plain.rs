//! PLAIN, RFC 4616: the password itself, in one message.

use super::SaslError;

/// The client's only message: authorization identity, user name and password with NULs in between.
pub(super) fn message(authorization: &str, username: &str, password: &str) -> Result<Vec<u8>, SaslError> {
    for (field, text) in [("authorization", authorization), ("username", username), ("password", password)] {
        if text.contains('\0') {
            return Err(SaslError::Credentials { field, problem: "contains a NUL character" });
        }
    }
    Ok([authorization, username, password].join("\0").into_bytes())
}

/// The server's reading of that message: authorization identity if not empty, user name, password.
/// `None` if it is not well-formed; RFC 4616 wants user name and password not empty.
pub(super) fn parse(message: &[u8]) -> Option<(Option<&str>, &str, &str)> {
    let text = std::str::from_utf8(message).ok()?;
    let mut parts = text.split('\0');
    let (authorization, username, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || username.is_empty() || password.is_empty() {
        return None;
    }
    Some(((!authorization.is_empty()).then_some(authorization), username, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4616_examples() {
        assert_eq!(message("", "tim", "tanstaaftanstaaf").unwrap(), b"\0tim\0tanstaaftanstaaf");
        assert_eq!(message("Ursel", "Kurt", "xipj3plmq").unwrap(), b"Ursel\0Kurt\0xipj3plmq");
        assert_eq!(parse(b"\0tim\0tanstaaftanstaaf"), Some((None, "tim", "tanstaaftanstaaf")));
        assert_eq!(parse(b"Ursel\0Kurt\0xipj3plmq"), Some((Some("Ursel"), "Kurt", "xipj3plmq")));
    }

    #[test]
    fn messages_that_are_not_well_formed() {
        let table: [&[u8]; 8] =
            [b"", b"tim", b"\0tim", b"\0\0", b"\0tim\0", b"\0\0pw", b"a\0b\0c\0d", b"\0t\xff\0pw"];
        for bytes in table {
            assert_eq!(parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn nul_is_refused_by_name() {
        for (index, field) in ["authorization", "username", "password"].into_iter().enumerate() {
            let mut parts = ["a", "b", "c"];
            parts[index] = "x\0y";
            let error = message(parts[0], parts[1], parts[2]).unwrap_err();
            assert_eq!(error.to_string(), format!("the {field} contains a NUL character"));
        }
    }
}
