//! Foreign bytes as GRUB's environment block.
//!
//! Invariants: no panic; a block that is accepted is printed as the same bytes; a variable that was
//! set is read back, and one that was unset is gone.

#![no_main]

use cambium_boot::GrubEnv;
use libfuzzer_sys::fuzz_target;

const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";

fuzz_target!(|input: (&[u8], &str, &[u8])| {
    let (body, name, value) = input;
    _ = GrubEnv::parse(body);
    // Nearly no input is a whole block by chance.
    let mut block = [SIGNATURE, body].concat();
    block.resize(1024, b'#');
    let Ok(mut environment) = GrubEnv::parse(&block) else { return };
    assert_eq!(environment.to_bytes().unwrap(), block);
    if environment.set(name, value).is_ok() {
        let printed = environment.to_bytes().unwrap();
        let again = GrubEnv::parse(&printed).unwrap();
        assert_eq!(again, environment);
        assert_eq!(again.get(name).as_deref(), Some(value));
        environment.unset(name);
        assert_eq!(environment.get(name), None);
    }
});
