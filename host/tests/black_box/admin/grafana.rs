//! The dashboard that is shipped asks for what there is.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::{MESSAGE, page, with_admin};
use crate::support::Setup;

/// All expressions of a dashboard.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| expressions(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| expressions(element, found)),
        _ => {}
    }
}

/// The words of an expression that are written like names.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The labels behind `by`.
fn labels(expression: &str) -> impl Iterator<Item = &str> {
    let lists = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',').map(str::trim))
}

#[test]
fn every_metric_and_label_of_the_dashboard_exists() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../contrib/grafana/guerrillad.json");
    let text = std::fs::read_to_string(file).expect("shipped");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() >= 20, "{found:?}");
    let panels = dashboard["panels"].as_array().expect("a list");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");

    let daemon = with_admin(Setup::new());
    daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    daemon.reload().expect("reloaded");
    let (_, metrics) = page(&daemon.dir().join("admin.sock"), "/metrics");
    let exists = |name: &str| {
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
        lines.into_iter().any(|rest| rest.starts_with(['{', ' ']))
    };
    for expression in &found {
        let names = words(expression)
            .filter(|word| word.starts_with("guerrillad_") || word.starts_with("process_"));
        let names: Vec<&str> = names.collect();
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            assert!(exists(name), "{name} of {expression} is not in:\n{metrics}");
        }
        for label in labels(expression) {
            assert!(metrics.contains(&format!("{label}=\"")), "{label} of {expression}");
        }
    }

    // Whether they are PromQL is what promtool knows. Rules may be JSON, since that is YAML.
    let rules: Vec<Value> = found
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            let expression = expression.replace("$__rate_interval", "5m");
            json!({ "record": format!("panel:{number}"), "expr": expression })
        })
        .collect();
    let rules = json!({ "groups": [{ "name": "panels", "rules": rules }] });
    let file = daemon.dir().join("rules.yml");
    std::fs::write(&file, rules.to_string()).expect("our own directory");
    let mut promtool = Command::new("promtool");
    let output = promtool.args(["check", "rules"]).arg(&file).output();
    let output = output.expect("promtool runs (Debian package prometheus)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    daemon.stop();
}
