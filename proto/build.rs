//! Generates messages, clients, servers and the descriptor set of reflection from cambium/v1.

use std::path::PathBuf;

const FILES: [&str; 8] = [
    "cambium/v1/failure.proto",
    "cambium/v1/host.proto",
    "cambium/v1/package.proto",
    "cambium/v1/packages.proto",
    "cambium/v1/plan.proto",
    "cambium/v1/request.proto",
    "cambium/v1/transaction.proto",
    "cambium/v1/transactions.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=cambium");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    tonic_prost_build::configure()
        .file_descriptor_set_path(out.join("cambium.v1.bin"))
        .btree_map(".")
        .compile_protos(&FILES, &["."])?;
    Ok(())
}
