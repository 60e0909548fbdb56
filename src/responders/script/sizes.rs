//! Functions of the engine that make a large value before its size is looked at, or go down into one to the end of the
//! stack, done again so that they do not.

use std::fmt::{self, Write};

use rhai::{Array, Dynamic, Engine, EvalAltResult, FuncRegistration, INT, ImmutableString, Map, NativeCallContext};

use super::engine::{MAX_ITEMS, MAX_TEXT};
use super::library::{Result, fail};
use super::value::from_script;

/// A list or map as text is cut after so many bytes: it is for `print`.
const MOST_SHOWN: usize = 16 << 10;
/// What lies deeper is left out of it.
const DEEPEST_SHOWN: usize = 16;
/// Values that are nested deeper cannot be compared.
const DEEPEST_COMPARED: usize = 64;

/// Registers them over the engine's own.
pub(super) fn register(engine: &mut Engine) {
    splitting(engine);
    replacing(engine);
    showing(engine);
    comparing(engine);
}

fn splitting(engine: &mut Engine) {
    let most = |pieces: INT| usize::try_from(pieces).unwrap_or(0).max(1);
    engine.register_fn("split", |text: &str, by: &str| pieces(text.split(by)));
    engine.register_fn("split", |text: &str, by: char| pieces(text.split(by)));
    engine.register_fn("split", move |text: &str, by: &str, count: INT| pieces(text.splitn(most(count), by)));
    engine.register_fn("split", move |text: &str, by: char, count: INT| pieces(text.splitn(most(count), by)));
    engine.register_fn("split_rev", |text: &str, by: &str| pieces(text.rsplit(by)));
    engine.register_fn("split_rev", |text: &str, by: char| pieces(text.rsplit(by)));
    engine.register_fn("split_rev", move |text: &str, by: &str, count: INT| pieces(text.rsplitn(most(count), by)));
    engine.register_fn("split_rev", move |text: &str, by: char, count: INT| pieces(text.rsplitn(most(count), by)));
}

fn pieces<'a>(pieces: impl Iterator<Item = &'a str>) -> Result<Array> {
    let found: Array = pieces.take(MAX_ITEMS + 1).map(|piece| Dynamic::from(ImmutableString::from(piece))).collect();
    match found.len() > MAX_ITEMS {
        true => fail(format!("the text has more than {MAX_ITEMS} pieces: the list is too large")),
        false => Ok(found),
    }
}

