//! Settings by name.

use std::fmt;
use std::str::FromStr;

use super::FloatSum;
use crate::error::{Error, Result};

impl fmt::Display for FloatSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FloatSum::Fast => "fast",
            FloatSum::Reproducible => "reproducible",
        })
    }
}

impl FromStr for FloatSum {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "fast" => Ok(FloatSum::Fast),
            "reproducible" => Ok(FloatSum::Reproducible),
            _ => Err(Error::invalid(format!("float sums {name:?}: fast or reproducible"))),
        }
    }
}
