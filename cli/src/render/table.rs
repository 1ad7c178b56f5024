//! Columns.

/// Rows with aligned columns, two spaces apart; the last column is as long as it is.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Makes the cells of some columns end below each other, as numbers do.
pub(crate) fn align_right<const N: usize>(rows: &mut [[String; N]], columns: &[usize]) {
    for &column in columns {
        let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        for row in &mut *rows {
            row[column] = format!("{:>width$}", row[column]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{align_right, table};

    #[test]
    fn numbers_end_below_each_other() {
        let mut rows = [["N", "a"], ["100", "b"]].map(|row| row.map(str::to_owned));
        align_right(&mut rows, &[0]);
        assert_eq!(table(&rows), "  N  a\n100  b");
    }

    #[test]
    fn columns_are_aligned_and_lines_end_where_the_text_ends() {
        let rows = [["a", "long", "x"], ["→→→", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a    long  x\n→→→  b");
    }
}
