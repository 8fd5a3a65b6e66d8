//! Writes the corpora that fuzzing begins with: `cargo run --example fuzz_corpus tests/fuzz/corpus`.

use std::path::Path;

use pilaster_tests::hostile::seeds;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "tests/fuzz/corpus".into());
    for (target, seeds) in [("pages", seeds::pages()), ("file", seeds::files())] {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
