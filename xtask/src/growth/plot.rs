//! Points on two axes, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 360.0;
const EDGE: f64 = 56.0;

/// Kept tiles to the right, milliseconds upward, both from 0, and the line from 0 through the last.
pub(crate) fn svg(points: &[(f64, f64)]) -> String {
    let most = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).fold(1.0, f64::max);
    let (right, top) = (most(|p| p.0), most(|p| p.1));
    let place = |(x, y): (f64, f64)| {
        (
            EDGE + x / right * (WIDTH - 2.0 * EDGE),
            HEIGHT - EDGE - y / top * (HEIGHT - 2.0 * EDGE),
        )
    };
    let (left, bottom) = place((0.0, 0.0));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <path d=\"M{left} {EDGE}V{bottom}H{}\" fill=\"none\" stroke=\"black\"/>\n\
         <text x=\"{left}\" y=\"{}\">milliseconds (up to {top:.0})</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">kept tiles (up to {right:.0})</text>\n",
        WIDTH - EDGE,
        EDGE - 12.0,
        WIDTH - EDGE,
        bottom + 28.0,
    );
    for &point in points {
        let (x, y) = place(point);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#2563eb\"/>\
             <text x=\"{:.1}\" y=\"{y:.1}\">{:.0}</text>",
            x + 8.0,
            point.1
        );
    }
    text.push_str("</svg>\n");
    text
}
