//! Charts in SVG: drawn on the server, alive in the browser, each with its numbers as a table behind it. Pure functions of
//! what they show; colours and widths are classes of the style.

pub(crate) mod bound;
pub(crate) mod line;
pub(crate) mod matrix;
#[cfg(test)]
mod tests;
