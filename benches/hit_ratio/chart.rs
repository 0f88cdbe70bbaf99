//! Bar charts as SVG: groups of bars from 0 to 100 %, a colour for each series.

use std::fmt::Write;

const WIDTH: f64 = 960.0;
const PLOT_HEIGHT: f64 = 300.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 12.0;
const TITLE_HEIGHT: f64 = 34.0;
const LEGEND_LINE: f64 = 20.0;
const LEGEND_COLUMNS: usize = 4;
const FOOT: f64 = 34.0;
/// Of a group's width; the rest parts it from the next.
const BARS_SHARE: f64 = 0.84;
/// Okabe and Ito's colours, which those who see few colours can tell apart, then greys.
const COLOURS: [&str; 10] = [
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000",
    "#777777", "#BBBBBB",
];

/// Figures of one kind, one for each group; from 0 to 1.
pub struct Series {
    pub name: String,
    pub figures: Vec<f64>,
}

/// Draws the figures of all series, side by side in each group.
pub fn bars(title: &str, groups: &[String], series: &[Series]) -> String {
    let legend_lines = series.len().div_ceil(LEGEND_COLUMNS);
    let top = TITLE_HEIGHT + legend_lines as f64 * LEGEND_LINE + 10.0;
    let height = top + PLOT_HEIGHT + FOOT;
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' \
         viewBox='0 0 {WIDTH} {height}' font-family='sans-serif' font-size='12'>\n\
         <rect width='100%' height='100%' fill='white'/>\n\
         <text x='{LEFT}' y='22' font-size='15' font-weight='bold'>{title}</text>"
    )
    .expect("a string takes everything");
    svg.push_str(&legend(series));
    svg.push_str(&axis(top));
    for (number, group) in groups.iter().enumerate() {
        svg.push_str(&draw_group(number, group, groups.len(), series, top));
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(series: &[Series]) -> String {
    let column_width = (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS as f64;
    let entry = |(number, series): (usize, &Series)| {
        let x = LEFT + (number % LEGEND_COLUMNS) as f64 * column_width;
        let y = TITLE_HEIGHT + (number / LEGEND_COLUMNS) as f64 * LEGEND_LINE;
        format!(
            "<rect x='{x:.1}' y='{y:.1}' width='12' height='12' fill='{}'/>\
             <text x='{:.1}' y='{:.1}'>{}</text>\n",
            colour(number),
            x + 18.0,
            y + 10.5,
            series.name
        )
    };
    series.iter().enumerate().map(entry).collect()
}

fn axis(top: f64) -> String {
    let line = |percent: usize| {
        let y = top + PLOT_HEIGHT * (1.0 - percent as f64 / 100.0);
        format!(
            "<line x1='{LEFT}' x2='{:.1}' y1='{y:.1}' y2='{y:.1}' stroke='#dddddd'/>\
             <text x='{:.1}' y='{:.1}' text-anchor='end'>{percent} %</text>\n",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0
        )
    };
    (0..=100).step_by(20).map(line).collect()
}

fn draw_group(number: usize, name: &str, groups: usize, series: &[Series], top: f64) -> String {
    let group_width = (WIDTH - LEFT - RIGHT) / groups as f64;
    let bar_width = group_width * BARS_SHARE / series.len() as f64;
    let left = LEFT + number as f64 * group_width + group_width * (1.0 - BARS_SHARE) / 2.0;
    let mut svg = String::new();
    for (position, series) in series.iter().enumerate() {
        let figure = series.figures[number];
        let bar_height = PLOT_HEIGHT * figure;
        let x = left + position as f64 * bar_width;
        let y = top + PLOT_HEIGHT - bar_height;
        writeln!(
            svg,
            "<rect x='{x:.1}' y='{y:.1}' width='{:.1}' height='{bar_height:.1}' fill='{}'>\
             <title>{name}, {}: {:.2} %</title></rect>",
            bar_width * 0.92,
            colour(position),
            series.name,
            figure * 100.0
        )
        .expect("a string takes everything");
    }
    let middle = left + group_width * BARS_SHARE / 2.0;
    let y = top + PLOT_HEIGHT + 20.0;
    svg + &format!("<text x='{middle:.1}' y='{y:.1}' text-anchor='middle'>{name}</text>\n")
}

fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}
