//! Values on their way between JSON and scripts.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::{Number, Value};

use super::engine::{MAX_ITEMS, MAX_TEXT};
use super::library::{Library, Result, fail};
use super::parcels::Parcel;

/// Values that are nested deeper are not taken.
const DEEPEST: usize = 16;
/// Larger data is not copied for a script, which could not hold it: its size is about that of its JSON.
const MOST_COPIED: usize = 2 * MAX_TEXT;

/// A JSON value as a script's own.
pub(super) fn to_script(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(bool) => Dynamic::from_bool(*bool),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Dynamic::from_int(int),
            (None, Some(float)) => Dynamic::from_float(float),
            (None, None) => Dynamic::UNIT,
        },
        Value::String(text) => Dynamic::from(ImmutableString::from(text.as_str())),
        Value::Array(items) => Dynamic::from_array(items.iter().map(to_script).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.as_str().into(), to_script(value)));
            Dynamic::from_map(fields.collect::<Map>())
        }
    }
}

/// A script's value as JSON; an error for what is no data, such as a function, and for what is larger than a text may be.
/// One text may stand in a value many times, and takes room only once there.
pub(super) fn from_script(value: &Dynamic) -> std::result::Result<Value, String> {
    json(value, DEEPEST, &mut { MAX_TEXT })
}

fn json(value: &Dynamic, deep: usize, left: &mut usize) -> std::result::Result<Value, String> {
    if deep == 0 {
        return Err(format!("the value is nested deeper than {DEEPEST}"));
    }
    let mut takes = |bytes: usize| match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(format!("the value has more than {MAX_TEXT} bytes as JSON")),
    };
    takes(1)?;
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(bool) = value.as_bool() {
        return Ok(Value::Bool(bool));
    }
    if let Ok(int) = value.as_int() {
        return Ok(Value::from(int));
    }
    if let Ok(float) = value.as_float() {
        return Number::from_f64(float).map(Value::Number).ok_or_else(|| "the number is not finite".to_owned());
    }
    if let Ok(char) = value.as_char() {
        return Ok(Value::String(char.to_string()));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        takes(text.len())?;
        return Ok(Value::String(text.to_string()));
    }
    if let Ok(items) = value.as_array_ref() {
        let items = items.iter().map(|item| json(item, deep - 1, left));
        return items.collect::<std::result::Result<_, _>>().map(Value::Array);
    }
    if let Ok(fields) = value.as_map_ref() {
        let fields = fields.iter().map(|(name, value)| Ok((name.to_string(), json(value, deep - 1, left)?)));
        return fields.collect::<std::result::Result<_, String>>().map(Value::Object);
    }
    if let Some(data) = value.read_lock::<Data>() {
        takes(data.0.size)?;
        return Ok(data.to_json());
    }
    if let Some(number) = value.read_lock::<Parcel>() {
        let number = number.to_json();
        takes(number.to_string().len())?;
        return Ok(number);
    }
    Err(format!("a value of the type {} cannot be kept", value.type_name()))
}

