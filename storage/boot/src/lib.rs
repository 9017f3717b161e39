//! What boots, as text: boot entries, kernel arguments, GRUB's environment block.
//!
//! Owns: parsing and printing without loss, edits, and the detection of the boot loader. Pure but
//! for [`detect()`], which only reads. Deliberately absent: writing any of it; libostree writes boot
//! entries, and the engine of the sysroot asks it to.

mod bls;
mod detect;
mod grubenv;
mod kargs;

pub use bls::BootEntry;
pub use detect::{Bootloader, DetectError, detect};
pub use grubenv::{GrubEnv, GrubEnvError};
pub use kargs::{KargsError, KernelArgs};
