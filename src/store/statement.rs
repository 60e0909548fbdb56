//! Statements that write many rows at once, in a few fixed sizes, so that all of them stay prepared; and what is bound to them.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Arguments, Connection, Database, Encode, MySql, Sqlite, Type};

/// One statement in all its sizes.
pub(super) struct Statement {
    /// (rows, or twos of rows; text), the largest first.
    sizes: Vec<(usize, String)>,
}

/// Each statement costs a round trip. Most batches are small, and many have an even number of rows: two for a turn.
const ROWS: [usize; 38] = [
    256, 192, 128, 96, 80, 64, 62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24, 22, 20,
    18, 16, 14, 12, 10, 8, 6, 4, 2, 1,
];

impl Statement {
    /// `start`, then `columns` places for each row, then `end`.
    pub(super) fn new(start: &str, columns: usize, end: &str) -> Statement {
        let row = format!("({})", vec!["?"; columns].join(","));
        let text = |rows: usize| format!("{start}{row}{}{end}", format!(",{row}").repeat(rows - 1));
        Statement { sizes: ROWS.into_iter().map(|rows| (rows, text(rows))).collect() }
    }

    /// `start`, then twos of rows, of which the first two are written in a way of their own.
    pub(super) fn of_twos(start: &str, first: &str, two: &str) -> Statement {
        let twos = ROWS.into_iter().filter(|rows| rows % 2 == 0).map(|rows| rows / 2);
        let text = |twos: usize| format!("{start}{first}{}", format!(",{two}").repeat(twos - 1));
        Statement { sizes: twos.map(|twos| (twos, text(twos))).collect() }
    }

    /// The statement for so many, if it is one.
    pub(super) fn of(&'static self, rows: usize) -> Option<&'static str> {
        let (_, text) = self.sizes.iter().find(|(size, _)| *size == rows)?;
        Some(text)
    }

    /// Cuts rows into pieces, each with the statement of its size.
    pub(super) fn cut<'r, T>(&'static self, mut rows: &'r [T]) -> impl Iterator<Item = (&'static str, &'r [T])> {
        std::iter::from_fn(move || {
            let (size, text) = self.sizes.iter().find(|(size, _)| *size <= rows.len())?;
            let (piece, rest) = rows.split_at(*size);
            rows = rest;
            Some((text.as_str(), piece))
        })
    }
}

/// Values to bind, for the engine of this connection. Binding them to a query one by one would move the whole query
/// each time, the largest single cost of a batch.
pub(super) fn values<C: Connection>(_: &C, rows: usize, columns: usize) -> <C::Database as Database>::Arguments {
    let mut values = <C::Database as Database>::Arguments::default();
    // Most rows are smaller; a too small guess only costs a copy.
    values.reserve(rows * columns, rows * 512);
    values
}

/// Adds values to those of [`values`], in order.
macro_rules! add {
    ($values:ident, $($value:expr),* $(,)?) => {
        $($values.add($value).map_err(sqlx::Error::Encode)?;)*
    };
}
pub(super) use add;

/// A text to be written. MariaDB gets it as bytes: of what it is told is text it counts the characters one by one, and looks
/// for such as are not ASCII, before it looks at each once more while it stores them. That was a tenth of what it did for a
/// message (callgrind, batches of 18).
#[derive(Clone, Copy)]
pub(super) struct Utf8<'t>(pub(super) &'t str);

impl Type<MySql> for Utf8<'_> {
    fn type_info() -> <MySql as Database>::TypeInfo {
        <[u8] as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for Utf8<'_> {
    fn encode_by_ref(&self, buffer: &mut <MySql as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&[u8] as Encode<MySql>>::encode_by_ref(&self.0.as_bytes(), buffer)
    }
}

impl Type<Sqlite> for Utf8<'_> {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Utf8<'_> {
    fn encode_by_ref(&self, buffer: &mut <Sqlite as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as Encode<Sqlite>>::encode_by_ref(&self.0, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static INSERT: LazyLock<Statement> = LazyLock::new(|| Statement::new("INSERT INTO t VALUES ", 3, ""));

    #[test]
    fn rows_are_cut_into_the_fixed_sizes_in_order() {
        let rows: Vec<usize> = (0..601).collect();
        for length in 0..=rows.len() {
            let mut seen = Vec::new();
            for (text, piece) in INSERT.cut(&rows[..length]) {
                assert_eq!(INSERT.of(piece.len()), Some(text));
                assert_eq!(text.matches("(?,?,?)").count(), piece.len());
                seen.extend_from_slice(piece);
            }
            assert_eq!(seen, rows[..length]);
        }
    }
}
