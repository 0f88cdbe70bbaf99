//! Log lines: text for people, or one JSON object per line for machines.
//!
//! `log` and `env_logger` do the work; the level follows `loglevel`, which `CONFIG SET` may change, and
//! `RUST_LOG` narrows it by module as usual.

use std::io::Write;

use env_logger::fmt::Formatter;
use log::Record;

use crate::config::choice::LogFormat;
use crate::config::{Config, params};

/// Installs the logger. Later calls (several servers in one test process) change nothing.
pub fn install(config: &Config) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(log::LevelFilter::Trace);
    if let Ok(filters) = std::env::var("RUST_LOG") {
        builder.parse_filters(&filters);
    }
    match config.choice(params::LOG_FORMAT) {
        LogFormat::Text => builder.format(write_text),
        LogFormat::Json => builder.format(write_json),
    };
    if builder.try_init().is_ok() {
        set_level(config);
    }
}

/// Puts `loglevel` into effect.
pub fn set_level(config: &Config) {
    log::set_max_level(config.choice(params::LOGLEVEL).filter());
}

fn write_text(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    writeln!(out, "{} {:5} {}", out.timestamp_millis(), record.level(), record.args())
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let time = out.timestamp_millis();
    let (level, target) = (record.level(), record.target());
    let message = json_string(&record.args().to_string());
    writeln!(
        out,
        "{{\"time\":\"{time}\",\"level\":\"{level}\",\"target\":\"{target}\",\"message\":{message}}}"
    )
}

fn json_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(json_string("a \"b\" \\ \n\u{1}é"), r#""a \"b\" \\ \n\u0001é""#);
    }
}