/// Whether a value has at most so many bytes as JSON.
pub(super) fn fits(value: &Value, bytes: usize) -> bool {
    /// Counts, and refuses what is too much.
    struct Left(usize);

    impl io::Write for Left {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    serde_json::to_writer(Left(bytes), value).is_ok()
}

/// A map that scripts can read and not change: settings, data files, what is known of the visitor. Passing it around
/// copies nothing.
#[derive(Debug, Clone)]
pub struct Data(Arc<Fields>);

#[derive(Debug)]
struct Fields {
    fields: BTreeMap<Box<str>, Node>,
    /// About how many bytes they have as JSON. A data file may be larger than what a script can hold.
    size: usize,
}

#[derive(Debug)]
enum Node {
    /// What a script gets as a copy of its own, because it is small.
    Single(Dynamic),
    /// With its size.
    List(Vec<Node>, usize),
    Map(Data),
}

impl Node {
    fn new(value: &Value) -> Node {
        match value {
            Value::Object(fields) => Node::Map(Data::new(fields)),
            Value::Array(items) => {
                let items: Vec<Node> = items.iter().map(Node::new).collect();
                let size = items.iter().map(Node::size).sum();
                Node::List(items, size)
            }
            single => Node::Single(to_script(single)),
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Node::Single(value) => value.as_immutable_string_ref().map_or(1, |text| text.len()),
            Node::List(_, size) => *size,
            Node::Map(data) => data.0.size,
        }
    }

    fn give(&self) -> Dynamic {
        match self {
            Node::Single(value) => value.clone(),
            Node::List(items, _) => Dynamic::from_array(items.iter().map(Node::give).collect()),
            Node::Map(data) => Dynamic::from(data.clone()),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Node::Single(value) => from_script(value).unwrap_or_default(),
            Node::List(items, _) => items.iter().map(Node::to_json).collect(),
            Node::Map(data) => data.to_json(),
        }
    }
}

impl Data {
    /// A map of these fields.
    pub fn new(fields: &serde_json::Map<String, Value>) -> Data {
        let fields = fields.iter().map(|(name, value)| (name.as_str().into(), Node::new(value)));
        let fields: BTreeMap<Box<str>, Node> = fields.collect();
        let size = fields.iter().map(|(name, node)| name.len() + node.size()).sum();
        Data(Arc::new(Fields { fields, size }))
    }

    fn to_json(&self) -> Value {
        self.0.fields.iter().map(|(name, node)| (name.to_string(), node.to_json())).collect()
    }

    /// A field as a script gets it; `()` if there is none.
    pub(super) fn field(&self, name: &str) -> Result<Dynamic> {
        match self.0.fields.get(name) {
            None => Ok(Dynamic::UNIT),
            Some(Node::List(_, size)) if *size > MOST_COPIED => {
                fail(format!("the list `{name}` is too large to be copied"))
            }
            Some(node) => Ok(node.give()),
        }
    }

    /// A field that is such a map itself.
    pub(super) fn map(&self, name: &str) -> Option<&Data> {
        match self.0.fields.get(name) {
            Some(Node::Map(data)) => Some(data),
            _ => None,
        }
    }

    /// Whether the list `name` has a text that is wanted; what is no list has none.
    pub(super) fn lists_any(&self, name: &str, mut wanted: impl FnMut(&str) -> bool) -> bool {
        let Some(Node::List(items, _)) = self.0.fields.get(name) else { return false };
        items.iter().any(|item| match item {
            Node::Single(value) => value.as_immutable_string_ref().is_ok_and(|text| wanted(&text)),
            _ => false,
        })
    }

    fn keys(&mut self) -> Result<Array> {
        match self.0.fields.len() > MAX_ITEMS {
            true => fail(format!("the map has more than {MAX_ITEMS} keys: the list is too large")),
            false => Ok(self.0.fields.keys().map(|key| Dynamic::from(ImmutableString::from(&**key))).collect()),
        }
    }

    /// All of it, unless that is more than a script can hold.
    fn copied(&mut self) -> Result<Value> {
        match self.0.size > MOST_COPIED {
            true => fail("the map is too large to be copied"),
            false => Ok(self.to_json()),
        }
    }
}

/// Registers [`Data`].
pub(super) fn register(library: &mut Library) {
    library.section(
        "Data",
        "`turn.settings`, `turn.data` and `turn.visitor` are maps that can be read and not changed: \
         `turn.settings.currency`, `turn.data.rates[\"DE\"]`. A key that is not there gives `()`. Lists in them are \
         ordinary arrays.",
    );
    library.value::<Data>("Data");
    library.engine().register_indexer_get(|data: &mut Data, name: &str| data.field(name));
    library.function(
        "fn keys(data: Data) -> Array",
        "The keys of a read-only map, sorted. `for key in data.keys() { data[key] }` goes through all of it.",
        &[],
        Data::keys,
    );
    library.function(
        "fn contains(data: Data, key: String) -> bool",
        "Whether a read-only map has this key; also `key in data`.",
        &[],
        |data: &mut Data, key: &str| data.0.fields.contains_key(key),
    );
    library.function(
        "fn to_map(data: Data) -> Map",
        "A copy that can be changed. It costs time and memory for all that is in it.",
        &[],
        |data: &mut Data| data.copied().map(|value| to_script(&value)),
    );
    library.function("fn to_debug(data: Data) -> String", "The map as text, for `print`.", &[], |data: &mut Data| {
        data.copied().map(|value| value.to_string())
    });
    library.engine().register_fn("to_string", |data: &mut Data| data.copied().map(|value| value.to_string()));
    library.section("JSON", "");
    library.function(
        "fn from_json(text: String) -> ?",
        "Reads JSON: objects become maps, lists arrays, `null` becomes `()`. Gives `()` for text that is not JSON.",
        &[r#"from_json("{\"a\": [1, null]}").a == [1, ()]"#, r#"from_json("{") == ()"#],
        |text: &str| serde_json::from_str::<Value>(text).map_or(Dynamic::UNIT, |value| to_script(&value)),
    );
    library.function(
        "fn to_json(value: ?) -> String",
        "A value as JSON.",
        &[r#"#{ a: [1, ()] }.to_json() == "{\"a\":[1,null]}""#],
        |value: Dynamic| -> Result<String> {
            match from_script(&value) {
                Ok(value) => Ok(value.to_string()),
                Err(why) => fail(why),
            }
        },
    );
}
