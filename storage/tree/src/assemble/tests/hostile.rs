//! Scripts that would ruin the image or take more than their share: the transaction fails by
//! their name, and the repository is as it was.

use super::*;
use cambium_sandbox::Excess;

fn fails(post: &str, limits: Limits) -> Error {
    let world = World::new();
    let layers = world.layers(vec![Recipe::new("demo", "1").post(post)]);
    let error =
        world.assemble_with(&layers, |parts| parts.limits = limits, &Unobserved).unwrap_err();
    assert_eq!(world.leftovers(), [""; 0]);
    world.fsck();
    error
}

#[test]
fn who_takes_the_system_away_fails_whatever_it_says() {
    for (post, gone) in [
        ("echo first; rm -rf /usr/bin /usr/lib; exit 0", "/usr/bin"),
        ("echo first; rm -rf /usr/etc; ln -s /tmp /usr/etc; exit 0", "/usr/etc"),
    ] {
        let error = fails(post, Limits::default());
        let Error::Script { script, end, output, .. } = &error else { panic!("{error}") };
        assert_eq!(script, "demo.post");
        assert!(end.contains(&format!("removed or replaced {gone}")), "{end}");
        assert!(output.starts_with("first"), "{output}");
    }
}

#[test]
fn who_takes_too_much_fails_by_its_bound() {
    let few = Limits { processes: 64, ..Limits::default() };
    let small = Limits { disk: 8 << 20, ..Limits::default() };
    let fill = "for n in 0 1 2 3 4 5 6 7; do cat /usr/bin/bash /usr/bin/bash /usr/bin/bash > \
                /usr/share/f$n; done";
    for (post, limits, expected) in [
        ("f() { f | f & }; f; sleep 100", few, Excess::Processes(64)),
        (fill, small, Excess::Disk(8 << 20)),
    ] {
        let error = fails(post, limits);
        let Error::Sandbox(cambium_sandbox::Error::Exceeded { name, excess, .. }) = &error else {
            panic!("{error}")
        };
        assert_eq!((name.as_str(), excess), ("demo.post", &expected));
    }
}
