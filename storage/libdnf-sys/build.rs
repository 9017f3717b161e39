//! Declares the part of libdnf's C API that Cambium calls, from the headers of this machine.

use std::env;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=include");
    // libdnf.pc requires librepo.pc, which Debian's libdnf-dev does not bring: pkg-config then
    // answers nothing for a library that is there, so its pieces are named one by one.
    for library in ["dnf", "solv", "rpm", "rpmio"] {
        println!("cargo:rustc-link-lib={library}");
    }
    // No development package of librepo is needed: libdnf itself is linked to this very name.
    println!("cargo:rustc-link-lib=dylib:+verbatim=librepo.so.0");

    let glib = pkg_config::Config::new().cargo_metadata(false).probe("gio-2.0")?;
    let includes = glib.include_paths.iter().map(|path| format!("-I{}", path.display()));
    let bindings = bindgen::Builder::default()
        .header("include/wrapper.h")
        .clang_args(includes)
        .clang_args(["-idirafter", "include"])
        .allowlist_function("dnf_(sack|package|packageset|goal|advisory|advisorypkg|error)_.*")
        .allowlist_function("hy_(goal|nevra|query|repo|selector|subject|chksum)_.*")
        .allowlist_function("transaction_(create_decisionq|order|free)")
        .allowlist_function("rpm(ReadConfigFiles|PushMacro|PopMacro)")
        .allowlist_type("_hy_.*|DnfGoalActions|DnfSackSetupFlags|DnfSackLoadFlags|DnfError")
        .allowlist_type("Transaction|Queue|DnfAdvisoryKind")
        .allowlist_var("RMIL_CMDLINE|rpmCLIMacroContext|HY_REASON_.*")
        // GLib's types are those of the glib-sys family, so that one GObject is one type.
        .blocklist_type("_?(GObject|GObjectClass|GError|GPtrArray|GType|GTypeClass|GQuark)")
        .blocklist_type("_?(GTypeInstance|GData|GBytes|GKeyFile|GCancellable|GHashTable)")
        .blocklist_type("g(boolean|char|uchar|int|uint|int64|uint64|size|pointer|constpointer)")
        .blocklist_type("_Dnf.*Class|Dnf(State|Repo|Context|Transaction).*|_Dnf(Repo|State|Context)")
        .blocklist_function(
            "dnf_package_(get_repo|set_repo|download|get_action|set_action|check_filename|get_info|set_info)",
        )
        .blocklist_function("dnf_sack_(add_repos?|filter_modules)")
        .blocklist_function("dnf_package_array_download")
        .opaque_type("s_Pool|s_Solvable|s_Map|_Dnf(Sack|Package)")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .generate_comments(false)
        .layout_tests(true)
        .generate()?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("bindings.rs");
    bindings.write_to_file(out)?;
    Ok(())
}
