//! `GET /api`: the OpenAPI document as a page. It is put together here, so it needs no script and no other host.

use minijinja::value::Serde;
use salvo::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use super::markdown::{escape, html};
use super::openapi::DOCUMENT;
use super::{door, pages};

/// Where the document's schemas are.
const SCHEMAS: &str = "#/components/schemas/";

/// `GET /api`
#[handler]
pub async fn page(depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    res.render(Text::Html(pages::render(&door, "api.html", Serde(Reference::of(&DOCUMENT)))?));
    Ok(())
}

#[derive(Serialize)]
struct Reference {
    about: String,
    operations: Vec<Operation>,
    schemas: Vec<Shape>,
}

#[derive(Serialize)]
struct Operation {
    method: String,
    path: String,
    summary: String,
    about: String,
    body: Option<String>,
    example: Option<String>,
    responses: Vec<Row>,
}

/// A named schema.
#[derive(Serialize)]
struct Shape {
    name: String,
    about: String,
    rows: Vec<Row>,
    variants: Vec<Variant>,
}

/// One of the shapes that a schema may take.
#[derive(Serialize)]
struct Variant {
    name: String,
    about: String,
    rows: Vec<Row>,
}

/// A line of a table: a field with its type, or a status with what it answers. All but the name is HTML.
#[derive(Serialize)]
struct Row {
    name: String,
    required: bool,
    kind: String,
    about: String,
}

impl Reference {
    fn of(document: &Value) -> Reference {
        let empty = Map::new();
        let object = |value: &'static str| document[value].as_object().unwrap_or(&empty);
        let operations = object("paths").iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(|(method, operation)| Operation::of(method, path, operation))
        });
        let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
        Reference {
            about: about(&document["info"]),
            operations: operations.collect(),
            schemas: schemas.map(|(name, schema)| Shape::of(name, schema)).collect(),
        }
    }
}

impl Operation {
    fn of(method: &str, path: &str, operation: &Value) -> Operation {
        let body = &operation["requestBody"]["content"]["application/json"];
        let responses = operation["responses"].as_object().into_iter().flatten().map(|(status, response)| {
            let content = response["content"].as_object().and_then(|content| content.iter().next());
            let kind = content.map(|(media, content)| {
                let data = &content["schema"]["contentSchema"];
                let schema = if data.is_null() { &content["schema"] } else { data };
                format!("{}: {}", escape(media), kind(schema))
            });
            let kind = kind.unwrap_or_default();
            Row { name: status.clone(), required: false, kind, about: about(response) }
        });
        Operation {
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            about: about(operation),
            body: (!body.is_null()).then(|| kind(&body["schema"])),
            example: (!body.is_null()).then(|| format!("{:#}", body["example"])),
            responses: responses.collect(),
        }
    }
}

impl Shape {
    fn of(name: &str, schema: &Value) -> Shape {
        let variants = ["oneOf", "anyOf"].iter().filter_map(|key| schema[*key].as_array()).flatten();
        Shape {
            name: name.to_owned(),
            about: about(schema),
            rows: rows(schema),
            variants: variants.flat_map(variants_of).collect(),
        }
    }
}

fn variants_of(schema: &Value) -> Vec<Variant> {
    let words = schema["enum"].as_array();
    if let Some(words) = words {
        return words.iter().map(|word| Variant { name: text(word), about: String::new(), rows: Vec::new() }).collect();
    }
    let name = [&schema["const"], &schema["properties"]["type"]["const"]].into_iter().find(|name| name.is_string());
    let name = name.map_or_else(|| plain_kind(schema), text);
    vec![Variant { name, about: about(schema), rows: rows(schema) }]
}

/// The fields of an object; first of all those that it has from another schema.
fn rows(schema: &Value) -> Vec<Row> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let base = schema["$ref"].as_str().map(|_| Row {
        name: String::new(),
        required: false,
        kind: format!("and the fields of {}", kind(schema)),
        about: String::new(),
    });
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, field)| Row {
        name: name.clone(),
        required: required(name),
        kind: kind(field),
        about: about(field),
    });
    fields.chain(base).collect()
}

/// What a value is, as HTML with links to the named schemas.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix(SCHEMAS)) {
        let name = escape(name);
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(some) = schema[key].as_array() {
            let between = if key == "allOf" { " with " } else { " or " };
            return some.iter().map(kind).collect::<Vec<_>>().join(between);
        }
    }
    if schema["type"] == "array" {
        return format!("list of {}", kind(&schema["items"]));
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("<code>\"{}\"</code>", escape(word));
    }
    if let (Some(properties), "object") = (schema["properties"].as_object(), plain_kind(schema).as_str()) {
        let fields = properties.iter().map(|(name, field)| format!("<code>{}</code>: {}", escape(name), kind(field)));
        return fields.collect::<Vec<_>>().join(", ");
    }
    escape(&plain_kind(schema))
}

fn plain_kind(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn about(value: &Value) -> String {
    html(&text(&value["description"]).into()).to_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
