//! Digests and signatures.

use crate::fixture::{self, Key, on_disk};
use cambium_model::FailureKind;
use cambium_rpm::{Error, Keyring, Package, Signature};

fn unsigned() -> fixture::OnDisk {
    let mut builder = fixture::builder("a");
    fixture::file(&mut builder, "/usr/share/a", "content");
    fixture::built(&mut builder)
}

#[test]
fn a_signature_is_judged_by_the_keyring() {
    let (key, other) = (Key::new(), Key::new());
    let keyring = Keyring::from_files(&[key.public()]).unwrap();
    let others = Keyring::from_files(&[other.public()]).unwrap();
    let both = Keyring::from_files(&[other.public(), key.public()]).unwrap();
    let file = unsigned();
    assert_eq!(file.package.verify_signature(&keyring), Signature::Unsigned);
    let error = file.package.header().require_signature(&keyring).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Untrusted);
    assert_eq!(error.to_string(), "a-1-1.noarch is not signed");

    key.sign(&file.path);
    let signed = Package::open(&file.path).unwrap();
    signed.verify_digests().unwrap();
    let Signature::Signed { key_id } = signed.verify_signature(&keyring) else { panic!() };
    assert_eq!(key_id.len(), 16);
    assert_eq!(signed.verify_signature(&both), Signature::Signed { key_id: key_id.clone() });
    assert_eq!(signed.header().require_signature(&keyring).unwrap(), key_id);
    let missing = Signature::KeyMissing { key_id: key_id.clone() };
    assert_eq!(signed.verify_signature(&others), missing);
    assert_eq!(signed.verify_signature(&Keyring::default()), missing);

    // A bit of the signed header flipped where no format notices: in the summary's text.
    let mut bytes = std::fs::read(&file.path).unwrap();
    let at = bytes.windows(10).position(|window| window == b"For a test").unwrap();
    bytes[at] ^= 1;
    let flipped = on_disk(&bytes);
    assert_eq!(flipped.package.verify_signature(&keyring), Signature::Bad { key_id });
    assert!(matches!(flipped.package.verify_digests(), Err(Error::Digest { .. })));
}

#[test]
fn a_payload_that_was_changed_is_found_before_its_end_is_accepted() {
    let mut builder = fixture::builder("a");
    fixture::compress(&mut builder, rpm::CompressionType::None);
    fixture::file(&mut builder, "/usr/share/a", "some content");
    let mut bytes = fixture::bytes(&mut builder);
    let at = bytes.windows(12).position(|window| window == b"some content").unwrap();
    bytes[at] ^= 1;
    let file = on_disk(&bytes);
    file.package.verify_digests().unwrap();
    assert!(matches!(file.payload().finish(), Err(Error::Digest { .. })));
}

#[test]
fn bytes_after_the_payload_are_a_change_of_it() {
    let mut bytes = std::fs::read(&unsigned().path).unwrap();
    bytes.extend(b"more");
    assert!(on_disk(&bytes).payload().finish().is_err());
}

#[test]
fn a_file_without_keys_is_no_keyring() {
    for text in [&b""[..], b"no key", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxxxx\n"] {
        let error = Keyring::default().add("the file", text).unwrap_err();
        assert!(matches!(error, Error::Keyring { origin } if origin == "the file"));
    }
}
