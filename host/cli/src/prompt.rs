//! The prompt: statements end with a semicolon, history is kept.

use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;

use crate::Failure;
use crate::args::SqlArgs;
use crate::engine::SqlEngine;
use crate::sql;

const HELP: &str =
    "statements end with a semicolon; SET pilaster.backend = 'gpu'; \\d lists tables, \\q leaves";

/// Reads and runs statements until the end of input. An error of a statement ends the statement only.
pub fn run(runtime: &Runtime, engine: &SqlEngine, args: &SqlArgs) -> Result<(), Failure> {
    let mut editor = DefaultEditor::new()?;
    let history = history_file();
    if let Some(path) = &history {
        // The first start has none.
        let _ = editor.load_history(path);
    }
    eprintln!("{HELP}");
    let mut pending = String::new();
    loop {
        let line = match editor.readline(if pending.is_empty() { "pilaster> " } else { "       -> " }) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                pending.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        match line.trim() {
            "\\q" if pending.is_empty() => break,
            "\\d" if pending.is_empty() => execute(runtime, engine, args, "SHOW TABLES"),
            _ => {
                pending.push_str(&line);
                pending.push('\n');
            }
        }
        if let Some(statement) = pending.trim_end().strip_suffix(';').map(str::to_string) {
            editor.add_history_entry(pending.trim())?;
            pending.clear();
            execute(runtime, engine, args, &statement);
        }
    }
    if let Some(path) = history {
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        editor.save_history(&path)?;
    }
    Ok(())
}

fn execute(runtime: &Runtime, engine: &SqlEngine, args: &SqlArgs, statement: &str) {
    if let Err(error) = runtime.block_on(sql::statement(engine, args, statement)) {
        eprintln!("error: {error}");
    }
}

fn history_file() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share"));
    Some(data.or_else(home)?.join("pilaster/history"))
}
