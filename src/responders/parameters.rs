//! The parameters of a tool: a JSON Schema of which just so much is known as is checked.

use regex::Regex;
use serde_json::{Map, Value};

/// The most parameters of a tool.
const MOST: usize = 20;
/// A text that is given for one has at most so many characters, if the schema does not say less.
const LONGEST: usize = 500;

/// What a tool takes.
#[derive(Debug)]
pub struct Parameters {
    schema: Value,
    all: Vec<Parameter>,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    kind: Kind,
    required: bool,
    /// The only values that it may have.
    among: Option<Vec<Value>>,
}

#[derive(Debug)]
enum Kind {
    Text { pattern: Option<Regex>, shortest: usize, longest: usize },
    Number { whole: bool, least: f64, most: f64 },
    Truth,
}

impl Parameters {
    /// Reads a schema: an object whose properties are single values. What is not checked is refused, so that nobody
    /// counts on it.
    pub fn new(schema: &Value) -> Result<Parameters, String> {
        let Value::Object(fields) = schema else { return Err("it is a map with `type: object`".to_owned()) };
        only(fields, &["type", "properties", "required", "additionalProperties", "description"])?;
        if fields.get("type").and_then(Value::as_str) != Some("object") {
            return Err("write `type: object`".to_owned());
        }
        if fields.get("additionalProperties").is_some_and(|further| further != &Value::Bool(false)) {
            return Err("`additionalProperties` is always false".to_owned());
        }
        let none = Map::new();
        let properties = match fields.get("properties") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err("`properties` is a map of names".to_owned()),
        };
        if properties.len() > MOST {
            return Err(format!("a tool has at most {MOST} parameters"));
        }
        let required: Vec<&str> = match fields.get("required") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err("`required` is a list of names".to_owned()),
        };
        if let Some(missing) = required.iter().find(|name| !properties.contains_key(**name)) {
            return Err(format!("`{missing}` is required and not among the properties"));
        }
        let parameter = |(name, schema): (&String, &Value)| {
            let read = Parameter::new(name, schema, required.contains(&name.as_str()));
            read.map_err(|why| format!("{name}: {why}"))
        };
        let all = properties.iter().map(parameter).collect::<Result<_, _>>()?;
        let mut schema = fields.clone();
        schema.insert("properties".to_owned(), Value::Object(properties.clone()));
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        Ok(Parameters { schema: Value::Object(schema), all })
    }

    /// As a model is told.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// What is wrong with arguments, in a sentence that a model can mend them by.
    pub fn check(&self, arguments: &Map<String, Value>) -> Result<(), String> {
        if let Some(foreign) = arguments.keys().find(|name| !self.all.iter().any(|known| known.name == **name)) {
            let foreign: String = foreign.chars().take(40).collect();
            return Err(format!("there is no parameter `{foreign}`"));
        }
        for parameter in &self.all {
            match arguments.get(&parameter.name) {
                None if parameter.required => return Err(format!("`{}` is missing", parameter.name)),
                None => {}
                Some(value) => parameter.check(value).map_err(|why| format!("`{}` {why}", parameter.name))?,
            }
        }
        Ok(())
    }
}

