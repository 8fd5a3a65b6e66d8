//! Makes the TPC-H tables: `cargo run --example generate -- 0.1 FOLDER`.

use pilaster_bench_data::tpch;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scale, folder] = &arguments[..] else { return Err("usage: generate SCALE FOLDER".into()) };
    let data = tpch::generate(scale.parse()?, folder.as_ref(), &tpch::Options::default(), &|_| {})?;
    for table in &data.tables {
        println!("{}: {} rows, {} bytes", table.name, table.rows, table.bytes);
    }
    Ok(())
}
