//! Compiles the `.proto` files without protoc and keeps the descriptor set for gRPC reflection.

use prost::Message as _;
use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 6] = ["flow", "batch", "ingest", "flows", "graph", "status"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = FILES.map(|name| format!("portolan/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().btree_map(".portolan.v1").compile_fds(descriptors)?;
    Ok(())
}
