//! A statement with named parameters: `SELECT … WHERE number = :number`.

use super::template::is_param;

/// One statement that reads, ready to be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// With `?` where parameters are bound.
    pub sql: String,
    /// The names, in the order of the places; one may stand there more than once.
    pub params: Vec<String>,
}

impl Statement {
    /// Reads a statement. An error says what is wrong. That it only reads is also seen to by the connection.
    pub fn new(text: &str) -> Result<Statement, String> {
        let text = text.trim().trim_end_matches(';').trim_end();
        let first = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        if !["select", "with"].contains(&first.to_lowercase().as_str()) {
            return Err("a query begins with SELECT or WITH".to_owned());
        }
        let mut statement = Statement { sql: String::with_capacity(text.len()), params: Vec::new() };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let taken = match c {
                '\'' | '"' | '`' => quoted(rest, c)?,
                '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                '#' => rest.find('\n').unwrap_or(rest.len()),
                '/' if rest.starts_with("/*") => rest.find("*/").ok_or("a comment does not end")? + 2,
                ';' => return Err("it is more than one statement".to_owned()),
                '?' => return Err("write parameters by name, such as :number".to_owned()),
                ':' if !rest.starts_with("::") && !rest.starts_with(":=") => {
                    let name: String =
                        rest[1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    if !is_param(&name) {
                        return Err("a `:` is not followed by the name of a parameter".to_owned());
                    }
                    statement.sql.push('?');
                    rest = &rest[1 + name.len()..];
                    statement.params.push(name);
                    continue;
                }
                ':' => 2,
                c => c.len_utf8(),
            };
            let (piece, after) = rest.split_at(taken);
            statement.sql.push_str(piece);
            rest = after;
        }
        Ok(statement)
    }
}

/// How long the quoted text at the start is, with its quotes.
fn quoted(text: &str, quote: char) -> Result<usize, String> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        // What a backslash means depends on the server's settings, so there are none.
        if c == '\\' {
            return Err("a quoted text holds a backslash; hand it in as a parameter".to_owned());
        }
        if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return Ok(at + c.len_utf8()),
            }
        }
    }
    Err("a quoted text does not end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_places() {
        let read = |text: &str| Statement::new(text).map(|statement| (statement.sql, statement.params.join(",")));
        for (text, sql, params) in [
            ("SELECT a FROM b WHERE c = :c AND d = :d_1;", "SELECT a FROM b WHERE c = ? AND d = ?", "c,d_1"),
            (
                "select ':x', \":y\", `:z`, 'it''s :w' -- :v\n, :u /* :t */",
                "select ':x', \":y\", `:z`, 'it''s :w' -- :v\n, ? /* :t */",
                "u",
            ),
            ("WITH x AS (SELECT :a, :a) SELECT * FROM x", "WITH x AS (SELECT ?, ?) SELECT * FROM x", "a,a"),
        ] {
            assert_eq!(read(text), Ok((sql.to_owned(), params.to_owned())));
        }
        for (text, why) in [
            ("DELETE FROM a", "a query begins with SELECT or WITH"),
            ("", "a query begins with SELECT or WITH"),
            ("SELECT 1; SELECT 2", "it is more than one statement"),
            ("SELECT ?", "write parameters by name, such as :number"),
            ("SELECT 'a", "a quoted text does not end"),
            ("SELECT 'a\\'", "a quoted text holds a backslash; hand it in as a parameter"),
            ("SELECT /* a", "a comment does not end"),
            ("SELECT : a", "a `:` is not followed by the name of a parameter"),
        ] {
            assert_eq!(read(text), Err(why.to_owned()), "{text}");
        }
    }
}
