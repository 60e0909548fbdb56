//! Conversations in the formats of other projects, and what of them has no place in a recording.

use std::fs;

use purser::recording::Recording;

use crate::cli::Site;

/// Converts a file, and gives its recordings and what was left out.
fn converted(site: &Site, file: &str) -> (Vec<Recording>, String) {
    let _ = fs::remove_dir_all(site.path("out"));
    let ran = site.run(&["convert", file, "--to", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut files: Vec<_> = fs::read_dir(site.path("out")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    (files.iter().map(|file| Recording::read(file).unwrap()).collect(), ran.err)
}

fn written(recordings: &[Recording]) -> String {
    recordings.iter().map(ToString::to_string).collect::<Vec<_>>().join("---\n")
}

#[test]
fn rasa_stories_find_words_and_answers_beside_them() {
    let site = Site::empty();
    let nlu = "version: \"3.1\"\nnlu:\n  - intent: say_no\n    examples: |\n      - no thanks\n      - nope\n";
    let domain = "responses:\n  utter_hi:\n    - text: Ahoy!\n  utter_bye:\n    - text: Bye\n    - text: So long.\n  utter_slot:\n    - text: \"It is {place}\"\n";
    site.write("data/nlu.yml", nlu);
    site.write("domain.yml", domain);
    site.write(
        "tests/test_stories.yml",
        "version: \"3.1\"\nstories:\n- story: one\n  steps:\n  - user: |\n      hello from [Bremen]{\"entity\": \"city\"}\n    \
         intent: greet\n  - action: utter_hi\n  - intent: say_no\n  - action: utter_bye\n  - slot_was_set:\n    - a: 1\n  \
         - action: action_look\n- story: empty\n  steps:\n  - action: utter_hi\n",
    );
    let (recordings, left) = converted(&site, "tests/test_stories.yml");
    assert_eq!(
        written(&recordings),
        "about: one\nconversation:\n  - say: hello from Bremen\n    answer: { contains: [\"Ahoy!\"] }\n  - say: no thanks\n    \
         answer: { matches: [\"Bye|So long\\\\.\"] }\n".replace("[\"Ahoy!\"]", "[Ahoy!]")
    );
    for expected in [
        "test_stories.yml:11:1: `slot_was_set`",
        "test_stories.yml:13:1: what `action_look` says",
        ":16:1: `utter_hi` comes before",
        "the story `empty`",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }

    // The first version wrote Markdown.
    site.write(
        "tests/old.md",
        "## one\n<!-- a comment\n* greet: never said\n-->\n* greet: hello from [Bremen](city)\n  - utter_hi\n* say_no{\"a\": 1}\n  - utter_bye\n  - slot{\"a\": 1}\n> check\n",
    );
    let (again, left) = converted(&site, "tests/old.md");
    assert_eq!(written(&again), written(&recordings));
    assert!(left.contains("old.md:9:1: `slot`") && left.contains("old.md:10:1: the checkpoint"), "{left}");
}

#[test]
fn botium_conversations_know_their_utterances_and_memory() {
    let site = Site::empty();
    site.write("c/ask.utterances.txt", "ASK\nwhere is $number\nfind $number\n");
    site.write("c/bye.pconvo.txt", "Bye\n\n#bot\nyes\n\n#me\nbye $who\n");
    site.write("c/m.scriptingmemory.txt", "      |$number|$when\nfirst |A1     |today\nsecond|B2     |never\n");
    site.write(
        "c/track.convo.txt",
        "track it\n\n#begin\nSET_SCRIPTING_MEMORY who|Bo\n\n#me\nASK\n\n#bot\nIt comes $when\nBUTTONS Yes|No\n\n#me\nPAUSE 2000\nand $number?\n\nINCLUDE Bye\n\n#bot\n!never\nTEXT_CONTAINS that\n\n#end\nX\n",
    );
    let (recordings, left) = converted(&site, "c/track.convo.txt");
    assert_eq!(recordings.len(), 2);
    assert_eq!(
        recordings[1].to_string(),
        "about: \"track it: second\"\nconversation:\n  - say: where is B2\n    answer: { contains: [It comes never], \
         buttons: [\"Yes\", \"No\"] }\n  - wait: 2 seconds\n  - say: and B2?\n    answer: { contains: [\"yes\"] }\n  - say: bye Bo\n    answer: { contains: [that] }\n"
    );
    for expected in [
        "track.convo.txt:6:1: of the 2 wordings of ASK",
        ":20:1: what an answer must not be",
        ":24:1: what stands in `#end`",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }
}

#[test]
fn bot_framework_chats_and_transcripts_go_both_ways() {
    let site = Site::empty();
    site.write(
        "a.chat",
        "user=Ada\nbot=Purser\n\nuser: hello\nPurser: Ahoy!\n[SuggestedActions=Track|Price]\nAda: two\nlines\n[Attachment=x.png image/png]\n",
    );
    let (recordings, left) = converted(&site, "a.chat");
    let expected = "conversation:\n  - say: hello\n    answer: { contains: [Ahoy!], buttons: [Track, Price] }\n  - say: |-\n      two\n      lines\n    attachments: [x.png]\n";
    assert_eq!(written(&recordings), expected);
    assert_eq!(left, "");

    let ran = site.run(&["convert", "a.chat", "--to", "t", "--format", "transcript"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (again, left) = converted(&site, "t/a.transcript");
    let plain = |recording: &Recording| {
        recording.conversation.iter().map(|step| (step.action.clone(), step.answer.clone())).collect::<Vec<_>>()
    };
    assert_eq!(plain(&again[0]), plain(&recordings[0]), "{left}");

    site.write("b.transcript", "[\n  {\"type\": \"typing\"},\n  {\"type\": \"message\", \"from\": {\"role\": \"user\"}, \"text\": \"hi\"}\n]\n");
    let (recordings, left) = converted(&site, "b.transcript");
    assert_eq!(written(&recordings), "conversation:\n  - say: hi\n");
    assert!(left.contains("b.transcript:2:1: an activity of the type `typing`"), "{left}");
    site.write("c.transcript", "[\n  {\"type\": }]");
    let ran = site.run(&["convert", "c.transcript", "b.transcript", "--to", "out"]);
    assert!(
        ran.code == 2 && ran.err.contains("c.transcript:2:12") && ran.out.contains("1 conversations written"),
        "{ran:?}"
    );
}

/// Rules that begin with `...`, intents as payloads and of retrieval, test cases of end-to-end tests, and words in the
/// folders of a larger project.
#[test]
fn rasa_projects_of_every_age_are_read() {
    let site = Site::empty();
    site.write("config.yml", "language: en\n");
    site.write(
        "domain/talk.yml",
        "responses:\n  utter_small/name:\n    - text: I am Purser.\n  utter_hi:\n    - text: Ahoy!\n",
    );
    site.write(
        "data/nlu/small/talk.yml",
        "nlu:\n  - intent: small/name\n    examples:\n      - text: who are you\n  - intent: greet\n    examples: |\n      - good day\n",
    );
    site.write(
        "data/rules/rules.yml",
        "rules:\n- rule: one\n  steps:\n  - ...\n  - intent: small\n  - action: utter_small\n- rule: two\n  steps:\n  - user: '/greet{\"name\": \"Bo\"}'\n  - action: utter_hi\n  - intent: /nowhere\n",
    );
    let (recordings, left) = converted(&site, "data/rules/rules.yml");
    let expected = "about: one\nconversation:\n  - say: who are you\n    answer: { contains: [I am Purser.] }\n---\n\
                    about: two\nconversation:\n  - say: good day\n    answer: { contains: [Ahoy!] }\n";
    assert_eq!(written(&recordings), expected);
    assert!(left.contains("rules.yml:4:1: `...` has no place") && left.contains("the intent `nowhere`"), "{left}");

    site.write(
        "tests/e2e.yml",
        "fixtures:\n- a: []\ntest_cases:\n- test_case: three\n  fixtures: [a]\n  steps:\n  - user: hello\n    assertions:\n    - bot_uttered:\n        \
         utter_name: utter_hi\n    - action_executed: action_look\n  - user: bye\n  - utter: utter_small\n  - bot: Bye!\n",
    );
    let (recordings, left) = converted(&site, "tests/e2e.yml");
    let expected = "about: three\nconversation:\n  - say: hello\n    answer: { contains: [Ahoy!] }\n  - say: bye\n    \
                    answer: { contains: [I am Purser., Bye!] }\n";
    assert_eq!(written(&recordings), expected);
    assert!(left.contains("`fixtures` has no place") && left.contains("`action_executed` has no place"), "{left}");

    // The first version told retrieval apart in Markdown, too.
    site.write("data/responses.md", "## name\n* chitchat/name\n  - Purser, at your service.\n");
    site.write(
        "tests/old.md",
        "## four\n* chitchat: who are you?\n  - respond_chitchat\n* form: /greet <!-- in the form -->\n  - utter_hi\n",
    );
    let (recordings, left) = converted(&site, "tests/old.md");
    let expected = "about: four\nconversation:\n  - say: who are you?\n    answer: { contains: [\"Purser, at your service.\"] }\n  \
                    - say: good day\n    answer: { contains: [Ahoy!] }\n";
    assert_eq!((written(&recordings), left.as_str()), (expected.to_owned(), ""));
}

/// Marks, messages in JSON, parts that are included as a section, channels, and hooks of the project's own.
#[test]
fn botium_conversations_are_read_as_botium_does() {
    let site = Site::empty();
    site.write("c/bye.pconvo.txt", "bye\n\n#me\nbye\n\n#bot\nSo long\n");
    site.write(
        "c/all.convo.txt",
        "all\n\n#me\n{\n  \"text\": \"hello\",\n  \"data\": 1\n}\n\n#bot\n!!really\n\n#me shop\n# one hash\n\n#bot\n?maybe\n\n\
         #me\nBUTTON payload|Yes\n\n#bot\nDUMMY a | b\nFine.\n\n#include bye\n\n#me\nthree\n\n#bot\n!BUTTONS No\n!not this\n",
    );
    let (recordings, left) = converted(&site, "c/all.convo.txt");
    let expected = "about: all\nconversation:\n  - say: hello\n    answer: { contains: [\"!really\"] }\n  - say: \"# one hash\"\n  \
                    - press: \"Yes\"\n    answer: { contains: [Fine.] }\n  - say: bye\n    answer: { contains: [So long] }\n  \
                    - say: three\n";
    assert_eq!(written(&recordings), expected);
    for expected in [
        ":3:1: of a message in JSON",
        ":12:1: the channel `shop`",
        ":16:1: an answer that may be left out",
        ":22:1: `DUMMY`",
        ":31:1: `!BUTTONS`",
        ":32:1: what an answer must not be",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }
}

/// Cards over several lines, instructions within a line, several customers; and what the emulator adds of its own.
#[test]
fn bot_framework_files_are_read_as_the_tools_write_them() {
    let site = Site::empty();
    site.write(
        "a.chat",
        "users=Joe,Sue\nbot=LulaBot\n\nJoe: Hi! [not an instruction]\nLulaBot->Joe: [Typing][Delay=3000]\nHello Joe!\n[Herocard\n  \
         title=Cheese\n  buttons=One|Two]\nSue:[Delay = 5000]Goodbye!\nbot: # choices\n1. one\n[Suggestions=one|two]\n",
    );
    let (recordings, left) = converted(&site, "a.chat");
    let expected = "conversation:\n  - say: Hi! [not an instruction]\n    answer: { contains: [Hello Joe!, Cheese], buttons: [One, Two] }\n  - wait: 5 seconds\n  \
                    - say: Goodbye!\n    answer: { contains: [\"# choices\\n1. one\"], buttons: [one, two] }\n";
    assert_eq!(written(&recordings), expected);
    for expected in [":5:1: `[Typing]`", ":5:1: the time that a bot takes", ":7:1: of `[Herocard]` the words"] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }

    let user = |text: &str| {
        format!(
            "{{\"type\": \"message\", \"from\": {{\"role\": \"user\"}}, \"text\": \"{text}\", \"channelData\": {{\"clientActivityID\": \"1\"}}, \"entities\": [{{\"type\": \"ClientCapabilities\"}}]}}"
        )
    };
    let trace = "{\"type\": \"trace\", \"value\": {}}";
    site.write("b.transcript", &format!("[\n{trace},\n{},\n{trace}\n]\n", user("hi")));
    let (recordings, left) = converted(&site, "b.transcript");
    assert_eq!(written(&recordings), "conversation:\n  - say: hi\n");
    assert_eq!(left.lines().count(), 1, "{left}");
    assert!(left.contains("b.transcript:2:1: 2 activities of the type `trace`, of which this is the first"), "{left}");
}

/// Buttons with payloads, pictures, slots, files that do not load, and what stands beside the stories in their file.
#[test]
fn what_a_rasa_domain_shows_is_carried_over_or_named() {
    let site = Site::empty();
    site.write(
        "domain.yml",
        "responses:\n  utter_ask:\n  - text: Is it there?\n    buttons:\n    - title: It is\n      payload: /yes\n    - title: Not yet\n      \
         payload: '/no{\"when\": \"later\"}'\n  utter_photo:\n  - text: Like this.\n    image: https://example.com/a.jpg\n  \
         utter_left:\n  - text: \"{number} left {place}.\"\n  utter_two:\n  - text: One\n    buttons: [{ title: A }]\n  - text: Two\n",
    );
    site.write("data/nlu.yml", "nlu:\n- intent: a\n  examples: |\n    - first\n- intent: a\n  intent: b\n");
    site.write(
        "tests/test_stories.yml",
        "version: \"3.1\"\nrecorded_by: somebody\nstories:\n- story: one\n  steps:\n  - bot: Ahoy!\n  - user: hello\n  - action: utter_ask\n  - user: '/no{\"when\": \
         \"later\"}'\n  - action: utter_photo\n  - user: where?\n  - action: utter_left\n  - action: utter_ask\n  - intent: \
         yes\n  - action: utter_two\n",
    );
    let (recordings, left) = converted(&site, "tests/test_stories.yml");
    let expected = "about: one\nstart: { messages: [{\"author\":\"bot\",\"text\":\"Ahoy!\"}] }\nconversation:\n  - say: hello\n    \
                    answer: { contains: [Is it there?], buttons: [It is, Not yet] }\n  - press: Not yet\n    answer: { \
                    contains: [Like this.] }\n  - say: where?\n    answer: { contains: [Is it there?], matches: \
                    [\"[\\\\s\\\\S]* left [\\\\s\\\\S]*\\\\.\"], buttons: [It is, Not yet] }\n  - press: It is\n    answer: { \
                    matches: [\"One|Two\"] }\n";
    assert_eq!(written(&recordings), expected);
    for expected in [
        ":1:1: the words in a file beside it are not known: ",
        "data/nlu.yml:6:",
        ":2:1: `recorded_by` has no place",
        ":10:1: `image` of `utter_photo`",
        ":12:1: `utter_left` says what a slot holds",
        ":15:1: the buttons of `utter_two` are not checked",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }

    // Of a whole project the stories are taken, and nothing else is taken for a recording.
    site.write("data/nlu.yml", "nlu:\n- intent: a\n  examples: |\n    - first\n");
    site.write("config.yml", "language: en\npipeline: []\n");
    let (recordings, left) = converted(&site, ".");
    assert_eq!(recordings.len(), 1, "{left}");
    assert!(left.contains("./config.yml: this belongs to a Rasa project and holds no conversation"), "{left}");

    // A new project has keys with nothing below them.
    site.write("new.yml", "version: \"3.1\"\nstories:\nrules:\n");
    let (recordings, left) = converted(&site, "new.yml");
    assert!(recordings.is_empty() && !left.contains("new.yml:"), "{left}");

    // The first version: rules, and what is said while a form asks.
    site.write(
        "old.md",
        "## one\n* hello: hello\n  - utter_photo\n>> a rule\n  - ...\n* form: tell: to [Bremen](city)\n  - form: utter_photo\n",
    );
    let (recordings, left) = converted(&site, "old.md");
    let expected = "about: one\nconversation:\n  - say: hello\n    answer: { contains: [Like this.] }\n---\nabout: a rule\n\
                    conversation:\n  - say: to Bremen\n    answer: { contains: [Like this.] }\n";
    assert_eq!(written(&recordings), expected);
    assert!(left.contains("old.md:5:1: `...` has no place"), "{left}");
}

/// Greetings, bars within arguments, files that are sent, buttons with more around them, and cases over several tables.
#[test]
fn botium_conversations_lose_no_line() {
    let site = Site::empty();
    site.write("round/a.pconvo.txt", &format!("a\n\n#me\nround\n\n{}", "INCLUDE a\n".repeat(10)));
    site.write("round/round.convo.txt", "round\n\n#include a\n");
    let (recordings, left) = converted(&site, "round/round.convo.txt");
    assert_eq!(written(&recordings), "about: round\nconversation:\n  - say: round\n");
    assert_eq!(left.lines().count(), 1, "{left}");

    site.write("c/one.scriptingmemory.txt", "|$city\nfirst|Bremen\n");
    site.write("c/two.scriptingmemory.txt", "|$day\nfirst|Monday\n");
    fs::write(site.path("c/odd.utterances.txt"), b"ODD\n\xff\xfe\n").unwrap();
    site.write(
        "c/all.convo.txt",
        "all\n\n#bot\nAhoy from $city!\nBUTTONS Hi\n\n#me\non $day\nMEDIA photos/crate.jpg\n\n#bot\nBUTTONS Yes\\|No|Later\n\n\
         #me\nMEDIA crate.tiff|crate.pdf\n\n#me\nfirst\nBUTTON Later\nUPDATE_CUSTOM a|b\n",
    );
    let (recordings, left) = converted(&site, "c/all.convo.txt");
    let expected = "about: \"all: first\"\nstart: { messages: [{\"author\":\"bot\",\"text\":\"Ahoy from Bremen!\"}] }\nconversation:\n  \
                    - say: on Monday\n    attachments: [crate.jpg]\n    answer: { buttons: [\"Yes|No\", Later] }\n  \
                    - attachments: [crate.pdf]\n  - press: Later\n";
    assert_eq!(written(&recordings), expected);
    for expected in [
        "odd.utterances.txt: the file is not UTF-8",
        ":5:1: the bot speaks before",
        ":14:1: `MEDIA crate.tiff` is no picture",
        ":17:1: who presses a button says nothing else",
        ":20:1: `UPDATE_CUSTOM`",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }
}

/// A transcript that became a recording and a transcript again has all its texts, also what greets, cards and files.
#[test]
fn a_transcript_keeps_its_texts_both_ways() {
    let site = Site::empty();
    site.write(
        "a.transcript",
        r#"[
  {"type": "message", "from": {"role": "bot"}, "text": "Ahoy!", "suggestedActions": {"actions": [{"title": "Hi"}]}},
  {"type": "message", "from": {"role": "user", "name": "Bo"}, "text": "it is broken", "channelData": {"clientActivityId": "1"},
   "attachments": [{"contentType": "image/png", "name": "crate.png", "contentUrl": "https://example.com/1"}, {"contentType": "audio/ogg"}]},
  {"type": "message", "from": {"role": "bot"}, "text": "One\r\nTwo", "attachments": [
    {"contentType": "application/vnd.microsoft.card.hero", "content": {"title": "A label", "text": "Print it.",
     "buttons": [{"type": "imBack", "title": "Print", "value": "print"}]}}, {"contentType": "application/vnd.microsoft.card.adaptive"}]},
  {"type": "message", "from": {"role": "user"}, "attachments": [{"contentType": "application/pdf", "contentUrl": "https://example.com/2"}]}
]"#,
    );
    let (recordings, left) = converted(&site, "a.transcript");
    let expected = "start: { messages: [{\"author\":\"bot\",\"text\":\"Ahoy!\"}] }\nconversation:\n  - say: it is broken\n    \
                    attachments: [crate.png]\n    answer: { contains: [\"One\\nTwo\", A label, Print it.], buttons: [Print] }\n  \
                    - attachments: [file.pdf]\n";
    assert_eq!(written(&recordings), expected);
    for expected in [
        ":2:1: buttons before anything was said",
        ":3:1: the attachment `audio/ogg`",
        ":5:1: an attachment of the type `application/vnd.microsoft.card.adaptive`",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }
    assert_eq!(left.lines().count(), 3, "{left}");

    let ran = site.run(&["convert", "a.transcript", "--to", "t", "--format", "transcript"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (again, left) = converted(&site, "t/a.transcript");
    let text = |recording: &Recording| {
        recording.to_string().replace("One\\nTwo\", A label, Print it.", "One\\nTwo\\nA label\\nPrint it.\"")
    };
    assert_eq!(left, "");
    assert_eq!(
        again[0].to_string().split_once("conversation:").unwrap().1,
        text(&recordings[0]).split_once("conversation:").unwrap().1
    );
    assert_eq!(again[0].start.messages, recordings[0].start.messages);

    // The same in a chat.
    site.write(
        "b.chat",
        "user=Bo\nbot=Purser\n\nPurser: Ahoy!\nBo: it is broken [Attachment=photos\\crate.png image/png]\nPurser: [HeroCard\n  title=A \
         label\n  buttons=Print|Later]\n",
    );
    let (recordings, left) = converted(&site, "b.chat");
    let expected = "start: { messages: [{\"author\":\"bot\",\"text\":\"Ahoy!\"}] }\nconversation:\n  - say: it is broken\n    \
                    attachments: [crate.png]\n    answer: { contains: [A label], buttons: [Print, Later] }\n";
    assert_eq!(written(&recordings), expected);
    assert!(left.contains("b.chat:6:1: of `[HeroCard]` the words and the buttons are taken"), "{left}");
}

/// A memory whose values are names of other values, twice each, and one of more cases than anybody has.
#[test]
fn a_scripting_memory_stays_within_bounds() {
    let site = Site::empty();
    let name = |n: usize| "n".repeat(n);
    let sets: String = (1..40).map(|n| format!("SET_SCRIPTING_MEMORY {}|${1}${1}\n", name(n + 1), name(n))).collect();
    site.write("c/grows.convo.txt", &format!("grows\n\n#begin\n{sets}\n#me\n${}\n\n#bot\nhello\n", name(40)));
    let (recordings, left) = converted(&site, "c/grows.convo.txt");
    assert!(
        recordings.is_empty() && left.contains("at most 4000 are possible; what is said here is left out"),
        "{left}"
    );

    let cases: String = (0..20_000).map(|n| format!("case{n}|{n}\n")).collect();
    site.write("m/many.scriptingmemory.txt", &format!("      |$n\n{cases}"));
    site.write("m/many.convo.txt", &format!("many\n\n{}", "#me\nhi $n\n\n#bot\nhello\n\n".repeat(20_000)));
    let (recordings, left) = converted(&site, "m/many.convo.txt");
    assert_eq!(recordings.len(), 8, "{left}");
    for expected in
        ["of a scripting memory 10000 cases are read", "of the 10000 cases of the scripting memory the first 8"]
    {
        assert!(left.contains(expected), "{left}");
    }
}

#[test]
fn an_activity_is_named_by_its_line_and_a_customer_is_no_bot() {
    let site = Site::empty();
    let wrapped = "{\n  \"name\": [\n    {}],\n  \"activities\": [\n    {\"type\": \"event\"},\n    {\"type\": \"message\", \
                   \"text\": \"hello\",\n     \"from\": {\"id\": \"7\", \"name\": \"Joe Abbott\"}, \"recipient\": {\"name\": \
                   \"EchoBot\"}},\n    null, \"words\",\n    {\"text\": \"hi\", \"from\": {\"name\": \"EchoBot\"}, \"value\": 1}\n  ]\n}\n";
    site.write("a.transcript", wrapped);
    let (recordings, left) = converted(&site, "a.transcript");
    assert_eq!(written(&recordings), "conversation:\n  - say: hello\n    answer: { contains: [hi] }\n");
    for expected in
        ["a.transcript:5:1: an activity of the type `event`", ":8:1: a message without words", ":9:1: `value`"]
    {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }
}
