//! The report as a page: one file, no script, everything in it escaped.

use anyhow::Context;
use minijinja::Environment;
use serde_json::{Value, json};

use crate::recording::compare::{Example, Group, Report};

/// The page.
pub fn page(report: &Report, link: Option<&str>) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    // The ending of its name makes it escape what is put in.
    environment.add_template("compare.html", include_str!("../../../templates/compare.html"))?;
    let mut kinds: Vec<Value> = Vec::new();
    for groups in report.groups.chunk_by(|a, b| a.kind == b.kind) {
        let count: u64 = groups.iter().map(|group| group.count).sum();
        let about = groups.first().map(|group| group.kind.about());
        let group = |group: &Group| {
            let examples: Vec<Value> = group.examples.iter().map(|example| shown(example, link)).collect();
            json!({ "count": group.count, "from": group.from, "to": group.to, "examples": examples })
        };
        kinds.push(json!({ "about": about, "count": count, "groups": groups.iter().map(group).collect::<Vec<_>>() }));
    }
    let mut context = serde_json::to_value(report)?;
    context["kinds"] = Value::Array(kinds);
    let template = environment.get_template("compare.html")?;
    template.render(minijinja::value::Serde(context)).context("the page cannot be made")
}

fn shown(example: &Example, link: Option<&str>) -> Value {
    let id = example.conversation.map(|id| id.to_string());
    let link = link.zip(id).map(|(link, id)| link.replace("{id}", &id));
    json!({
        "said": example.said, "before": example.before, "after": example.after, "at": at(example), "link": link,
    })
}

/// Where an example was said.
pub fn at(example: &Example) -> String {
    match (&example.conversation, example.seq, &example.place) {
        (Some(id), Some(seq), _) => format!("{id} message {seq}"),
        (_, _, Some(place)) => place.clone(),
        _ => String::new(),
    }
}
