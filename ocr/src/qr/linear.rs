//! Small systems of linear equations.

#![allow(
    clippy::float_arithmetic,
    reason = "pixel work; no value of the result is computed here"
)]

/// Solves the rows, each with its right side last, by elimination with the largest pivot. `None` when they do not
/// determine the unknowns.
pub fn solve(rows: &mut [Vec<f64>]) -> Option<Vec<f64>> {
    let count = rows.len();
    if rows.iter().any(|row| row.len() != count + 1) {
        return None;
    }
    for column in 0..count {
        let pivot = (column..count)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        if rows[column][column].abs() < 1e-12 {
            return None;
        }
        let (above, below) = rows.split_at_mut(column + 1);
        let lead = &above[column];
        for row in below {
            let factor = row[column] / lead[column];
            for (value, by) in row.iter_mut().zip(lead).skip(column) {
                *value -= factor * by;
            }
        }
    }
    let mut solved = vec![0.0; count];
    for row in (0..count).rev() {
        let known: f64 = (row + 1..count).map(|i| rows[row][i] * solved[i]).sum();
        solved[row] = (rows[row][count] - known) / rows[row][row];
    }
    solved.iter().all(|v| v.is_finite()).then_some(solved)
}
