//! The shipped plugins say the same as the FAQ and the demo page: prices, limits, times and addresses.

use std::fs;

use serde_json::Value;

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A fact as a language has it.
fn fact(language: &str, name: &str) -> String {
    let files = fs::read_dir(format!("faq/{language}")).unwrap().map(|file| file.unwrap().path());
    let own = files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    let mut all: Vec<Value> = own.map(|file| yaml(&file.display().to_string())).collect();
    all.push(yaml("faq/facts.yaml"));
    let fact = all.iter().find_map(|file| file.get("facts")?.get(name)?.as_str());
    fact.unwrap_or_else(|| panic!("no fact {name}")).to_owned()
}

#[test]
fn prices_of_the_cost_plugin_are_those_of_the_faq() {
    let rates = yaml("plugins/cost/rates.yaml");
    let page = fs::read_to_string("templates/demo.html").unwrap();
    for size in ["small", "medium", "large"] {
        let price = |currency: &str| rates["prices"][currency]["domestic"]["standard"][size].as_f64().unwrap();
        let (pounds, euros) = (price("GBP"), price("EUR"));
        assert_eq!(fact("en", &format!("{size}_price")), format!("£{pounds:.2}"));
        assert_eq!(fact("de", &format!("{size}_price")), format!("{euros:.2} €").replace('.', ","));
        let limits = &rates["sizes"][size];
        let about = format!("up to {} kg and {} cm", limits["weight"], limits["length"]);
        assert!(page.contains(&about) && page.contains(&format!("£{pounds:.2}")), "the demo page: {about}");
    }
    assert_eq!(rates["fuel"]["domestic"], 0, "the FAQ says that domestic prices include everything");
}

#[test]
fn limits_and_times_of_the_cost_plugin_are_those_of_the_faq() {
    let rates = yaml("plugins/cost/rates.yaml");
    let limits = &rates["limits"];
    for (name, said) in [
        ("max_weight", format!("{} kg", limits["weight"])),
        ("max_length", format!("{} cm", limits["length"])),
        ("max_girth", format!("{} cm", limits["girth"])),
    ] {
        assert_eq!(fact("en", name), said);
    }
    for (language, currency, next_day, days) in [
        ("en", "GBP", "the next working day", "{} to {} working days"),
        ("de", "EUR", "am nächsten Werktag", "{} bis {} Werktage"),
    ] {
        let said = |zone: &str, service: &str| {
            let [from, to] = [0, 1].map(|at| rates["days"][currency][zone][service][at].to_string());
            if to == "1" { next_day.to_owned() } else { days.replacen("{}", &from, 1).replacen("{}", &to, 1) }
        };
        assert_eq!(fact(language, "express_time"), said("domestic", "express"));
        assert_eq!(fact(language, "standard_time"), said("domestic", "standard"));
        assert_eq!(fact(language, "europe_time"), said("europe", "standard"));
        assert_eq!(fact(language, "world_time"), said("world", "standard"));
    }
}

#[test]
fn every_route_has_a_price_and_a_time() {
    let rates = yaml("plugins/cost/rates.yaml");
    for currency in rates["origins"].as_object().unwrap().keys() {
        for zone in ["domestic", "europe", "world"] {
            assert!(rates["fuel"][zone].is_number(), "fuel in {zone}");
            for service in ["standard", "express"] {
                let days = &rates["days"][currency][zone][service];
                assert!(days[0].as_u64().is_some() && days[1].as_u64() >= days[0].as_u64(), "{currency} {zone}");
                let price = |size: &str| rates["prices"][currency][zone][service][size].as_f64().unwrap();
                assert!(price("small") < price("medium") && price("medium") < price("large"), "{currency} {zone}");
            }
        }
        for surcharge in ["oversize", "remote"] {
            assert!(rates["surcharges"][surcharge][currency].is_number(), "{surcharge} in {currency}");
        }
    }
    let countries = [&rates["europe"], &rates["not_served"], &rates["origins"]["GBP"], &rates["origins"]["EUR"]];
    for code in countries.iter().flat_map(|list| list.as_array().unwrap()) {
        let code = code.as_str().unwrap_or_else(|| panic!("{code} is no text; quote it"));
        assert!(purser::text::place::is_country(code), "{code}");
    }
}

#[test]
fn addresses_are_those_of_the_faq() {
    let tracking = yaml("plugins/tracking/plugin.yaml");
    let cost = yaml("plugins/cost/plugin.yaml");
    assert_eq!(tracking["settings"]["track_url"], fact("en", "track_url").as_str());
    assert_eq!(yaml("plugins/redelivery/plugin.yaml")["settings"]["track_url"], fact("en", "track_url").as_str());
    assert_eq!(cost["settings"]["pricing_url"], fact("en", "pricing_url").as_str());
    assert_eq!(cost["settings"]["order_url"], fact("en", "ship_url").as_str());
}

#[test]
fn both_languages_say_the_same_things() {
    for plugin in ["tracking", "redelivery", "cost"] {
        let texts = yaml(&format!("plugins/{plugin}/texts.yaml"));
        let keys = |language: &str| {
            let mut found: Vec<String> = Vec::new();
            for (name, value) in texts[language].as_object().unwrap() {
                match value.as_object() {
                    Some(inner) => found.extend(inner.keys().map(|key| format!("{name}.{key}"))),
                    None => found.push(format!("{name} {:?}", placeholders(value))),
                }
            }
            found.sort();
            found
        };
        assert_eq!(keys("en"), keys("de"), "{plugin}");
    }
}

/// The names in braces.
fn placeholders(value: &Value) -> Vec<&str> {
    let pieces = value.as_str().unwrap_or_default().split('{').skip(1);
    let mut names: Vec<&str> = pieces.filter_map(|piece| piece.split('}').next()).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_sources_in_the_documentation_can_be_configured() {
    let page = fs::read_to_string("docs/tracking-and-prices.md").unwrap();
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of YAML");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("purser.yaml");
    fs::write(&file, block).unwrap();
    let env = [("SHOP_DATABASE".to_owned(), "sqlite://shop.db".to_owned())];
    let config = purser::config::Config::load(Some(&file), env, &purser::config::Flags::default()).unwrap();
    let names: Vec<&str> = config.outside.sources.keys().map(String::as_str).collect();
    assert_eq!(names, ["shipment", "shipment_delivery", "shipment_history"]);
}
