//! Expansion of directives: one text out of many files, and where each of its lines came from.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::request::{Request, Root};
use crate::tier::Tier;

/// A refusal before the request's label is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `file:line`, or the file alone.
    pub origin: String,
    /// What is wrong.
    pub reason: String,
}

/// Expanded text, with the file and line of each of its lines.
#[derive(Debug)]
pub(crate) struct Composed {
    /// Plain WGSL.
    pub text: String,
    files: Vec<String>,
    /// Per line of `text`: index into `files`, line number there from 1.
    lines: Vec<(usize, usize)>,
}

impl Composed {
    /// `file:line` of a byte of the text.
    pub fn origin(&self, byte: usize) -> String {
        let before = self.text.as_bytes().iter().take(byte);
        let line = before.filter(|&&byte| byte == b'\n').count();
        match self.lines.get(line).or(self.lines.last()) {
            Some(&(file, line)) => format!("{}:{line}", self.files[file]),
            None => self.root().to_string(),
        }
    }

    /// Name of the file that everything else was included from.
    pub fn root(&self) -> &str {
        self.files.first().map_or("", String::as_str)
    }
}

/// Expands the directives of a request's root and of all that it uses.
pub(crate) fn compose(request: &Request<'_>, library: &[(&str, &str)]) -> Result<Composed, Refusal> {
    let composed = Composed { text: String::new(), files: Vec::new(), lines: Vec::new() };
    let mut composer = Composer { request, library, included: HashSet::new(), composed };
    match request.root {
        Root::Library(path) => composer.include(path, request.label)?,
        Root::Generated(text) => composer.expand(request.label, text)?,
    }
    Ok(composer.composed)
}

struct Composer<'r> {
    request: &'r Request<'r>,
    library: &'r [(&'r str, &'r str)],
    included: HashSet<&'r str>,
    composed: Composed,
}

/// An open `//!if`.
struct Branch {
    opened_at: usize,
    /// Lines are kept now, as far as this branch is concerned.
    kept: bool,
    in_else: bool,
}

impl<'r> Composer<'r> {
    /// Adds a library file, unless it is there already. Include-once is also what ends cycles.
    fn include(&mut self, path: &'r str, asked_at: &str) -> Result<(), Refusal> {
        let library = self.library;
        let Some((name, text)) = library.iter().find(|(name, _)| *name == path) else {
            let reason = format!("there is no module `{path}`");
            return Err(Refusal { origin: asked_at.to_string(), reason });
        };
        if self.included.insert(name) { self.expand(&format!("{name}.wgsl"), text) } else { Ok(()) }
    }

    fn expand(&mut self, name: &str, text: &'r str) -> Result<(), Refusal> {
        let file = self.composed.files.len();
        self.composed.files.push(name.to_string());
        let mut branches: Vec<Branch> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let kept = branches.iter().all(|branch| branch.kept);
            match line.trim_start().strip_prefix("//!") {
                Some(directive) => {
                    let at = Place { name, line: index + 1 };
                    self.directive(directive, &at, kept, &mut branches)?;
                }
                None if kept => {
                    self.composed.text.push_str(line);
                    self.composed.text.push('\n');
                    self.composed.lines.push((file, index + 1));
                }
                None => {}
            }
        }
        match branches.last() {
            Some(branch) => Err(Place { name, line: branch.opened_at }.refuse("`//!if` without `//!end`")),
            None => Ok(()),
        }
    }

    fn directive(
        &mut self,
        directive: &'r str,
        at: &Place<'_>,
        kept: bool,
        branches: &mut Vec<Branch>,
    ) -> Result<(), Refusal> {
        let words: Vec<&'r str> = directive.split_whitespace().collect();
        match *words.as_slice() {
            ["use", target] if kept => {
                let path = self.resolve(target, at)?;
                self.include(path, &at.origin())?;
            }
            ["use", _] => {}
            ["if", condition] => {
                let kept = holds(condition, self.request.tier).map_err(|reason| at.refuse(reason))?;
                branches.push(Branch { opened_at: at.line, kept, in_else: false });
            }
            ["else"] => match branches.last_mut() {
                Some(branch) if !branch.in_else => {
                    branch.kept = !branch.kept;
                    branch.in_else = true;
                }
                _ => return Err(at.refuse("`//!else` without `//!if`")),
            },
            ["end"] => {
                branches.pop().ok_or_else(|| at.refuse("`//!end` without `//!if`"))?;
            }
            _ => return Err(at.refuse(format!("no such directive: `//!{directive}`"))),
        }
        Ok(())
    }

    /// A path as it stands, or the module that the request selects for `$Slot`.
    fn resolve(&self, target: &'r str, at: &Place<'_>) -> Result<&'r str, Refusal> {
        let Some(slot) = target.strip_prefix('$') else { return Ok(target) };
        let chosen = self.request.slots.iter().find(|(name, _)| *name == slot);
        chosen
            .map(|(_, path)| *path)
            .ok_or_else(|| at.refuse(format!("no module was chosen for slot `{slot}`")))
    }
}

fn holds(condition: &str, tier: &Tier) -> Result<bool, String> {
    let (wanted, name) = match condition.strip_prefix('!') {
        Some(name) => (false, name),
        None => (true, condition),
    };
    let has = match name {
        "int64" => tier.int64,
        "float64" => tier.float64,
        "subgroups" => tier.subgroups,
        _ => return Err(format!("no such condition: `{condition}` (int64, float64, subgroups)")),
    };
    Ok(has == wanted)
}

/// A line of a file.
struct Place<'a> {
    name: &'a str,
    line: usize,
}

impl Place<'_> {
    fn origin(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }

    fn refuse(&self, reason: impl Into<String>) -> Refusal {
        Refusal { origin: self.origin(), reason: reason.into() }
    }
}
