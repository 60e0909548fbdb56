//! The HTTP API as an OpenAPI 3.1 document, its schemas made from the Rust types that the handlers use.

use std::sync::LazyLock;

use salvo::prelude::*;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::api::Loaded;
use super::compare::{Broken, Edit};
use super::customers::Deleted;
use super::protocol::{
    Back, ClientFrame, Download, Hello, MAX_BODY, Post, Replied, ServerFrame, Unread, UnreadCount, WantsTranscript,
    WentBack,
};
use super::watch::{Health, Ready};
use crate::conversation::Attachment;
use crate::recording::compare::Report;

/// The document. It never changes while the program runs.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /api/openapi.json`
#[handler]
pub async fn openapi(res: &mut Response) {
    res.render(Json(&*DOCUMENT));
}

/// The schemas of what comes in and of what goes out: a field that may be left out coming in may always be there
/// going out.
struct Schemas {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    fn new() -> Schemas {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Schemas {
            taken: settings.clone().for_deserialize().into_generator(),
            given: settings.for_serialize().into_generator(),
        }
    }

    fn taken<T: JsonSchema>(&mut self) -> Schema {
        self.taken.subschema_for::<T>()
    }

    fn given<T: JsonSchema>(&mut self) -> Schema {
        self.given.subschema_for::<T>()
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        all.extend(self.given.take_definitions(true));
        all
    }
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    // Of the socket, which OpenAPI has no words for.
    schemas.taken::<ClientFrame>();
    let paths = json!({
        "/api/chat/events": { "post": chat_events(&mut schemas) },
        "/api/chat/frames": { "post": chat_frames(&mut schemas) },
        "/api/chat/unread": { "post": unread(&mut schemas) },
        "/api/chat/transcript": { "post": transcript(&mut schemas) },
        "/api/chat/back": { "post": back(&mut schemas) },
        "/api/chat/export": { "post": export(&mut schemas) },
        "/api/chat/attachments": { "post": attach(&mut schemas) },
        "/api/chat/attachments/{id}": { "get": attachment() },
        "/api/customers/erase": { "post": erase(&mut schemas) },
        "/ws/chat/": { "get": socket() },
        "/api/content": { "get": content(&mut schemas) },
        "/api/content/compare": { "post": comparison(&mut schemas) },
        "/health": { "get": health(&mut schemas) },
        "/ready": { "get": ready(&mut schemas) },
        "/metrics": { "get": metrics() },
        "/api/protocol.json": { "get": {
            "tags": ["descriptions"],
            "summary": "The frames as JSON Schema",
            "responses": { "200": json_body("The frames of the client and of the server.", &json!({ "type": "object" })) },
        } },
        "/api/openapi.json": { "get": {
            "tags": ["descriptions"],
            "summary": "This document",
            "responses": { "200": json_body("OpenAPI 3.1.", &json!({ "type": "object" })) },
        } },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "purser",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The chat desk of this site.",
            "description": "Customers chat over a WebSocket or over HTTP with the same frames: a message is stored \
                            before it is acknowledged, once however often it is sent, and whoever was away says the \
                            last seq it saw and gets the rest.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "chat", "description": "For customers' clients." },
            { "name": "operation", "description": "For whoever runs the site." },
            { "name": "descriptions", "description": "For programs that read how to talk to this one." },
        ],
        "paths": paths,
        "components": {
            "securitySchemes": { "admin": {
                "type": "http", "scheme": "bearer",
                "description": "The `admin_token` of the configuration. Not needed from the networks of its `watchers`.",
            } },
            "schemas": schemas.all(),
        },
    })
}

fn chat_events(schemas: &mut Schemas) -> Value {
    let stream = schemas.given::<ServerFrame>();
    let mut responses = refusals(schemas, &["400", "401", "403", "429", "503"]);
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "A stream that goes on until either side ends it: `welcome`, what was missed, then what \
                            happens. Each `data:` line holds a frame, with its seq as `id:`. After 15 s without one \
                            comes a comment. Before the server ends it comes `bye`.",
            "content": { "text/event-stream": { "schema": {
                "type": "string",
                "description": "The frame in each `data:` line.",
                "contentMediaType": "application/json",
                "contentSchema": stream,
            } } },
        }),
    );
    json!({
        "tags": ["chat"],
        "summary": "Hear what happens in a conversation",
        "description": "Takes a `hello` frame. A client that comes back says the last seq that it saw and gets the \
                        rest.",
        "requestBody": request(&hello_frame(schemas), &json!({
            "type": "hello", "token": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "conversation": "01932c5e-7b1a-7f00-8000-000000000001", "seq": 0, "language": "en",
        })),
        "responses": responses,
    })
}