impl Parameter {
    fn new(name: &str, schema: &Value, required: bool) -> Result<Parameter, String> {
        let Value::Object(fields) = schema else { return Err("a parameter is a map with a `type`".to_owned()) };
        let number = |key: &str, usual: f64| match fields.get(key) {
            None => Ok(usual),
            Some(value) => value.as_f64().ok_or_else(|| format!("`{key}` is a number")),
        };
        let length = |key: &str, usual: usize| match fields.get(key) {
            None => Ok(usual),
            Some(value) => {
                let length = value.as_u64().and_then(|length| usize::try_from(length).ok());
                length.ok_or_else(|| format!("`{key}` is a whole number"))
            }
        };
        let common = ["type", "description", "enum"];
        let kind = match fields.get("type").and_then(Value::as_str) {
            Some("string") => {
                only(fields, &[&common[..], &["pattern", "minLength", "maxLength"]].concat())?;
                let pattern = match fields.get("pattern") {
                    None => None,
                    Some(pattern) => {
                        let pattern = pattern.as_str().ok_or("`pattern` is a text")?;
                        Some(Regex::new(pattern).map_err(|_| format!("`{pattern}` is no pattern"))?)
                    }
                };
                Kind::Text { pattern, shortest: length("minLength", 0)?, longest: length("maxLength", LONGEST)? }
            }
            Some(of @ ("number" | "integer")) => {
                only(fields, &[&common[..], &["minimum", "maximum"]].concat())?;
                let (least, most) = (number("minimum", f64::MIN)?, number("maximum", f64::MAX)?);
                Kind::Number { whole: of == "integer", least, most }
            }
            Some("boolean") => {
                only(fields, &common)?;
                Kind::Truth
            }
            _ => return Err("its `type` is string, number, integer or boolean".to_owned()),
        };
        let among = match fields.get("enum") {
            None => None,
            Some(Value::Array(values)) if !values.is_empty() => Some(values.clone()),
            Some(_) => return Err("`enum` is a list of values".to_owned()),
        };
        Ok(Parameter { name: name.to_owned(), kind, required, among })
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        match (&self.kind, value) {
            (Kind::Text { pattern, shortest, longest }, Value::String(text)) => {
                let length = text.chars().count();
                if length < *shortest || length > *longest {
                    return Err(format!("has {shortest} to {longest} characters"));
                }
                if text.chars().any(|c| c.is_control() && c != '\n') {
                    return Err("has a character that is none".to_owned());
                }
                if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
                    return Err(format!("must match {pattern}"));
                }
            }
            (Kind::Text { .. }, _) => return Err("must be a text".to_owned()),
            (Kind::Number { whole, least, most }, Value::Number(number)) => {
                let number = number.as_f64().filter(|number| number.is_finite()).ok_or("must be a number")?;
                if *whole && number.fract() != 0.0 {
                    return Err("must be a whole number".to_owned());
                }
                if number < *least || number > *most {
                    return Err(format!("must be from {least} to {most}"));
                }
            }
            (Kind::Number { .. }, _) => return Err("must be a number".to_owned()),
            (Kind::Truth, Value::Bool(_)) => {}
            (Kind::Truth, _) => return Err("must be true or false".to_owned()),
        }
        match &self.among {
            Some(among) if !among.contains(value) => Err(format!("must be one of {}", Value::from(among.clone()))),
            _ => Ok(()),
        }
    }
}

fn only(fields: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(foreign) => Err(format!("`{foreign}` is not checked here; there are {}", known.join(", "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters() -> Parameters {
        Parameters::new(&json!({
            "type": "object",
            "properties": {
                "number": { "type": "string", "pattern": "^[A-Z0-9]+$", "maxLength": 13 },
                "kg": { "type": "number", "minimum": 0, "maximum": 30 },
                "count": { "type": "integer" },
                "fast": { "type": "boolean" },
                "service": { "type": "string", "enum": ["standard", "express"] },
            },
            "required": ["number"],
        }))
        .expect("a schema")
    }

    #[test]
    fn arguments_are_what_the_schema_says() {
        let all = json!({ "number": "PX1", "kg": 2.5, "count": 2, "fast": true, "service": "express" });
        for arguments in [json!({ "number": "PX1" }), all] {
            assert_eq!(parameters().check(arguments.as_object().unwrap()), Ok(()), "{arguments}");
        }
        for (arguments, why) in [
            (json!({}), "`number` is missing"),
            (json!({ "number": 1 }), "`number` must be a text"),
            (json!({ "number": "px1" }), "`number` must match ^[A-Z0-9]+$"),
            (json!({ "number": "A".repeat(14) }), "`number` has 0 to 13 characters"),
            (json!({ "number": "A", "kg": -1 }), "`kg` must be from 0 to 30"),
            (json!({ "number": "A", "kg": "2" }), "`kg` must be a number"),
            (json!({ "number": "A", "count": 1.5 }), "`count` must be a whole number"),
            (json!({ "number": "A", "fast": "yes" }), "`fast` must be true or false"),
            (json!({ "number": "A", "service": "bike" }), "`service` must be one of [\"standard\",\"express\"]"),
            (json!({ "number": "A", "admin": true }), "there is no parameter `admin`"),
        ] {
            assert_eq!(parameters().check(arguments.as_object().unwrap()), Err(why.to_owned()), "{arguments}");
        }
    }

    #[test]
    fn a_schema_promises_nothing_that_is_not_checked() {
        for (schema, why) in [
            (json!([]), "it is a map with `type: object`"),
            (json!({}), "write `type: object`"),
            (
                json!({ "type": "object", "properties": { "a": { "type": "array" } } }),
                "a: its `type` is string, number, integer or boolean",
            ),
            (json!({ "type": "object", "required": ["a"] }), "`a` is required and not among the properties"),
            (json!({ "type": "object", "additionalProperties": true }), "`additionalProperties` is always false"),
            (
                json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "(" } } }),
                "a: `(` is no pattern",
            ),
        ] {
            assert_eq!(Parameters::new(&schema).unwrap_err(), why);
        }
        let format = json!({ "type": "object", "properties": { "a": { "type": "string", "format": "date" } } });
        assert!(Parameters::new(&format).unwrap_err().starts_with("a: `format` is not checked here"));
    }
}
