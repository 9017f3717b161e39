//! A failure for people.

use super::style::Style;
use cambium_model::Failure;

/// `error: what: cause`, or the causes in lines where there are several, then the advice.
#[must_use]
pub fn text(failure: &Failure, style: Style) -> String {
    let mut text = format!("{} {}", style.red("error:"), failure.what);
    match failure.causes.as_slice() {
        [] => text.push('\n'),
        [cause] => text.push_str(&format!(": {cause}\n")),
        causes => {
            text.push_str(":\n");
            for cause in causes {
                text.push_str(&format!("  {cause}\n"));
            }
        }
    }
    if !failure.advice.is_empty() {
        text.push_str(&format!("{}\n", failure.advice));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::FailureKind;

    fn check(causes: &[&str], advice: &str, expected: &str) {
        let mut failure = Failure::new(FailureKind::NoSpace, "cannot write 'x'").advise(advice);
        failure.causes = causes.iter().map(|&cause| cause.to_owned()).collect();
        assert_eq!(text(&failure, Style::Plain), expected);
        let coloured = text(&failure, Style::Coloured);
        assert_eq!(coloured.replace("\x1b[1;31m", "").replace("\x1b[0m", ""), expected);
    }

    #[test]
    fn says_what_why_and_what_to_do() {
        check(&[], "", "error: cannot write 'x'\n");
        check(&["disk full"], "Free some.", "error: cannot write 'x': disk full\nFree some.\n");
        check(&["a", "b"], "", "error: cannot write 'x':\n  a\n  b\n");
    }
}