fn hello_frame(schemas: &mut Schemas) -> Value {
    let hello = schemas.taken::<Hello>();
    json!({ "allOf": [hello, {
        "type": "object", "required": ["type"], "properties": { "type": { "type": "string", "const": "hello" } },
    }] })
}

fn chat_frames(schemas: &mut Schemas) -> Value {
    let replied = schemas.given::<Replied>();
    let mut responses = refusals(schemas, &["400", "401", "403", "404", "422", "429", "503"]);
    responses.insert("200".to_owned(), json_body("The frames that answer it.", &replied.to_value()));
    json!({
        "tags": ["chat"],
        "summary": "Say something, or ask for older events",
        "description": "Takes any frame of a client. A message is durable when its `ack` is among the frames of the \
                        reply; sent again with the same `client_id` it is stored once. Its answer comes over the \
                        stream.",
        "requestBody": request(&schemas.taken::<Post>().to_value(), &json!({
            "token": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "conversation": "01932c5e-7b1a-7f00-8000-000000000001",
            "frame": { "type": "say", "client_id": "1", "text": "Do you deliver on Saturdays?" },
        })),
        "responses": responses,
    })
}

fn unread(schemas: &mut Schemas) -> Value {
    json!({
        "tags": ["chat"],
        "summary": "How many messages are unread",
        "description": "For a page whose chat was not opened yet.",
        "requestBody": request(&schemas.taken::<Unread>().to_value(), &json!({
            "token": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "seen": 7,
        })),
        "responses": {
            "200": json_body("The number.", &schemas.given::<UnreadCount>().to_value()),
            "400": { "description": "This is no such body, or no token in it." },
            "403": { "description": "This site may not chat here." },
            "503": { "description": "The store is away." },
        },
    })
}

fn transcript(schemas: &mut Schemas) -> Value {
    json!({
        "tags": ["chat"],
        "summary": "Have what was said sent by mail",
        "requestBody": request(&schemas.taken::<WantsTranscript>().to_value(), &json!({
            "token": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "conversation": "01890a5d-ac96-774b-bcce-b302099a8057", "email": "anna@example.org",
        })),
        "responses": {
            "202": { "description": "It is sent, at the latest when the mail server is back." },
            "400": { "description": "This is no such body, or no token in it." },
            "403": { "description": "This is another visitor's conversation, or this site may not chat here." },
            "404": { "description": "No mail is sent from here, or nothing was said." },
            "422": { "description": "This is no address, or none is known." },
            "429": { "description": "This is asked too often." },
            "503": { "description": "The store is away." },
        },
    })
}

fn attach(schemas: &mut Schemas) -> Value {
    let file = json!({ "type": "string", "format": "binary" });
    let query = |name: &str, description: &str, required: bool| {
        json!({ "name": name, "in": "query", "required": required, "description": description,
                "schema": { "type": "string" } })
    };
    json!({
        "tags": ["chat"],
        "summary": "Send a picture or a PDF",
        "description": "The file is the body; a message then names it. The header `Authorization` has the visitor's token, \
                        `Bearer TOKEN`, and `Purser-Identity` the `identity` of a customer who is signed in.",
        "parameters": [
            query("client_id", "The client's id of the file: sent again under it, it is kept once.", true),
            query("name", "What it is called.", false),
        ],
        "requestBody": { "required": true, "content": { "application/octet-stream": { "schema": file } } },
        "responses": {
            "201": json_body("It is kept.", &schemas.given::<Attachment>().to_value()),
            "400": { "description": "There is no token or no client_id." },
            "401": { "description": "Nobody vouches for this customer." },
            "403": { "description": "This site may not chat here, or the visitor is blocked." },
            "404": { "description": "Nothing can be attached here." },
            "409": { "description": "So many are there already." },
            "413": { "description": "It is too large." },
            "415": { "description": "It is neither a JPEG, PNG or WebP picture nor a PDF." },
            "422": { "description": "It is empty, cannot be read or has too many pixels." },
            "429": { "description": "This is asked too often." },
            "503": { "description": "Too much is coming in, or files cannot be kept now: again later." },
        },
    })
}