fn replacing(engine: &mut Engine) {
    engine.register_fn("replace", |text: &mut ImmutableString, old: &str, new: &str| replaced(text, old, new));
    engine.register_fn("replace", |text: &mut ImmutableString, old: char, new: &str| {
        replaced(text, old.encode_utf8(&mut [0; 4]), new)
    });
    engine.register_fn("replace", |text: &mut ImmutableString, old: &str, new: char| {
        replaced(text, old, new.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("replace", |text: &mut ImmutableString, old: char, new: char| {
        replaced(text, old.encode_utf8(&mut [0; 4]), new.encode_utf8(&mut [0; 4]))
    });
}

fn replaced(text: &mut ImmutableString, old: &str, new: &str) -> Result<()> {
    let more = new.len().saturating_sub(old.len());
    if more > 0 && text.len() + text.matches(old).count() * more > MAX_TEXT {
        return fail(format!("with that replaced the text has more than {MAX_TEXT} bytes"));
    }
    if !text.is_empty() {
        *text = text.replace(old, new).into();
    }
    Ok(())
}

fn showing(engine: &mut Engine) {
    for name in ["to_string", "to_debug", "print"] {
        let list = |context: NativeCallContext, list: &mut Array| -> Result<ImmutableString> {
            let whole = Dynamic::from_array(std::mem::take(list));
            *list = bounded(&context, whole)?.into_array().unwrap_or_default();
            let mut shown = Shown { text: String::new(), context: Some(&context) };
            // It fails only when there is enough.
            let _ = shown.list(list, 0);
            Ok(shown.text.into())
        };
        let map = |context: NativeCallContext, map: &mut Map| -> Result<ImmutableString> {
            let whole = Dynamic::from_map(std::mem::take(map));
            *map = bounded(&context, whole)?.try_cast().unwrap_or_default();
            let mut shown = Shown { text: String::new(), context: Some(&context) };
            let _ = shown.map(map, 0);
            Ok(shown.text.into())
        };
        FuncRegistration::new(name).with_purity(true).register_into_engine(engine, list);
        FuncRegistration::new(name).with_purity(true).register_into_engine(engine, map);
    }
    let json = |map: &mut Map| -> Result<String> {
        from_script(&Dynamic::from_map(map.clone())).map(|value| value.to_string()).or_else(fail)
    };
    FuncRegistration::new("to_json").with_purity(true).register_into_engine(engine, json);
}

fn comparing(engine: &mut Engine) {
    for (name, wanted) in [("==", true), ("!=", false)] {
        let lists = move |context: NativeCallContext, one: &mut Array, mut other: Array| -> Result<bool> {
            Ok(same_lists(&context, one, &mut other, 0)? == wanted)
        };
        let maps = move |context: NativeCallContext, one: &mut Map, mut other: Map| -> Result<bool> {
            Ok(same_maps(&context, one, &mut other, 0)? == wanted)
        };
        FuncRegistration::new(name).with_purity(true).register_into_engine(engine, lists);
        FuncRegistration::new(name).with_purity(true).register_into_engine(engine, maps);
    }
}

fn same_lists(context: &NativeCallContext, one: &mut Array, other: &mut Array, deep: usize) -> Result<bool> {
    if one.len() != other.len() {
        return Ok(false);
    }
    for (one, other) in one.iter_mut().zip(other) {
        if !same(context, one, other, deep + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_maps(context: &NativeCallContext, one: &mut Map, other: &mut Map, deep: usize) -> Result<bool> {
    if one.len() != other.len() {
        return Ok(false);
    }
    for (name, one) in one {
        let same = match other.get_mut(name) {
            Some(other) => same(context, one, other, deep + 1)?,
            None => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same(context: &NativeCallContext, one: &mut Dynamic, other: &mut Dynamic, deep: usize) -> Result<bool> {
    if deep > DEEPEST_COMPARED {
        return fail(format!("what is nested deeper than {DEEPEST_COMPARED} cannot be compared"));
    }
    if let (Some(mut one), Some(mut other)) = (one.write_lock::<Array>(), other.write_lock::<Array>()) {
        return same_lists(context, &mut one, &mut other, deep);
    }
    if let (Some(mut one), Some(mut other)) = (one.write_lock::<Map>(), other.write_lock::<Map>()) {
        return same_maps(context, &mut one, &mut other, deep);
    }
    match context.call_native_fn_raw("==", true, &mut [one, other]) {
        Ok(same) => Ok(same.as_bool().unwrap_or(false)),
        // Of different kinds.
        Err(error) if matches!(*error, EvalAltResult::ErrorFunctionNotFound(..)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A list or map that is no larger than one may be; a larger one, which can come to be piece by piece, is an error. Where
/// the engine wants a text for it all the same, in the middle of another one, there must be nothing left to write.
fn bounded(context: &NativeCallContext, value: Dynamic) -> Result<Dynamic> {
    context.engine().ensure_data_size_within_limits(&value).map(|()| value)
}

/// A value as text for whoever writes the script, up to a length. All that is in a list may be far more than it takes to
/// hold it, since one text can stand in it many times.
pub(super) fn shown(value: &Dynamic) -> String {
    if value.is_string() {
        return value.to_string();
    }
    let mut shown = Shown { text: String::new(), context: None };
    let _ = shown.value(&mut value.clone(), 0);
    shown.text
}

struct Shown<'a> {
    text: String,
    /// What knows how values of purser's own types are shown.
    context: Option<&'a NativeCallContext<'a>>,
}

impl Shown<'_> {
    fn list(&mut self, list: &mut Array, deep: usize) -> fmt::Result {
        self.write_char('[')?;
        for (number, item) in list.iter_mut().enumerate() {
            self.write_str(if number > 0 { ", " } else { "" })?;
            self.value(item, deep + 1)?;
        }
        self.write_char(']')
    }

    fn map(&mut self, map: &mut Map, deep: usize) -> fmt::Result {
        self.write_str("#{")?;
        for (number, (name, value)) in map.iter_mut().enumerate() {
            write!(self, "{}{name:?}: ", if number > 0 { ", " } else { "" })?;
            self.value(value, deep + 1)?;
        }
        self.write_char('}')
    }

    fn value(&mut self, value: &mut Dynamic, deep: usize) -> fmt::Result {
        if deep > DEEPEST_SHOWN {
            return self.write_char('…');
        }
        if let Some(mut list) = value.write_lock::<Array>() {
            return self.list(&mut list, deep);
        }
        if let Some(mut map) = value.write_lock::<Map>() {
            return self.map(&mut map, deep);
        }
        let own = self.context.filter(|_| value.is_variant());
        match own.map(|context| context.call_native_fn_raw("to_debug", true, &mut [value])) {
            Some(Ok(shown)) => write!(self, "{shown}"),
            _ => write!(self, "{value:?}"),
        }
    }
}

impl Write for Shown<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MOST_SHOWN.saturating_sub(self.text.len());
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        self.text.push('…');
        Err(fmt::Error)
    }
}
