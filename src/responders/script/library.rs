//! What scripts can call: each function is registered together with its documentation, from which come
//! `plugins/purser.d.rhai` and the reference in docs/plugins.md.

use rhai::{Dynamic, Engine, EvalAltResult, FuncRegistration, ImmutableString, Position, RhaiNativeFunc};

/// The result of a function that may fail: the script is stopped with the message.
pub type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// A group of functions in the reference.
#[derive(Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What is to be said before the functions.
    pub intro: &'static str,
    /// The functions.
    pub functions: Vec<Function>,
}

/// A function as a script's author sees it.
#[derive(Debug)]
pub struct Function {
    /// `fn reply(text: String) -> Answer`, or `get text(turn: Turn) -> String` for a property.
    pub signature: &'static str,
    /// What it does; empty for one that is documented with the one before it.
    pub text: &'static str,
    /// Code that shows it. Each one runs in a test, and the test fails if it is false.
    pub examples: &'static [&'static str],
}

/// Registers functions with an engine and keeps their documentation.
pub struct Library<'e> {
    engine: &'e mut Engine,
    sections: Vec<Section>,
}

impl<'e> Library<'e> {
    /// A library of this engine.
    pub fn new(engine: &'e mut Engine) -> Library<'e> {
        Library { engine, sections: Vec::new() }
    }

    /// Begins a group of functions.
    pub fn section(&mut self, title: &'static str, intro: &'static str) {
        self.sections.push(Section { title, intro, functions: Vec::new() });
    }

    /// Makes a Rust type known to scripts by this name.
    pub fn value<T: rhai::Variant + Clone>(&mut self, name: &'static str) {
        self.engine.register_type_with_name::<T>(name);
    }

    /// A function. Its name is the one in the signature, which begins with `fn `; a function whose first parameter
    /// is a `&mut` value can be called as its method.
    pub fn function<A: 'static, const N: usize, const X: bool, R: rhai::Variant + Clone, const F: bool>(
        &mut self,
        signature: &'static str,
        text: &'static str,
        examples: &'static [&'static str],
        function: impl RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    ) {
        // Volatile: what a function gives depends on the turn, so it is never worked out when a script is compiled.
        let registration = FuncRegistration::new(name(signature)).with_volatility(true);
        // Pure: none changes what it is called on, so constants can be given to it too.
        registration.with_purity(true).register_into_engine(self.engine, function);
        self.document(Function { signature, text, examples });
    }

    /// A property. Its signature begins with `get `.
    pub fn property<A: 'static, const X: bool, R: rhai::Variant + Clone, const F: bool>(
        &mut self,
        signature: &'static str,
        text: &'static str,
        examples: &'static [&'static str],
        get: impl RhaiNativeFunc<A, 1, X, R, F> + Send + Sync + 'static,
    ) {
        FuncRegistration::new_getter(name(signature)).with_volatility(true).register_into_engine(self.engine, get);
        self.document(Function { signature, text, examples });
    }

    /// The engine, for what is no function: operators, indexes, loops.
    pub fn engine(&mut self) -> &mut Engine {
        self.engine
    }

    /// The documentation of everything that was registered.
    pub fn finish(self) -> Vec<Section> {
        self.sections
    }

    fn document(&mut self, function: Function) {
        if self.sections.is_empty() {
            self.section("Functions", "");
        }
        if let Some(section) = self.sections.last_mut() {
            section.functions.push(function);
        }
    }
}

/// The name in a signature.
pub(super) fn name(signature: &'static str) -> &'static str {
    let rest = signature.split_once(' ').map_or(signature, |(_, rest)| rest);
    rest.split_once('(').map_or(rest, |(name, _)| name)
}

/// Stops the script with this message.
pub fn fail<T>(message: impl Into<String>) -> Result<T> {
    let message: ImmutableString = message.into().into();
    Err(EvalAltResult::ErrorRuntime(Dynamic::from(message), Position::NONE).into())
}
