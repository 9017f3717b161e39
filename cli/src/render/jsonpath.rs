//! `--jsonpath`: the part of JSONPath that json-glib has and scripts use.
//!
//! `$`, `.NAME`, `['NAME']`, `[N]` (negative from the end), `[*]`, `.*`, and `..NAME`. The result is
//! the list of all matches, as json-glib gives it. Filters, slices and unions are refused.

use cambium_model::{Failure, FailureKind};
use serde_json::Value;

enum Step {
    Name(String),
    Index(i64),
    Every,
    Anywhere(String),
}

/// Every value of `root` that `expression` matches, in document order.
///
/// # Errors
/// When the expression is none, or uses what is not supported.
pub fn matches<'a>(expression: &str, root: &'a Value) -> Result<Vec<&'a Value>, Failure> {
    let mut found = vec![root];
    for step in parse(expression)? {
        let mut next = Vec::new();
        for value in found {
            apply(&step, value, &mut next);
        }
        found = next;
    }
    Ok(found)
}

fn apply<'a>(step: &Step, value: &'a Value, out: &mut Vec<&'a Value>) {
    match step {
        Step::Name(name) => out.extend(value.get(name)),
        Step::Index(index) => {
            if let Value::Array(items) = value {
                let at = if *index < 0 { index + items.len() as i64 } else { *index };
                out.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
            }
        }
        Step::Every => out.extend(children(value)),
        Step::Anywhere(name) => {
            out.extend(value.get(name));
            children(value).for_each(|child| apply(step, child, out));
        }
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(map) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn parse(expression: &str) -> Result<Vec<Step>, Failure> {
    let invalid = || {
        let what = format!("'{expression}' is not a supported JSONPath expression");
        Failure::new(FailureKind::InvalidRequest, what)
            .advise("Supported are $ .NAME ['NAME'] [N] [*] .* ..NAME; for more use jq.")
    };
    let mut rest = expression.trim().strip_prefix('$').ok_or_else(invalid)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']').ok_or_else(invalid)?;
            let name = ['\'', '"']
                .iter()
                .find_map(|q| inside.strip_prefix(*q).and_then(|name| name.strip_suffix(*q)));
            steps.push(match (inside, name) {
                ("*", _) => Step::Every,
                (_, Some(name)) => Step::Name(name.to_owned()),
                _ => Step::Index(inside.trim().parse().map_err(|_| invalid())?),
            });
            rest = after;
            continue;
        }
        let (anywhere, after) = match rest.strip_prefix("..") {
            Some(after) => (true, after),
            None => (false, rest.strip_prefix('.').ok_or_else(invalid)?),
        };
        let end = after.find(['.', '[']).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        steps.push(match (anywhere, name) {
            (false, "*") => Step::Every,
            (_, "") => return Err(invalid()),
            _ if !name.chars().all(plain) => return Err(invalid()),
            (true, _) => Step::Anywhere(name.to_owned()),
            (false, _) => Step::Name(name.to_owned()),
        });
        rest = after;
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(expression: &str, expected: Value) {
        let root = json!({"d": [{"v": 1, "m": {"a.b": "x"}}, {"v": 2}], "t": null});
        let found: Value = matches(expression, &root).unwrap().into_iter().cloned().collect();
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn finds_what_scripts_ask_for() {
        check("$.d[0].v", json!([1]));
        check("$.d[-1].v", json!([2]));
        check("$.d[*].v", json!([1, 2]));
        check("$..v", json!([1, 2]));
        check("$['d'][0].m['a.b']", json!(["x"]));
        check("$.d.*.v", json!([1, 2]));
        check("$.t", json!([null]));
        check("$.nothing", json!([]));
        check("$.d[9]", json!([]));
        assert_eq!(matches("$", &json!(1)).unwrap(), [&json!(1)]);
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        for expression in ["", "d", "$x", "$.", "$..", "$[", "$[?(@.v)]", "$[0:1]", "$.a b", "$[x]"]
        {
            let failure = matches(expression, &json!({})).unwrap_err();
            assert!(failure.what.contains(expression), "{expression}");
            assert!(failure.advice.contains("jq"));
        }
    }
}
