//! Makes the fixture OS and says where it is, so that no test has to wait for it.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::Result;
use cambium_integration::fixture::base::Flavour;
use cambium_integration::fixture::{Base, Layers};

fn main() -> Result<()> {
    println!("packages to layer: {}", Layers::get()?.main().display());
    println!("tiny OS: {}", Base::get(Flavour::Tiny)?.repository().display());
    println!("full OS: {}", Base::get(Flavour::Full)?.repository().display());
    Ok(())
}