fn attachment() -> Value {
    let file = json!({ "type": "string", "format": "binary" });
    json!({
        "tags": ["chat"],
        "summary": "A picture or a PDF of a conversation",
        "description": "For the visitor of the conversation, with the headers of `POST /api/chat/attachments`.",
        "parameters": [
            { "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } },
        ],
        "responses": {
            "200": { "description": "The file.", "content": {
                "image/jpeg": { "schema": file }, "image/png": { "schema": file }, "application/pdf": { "schema": file },
            } },
            "400": { "description": "There is no token." },
            "401": { "description": "Nobody vouches for this customer." },
            "403": { "description": "This site may not chat here." },
            "404": { "description": "It is not there, or not this visitor's." },
            "429": { "description": "This is asked too often." },
            "503": { "description": "Files cannot be read now." },
        },
    })
}

fn export(schemas: &mut Schemas) -> Value {
    json!({
        "tags": ["chat"],
        "summary": "Everything that is the visitor's",
        "description": "What was said and what is remembered, in all conversations of this token, or of the customer whom \
                        `identity` names. `seen` is not looked at.",
        "requestBody": request(&schemas.taken::<Unread>().to_value(), &json!({
            "token": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        })),
        "responses": {
            "200": json_body("It is all here.", &schemas.given::<Download>().to_value()),
            "400": { "description": "This is no such body, or no token in it." },
            "401": { "description": "Nobody vouches for this customer." },
            "403": { "description": "This site may not chat here." },
            "429": { "description": "This is asked too often." },
            "503": { "description": "The store is away." },
        },
    })
}

fn back(schemas: &mut Schemas) -> Value {
    json!({
        "tags": ["chat"],
        "summary": "Come back by the link of a mail",
        "description": "What was said in the conversation that the link is about goes to the end of the visitor's own \
                        and is deleted where it was. Ask the customer first: whoever sent the link could have it read \
                        what was said there.",
        "requestBody": request(&schemas.taken::<Back>().to_value(), &json!({
            "token": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "ticket": "AYkKXayWd0u8zrMCCZqAVw",
        })),
        "responses": {
            "200": json_body("Where it goes on.", &schemas.given::<WentBack>().to_value()),
            "400": { "description": "This is no such body, or no token in it." },
            "403": { "description": "This site may not chat here." },
            "404": { "description": "The link is not good any more, or the conversation was deleted." },
            "429": { "description": "This is asked too often." },
            "503": { "description": "The store is away, or an answer is under way; try again." },
        },
    })
}

fn erase(schemas: &mut Schemas) -> Value {
    json!({
        "tags": ["operation"],
        "summary": "Delete a customer's chat",
        "description": "For the server of the host site, when it deletes a customer. The body is a token as for signing \
                        in, but with an `aud` that ends with `/erase`.",
        "requestBody": {
            "required": true,
            "content": { "text/plain": { "schema": { "type": "string" } } },
        },
        "responses": {
            "200": json_body("It is gone.", &schemas.given::<Deleted>().to_value()),
            "400": { "description": "This is no text, or too long." },
            "401": { "description": "The token is not taken; the answer says why." },
            "403": { "description": "The page of another site asks." },
            "429": { "description": "This is asked too often." },
            "503": { "description": "The store is away." },
        },
    })
}

fn socket() -> Value {
    json!({
        "tags": ["chat"],
        "summary": "Chat over a WebSocket",
        "description": "With `Sec-WebSocket-Protocol: purser.v1` the frames are those of the two POSTs: the client \
                        sends `ClientFrame`s and gets `ServerFrame`s. Without it, `{\"message\": \"text\"}` goes in and \
                        `{\"message\": \"html\"}` comes out.",
        "parameters": [{
            "name": "Sec-WebSocket-Protocol", "in": "header",
            "schema": { "type": "string", "enum": ["purser.v1"] },
        }],
        "responses": {
            "101": { "description": "The socket is open." },
            "400": { "description": "An unknown protocol was offered alone." },
            "403": { "description": "This site may not open a chat here." },
            "429": { "description": "Too many chats come from this address: again after `Retry-After` seconds." },
            "503": { "description": "Too many chats are open: again after `Retry-After` seconds." },
        },
    })
}

fn content(schemas: &mut Schemas) -> Value {
    let loaded = schemas.given::<Loaded>();
    json!({
        "tags": ["operation"],
        "summary": "The content in force, and what is wrong with its files",
        "security": [{ "admin": [] }, {}],
        "responses": {
            "200": json_body("What is loaded.", &loaded.to_value()),
            "403": { "description": "Neither from a watcher's network nor with the admin token." },
        },
    })
}

fn comparison(schemas: &mut Schemas) -> Value {
    let (report, broken) = (schemas.given::<Report>().to_value(), schemas.given::<Broken>().to_value());
    json!({
        "tags": ["operation"],
        "summary": "Which questions of customers an edit would answer differently",
        "description": "Each stored question is answered from its own recorded past, by the content in force and by \
                        the changed one. One comparison is made at a time, when nobody else wants the machine.",
        "security": [{ "admin": [] }],
        "requestBody": request(&schemas.taken::<Edit>().to_value(), &json!({
            "files": { "faq/en/parcels.yaml": "language: en\nentries: []\n", "faq/en/old.yaml": null }, "days": 30,
        })),
        "responses": {
            "200": json_body("What would change.", &report),
            "400": { "description": "This is no such body." },
            "403": { "description": "Without the admin token." },
            "404": { "description": "No set of this revision went live here." },
            "409": { "description": "A comparison is under way." },
            "413": { "description": "The body is too large." },
            "422": json_body("The changed files do not load.", &broken),
            "503": { "description": "The store is away." },
        },
    })
}

fn health(schemas: &mut Schemas) -> Value {
    json!({
        "tags": ["operation"],
        "summary": "Whether the process lives, and how its parts are",
        "description": "Everything but `status` is for those who may watch.",
        "security": [{ "admin": [] }, {}],
        "responses": { "200": json_body("It lives.", &schemas.given::<Health>().to_value()) },
    })
}

fn ready(schemas: &mut Schemas) -> Value {
    let ready = schemas.given::<Ready>().to_value();
    json!({
        "tags": ["operation"],
        "summary": "Whether customers should be sent here",
        "responses": { "200": json_body("Yes.", &ready), "503": json_body("Not now.", &ready) },
    })
}

fn metrics() -> Value {
    json!({
        "tags": ["operation"],
        "summary": "What was counted, for Prometheus",
        "security": [{ "admin": [] }, {}],
        "responses": {
            "200": {
                "description": "OpenMetrics.",
                "content": { "application/openmetrics-text": { "schema": { "type": "string" } } },
            },
            "403": { "description": "Neither from a watcher's network nor with the admin token." },
        },
    })
}

fn request(schema: &Value, example: &Value) -> Value {
    json!({
        "required": true,
        "description": format!("At most {MAX_BODY} bytes. The `Content-Type` does not matter."),
        "content": { "application/json": { "schema": schema, "example": example } },
    })
}

fn json_body(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// The replies to a frame that was refused: an HTTP status beside its `error`.
fn refusals(schemas: &mut Schemas, statuses: &[&str]) -> Map<String, Value> {
    let replied = schemas.given::<Replied>().to_value();
    let mut responses: Map<String, Value> = statuses
        .iter()
        .map(|status| {
            let description = match *status {
                "400" => "`unreadable`, `hello_first` or `bad_token`.",
                "401" => "`sign_in_expired` or `sign_in_refused`.",
                "403" => "`not_yours` or `blocked`; without frames: this site may not chat here.",
                "404" => "`no_answer`, `no_attachment`, `no_chat` or `no_conversation`.",
                "422" => "`empty` or `too_long`.",
                "429" => "`too_fast` or `too_many`: again after `Retry-After` seconds.",
                _ => "`not_stored` or `full`: again after `Retry-After` seconds.",
            };
            ((*status).to_owned(), json_body(description, &replied))
        })
        .collect();
    responses.insert("413".to_owned(), json!({ "description": "The body is too long." }));
    responses
}
